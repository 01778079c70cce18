/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-flags.h"
#include "qs-options.h"
#include "qs-plan-call.h"
#include "qs-quota.h"
#include "qs-safety.h"

static const QsOption revert_options[] = {
  { "safety-snapshot", "b", NULL },
  { "safety-name", "s", NULL },
  { NULL, NULL, NULL },
};

static const QsOption edit_options[] = {
  { "name", "s", NULL },
  { "description", "s", NULL },
  { NULL, NULL, NULL },
};

/* @request: (transfer full) (nullable): NULL: @error is the answer */
static gboolean
start (GDBusMethodInvocation *invocation, QsRequest *request, GError *error)
{
  const QsCall *call = qs_call_get (invocation);

  if (request != NULL)
    qs_jobs_start (call->service->jobs, invocation, request, &qs_job_shape_job);
  else
    qs_dbus_error_return (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
plan (GDBusMethodInvocation *invocation, QsRequest *request, GError *error)
{
  if (request != NULL)
    qs_plan_call_start (invocation, request);
  else
    qs_dbus_error_return (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static QsRequest *
new_request (GDBusMethodInvocation *invocation, QsVerb verb, guint flags)
{
  QsRequest *request = qs_request_new (verb, flags);

  request->snapshot = g_strdup (qs_call_get (invocation)->snapshot->uuid);
  return request;
}

/* what the caller wants, and what the configuration has to say to it */
static GVariant *
complete_options (const QsCall *call, GVariant *options)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (options);

  g_variant_dict_insert (&dict, "safety-keep", "u", call->service->settings.safety_keep);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static QsRequest *
new_revert (GDBusMethodInvocation *invocation, guint flags, GVariant *options, GError **error)
{
  const QsCall *call = qs_call_get (invocation);
  g_autoptr (QsRequest) request = NULL;

  if (!qs_flags_check (&qs_revert_flag_set, flags, error)
      || !qs_options_check (revert_options, options, error))
    return NULL;
  request = new_request (invocation, QS_VERB_SNAPSHOT_REVERT, flags);
  request->options = complete_options (call, options);
  if (!qs_safety_check (request, error)
      || (qs_safety_is_wanted (request) && !qs_quota_check (call, error)))
    return NULL;
  return g_steal_pointer (&request);
}

static gboolean
handle_revert (QsDBusDomainSnapshot *object, GDBusMethodInvocation *invocation, guint flags,
               GVariant *options)
{
  GError *error = NULL;
  QsRequest *request = new_revert (invocation, flags, options, &error);

  return start (invocation, request, error);
}

static gboolean
handle_revert_plan (QsDBusDomainSnapshot *object, GDBusMethodInvocation *invocation, guint flags,
                    GVariant *options)
{
  GError *error = NULL;
  QsRequest *request = new_revert (invocation, flags, options, &error);

  return plan (invocation, request, error);
}

static QsRequest *
new_delete (GDBusMethodInvocation *invocation, guint flags, GError **error)
{
  if (!qs_flags_check (&qs_delete_flag_set, flags, error))
    return NULL;
  return new_request (invocation, QS_VERB_SNAPSHOT_DELETE, flags);
}

static gboolean
handle_delete (QsDBusDomainSnapshot *object, GDBusMethodInvocation *invocation, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_delete (invocation, flags, &error);

  return start (invocation, request, error);
}

static gboolean
handle_delete_plan (QsDBusDomainSnapshot *object, GDBusMethodInvocation *invocation, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_delete (invocation, flags, &error);

  return plan (invocation, request, error);
}

static gboolean
check_edit (GVariant *options, GError **error)
{
  if (!qs_options_check (edit_options, options, error))
    return FALSE;
  if (g_variant_n_children (options) > 0)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                       "nothing to change: give a name or a description");
  return FALSE;
}

static gboolean
handle_edit (QsDBusDomainSnapshot *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request;

  if (!check_edit (options, &error))
    {
      qs_dbus_error_return (invocation, g_steal_pointer (&error));
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  request = new_request (invocation, QS_VERB_SNAPSHOT_EDIT, 0);
  request->options = g_variant_ref (options);
  qs_jobs_start (qs_call_get (invocation)->service->jobs, invocation, request,
                 &qs_job_shape_nothing);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-revert", G_CALLBACK (handle_revert) },
  { "handle-revert-plan", G_CALLBACK (handle_revert_plan) },
  { "handle-delete", G_CALLBACK (handle_delete) },
  { "handle-delete-plan", G_CALLBACK (handle_delete_plan) },
  { "handle-edit", G_CALLBACK (handle_edit) },
};

void
qs_snapshot_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
