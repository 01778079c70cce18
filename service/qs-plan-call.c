/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-call.h"

#include "qs-dbus-error.h"
#include "qs-limits.h"

typedef struct
{
  GDBusMethodInvocation *invocation; /* NULL once it ran out of time */
  QsService *service;
  QsDomain *domain;
  QsRequest *request;
  guint timeout;
  QsTask *task;
  GError *error;
} QsPlanCall;

static const char *const phase_words[] = {
  [QS_PHASE_PREPARE] = "prepare",
  [QS_PHASE_COMMIT] = "commit",
  [QS_PHASE_FINISH] = "finish",
};

static GVariant *
describe_step (const QsStep *step)
{
  const QsStepType *type = qs_step_type (step->kind);
  gboolean has_undo = step->phase == QS_PHASE_PREPARE && type->undo != NULL;
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "name", "s", type->name);
  g_variant_dict_insert (&dict, "target", "s", step->target);
  g_variant_dict_insert (&dict, "phase", "s", phase_words[step->phase]);
  g_variant_dict_insert (&dict, "undo", "s", has_undo ? type->undo : "");
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_steps (GPtrArray *plans)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < plans->len; i++)
    {
      const QsPlan *plan = g_ptr_array_index (plans, i);

      for (guint k = 0; k < plan->steps->len; k++)
        g_variant_builder_add_value (&builder, describe_step (g_ptr_array_index (plan->steps, k)));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
list_files (GPtrArray *plans, guint trait)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 0; i < plans->len; i++)
    {
      g_auto (GStrv) files = qs_plan_files (g_ptr_array_index (plans, i), trait);

      for (guint k = 0; files != NULL && files[k] != NULL; k++)
        g_variant_builder_add (&builder, "s", files[k]);
    }
  return g_variant_builder_end (&builder);
}

/* the longest pause of all parts */
static const char *
pause_class (GPtrArray *plans)
{
  static const char *const words[] = { "none", "short", "memory", "long" };
  guint longest = 0;

  for (guint i = 0; i < plans->len; i++)
    for (guint k = longest; k < G_N_ELEMENTS (words); k++)
      if (g_strcmp0 (((QsPlan *)g_ptr_array_index (plans, i))->pause_class, words[k]) == 0)
        longest = k;
  return words[longest];
}

/* nobody knows what was on a device that is taken; an empty file is empty again */
static gboolean
is_final (const QsStep *step)
{
  return (qs_step_type (step->kind)->phases & QS_IS_FINAL) != 0
         || (step->kind == QS_STEP_IMAGE_TAKE && qs_step_uint64 (step, "rdev") != 0);
}

typedef struct
{
  gboolean undoable;
  guint64 bytes; /* to which the new files may grow */
} QsPlanSums;

static QsPlanSums
sum_up (GPtrArray *plans)
{
  QsPlanSums sums = { TRUE, 0 };

  for (guint i = 0; i < plans->len; i++)
    {
      const QsPlan *plan = g_ptr_array_index (plans, i);

      sums.bytes += plan->memory_bytes;
      for (guint k = 0; k < plan->steps->len; k++)
        {
          const QsStep *step = g_ptr_array_index (plan->steps, k);

          sums.undoable = sums.undoable && !is_final (step);
          if (step->kind == QS_STEP_IMAGE_CREATE || step->kind == QS_STEP_IMAGE_TAKE)
            sums.bytes += qs_step_uint64 (step, "size");
        }
    }
  return sums;
}

static GVariant *
describe_plans (QsTask *task)
{
  GPtrArray *plans = qs_task_get_plans (task);
  QsPlanSums sums = sum_up (plans);
  GVariantDict summary = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert_value (&summary, "files-created", list_files (plans, QS_MAKES_FILE));
  g_variant_dict_insert_value (&summary, "files-removed", list_files (plans, QS_REMOVES_FILE));
  g_variant_dict_insert (&summary, "bytes", "t", sums.bytes);
  g_variant_dict_insert (&summary, "pause-class", "s", pause_class (plans));
  g_variant_dict_insert (&summary, "undoable", "b", sums.undoable);
  return g_variant_new ("(@a{sv}@aa{sv})", g_variant_dict_end (&summary), describe_steps (plans));
}

/* @error: (transfer full): here a refusal is data */
static GVariant *
describe_refusal (GError *error)
{
  g_autoptr (GError) owned = error;
  g_autofree char *name = NULL;
  GVariantDict summary = G_VARIANT_DICT_INIT (NULL);
  GVariantBuilder refusals = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ss)"));

  qs_error_fold (&owned);
  name = qs_dbus_error_name (owned);
  g_variant_builder_add (&refusals, "(ss)", name, owned->message);
  g_variant_dict_insert_value (&summary, "blocked-by", g_variant_builder_end (&refusals));
  return g_variant_new ("(@a{sv}aa{sv})", g_variant_dict_end (&summary), NULL);
}

static void
prepare (gpointer data)
{
  QsPlanCall *call = data;

  call->task = qs_engine_prepare (call->service->engine, call->domain, call->request, &call->error);
}

static void
on_prepared (gpointer data)
{
  g_autofree QsPlanCall *call = data;
  g_autoptr (QsTask) task = call->task;
  g_autoptr (QsDomain) domain = call->domain;
  g_autoptr (QsRequest) request = call->request;

  g_clear_handle_id (&call->timeout, g_source_remove);
  if (call->invocation == NULL)
    g_clear_error (&call->error);
  else
    g_dbus_method_invocation_return_value (
        call->invocation, task != NULL ? describe_plans (task) : describe_refusal (call->error));
}

static gboolean
on_timeout (gpointer user_data)
{
  QsPlanCall *call = user_data;

  call->timeout = 0;
  qs_dbus_error_return (g_steal_pointer (&call->invocation),
                        g_error_new (QS_ERROR, QS_ERROR_TIMEOUT,
                                     "looking into the domain took more than %d seconds",
                                     QS_CALL_SECONDS));
  return G_SOURCE_REMOVE;
}

/**
 * qs_plan_call_refuse:
 * @invocation: (transfer full): of a …Plan method
 * @error: (transfer full): why the operation would be refused
 */
void
qs_plan_call_refuse (GDBusMethodInvocation *invocation, GError *error)
{
  g_dbus_method_invocation_return_value (invocation, describe_refusal (error));
}

/**
 * qs_plan_call_start:
 * @invocation: (transfer full): of a …Plan method that is let in
 * @request: (transfer full)
 *
 * Surveys and plans, and answers what would be done. The domain is not reserved: nothing is.
 */
void
qs_plan_call_start (GDBusMethodInvocation *invocation, QsRequest *request)
{
  const QsCall *call = qs_call_get (invocation);
  QsPlanCall *self = g_new0 (QsPlanCall, 1);

  request->caller = qs_call_get_uid (call);
  request->caller_is_owner = call->domain->owner == request->caller;
  self->invocation = invocation;
  self->service = call->service;
  self->domain = qs_domain_ref (call->domain);
  self->request = request;
  self->timeout = g_timeout_add_seconds (QS_CALL_SECONDS, on_timeout, self);
  qs_work_push (call->service->work, prepare, on_prepared, self);
}
