/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-flags.h"
#include "qs-options.h"
#include "qs-plan-call.h"

static const QsOption start_options[] = {
  { "paused", "b", NULL },
  { "reset-nvram", "b", NULL },
  { NULL, NULL, NULL },
};

static const QsOption repair_options[] = {
  { "accept", "b", NULL },
  { NULL, NULL, NULL },
};

static gboolean
start (GDBusMethodInvocation *invocation, QsRequest *request)
{
  qs_jobs_start (qs_call_get (invocation)->service->jobs, invocation, request, &qs_job_shape_job);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_start (QsDBusDomain *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request;

  if (!qs_options_check (start_options, options, &error))
    {
      qs_dbus_error_return (invocation, g_steal_pointer (&error));
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  request = qs_request_new (QS_VERB_START, 0);
  request->options = g_variant_ref (options);
  return start (invocation, request);
}

static gboolean
handle_shutdown (QsDBusDomain *object, GDBusMethodInvocation *invocation)
{
  return start (invocation, qs_request_new (QS_VERB_SHUTDOWN, 0));
}

static gboolean
handle_destroy (QsDBusDomain *object, GDBusMethodInvocation *invocation)
{
  return start (invocation, qs_request_new (QS_VERB_DESTROY, 0));
}

static gboolean
handle_suspend (QsDBusDomain *object, GDBusMethodInvocation *invocation)
{
  return start (invocation, qs_request_new (QS_VERB_SUSPEND, 0));
}

static gboolean
handle_resume (QsDBusDomain *object, GDBusMethodInvocation *invocation)
{
  return start (invocation, qs_request_new (QS_VERB_RESUME, 0));
}

static gboolean
handle_detach (QsDBusDomain *object, GDBusMethodInvocation *invocation)
{
  return start (invocation, qs_request_new (QS_VERB_DETACH, 0));
}

/* the ids are an option of the request, as the journal keeps it */
static GVariant *
add_findings (GVariant *options, const char *const *findings)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (options);

  if (findings[0] != NULL)
    g_variant_dict_insert (&dict, "findings", "^as", findings);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static QsRequest *
new_repair (const char *const *findings, GVariant *options, GError **error)
{
  QsRequest *request;

  if (!qs_options_check (repair_options, options, error))
    return NULL;
  if (findings[0] == NULL && !qs_options_get_boolean (options, "accept"))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "there is nothing to repair: name findings, or accept the domain as it "
                           "is, which ends its quarantine");
      return NULL;
    }
  request = qs_request_new (QS_VERB_REPAIR, 0);
  request->options = add_findings (options, findings);
  return request;
}

static gboolean
handle_repair (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *const *findings,
               GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_repair (findings, options, &error);

  if (request != NULL)
    return start (invocation, request);
  qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_verify (QsDBusDomain *object, GDBusMethodInvocation *invocation, guint flags)
{
  g_autoptr (GError) error = NULL;

  if (qs_flags_check (&qs_verify_flag_set, flags, &error))
    return start (invocation, qs_request_new (QS_VERB_VERIFY, flags));
  qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static QsRequest *
new_undefine (guint flags, GError **error)
{
  if (!qs_flags_check (&qs_undefine_flag_set, flags, error))
    return NULL;
  return qs_request_new (QS_VERB_UNDEFINE, flags);
}

static gboolean
handle_undefine (QsDBusDomain *object, GDBusMethodInvocation *invocation, guint flags)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_undefine (flags, &error);

  if (request != NULL)
    return start (invocation, request);
  qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_undefine_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, guint flags)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_undefine (flags, &error);

  if (request != NULL)
    qs_plan_call_start (invocation, request);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-start", G_CALLBACK (handle_start) },
  { "handle-shutdown", G_CALLBACK (handle_shutdown) },
  { "handle-destroy", G_CALLBACK (handle_destroy) },
  { "handle-suspend", G_CALLBACK (handle_suspend) },
  { "handle-resume", G_CALLBACK (handle_resume) },
  { "handle-detach", G_CALLBACK (handle_detach) },
  { "handle-repair", G_CALLBACK (handle_repair) },
  { "handle-verify", G_CALLBACK (handle_verify) },
  { "handle-undefine", G_CALLBACK (handle_undefine) },
  { "handle-undefine-plan", G_CALLBACK (handle_undefine_plan) },
};

void
qs_domain_life_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
