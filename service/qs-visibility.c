/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-visibility.h"

/**
 * QsGathering:
 *
 * First polkit is asked without a domain: who is told no has cost one question. Then domain by
 * domain, for a rule may tell them apart.
 */
typedef struct
{
  QsService *service;
  QsPeer *peer;
  GHashTable *ids;
  GPtrArray *domains; /* still to be asked for */
  QsDomain *asked;
  QsInteraction interaction;
  QsVisibleFunc func;
  gpointer user_data;
} QsGathering;

static void
gathering_end (QsGathering *gathering)
{
  gathering->func (gathering->ids, gathering->user_data);
  g_hash_table_unref (gathering->ids);
  g_ptr_array_unref (gathering->domains);
  g_clear_pointer (&gathering->asked, qs_domain_unref);
  qs_peer_unref (gathering->peer);
  g_free (gathering);
}

static void ask_next (QsGathering *gathering);

static void
on_domain_answer (QsAnswer answer, gpointer user_data)
{
  QsGathering *gathering = user_data;

  if (answer == QS_ANSWER_YES)
    g_hash_table_add (gathering->ids, g_strdup (gathering->asked->id));
  ask_next (gathering);
}

static void
ask_next (QsGathering *gathering)
{
  QsQuestion question = { .action = "inspect", .operation = "list" };

  g_clear_pointer (&gathering->asked, qs_domain_unref);
  if (gathering->domains->len == 0)
    {
      gathering_end (gathering);
      return;
    }
  gathering->asked = g_ptr_array_steal_index_fast (gathering->domains, 0);
  question.domain = gathering->asked;
  qs_authority_ask (gathering->service->authority, gathering->peer, &question, on_domain_answer,
                    gathering);
}

static void
on_general_answer (QsAnswer answer, gpointer user_data)
{
  QsGathering *gathering = user_data;

  if (answer == QS_ANSWER_YES)
    ask_next (gathering);
  else
    gathering_end (gathering);
}

static GPtrArray *
list_foreign (QsService *service, guint32 uid)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_domain_unref);
  GHashTableIter iter;
  QsDomain *domain;

  g_hash_table_iter_init (&iter, service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    if (domain->owner != uid)
      g_ptr_array_add (list, qs_domain_ref (domain));
  return list;
}

static void
add_all (QsGathering *gathering)
{
  for (guint i = 0; i < gathering->domains->len; i++)
    {
      QsDomain *domain = g_ptr_array_index (gathering->domains, i);

      g_hash_table_add (gathering->ids, g_strdup (domain->id));
    }
}

/**
 * qs_visibility_gather:
 * @func: called with the result, perhaps before this returns
 */
void
qs_visibility_gather (QsService *service, QsPeer *peer, QsInteraction interaction,
                      QsVisibleFunc func, gpointer user_data)
{
  QsQuestion question = { .action = "inspect", .operation = "list", .interaction = interaction };
  QsGathering *gathering = g_new0 (QsGathering, 1);

  gathering->service = service;
  gathering->peer = qs_peer_ref (peer);
  gathering->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gathering->domains = list_foreign (service, peer->user->uid);
  gathering->func = func;
  gathering->user_data = user_data;
  if (!service->system_mode || peer->user->uid == 0)
    {
      add_all (gathering);
      gathering_end (gathering);
      return;
    }
  qs_authority_ask (service->authority, peer, &question, on_general_answer, gathering);
}

static void
on_seen (GHashTable *ids, gpointer user_data)
{
  g_autoptr (QsPeer) peer = user_data;

  g_hash_table_unref (peer->seen);
  peer->seen = g_hash_table_ref (ids);
}

static void
refresh_peer (QsPeer *peer, gpointer user_data)
{
  if (peer->subscribed && peer->user->uid != 0)
    qs_visibility_gather (user_data, peer, QS_INTERACTION_NONE, on_seen, qs_peer_ref (peer));
}

/**
 * qs_visibility_subscribe:
 *
 * From now on @peer gets the signals of what it may see; in session mode everybody does.
 */
gboolean
qs_visibility_subscribe (QsService *service, QsPeer *peer, GError **error)
{
  if (!service->system_mode || peer->subscribed)
    return TRUE;
  if (!qs_peer_subscribe (peer, error))
    return FALSE;
  refresh_peer (peer, service);
  return TRUE;
}

/**
 * qs_visibility_refresh:
 *
 * Asks anew which domains of others the subscribers may see.
 */
void
qs_visibility_refresh (QsService *service)
{
  if (service->system_mode)
    qs_peers_foreach (service->peers, refresh_peer, service);
}
