/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-registry.h"

#include "qs-change.h"
#include "qs-main-call.h"

typedef struct
{
  QsDomain *domain;
  QsGuest *guest;
} Entry;

struct QsRegistry
{
  GHashTable *entries; /* id -> Entry */
  QsRegistryFunc changed;
  gpointer user_data;
};

typedef struct
{
  QsRegistry *registry;
  const char *id;
  QsDomain *domain;
  QsGuest *guest;
  GVariant *changes;
  QsRegistryMatch matches;
  gconstpointer data;
  GError **error;
  gboolean result;
} Call;

static void
free_entry (Entry *entry)
{
  qs_domain_unref (entry->domain);
  g_clear_pointer (&entry->guest, qs_guest_unref);
  g_free (entry);
}

QsRegistry *
qs_registry_new (QsRegistryFunc changed, gpointer user_data)
{
  QsRegistry *registry = g_new0 (QsRegistry, 1);

  registry->entries =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)free_entry);
  registry->changed = changed;
  registry->user_data = user_data;
  return registry;
}

void
qs_registry_free (QsRegistry *registry)
{
  if (registry == NULL)
    return;
  g_hash_table_unref (registry->entries);
  g_free (registry);
}

static void
get_domain (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->id);

  call->domain = entry != NULL ? qs_domain_ref (entry->domain) : NULL;
}

/**
 * qs_registry_get:
 *
 * Returns: (transfer full) (nullable): the domain as it is now
 */
QsDomain *
qs_registry_get (QsRegistry *registry, const char *id)
{
  Call call = { .registry = registry, .id = id };

  qs_main_call (get_domain, &call);
  return call.domain;
}

gboolean
qs_registry_has (QsRegistry *registry, const char *id)
{
  g_autoptr (QsDomain) domain = qs_registry_get (registry, id);

  return domain != NULL;
}

static void
replace_domain (QsRegistry *registry, Entry *entry, QsDomain *after)
{
  g_autoptr (QsDomain) before = g_steal_pointer (&entry->domain);

  entry->domain = qs_domain_ref (after);
  registry->changed (before, after, registry->user_data);
}

static void
put_domain (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->domain->id);

  if (entry == NULL)
    {
      entry = g_new0 (Entry, 1);
      g_hash_table_insert (call->registry->entries, g_strdup (call->domain->id), entry);
    }
  replace_domain (call->registry, entry, call->domain);
}

void
qs_registry_put (QsRegistry *registry, QsDomain *domain)
{
  Call call = { .registry = registry, .domain = domain };

  qs_main_call (put_domain, &call);
}

static void
remove_domain (QsRegistry *registry, const char *id, Entry *entry)
{
  g_autoptr (QsDomain) before = qs_domain_ref (entry->domain);

  g_hash_table_remove (registry->entries, id);
  registry->changed (before, NULL, registry->user_data);
}

static void
apply_changes (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->id);
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (GError) error = NULL;

  after = qs_domain_apply (entry != NULL ? entry->domain : NULL, call->changes, &error);
  call->result = error == NULL;
  if (error != NULL)
    {
      g_propagate_error (call->error, g_steal_pointer (&error));
      return;
    }

  if (after == NULL && entry != NULL)
    remove_domain (call->registry, call->id, entry);
  else if (after != NULL && entry != NULL)
    replace_domain (call->registry, entry, after);
  else if (after != NULL)
    {
      /* a new value, seen by nobody yet */
      g_free (after->id);
      after->id = g_strdup (call->id);
      entry = g_new0 (Entry, 1);
      g_hash_table_insert (call->registry->entries, g_strdup (call->id), entry);
      replace_domain (call->registry, entry, after);
    }
}

static void
find_domain (gpointer data)
{
  Call *call = data;
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, call->registry->entries);
  while (call->domain == NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    if (call->matches (entry->domain, call->data))
      call->domain = qs_domain_ref (entry->domain);
}

/**
 * qs_registry_find:
 *
 * Returns: (transfer full) (nullable): one of the domains that match
 */
QsDomain *
qs_registry_find (QsRegistry *registry, QsRegistryMatch matches, gconstpointer data)
{
  Call call = { .registry = registry, .matches = matches, .data = data };

  qs_main_call (find_domain, &call);
  return call.domain;
}

/**
 * qs_registry_apply:
 * @changes: a(sa{sv}), resolved; already durable where they have to be
 */
gboolean
qs_registry_apply (QsRegistry *registry, const char *id, GVariant *changes, GError **error)
{
  Call call = { .registry = registry, .id = id, .changes = changes, .error = error };

  qs_main_call (apply_changes, &call);
  return call.result;
}

static void
get_guest (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->id);

  call->guest = entry != NULL && entry->guest != NULL ? qs_guest_ref (entry->guest) : NULL;
}

/**
 * qs_registry_get_guest:
 *
 * Returns: (transfer full) (nullable): the connection to the domain's QEMU
 */
QsGuest *
qs_registry_get_guest (QsRegistry *registry, const char *id)
{
  Call call = { .registry = registry, .id = id };

  qs_main_call (get_guest, &call);
  return call.guest;
}

static void
show_connection (QsRegistry *registry, Entry *entry)
{
  gboolean connected = entry->guest != NULL && qs_guest_is_open (entry->guest);
  g_autoptr (QsDomain) after = NULL;

  if (entry->domain->connected == connected)
    return;
  after = qs_domain_copy (entry->domain);
  after->connected = connected;
  replace_domain (registry, entry, after);
}

static void
set_guest (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->id);
  g_autoptr (QsGuest) before = NULL;

  if (entry == NULL)
    return;
  before = g_steal_pointer (&entry->guest);

  entry->guest = call->guest != NULL ? qs_guest_ref (call->guest) : NULL;
  show_connection (call->registry, entry);
}

void
qs_registry_set_guest (QsRegistry *registry, const char *id, QsGuest *guest)
{
  Call call = { .registry = registry, .id = id, .guest = guest };

  qs_main_call (set_guest, &call);
}

/* a process that has taken its place meanwhile is the domain's, whether it is talked to or not */
static void
drop_guest (gpointer data)
{
  Call *call = data;
  Entry *entry = g_hash_table_lookup (call->registry->entries, call->id);
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (GError) error = NULL;
  QsChangeList list;
  gboolean others;

  if (entry == NULL || entry->guest != call->guest)
    return;
  others = call->guest != NULL && entry->domain->process != NULL
           && !qs_process_is_same (entry->domain->process, qs_guest_get_process (call->guest));
  g_clear_pointer (&entry->guest, qs_guest_unref);
  show_connection (call->registry, entry);
  if (others)
    return;

  qs_changes_init (&list);
  qs_changes_add_end_of_process (&list);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  call->changes = changes;
  call->error = &error;
  apply_changes (call);
  if (error != NULL)
    g_warning ("domain %s: %s, ignoring", call->id, error->message);
}

void
qs_registry_drop_guest (QsRegistry *registry, const char *id, QsGuest *guest)
{
  Call call = { .registry = registry, .id = id, .guest = guest };

  qs_main_call (drop_guest, &call);
}
