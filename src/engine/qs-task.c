/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-safety.h"

QsTask *
qs_task_ref (QsTask *task)
{
  return g_atomic_rc_box_acquire (task);
}

static void
clear_task (QsTask *task)
{
  qs_request_unref (task->request);
  g_free (task->domain);
  g_free (task->op);
  g_free (task->snapshot);
  g_ptr_array_unref (task->parts);
  g_ptr_array_unref (task->plans);
  g_ptr_array_unref (task->notes);
  g_clear_pointer (&task->records, g_ptr_array_unref);
  qs_control_free (task->control);
}

void
qs_task_unref (QsTask *task)
{
  if (task != NULL)
    g_atomic_rc_box_release_full (task, (GDestroyNotify)clear_task);
}

GPtrArray *
qs_task_get_plans (QsTask *task)
{
  return task->plans;
}

GPtrArray *
qs_task_get_notes (QsTask *task)
{
  return task->notes;
}

const char *
qs_task_get_snapshot (QsTask *task)
{
  return task->snapshot;
}

QsRequest *
qs_task_get_request (QsTask *task)
{
  return task->request;
}

const char *
qs_task_get_domain (QsTask *task)
{
  return task->domain;
}

static QsQuestions *
make_questions (QsTask *task, const QsDomain *domain, const QsRequest *request)
{
  QsQuestions *questions = qs_questions_new ();
  gboolean has_uuid = request->verb == QS_VERB_SNAPSHOT_CREATE && request->snapshot != NULL;

  questions->now = g_get_real_time ();
  if (request->verb == QS_VERB_DEFINE)
    questions->fresh_uuid = g_strdup (domain != NULL ? domain->uuid : task->domain);
  else if (has_uuid)
    questions->fresh_uuid = g_strdup (request->snapshot);
  else
    questions->fresh_uuid = g_uuid_string_random ();
  questions->op = g_strdup (task->op);
  questions->expected = task->expected;
  questions->system_mode = task->engine->config.system_mode;
  questions->live_seconds = task->engine->config.live_seconds;
  questions->mirrors = task->engine->config.mirrors_per_domain;
  questions->image_roots = (const char *const *)task->engine->config.image_roots;
  return questions;
}

/* a part that is planned again says the same again */
void
qs_task_add_note (QsTask *task, const char *note)
{
  if (!g_ptr_array_find_with_equal_func (task->notes, note, g_str_equal, NULL))
    g_ptr_array_add (task->notes, g_strdup (note));
}

static gboolean
says (const QsPlan *plan, const char *note)
{
  return plan != NULL && g_ptr_array_find_with_equal_func (plan->notes, note, g_str_equal, NULL);
}

/**
 * qs_task_drop_notes:
 *
 * What was foreseen of part @n, before it is planned on what there is.
 */
void
qs_task_drop_notes (QsTask *task, guint n)
{
  const QsPlan *plan = n < task->plans->len ? g_ptr_array_index (task->plans, n) : NULL;

  for (guint i = task->notes->len; i-- > 0;)
    {
      const char *note = g_ptr_array_index (task->notes, i);
      gboolean others = FALSE;

      for (guint k = 0; k < task->plans->len && !others; k++)
        others = k != n && says (g_ptr_array_index (task->plans, k), note);
      if (says (plan, note) && !others)
        g_ptr_array_remove_index (task->notes, i);
    }
}

/* what is looked at is what QEMU has now, whatever is recorded */
static QsDomain *
imagine_attached (const QsTask *task, const QsRequest *request)
{
  QsDomain *domain = qs_domain_new (task->domain, task->owner, request->domain_def);
  const char *boot_id = "";
  const char *socket = "";
  guint64 start_time = 0;
  gint64 pid = 0;

  g_variant_lookup (request->options, "pid", "x", &pid);
  g_variant_lookup (request->options, "start-time", "t", &start_time);
  g_variant_lookup (request->options, "boot-id", "&s", &boot_id);
  g_variant_lookup (request->options, "socket", "&s", &socket);
  domain->process = qs_process_new (pid, start_time, boot_id, socket, "");
  return domain;
}

/* a redefine goes on with the one of that name */
static const char *
made_snapshot (const QsDomain *domain, const QsRequest *part, const QsFacts *facts)
{
  const QsSnapshot *before = NULL;

  if (part->flags & QS_CREATE_REDEFINE)
    before = qs_tree_lookup_name (domain->tree, part->def->name);
  return before != NULL ? before->uuid : facts->fresh_uuid;
}

static QsPlan *
plan_part (QsTask *task, QsDomain *domain, const QsRequest *part, GError **error)
{
  const QsOperation *operation = qs_operation_get (part->verb);
  g_autoptr (QsQuestions) questions = make_questions (task, domain, part);
  g_autoptr (QsDomain) imagined = NULL;
  g_autoptr (QsFacts) facts = NULL;
  g_autoptr (QsPlan) plan = NULL;

  if (!operation->ask (domain, part, questions, error))
    return NULL;
  imagined = part->verb == QS_VERB_ATTACH ? imagine_attached (task, part) : NULL;
  facts = qs_survey (task->engine, imagined != NULL ? imagined : domain, part, questions, error);
  if (facts == NULL)
    return NULL;
  plan = operation->plan (domain, part, facts, error);
  if (plan == NULL || !(operation->looks ? qs_plan_check_looks : qs_plan_check) (plan, error))
    return NULL;

  if (part->verb == QS_VERB_SNAPSHOT_CREATE && !(part->flags & QS_CREATE_NO_METADATA)
      && task->snapshot == NULL)
    task->snapshot = g_strdup (made_snapshot (domain, part, facts));
  for (guint i = 0; i < plan->notes->len; i++)
    qs_task_add_note (task, g_ptr_array_index (plan->notes, i));
  return g_steal_pointer (&plan);
}

/**
 * qs_task_plan_part:
 *
 * Asks, surveys and plans one part, against the domain as it is or will be then.
 *
 * Returns: (transfer full) (nullable): NULL with no error set: the part is left out
 */
QsPlan *
qs_task_plan_part (QsTask *task, QsDomain *domain, const QsRequest *part, GError **error)
{
  g_autoptr (GError) refusal = NULL;
  QsPlan *plan = plan_part (task, domain, part, &refusal);
  g_autofree char *note = NULL;

  if (plan != NULL)
    return plan;
  qs_safety_prefix (part, &refusal);
  if (!qs_safety_is_optional (part))
    g_propagate_error (error, g_steal_pointer (&refusal));
  else
    {
      note = g_strdup_printf ("an old safety snapshot stays: %s", refusal->message);
      qs_task_add_note (task, note);
    }
  return NULL;
}

/* the domain as it would be after @plan: what the refusals of the next part are checked against */
static QsDomain *
imagine (QsTask *task, QsDomain *domain, const QsPlan *plan)
{
  g_autoptr (QsDomain) after = domain != NULL ? qs_domain_ref (domain) : NULL;

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = g_ptr_array_index (plan->steps, i);
      g_autoptr (GVariant) changes = NULL;
      g_autoptr (QsDomain) next = NULL;
      g_autoptr (GError) ignored = NULL;

      if (step->kind != QS_STEP_RECORD)
        continue;
      changes = qs_step_value (step, "changes");
      next = qs_domain_apply (after, changes, &ignored);
      if (ignored != NULL)
        continue;
      qs_domain_unref (after);
      after = g_steal_pointer (&next);
      g_ptr_array_add (task->expected, g_steal_pointer (&changes));
    }
  return g_steal_pointer (&after);
}

/* whether the safety snapshot alone is to blame */
static void
explain_refusal (QsTask *task, QsDomain *domain, const QsRequest *part, GError **refusal)
{
  g_autoptr (QsRequest) bare = qs_safety_without (part);
  g_autoptr (QsPlan) plan = NULL;

  if (bare == NULL)
    return;
  /* as if it were the first part */
  task->expected = NULL;
  plan = plan_part (task, domain, bare, NULL);
  if (plan != NULL)
    qs_safety_prefix_revert (refusal);
}

static gboolean
plan_every_part (QsTask *task, QsDomain *domain, GError **error)
{
  g_autoptr (QsDomain) imagined = domain != NULL ? qs_domain_ref (domain) : NULL;

  for (guint i = 0; i < task->parts->len; i++)
    {
      const QsRequest *part = g_ptr_array_index (task->parts, i);
      g_autoptr (GError) refusal = NULL;
      QsPlan *plan = qs_task_plan_part (task, imagined, part, &refusal);
      QsDomain *next;

      if (refusal != NULL)
        {
          explain_refusal (task, domain, part, &refusal);
          g_propagate_error (error, g_steal_pointer (&refusal));
          return FALSE;
        }
      if (plan == NULL)
        {
          g_ptr_array_remove_index (task->parts, i--);
          continue;
        }
      g_ptr_array_add (task->plans, plan);
      next = imagine (task, imagined, plan);
      qs_domain_unref (imagined);
      imagined = next;
    }
  return TRUE;
}

static gboolean
plan_parts (QsTask *task, QsDomain *domain, GError **error)
{
  g_autoptr (GPtrArray) expected = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);
  gboolean planned;

  task->expected = expected;
  planned = plan_every_part (task, domain, error);
  task->expected = NULL;
  return planned;
}

QsTask *
qs_task_new (QsEngine *engine, const QsDomain *domain, QsRequest *request)
{
  QsTask *task = g_atomic_rc_box_new0 (QsTask);

  task->engine = engine;
  task->request = qs_request_ref (request);
  task->domain = domain != NULL ? g_strdup (domain->id) : NULL;
  task->owner = domain != NULL ? domain->owner : request->caller;
  if (domain == NULL && request->options != NULL)
    g_variant_lookup (request->options, "owner", "u", &task->owner);
  task->op = g_strdup_printf ("%08x", g_random_int ());
  task->snapshot = g_strdup (request->snapshot);
  task->parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  task->plans = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_plan_unref);
  task->notes = g_ptr_array_new_with_free_func (g_free);
  task->control = qs_control_new ();
  return task;
}

static gboolean
check_usable (QsEngine *engine, QsDomain *domain, QsVerb verb, GError **error)
{
  g_autofree char *degraded = qs_store_get_degraded (engine->store);

  if (qs_operation_get (verb)->looks)
    return TRUE;
  if (degraded != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "nothing can be changed: %s", degraded);
      return FALSE;
    }
  if (engine->tool_refusal != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED, "nothing can be changed: %s",
                   engine->tool_refusal);
      return FALSE;
    }
  if (domain != NULL && domain->quarantine_reason != NULL && !qs_operation_passes_quarantine (verb))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED, "domain ‘%s’ is quarantined: %s",
                   domain->name, domain->quarantine_reason);
      return FALSE;
    }
  return TRUE;
}

/* the id of a domain is its uuid as long as no other owner's domain has that one */
static char *
settle_id (QsEngine *engine, const QsRequest *request)
{
  const char *uuid = request->domain_def->uuid;

  if (uuid != NULL && !qs_registry_has (engine->registry, uuid))
    return g_strdup (uuid);
  return g_uuid_string_random ();
}

/* the parts of a revert with safety snapshot depend on where its target lies */
static gboolean
give_rows (QsEngine *engine, const QsRequest *request, QsQuestions *given, GError **error)
{
  if (request->verb != QS_VERB_SNAPSHOT_REVERT || !qs_safety_is_wanted (request))
    return TRUE;
  given->rows = qs_store_get_snapshot_files (engine->store, request->snapshot, error);
  return given->rows != NULL;
}

QsTask *
qs_engine_prepare (QsEngine *engine, QsDomain *domain, QsRequest *request, GError **error)
{
  const QsOperation *operation = qs_operation_get (request->verb);
  g_autoptr (QsTask) task = qs_task_new (engine, domain, request);
  g_autoptr (QsQuestions) given = make_questions (task, domain, request);
  g_autoptr (GError) refusal = NULL;
  GPtrArray *parts = NULL;

  if (!check_usable (engine, domain, request->verb, error)
      || !give_rows (engine, request, given, error))
    return NULL;
  if (domain == NULL)
    task->domain = settle_id (engine, request);
  if (operation->parts != NULL)
    parts = operation->parts (domain, request, given, &refusal);
  if (refusal != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&refusal));
      return NULL;
    }

  if (parts != NULL)
    {
      g_ptr_array_unref (task->parts);
      task->parts = parts;
    }
  else
    g_ptr_array_add (task->parts, qs_request_ref (request));
  if (!plan_parts (task, domain, error))
    return NULL;
  qs_task_begin_control (task);
  return g_steal_pointer (&task);
}
