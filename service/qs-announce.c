/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-announce.h"

#include "qs-names.h"

typedef struct
{
  guint32 owner;
  char *domain;
  char *starter;
  gboolean everybody;
  char *path;
  char *interface;
  GHashTable *changed;     /* by name, of GVariant */
  GHashTable *invalidated; /* names */
} QsPending;

struct QsAnnouncer
{
  QsService *service;
  GQueue pending; /* of QsPending, in the order of their first change */
  guint idle;
};

QsAnnouncer *
qs_announcer_new (QsService *service)
{
  QsAnnouncer *self = g_new0 (QsAnnouncer, 1);

  self->service = service;
  g_queue_init (&self->pending);
  return self;
}

static void
pending_free (QsPending *pending)
{
  g_free (pending->domain);
  g_free (pending->starter);
  g_free (pending->path);
  g_free (pending->interface);
  g_hash_table_unref (pending->changed);
  g_hash_table_unref (pending->invalidated);
  g_free (pending);
}

void
qs_announcer_free (QsAnnouncer *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->pending, (GDestroyNotify)pending_free);
  g_clear_handle_id (&self->idle, g_source_remove);
  g_free (self);
}

typedef struct
{
  QsService *service;
  const QsAudience *audience;
  const char *path;
  const char *interface;
  const char *name;
  GVariant *parameters;
} QsSignal;

/* immutable data and what the peer was found to see before: nobody is asked here */
static gboolean
may_get (const QsPeer *peer, const QsAudience *audience)
{
  if (g_strcmp0 (peer->name, audience->starter) == 0)
    return TRUE;
  if (!peer->subscribed)
    return FALSE;
  return audience->everybody || peer->user->uid == 0 || peer->user->uid == audience->owner
         || (audience->domain != NULL && g_hash_table_contains (peer->seen, audience->domain));
}

static void
emit (const QsSignal *signal, const char *destination)
{
  g_autoptr (GError) error = NULL;

  if (!g_dbus_connection_emit_signal (signal->service->connection, destination, signal->path,
                                      signal->interface, signal->name, signal->parameters, &error))
    g_warning ("signal %s: %s, ignoring", signal->name, error->message);
}

static void
emit_to_peer (QsPeer *peer, gpointer user_data)
{
  const QsSignal *signal = user_data;

  if (may_get (peer, signal->audience))
    emit (signal, peer->name);
}

/**
 * qs_announce_signal:
 * @parameters: a floating reference is sunk
 */
void
qs_announce_signal (QsService *service, const QsAudience *audience, const char *path,
                    const char *interface, const char *name, GVariant *parameters)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);
  QsSignal signal = { service, audience, path, interface, name, owned };

  if (service->system_mode)
    qs_peers_foreach (service->peers, emit_to_peer, &signal);
  else
    emit (&signal, NULL);
}

/**
 * qs_announce_added:
 * @manager: path of the ObjectManager
 * @interfaces: a{sa{sv}}
 */
void
qs_announce_added (QsService *service, const QsAudience *audience, const char *manager,
                   const char *path, GVariant *interfaces)
{
  qs_announce_signal (service, audience, manager, QS_OBJECT_MANAGER_INTERFACE, "InterfacesAdded",
                      g_variant_new ("(o@a{sa{sv}})", path, interfaces));
}

/**
 * qs_announce_added_to:
 *
 * The same to one peer, which sees the object only now.
 */
void
qs_announce_added_to (QsService *service, const QsPeer *peer, const char *manager, const char *path,
                      GVariant *interfaces)
{
  GVariant *parameters = g_variant_new ("(o@a{sa{sv}})", path, interfaces);
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);
  QsSignal signal = {
    service, NULL, manager, QS_OBJECT_MANAGER_INTERFACE, "InterfacesAdded", owned
  };

  emit (&signal, peer->name);
}

/* changes that are still waiting go first */
void
qs_announce_removed (QsService *service, const QsAudience *audience, const char *manager,
                     const char *path, const char *const *interfaces)
{
  qs_announce_flush (service);
  qs_announce_signal (service, audience, manager, QS_OBJECT_MANAGER_INTERFACE, "InterfacesRemoved",
                      g_variant_new ("(o^as)", path, interfaces));
}

static GVariant *
pending_to_parameters (QsPending *pending)
{
  GVariantBuilder changed = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char **invalidated =
      (char **)g_hash_table_get_keys_as_array (pending->invalidated, NULL);
  GHashTableIter iter;
  const char *name;
  GVariant *value;

  g_hash_table_iter_init (&iter, pending->changed);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&value))
    g_variant_builder_add (&changed, "{sv}", name, value);
  return g_variant_new ("(sa{sv}^as)", pending->interface, &changed, invalidated);
}

/**
 * qs_announce_flush:
 *
 * Sends the changes that wait for the end of the turn: what follows must not overtake them.
 */
void
qs_announce_flush (QsService *service)
{
  QsAnnouncer *self = service->announcer;
  QsPending *pending;

  g_clear_handle_id (&self->idle, g_source_remove);
  while ((pending = g_queue_pop_head (&self->pending)) != NULL)
    {
      QsAudience audience = { pending->owner, pending->domain, pending->starter,
                              pending->everybody };

      qs_announce_signal (service, &audience, pending->path, QS_PROPERTIES_INTERFACE,
                          "PropertiesChanged", pending_to_parameters (pending));
      pending_free (pending);
    }
}

static gboolean
on_idle (gpointer user_data)
{
  QsAnnouncer *self = user_data;

  self->idle = 0;
  qs_announce_flush (self->service);
  return G_SOURCE_REMOVE;
}

static QsPending *
find_pending (QsAnnouncer *self, const char *path, const char *interface)
{
  for (GList *l = self->pending.tail; l != NULL; l = l->prev)
    {
      QsPending *pending = l->data;

      if (g_str_equal (pending->path, path) && g_str_equal (pending->interface, interface))
        return pending;
    }
  return NULL;
}

static QsPending *
add_pending (QsAnnouncer *self, const QsAudience *audience, const char *path, const char *interface)
{
  QsPending *pending = g_new0 (QsPending, 1);

  pending->owner = audience->owner;
  pending->domain = g_strdup (audience->domain);
  pending->starter = g_strdup (audience->starter);
  pending->everybody = audience->everybody;
  pending->path = g_strdup (path);
  pending->interface = g_strdup (interface);
  pending->changed =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
  pending->invalidated = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_push_tail (&self->pending, pending);
  if (self->idle == 0)
    self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
  return pending;
}

/**
 * qs_announce_changed:
 * @changed: (nullable): a{sv} of properties; a floating reference is sunk
 * @invalidated: (nullable): name of a property that has changed and is not told
 */
void
qs_announce_changed (QsService *service, const QsAudience *audience, const char *path,
                     const char *interface, GVariant *changed, const char *invalidated)
{
  g_autoptr (GVariant) owned = changed != NULL ? g_variant_ref_sink (changed) : NULL;
  QsPending *pending = find_pending (service->announcer, path, interface);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (pending == NULL)
    pending = add_pending (service->announcer, audience, path, interface);
  if (invalidated != NULL)
    g_hash_table_add (pending->invalidated, g_strdup (invalidated));
  if (owned == NULL)
    return;
  g_variant_iter_init (&iter, owned);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    g_hash_table_replace (pending->changed, g_strdup (name), value);
}
