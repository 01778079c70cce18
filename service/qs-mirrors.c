/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-mirrors.h"

#include "qs-announce.h"
#include "qs-changes.h"
#include "qs-error.h"
#include "qs-jobs.h"
#include "qs-limits.h"
#include "qs-names.h"

struct QsMirrors
{
  QsService *service;
  GHashTable *doubts; /* by id of the domain, of Doubt */
};

/* one domain whose mirrors are to be looked at, until that was done without being asked to once more.
   @is_away: waits for the domain, or is being looked at: comes back by itself */
typedef struct
{
  QsMirrors *mirrors;
  char *id;
  gboolean is_away;
  gboolean again;
  guint timer;
} Doubt;

static void
doubt_free (Doubt *doubt)
{
  g_clear_handle_id (&doubt->timer, g_source_remove);
  g_free (doubt->id);
  g_free (doubt);
}

QsMirrors *
qs_mirrors_new (QsService *service)
{
  QsMirrors *self = g_new0 (QsMirrors, 1);

  self->service = service;
  self->doubts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)doubt_free);
  return self;
}

void
qs_mirrors_free (QsMirrors *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->doubts);
  g_free (self);
}

static gboolean on_timer (gpointer user_data);

/* never at once: the engine may just be telling of it from within */
static void
schedule (Doubt *doubt, guint milliseconds)
{
  if (doubt->timer == 0)
    doubt->timer = g_timeout_add (milliseconds, on_timer, doubt);
}

/* the domain was busy: it is waited for. A QEMU that does not answer is looked at when it does */
static void
on_looked (const GError *error, gpointer user_data)
{
  Doubt *doubt = user_data;

  doubt->is_away = FALSE;
  doubt->again = doubt->again || g_error_matches (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY)
                 || g_error_matches (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
  schedule (doubt, QS_MIRROR_LOOK_MILLISECONDS);
}

static void
on_free (gpointer data)
{
  Doubt *doubt = data;

  doubt->is_away = FALSE;
  schedule (doubt, 0);
}

static void
look (Doubt *doubt, QsDomain *domain)
{
  QsService *service = doubt->mirrors->service;
  QsJobOrder order = { .domain = domain,
                       .request = qs_request_new (QS_VERB_MIRROR_DROP, 0),
                       .shape = &qs_job_shape_nothing,
                       .on_end = on_looked,
                       .user_data = doubt };

  doubt->is_away = TRUE;
  doubt->again = FALSE;
  qs_jobs_order (service->jobs, &order);
}

static gboolean
on_timer (gpointer user_data)
{
  Doubt *doubt = user_data;
  QsService *service = doubt->mirrors->service;
  g_autoptr (QsDomain) domain = qs_service_lookup (service, doubt->id);

  doubt->timer = 0;
  if (!doubt->again || domain == NULL || qs_domain_live_mirror (domain, NULL) == NULL
      || service->stopping || service->engine == NULL)
    {
      g_hash_table_remove (doubt->mirrors->doubts, doubt->id);
      return G_SOURCE_REMOVE;
    }
  if (!qs_jobs_is_reserved (service->jobs, doubt->id))
    {
      look (doubt, domain);
      return G_SOURCE_REMOVE;
    }
  doubt->is_away = TRUE;
  qs_jobs_wait (service->jobs, doubt->id, 0, on_free, doubt);
  return G_SOURCE_REMOVE;
}

/**
 * qs_mirrors_doubt:
 * @id: of a domain
 *
 * A mirror of it may have ended. However often that is told, it is looked at once at a time.
 */
void
qs_mirrors_doubt (QsMirrors *self, const char *id)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (self->service, id);
  Doubt *doubt = g_hash_table_lookup (self->doubts, id);

  if (domain == NULL || qs_domain_live_mirror (domain, NULL) == NULL)
    return;
  if (doubt == NULL)
    {
      doubt = g_new0 (Doubt, 1);
      doubt->mirrors = self;
      doubt->id = g_strdup (id);
      g_hash_table_insert (self->doubts, doubt->id, doubt);
    }
  doubt->again = TRUE;
  if (!doubt->is_away)
    schedule (doubt, 0);
}

static void
announce_drops (QsService *service, const QsDomain *before, const QsDomain *after)
{
  g_autofree char *path = qs_object_path_domain (after->id);
  QsAudience audience = qs_domain_audience (after);

  for (guint i = 0; i < before->mirrors->len; i++)
    {
      const QsMirror *old = g_ptr_array_index (before->mirrors, i);
      const QsMirror *new = qs_domain_find_mirror (after, old->path);

      if (qs_mirror_is_live (old) && new != NULL && !qs_mirror_is_live (new))
        qs_announce_signal (service, &audience, path, QS_DOMAIN_INTERFACE, "MirrorDropped",
                            g_variant_new ("(sss)", new->target, new->path, new->reason));
    }
}

/**
 * qs_mirrors_changed:
 * @before: (nullable)
 *
 * Tells of mirrors that were dropped. Where QEMU has ended, or can be asked again, they are looked at.
 */
void
qs_mirrors_changed (QsMirrors *self, const QsDomain *before, const QsDomain *after)
{
  if (before == NULL)
    return;
  if (self->service->connection != NULL)
    announce_drops (self->service, before, after);
  if (qs_domain_is_active (before) != qs_domain_is_active (after)
      || before->connected != after->connected)
    qs_mirrors_doubt (self, after->id);
}

/**
 * qs_mirrors_is_busy:
 *
 * Returns: whether a mirror is being looked at
 */
gboolean
qs_mirrors_is_busy (QsMirrors *self)
{
  return g_hash_table_size (self->doubts) > 0;
}
