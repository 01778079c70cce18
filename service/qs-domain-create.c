/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-create-options.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-draft.h"
#include "qs-flags.h"
#include "qs-plan-call.h"
#include "qs-quota.h"

/* a redefine of one that is there adds none */
static gboolean
replaces (const QsCall *call, const QsRequest *request)
{
  return (request->flags & QS_CREATE_REDEFINE) && request->def->name != NULL
         && qs_tree_lookup_name (call->domain->tree, request->def->name) != NULL;
}

static gboolean
check_quota (const QsCall *call, const QsRequest *request, GError **error)
{
  return (request->flags & QS_CREATE_NO_METADATA) || replaces (call, request)
         || qs_quota_check (call, error);
}

/* @request: (transfer full) */
static void
create (GDBusMethodInvocation *invocation, QsRequest *request)
{
  const QsCall *call = qs_call_get (invocation);
  g_autoptr (GError) error = NULL;

  if (check_quota (call, request, &error))
    {
      qs_jobs_start (call->service->jobs, invocation, request, &qs_job_shape_snapshot);
      return;
    }
  qs_request_unref (request);
  qs_dbus_error_return (invocation, g_steal_pointer (&error));
}

/* @request: (transfer full) */
static void
plan (GDBusMethodInvocation *invocation, QsRequest *request)
{
  GError *error = NULL;

  if (check_quota (qs_call_get (invocation), request, &error))
    {
      qs_plan_call_start (invocation, request);
      return;
    }
  qs_request_unref (request);
  qs_plan_call_refuse (invocation, error);
}

static gboolean
read_document (GDBusMethodInvocation *invocation, const char *xml, guint flags, QsDraftFunc func)
{
  g_autoptr (GError) error = NULL;
  gboolean validate = (flags & QS_CREATE_VALIDATE) != 0;

  if (qs_flags_check (&qs_create_flag_set, flags, &error))
    qs_draft_read (invocation,
                   qs_draft_new (qs_request_new (QS_VERB_SNAPSHOT_CREATE, flags), xml, validate),
                   func);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_create_xml (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *xml,
                   guint flags)
{
  return read_document (invocation, xml, flags, create);
}

static gboolean
handle_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *xml, guint flags)
{
  return read_document (invocation, xml, flags, plan);
}

static QsRequest *
request_of_options (const char *name, GVariant *options, GError **error)
{
  guint flags = qs_create_options_flags (options);
  g_autoptr (QsSnapshotDef) def = NULL;
  QsRequest *request;

  def = qs_create_options_def (name, options, error);
  if (def == NULL || !qs_flags_check (&qs_create_flag_set, flags, error))
    return NULL;
  request = qs_request_new (QS_VERB_SNAPSHOT_CREATE, flags);
  request->def = g_steal_pointer (&def);
  return request;
}

static gboolean
handle_create (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *name,
               GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request = request_of_options (name, options, &error);

  if (request == NULL)
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_draft_read (invocation,
                   qs_draft_new (request, NULL, (request->flags & QS_CREATE_VALIDATE) != 0),
                   create);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-snapshot-create-xml", G_CALLBACK (handle_create_xml) },
  { "handle-snapshot-create", G_CALLBACK (handle_create) },
  { "handle-snapshot-plan", G_CALLBACK (handle_plan) },
};

void
qs_domain_create_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
