/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-draft.h"
#include "qs-limits.h"
#include "qs-options.h"

static gboolean check_owner (const char *key, GVariant *value, GError **error);

static const QsOption define_options[] = {
  { "owner", "u", check_owner },
  { "validate", "b", NULL },
  { NULL, NULL, NULL },
};

/* uids that several services share, or that are given to another one after a while */
static const struct
{
  guint32 first;
  guint32 last;
} shared_uids[] = {
  { 61184, 65519 },
  { 65534, 65534 },
  { G_MAXUINT32, G_MAXUINT32 },
};

static gboolean
check_uid (guint32 uid, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (shared_uids); i++)
    if (uid >= shared_uids[i].first && uid <= shared_uids[i].last)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                     "uid %u is no one's for long, it cannot own a domain", uid);
        return FALSE;
      }
  return TRUE;
}

static gboolean
check_owner (const char *key, GVariant *value, GError **error)
{
  return check_uid (g_variant_get_uint32 (value), error);
}

typedef struct
{
  guint32 owner;
  guint n_of_owner;
  QsDomain *same_uuid;
  QsDomain *same_name;
} QsNamesakes;

static void
find_namesakes (QsNamesakes *found, const QsService *service, const QsDomainDef *def)
{
  GHashTableIter iter;
  QsDomain *domain;

  g_hash_table_iter_init (&iter, service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    {
      if (domain->owner != found->owner)
        continue;
      found->n_of_owner++;
      if (g_strcmp0 (domain->uuid, def->uuid) == 0)
        found->same_uuid = domain;
      if (g_str_equal (domain->name, def->name))
        found->same_name = domain;
    }
}

/* what another owner has is told only to one who may see it anyway */
static gboolean
may_be_told (const QsCall *call, const QsNamesakes *found)
{
  return found->owner == qs_call_get_uid (call) || qs_call_is_privileged (call)
         || g_hash_table_contains (call->granted, "inspect");
}

static void
set_exists (const QsCall *call, const QsNamesakes *found, const QsDomainDef *def, GError **error)
{
  if (may_be_told (call, found))
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
                 "a domain ‘%s’ is there already, with uuid %s", def->name, found->same_name->uuid);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS, "uid %u has a domain ‘%s’ already",
                 found->owner, def->name);
}

static void
set_full (const QsCall *call, const QsNamesakes *found, GError **error)
{
  if (may_be_told (call, found))
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "uid %u has %u domains, that is all",
                 found->owner, found->n_of_owner);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "no more domains for uid %u",
                 found->owner);
}

static gboolean
check_new (const QsCall *call, const QsNamesakes *found, const QsDomainDef *def, GError **error)
{
  if (found->same_name != NULL && found->same_name != found->same_uuid)
    {
      set_exists (call, found, def, error);
      return FALSE;
    }
  if (found->same_uuid == NULL
      && (found->n_of_owner >= QS_MAX_DOMAINS_PER_UID
          || g_hash_table_size (call->service->domains) >= QS_MAX_DOMAINS))
    {
      set_full (call, found, error);
      return FALSE;
    }
  return TRUE;
}

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
  QsNamesakes found = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *key = NULL;

  g_variant_lookup (wait->request->options, "owner", "u", &found.owner);
  key = qs_jobs_define_key (found.owner);
  if (qs_jobs_is_reserved (call->service->jobs, key))
    {
      wait_for_others (wait, key);
      return;
    }
  find_namesakes (&found, call->service, def);
  if (!check_new (call, &found, def, &error))
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
  guint32 owner = qs_call_get_uid (call);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  QsRequest *request;

  if (!qs_options_check (define_options, options, error))
    return NULL;
  g_variant_lookup (options, "owner", "u", &owner);
  if (!check_uid (owner, error))
    return NULL;
  if (!call->service->system_mode && owner != qs_call_get_uid (call))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
                           "on the session bus all domains are yours");
      return NULL;
    }
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
