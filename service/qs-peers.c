/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-peers.h"

#include "qs-error.h"
#include "qs-limits.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct QsPeers
{
  GDBusConnection *connection;
  GHashTable *by_name; /* of QsPeer */
  GHashTable *users;   /* by uid, of QsUser */
  guint watch;
};

typedef struct
{
  QsPeerFunc func;
  gpointer user_data;
} QsPeerWait;

static void
forget (QsPeer *peer)
{
  if (!g_hash_table_remove (peer->peers->by_name, peer->name))
    return;
  qs_peer_unsubscribe (peer);
  qs_peer_unref (peer);
}

static void /* NOLINTNEXTLINE(readability-function-size): GDBus's signature */
on_owner_changed (GDBusConnection *connection, const char *sender, const char *path,
                  const char *interface, const char *signal, GVariant *parameters,
                  gpointer user_data)
{
  QsPeers *self = user_data;
  g_autoptr (QsPeer) gone = NULL;
  QsPeer *peer;
  const char *name, *new_owner;

  g_variant_get (parameters, "(&s&s&s)", &name, NULL, &new_owner);
  peer = g_hash_table_lookup (self->by_name, name);
  if (peer == NULL || *new_owner != '\0')
    return;
  gone = qs_peer_ref (peer);
  g_cancellable_cancel (gone->gone);
  forget (gone);
}

/* one match for all: the bus allows a connection a limited number of them */
QsPeers *
qs_peers_new (GDBusConnection *connection)
{
  QsPeers *self = g_new0 (QsPeers, 1);

  self->connection = g_object_ref (connection);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->users = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, g_free);
  self->watch = g_dbus_connection_signal_subscribe (
      connection, BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
      on_owner_changed, self, NULL);
  return self;
}

void
qs_peers_free (QsPeers *self)
{
  g_autoptr (GList) peers = NULL;

  if (self == NULL)
    return;
  g_dbus_connection_signal_unsubscribe (self->connection, self->watch);
  peers = g_hash_table_get_values (self->by_name);
  g_list_foreach (peers, (GFunc)(GCallback)forget, NULL);
  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->users);
  g_object_unref (self->connection);
  g_free (self);
}

QsPeer *
qs_peer_ref (QsPeer *peer)
{
  peer->n_refs++;
  return peer;
}

void
qs_peer_unref (QsPeer *peer)
{
  if (--peer->n_refs > 0)
    return;
  g_free (peer->name);
  g_object_unref (peer->gone);
  g_hash_table_unref (peer->seen);
  g_clear_pointer (&peer->newcomers, g_hash_table_unref);
  g_free (peer);
}

/**
 * qs_peers_get_user:
 *
 * Returns: (transfer none): the account of @uid; it lives as long as @self
 */
QsUser *
qs_peers_get_user (QsPeers *self, guint32 uid)
{
  QsUser *user = g_hash_table_lookup (self->users, GUINT_TO_POINTER (uid));

  if (user != NULL)
    return user;
  user = g_new0 (QsUser, 1);
  user->uid = uid;
  g_hash_table_insert (self->users, GUINT_TO_POINTER (uid), user);
  return user;
}

static void
answer_waiting (QsPeer *peer, QsPeer *answer)
{
  g_autofree QsPeerWait *wait = NULL;

  while ((wait = g_queue_pop_head (&peer->waiting)) != NULL)
    {
      wait->func (answer, wait->user_data);
      g_clear_pointer (&wait, g_free);
    }
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (QsPeer) peer = user_data;
  g_autoptr (GVariant) credentials = NULL;
  g_autoptr (GVariant) reply = NULL;
  guint32 uid;

  reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  if (reply != NULL)
    g_variant_get (reply, "(@a{sv})", &credentials);
  if (credentials == NULL || !g_variant_lookup (credentials, "UnixUserID", "u", &uid)
      || g_cancellable_is_cancelled (peer->gone))
    {
      answer_waiting (peer, NULL);
      forget (peer);
      return;
    }
  peer->user = qs_peers_get_user (peer->peers, uid);
  answer_waiting (peer, peer);
}

/* we hear of ends from the start on: a name that is gone by then has no credentials */
static QsPeer *
add_peer (QsPeers *self, const char *name)
{
  QsPeer *peer = g_new0 (QsPeer, 1);

  peer->n_refs = 1;
  peer->peers = self;
  peer->name = g_strdup (name);
  peer->gone = g_cancellable_new ();
  peer->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&peer->waiting);
  g_hash_table_insert (self->by_name, peer->name, peer);
  g_dbus_connection_call (self->connection, BUS_NAME, BUS_PATH, BUS_NAME,
                          "GetConnectionCredentials", g_variant_new ("(s)", name),
                          G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_credentials, qs_peer_ref (peer));
  return peer;
}

/**
 * qs_peers_identify:
 * @name: a unique name
 * @func: called with the peer and its user, at once if they are known; with NULL if it is gone
 *
 * Callers of one name are answered in order.
 */
void
qs_peers_identify (QsPeers *self, const char *name, QsPeerFunc func, gpointer user_data)
{
  QsPeer *peer = g_hash_table_lookup (self->by_name, name);
  QsPeerWait *wait;

  if (peer == NULL)
    peer = add_peer (self, name);
  if (peer->user != NULL && g_queue_is_empty (&peer->waiting))
    {
      func (peer, user_data);
      return;
    }
  wait = g_new0 (QsPeerWait, 1);
  *wait = (QsPeerWait){ func, user_data };
  g_queue_push_tail (&peer->waiting, wait);
}

/* @func must not lead back to the main loop */
void
qs_peers_foreach (QsPeers *self, QsPeerFunc func, gpointer user_data)
{
  GHashTableIter iter;
  QsPeer *peer;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&peer))
    if (peer->user != NULL)
      func (peer, user_data);
}

guint
qs_peers_count (QsPeers *self)
{
  return g_hash_table_size (self->by_name);
}

/**
 * qs_peer_subscribe:
 *
 * From now on @peer gets signals.
 */
gboolean
qs_peer_subscribe (QsPeer *peer, GError **error)
{
  if (peer->subscribed || g_cancellable_is_cancelled (peer->gone))
    return TRUE;
  if (peer->user->n_subscriptions >= QS_MAX_SUBSCRIPTIONS_PER_UID)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "%d connections of uid %u are subscribed, close or unsubscribe one",
                   QS_MAX_SUBSCRIPTIONS_PER_UID, peer->user->uid);
      return FALSE;
    }
  peer->user->n_subscriptions++;
  peer->subscribed = TRUE;
  return TRUE;
}

void
qs_peer_unsubscribe (QsPeer *peer)
{
  if (!peer->subscribed)
    return;
  peer->subscribed = FALSE;
  peer->user->n_subscriptions--;
}
