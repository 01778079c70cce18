/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-draft.h"
#include "qs-limits.h"
#include "qs-namesakes.h"
#include "qs-options.h"
#include "qs-owner.h"

static const QsOption define_options[] = {
  { "owner", "u", qs_owner_check },
  { "validate", "b", NULL },
  { NULL, NULL, NULL },
};

typedef struct
{
  GDBusMethodInvocation *invocation;
  QsRequest *request;
  gint64 deadline;
} QsDefineWait;

static void try_define (const QsDefineWait *wait);

static void
define_again (gpointer data)
{
  g_autofree QsDefineWait *wait = data;

  try_define (wait);
}

/* new domains of one owner are defined one after the other: each must see the names of the last */
static void
wait_for_others (const QsDefineWait *wait, const char *key)
{
  const QsCall *call = qs_call_get (wait->invocation);
  gint64 left = wait->deadline - g_get_monotonic_time ();

  if (left > 0)
    {
      qs_jobs_wait (call->service->jobs, key, left / G_USEC_PER_SEC + 1, define_again,
                    g_memdup2 (wait, sizeof *wait));
      return;
    }
  qs_request_unref (wait->request);
  qs_dbus_error_return (wait->invocation,
                        g_error_new (QS_ERROR, QS_ERROR_TIMEOUT,
                                     "other definitions took more than %d seconds; nothing was "
                                     "changed",
                                     QS_CALL_SECONDS));
}

static void
try_define (const QsDefineWait *wait)
{
  QsCall *call = qs_call_get (wait->invocation);
  const QsDomainDef *def = wait->request->domain_def;
  QsNamesakes found;
  g_autoptr (GError) error = NULL;
  g_autofree char *key = NULL;
  guint32 owner = 0;

  g_variant_lookup (wait->request->options, "owner", "u", &owner);
  key = qs_jobs_define_key (owner);
  if (qs_jobs_is_reserved (call->service->jobs, key))
    {
      wait_for_others (wait, key);
      return;
    }
  qs_namesakes_find (&found, call->service, owner, def);
  if (!qs_namesakes_check (&found, call, found.same_uuid, def, &error))
    {
      qs_request_unref (wait->request);
      qs_dbus_error_return (wait->invocation, g_steal_pointer (&error));
      return;
    }
  g_clear_pointer (&call->domain, qs_domain_unref);
  call->domain = found.same_uuid != NULL ? qs_domain_ref (found.same_uuid) : NULL;
  qs_jobs_start (call->service->jobs, wait->invocation, wait->request, &qs_job_shape_domain);
}

/* @invocation and @request: (transfer full) */
static void
define (GDBusMethodInvocation *invocation, QsRequest *request)
{
  gint64 limit = QS_CALL_SECONDS * (gint64)G_USEC_PER_SEC;
  QsDefineWait wait = { invocation, request, g_get_monotonic_time () + limit };

  try_define (&wait);
}

/* the owner is always among the options of the request: the planner records it */
static QsRequest *
new_define (const QsCall *call, GVariant *options, GError **error)
{
  guint32 owner;
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  QsRequest *request;

  if (!qs_options_check (define_options, options, error)
      || !qs_owner_settle (call, options, &owner, error))
    return NULL;
  g_variant_dict_insert (&dict, "owner", "u", owner);
  request = qs_request_new (QS_VERB_DEFINE, 0);
  request->options = g_variant_ref_sink (g_variant_dict_end (&dict));
  return request;
}

static gboolean
handle_define_domain (QsDBusManager *object, GDBusMethodInvocation *invocation, const char *xml,
                      GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_define (qs_call_get (invocation), options, &error);

  if (request == NULL)
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_draft_read (invocation,
                   qs_draft_new (request, xml, qs_options_get_boolean (options, "validate")),
                   define);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-define-domain", G_CALLBACK (handle_define_domain) },
};

void
qs_define_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
