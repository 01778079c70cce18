/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <gio/gio.h>

/**
 * QsUser:
 *
 * What one uid uses of its quotas, over all its connections.
 */
typedef struct
{
  guint32 uid;
  guint n_calls;
  guint n_prompts;
  guint n_subscriptions;
  guint n_running_jobs;
  guint n_queued_jobs;
  guint n_visits;
  guint n_reconnects;
  gdouble spent; /* mutating calls, less those that time has given back */
  gint64 refilled;
} QsUser;

/**
 * QsPeer:
 *
 * One connection to the bus that called us, until it leaves the bus. Main thread only.
 *
 * @seen: ids of domains of other owners whose signals it may get
 */
typedef struct QsPeers QsPeers;
typedef struct
{
  guint n_refs;
  QsPeers *peers;
  char *name;
  QsUser *user; /* NULL until identified */
  GCancellable *gone;
  gboolean subscribed;
  gboolean unsubscribed; /* by its own wish */
  GHashTable *seen;
  gboolean may_see_others; /* polkit's last word on those of others in general */
  GHashTable *newcomers;   /* ids that came while the others were asked for; NULL: nobody asks */
  GQueue waiting;          /* of QsPeerWait */
} QsPeer;

typedef void (*QsPeerFunc) (QsPeer *peer, gpointer user_data);

QsPeers *qs_peers_new (GDBusConnection *connection);
void qs_peers_free (QsPeers *peers);
void qs_peers_identify (QsPeers *peers, const char *name, QsPeerFunc func, gpointer user_data);
QsUser *qs_peers_get_user (QsPeers *peers, guint32 uid);
void qs_peers_foreach (QsPeers *peers, QsPeerFunc func, gpointer user_data);
guint qs_peers_count (QsPeers *peers);

QsPeer *qs_peer_ref (QsPeer *peer);
void qs_peer_unref (QsPeer *peer);
gboolean qs_peer_subscribe (QsPeer *peer, GError **error);
void qs_peer_unsubscribe (QsPeer *peer);

gboolean qs_user_take_call (QsUser *user, GError **error);
void qs_user_drop_call (QsUser *user);
gboolean qs_user_take_mutation (QsUser *user, guint rate, gint64 now, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPeers, qs_peers_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPeer, qs_peer_unref)
