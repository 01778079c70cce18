/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-visibility.h"

#include "qs-announce.h"
#include "qs-names.h"
#include "qs-properties.h"

#define REFRESH_DELAY_MS 500

/**
 * QsGathering:
 *
 * First polkit is asked without a domain: who is told no has cost one question. Then domain by
 * domain, for a rule may tell them apart. Only the first question may become a prompt; who has
 * typed a password there sees what needs one.
 */
typedef struct
{
  QsService *service;
  QsPeer *peer;
  GHashTable *ids;
  gboolean denied;
  GPtrArray *domains; /* still to be asked for */
  QsDomain *asked;
  QsInteraction interaction;
  gboolean authenticated;
  QsVisibleFunc func;
  gpointer user_data;
} QsGathering;

static GHashTable *
id_set_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

static void
gathering_end (QsGathering *gathering)
{
  gathering->func (gathering->denied ? NULL : gathering->ids, gathering->user_data);
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

  if (answer == QS_ANSWER_YES || (answer == QS_ANSWER_CHALLENGE && gathering->authenticated))
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

static void ask_general (QsGathering *gathering, QsInteraction interaction);

static void
on_general_answer (QsAnswer answer, gpointer user_data)
{
  QsGathering *gathering = user_data;

  if (answer == QS_ANSWER_CHALLENGE && gathering->interaction == QS_INTERACTION_ALLOWED
      && !gathering->authenticated)
    {
      gathering->authenticated = TRUE;
      ask_general (gathering, QS_INTERACTION_ALLOWED);
      return;
    }
  gathering->denied = answer != QS_ANSWER_YES;
  if (gathering->denied)
    gathering_end (gathering);
  else
    ask_next (gathering);
}

static void
ask_general (QsGathering *gathering, QsInteraction interaction)
{
  QsQuestion question = { .action = "inspect", .operation = "list", .interaction = interaction };

  qs_authority_ask (gathering->service->authority, gathering->peer, &question, on_general_answer,
                    gathering);
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
  QsGathering *gathering = g_new0 (QsGathering, 1);

  gathering->service = service;
  gathering->peer = qs_peer_ref (peer);
  gathering->ids = id_set_new ();
  gathering->domains = list_foreign (service, peer->user->uid);
  gathering->interaction = interaction;
  gathering->func = func;
  gathering->user_data = user_data;
  if (!service->system_mode || peer->user->uid == 0)
    {
      add_all (gathering);
      gathering_end (gathering);
      return;
    }
  ask_general (gathering, QS_INTERACTION_NONE);
}

static void
add_ids (GHashTable *set, GHashTable *ids)
{
  GHashTableIter iter;
  const char *id;

  g_hash_table_iter_init (&iter, ids);
  while (g_hash_table_iter_next (&iter, (gpointer *)&id, NULL))
    g_hash_table_add (set, g_strdup (id));
}

static void
on_seen (GHashTable *ids, gpointer user_data)
{
  g_autoptr (QsPeer) peer = user_data;

  peer->may_see_others = ids != NULL;
  g_hash_table_remove_all (peer->seen);
  if (ids != NULL)
    {
      add_ids (peer->seen, ids);
      add_ids (peer->seen, peer->newcomers);
    }
  g_clear_pointer (&peer->newcomers, g_hash_table_unref);
}

static void
refresh_peer (QsPeer *peer, gpointer user_data)
{
  if (!peer->subscribed || peer->user->uid == 0 || peer->newcomers != NULL)
    return;
  peer->newcomers = id_set_new ();
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

static gboolean
on_refresh (gpointer user_data)
{
  QsService *service = user_data;

  service->refresh_soon = 0;
  qs_peers_foreach (service->peers, refresh_peer, service);
  return G_SOURCE_REMOVE;
}

/**
 * qs_visibility_refresh:
 *
 * Asks anew, after a moment, which domains of others the subscribers may see. polkit tells of
 * changes that nobody here has to do with, and of several at once.
 */
void
qs_visibility_refresh (QsService *service)
{
  if (service->system_mode && service->refresh_soon == 0)
    service->refresh_soon = g_timeout_add (REFRESH_DELAY_MS, on_refresh, service);
}

typedef struct
{
  QsService *service;
  QsPeer *peer;
  QsDomain *domain;
} QsNewcomer;

/* it was announced before polkit had answered for this peer */
static void
announce_to (QsService *service, QsPeer *peer, const char *id)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (service, id);
  QsSubject subject = { .service = service, .domain = domain };
  g_autofree char *path = qs_object_path_domain (id);

  if (domain != NULL && peer->subscribed)
    qs_announce_added_to (service, peer, QS_PATH, path,
                          qs_properties_interfaces (QS_OBJECT_DOMAIN, &subject));
}

static void
on_newcomer_answer (QsAnswer answer, gpointer user_data)
{
  g_autofree QsNewcomer *newcomer = user_data;
  g_autoptr (QsPeer) peer = newcomer->peer;
  g_autoptr (QsDomain) domain = newcomer->domain;

  if (answer != QS_ANSWER_YES)
    return;
  if (g_hash_table_add (peer->seen, g_strdup (domain->id)))
    announce_to (newcomer->service, peer, domain->id);
  if (peer->newcomers != NULL)
    g_hash_table_add (peer->newcomers, g_strdup (domain->id));
}

typedef struct
{
  QsService *service;
  QsDomain *domain;
} QsNews;

static void
ask_for_newcomer (QsPeer *peer, gpointer user_data)
{
  const QsNews *news = user_data;
  QsQuestion question = { .action = "inspect", .operation = "list", .domain = news->domain };
  QsNewcomer *newcomer;

  if (!peer->subscribed || peer->user->uid == news->domain->owner
      || (!peer->may_see_others && peer->newcomers == NULL))
    return;
  newcomer = g_new0 (QsNewcomer, 1);
  *newcomer = (QsNewcomer){ news->service, qs_peer_ref (peer), qs_domain_ref (news->domain) };
  qs_authority_ask (news->service->authority, peer, &question, on_newcomer_answer, newcomer);
}

/**
 * qs_visibility_add_domain:
 *
 * Asks for a domain that is new which of the subscribers who see others may see it.
 */
void
qs_visibility_add_domain (QsService *service, QsDomain *domain)
{
  QsNews news = { service, domain };

  if (service->system_mode)
    qs_peers_foreach (service->peers, ask_for_newcomer, &news);
}
