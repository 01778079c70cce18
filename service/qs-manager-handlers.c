/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-flags.h"
#include "qs-name.h"
#include "qs-read.h"
#include "qs-schema.h"
#include "qs-standard.h"
#include "qs-visibility.h"

static void
return_path (GDBusMethodInvocation *invocation, const QsDomain *domain)
{
  g_autofree char *path = qs_object_path_domain (domain->id);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
}

static void
refuse_ambiguous (GDBusMethodInvocation *invocation, const char *name, GPtrArray *found)
{
  GString *uuids = g_string_new (NULL);

  for (guint i = 0; i < found->len; i++)
    g_string_append_printf (uuids, "%s%s", i > 0 ? ", " : "",
                            ((QsDomain *)g_ptr_array_index (found, i))->uuid);
  qs_dbus_error_return (invocation,
                        g_error_new (QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                                     "several domains are named ‘%s’, use one of the uuids %s",
                                     name, uuids->str));
  g_string_free (uuids, TRUE);
}

static gboolean
matches (const QsDomain *domain, const char *text)
{
  if (qs_uuid_check (text))
    return g_ascii_strcasecmp (domain->uuid, text) == 0;
  return g_str_equal (domain->name, text);
}

static gboolean
is_named (const QsDomain *domain, const char *text)
{
  return g_str_equal (domain->name, text);
}

/* the caller's own comes first */
static GPtrArray *
find_visible (QsVisible *visible, guint32 uid, const char *text,
              gboolean (*is_it) (const QsDomain *domain, const char *text))
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < visible->domains->len; i++)
    {
      QsDomain *domain = g_ptr_array_index (visible->domains, i);

      if (is_it (domain, text))
        g_ptr_array_insert (found, domain->owner == uid ? 0 : -1, domain);
    }
  return found;
}

/* of a uuid one is as good as the other; what looks like one may still be a name */
static void
answer_lookup (GDBusMethodInvocation *invocation, QsVisible *visible)
{
  guint32 uid = qs_call_get_uid (qs_call_get (invocation));
  g_autoptr (GPtrArray) found = NULL;
  const char *text;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s)", &text);
  found = find_visible (visible, uid, text, matches);
  if (found->len == 0)
    {
      g_ptr_array_unref (found);
      found = find_visible (visible, uid, text, is_named);
    }
  if (found->len == 0)
    qs_dbus_error_return (invocation,
                          g_error_new (QS_ERROR, QS_ERROR_NO_DOMAIN, "no domain ‘%s’", text));
  else if (found->len == 1 || ((QsDomain *)g_ptr_array_index (found, 0))->owner == uid)
    return_path (invocation, g_ptr_array_index (found, 0));
  else
    refuse_ambiguous (invocation, text, found);
}

static gboolean
handle_lookup_domain (QsDBusManager *object, GDBusMethodInvocation *invocation, const char *text)
{
  QsService *service = qs_call_get (invocation)->service;
  guint32 uid = qs_call_get_uid (qs_call_get (invocation));
  GHashTableIter iter;
  QsDomain *domain;

  g_hash_table_iter_init (&iter, service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    if (domain->owner == uid && matches (domain, text))
      {
        return_path (invocation, domain);
        return G_DBUS_METHOD_INVOCATION_HANDLED;
      }
  qs_visible_objects (invocation, QS_INTERACTION_NONE, answer_lookup);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
passes (const QsDomain *domain, guint flags)
{
  guint group = flags & (QS_DOMAINS_ACTIVE | QS_DOMAINS_INACTIVE);
  guint kind = flags & (QS_DOMAINS_DEFINED | QS_DOMAINS_ATTACHED);
  guint is = qs_domain_is_active (domain) ? QS_DOMAINS_ACTIVE : QS_DOMAINS_INACTIVE;

  if (group != 0 && !(group & is))
    return FALSE;
  if (kind != 0
      && !(kind & (domain->attachment == NULL ? QS_DOMAINS_DEFINED : QS_DOMAINS_ATTACHED)))
    return FALSE;
  return !(flags & QS_DOMAINS_WITH_SNAPSHOTS) || qs_tree_size (domain->tree) > 0;
}

static void
answer_list (GDBusMethodInvocation *invocation, QsVisible *visible)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
  guint32 uid = qs_call_get_uid (qs_call_get (invocation));
  guint flags;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(u)", &flags);
  for (guint i = 0; i < visible->domains->len; i++)
    {
      const QsDomain *domain = g_ptr_array_index (visible->domains, i);
      g_autofree char *path = qs_object_path_domain (domain->id);

      if ((domain->owner == uid || (flags & QS_DOMAINS_ALL_OWNERS)) && passes (domain, flags))
        g_variant_builder_add (&builder, "o", path);
    }
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(ao)", &builder));
}

static gboolean
handle_list_domains (QsDBusManager *object, GDBusMethodInvocation *invocation, guint flags)
{
  const QsCall *call = qs_call_get (invocation);
  g_autoptr (GError) error = NULL;

  if (!qs_flags_check (&qs_domains_flag_set, flags, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else if (flags & QS_DOMAINS_ALL_OWNERS)
    qs_visible_objects (invocation, qs_call_get_interaction (call), answer_list);
  else
    qs_own_objects (invocation, answer_list);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const struct
{
  const char *word;
  QsSchemaKind kind;
} schema_kinds[] = {
  { "domain", QS_SCHEMA_DOMAIN },
  { "domainsnapshot", QS_SCHEMA_SNAPSHOT },
};

/* what is wrong with a document is what the caller wants to know, not an error */
static GVariant *
describe_problems (QsSchemaKind kind, const char *xml, GError **error)
{
  g_auto (GStrv) problems = NULL;
  g_autoptr (GError) local = NULL;

  if (qs_schema_check (kind, xml, &problems, &local))
    return g_variant_new ("(as)", NULL);
  if (problems != NULL)
    return g_variant_new ("(^as)", problems);
  g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

static GVariant *
read_problems (const QsRead *read, GError **error)
{
  const char *word, *xml;

  g_variant_get (read->parameters, "(&s&s)", &word, &xml);
  for (guint i = 0; i < G_N_ELEMENTS (schema_kinds); i++)
    if (g_str_equal (schema_kinds[i].word, word))
      return describe_problems (schema_kinds[i].kind, xml, error);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "the kind is ‘%s’, it must be domain or domainsnapshot", word);
  return NULL;
}

static gboolean
handle_validate_xml (QsDBusManager *object, GDBusMethodInvocation *invocation)
{
  qs_read_start (invocation, read_problems, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_subscribe (QsDBusManager *object, GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);
  g_autoptr (GError) error = NULL;

  call->peer->unsubscribed = FALSE;
  if (qs_visibility_subscribe (call->service, call->peer, &error))
    qs_dbus_manager_complete_subscribe (object, invocation);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_unsubscribe (QsDBusManager *object, GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);

  call->peer->unsubscribed = TRUE;
  qs_peer_unsubscribe (call->peer);
  qs_dbus_manager_complete_unsubscribe (object, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-lookup-domain", G_CALLBACK (handle_lookup_domain) },
  { "handle-list-domains", G_CALLBACK (handle_list_domains) },
  { "handle-validate-xml", G_CALLBACK (handle_validate_xml) },
  { "handle-subscribe", G_CALLBACK (handle_subscribe) },
  { "handle-unsubscribe", G_CALLBACK (handle_unsubscribe) },
};

void
qs_manager_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
