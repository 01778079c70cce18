/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-reconnect.h"

#include "qs-jobs.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-visit.h"

struct QsReconnect
{
  QsService *service;
  GHashTable *returns; /* by id of the domain, of QsReturn */
};

/**
 * QsReturn:
 *
 * One domain that somebody was seen to listen for.
 *
 * @is_away: visited, or waiting for the domain to be free: comes back by itself
 * @again: somebody was seen meanwhile
 * @n_failed: since somebody was seen
 * @timer: until the next attempt
 */
typedef struct
{
  QsReconnect *reconnect;
  char *id;
  gboolean is_away;
  gboolean again;
  guint n_failed;
  gint64 last; /* monotonic time of the last attempt */
  guint timer;
} QsReturn;

static void
return_free (QsReturn *self)
{
  g_clear_handle_id (&self->timer, g_source_remove);
  g_free (self->id);
  g_free (self);
}

QsReconnect *
qs_reconnect_new (QsService *service)
{
  QsReconnect *self = g_new0 (QsReconnect, 1);

  self->service = service;
  self->returns =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)return_free);
  return self;
}

void
qs_reconnect_free (QsReconnect *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->returns);
  g_free (self);
}

static gboolean on_timer (gpointer user_data);

/* never at once: the engine may just be telling of it from within */
static void
schedule (QsReturn *self)
{
  gint64 due = self->last + QS_RECONNECT_SECONDS * (gint64)G_USEC_PER_SEC;
  gint64 wait = MAX (due - g_get_monotonic_time (), 0);

  if (self->timer == 0)
    self->timer = g_timeout_add (wait / 1000, on_timer, self);
}

/* (transfer full) (nullable): the domain, if it is one that should be attached again */
static QsDomain *
find_lost (QsService *service, const char *id)
{
  g_autoptr (QsDomain) domain = id != NULL ? qs_service_lookup (service, id) : NULL;

  if (domain == NULL || domain->attachment == NULL || domain->connected || service->stopping
      || service->engine == NULL)
    return NULL;
  return g_steal_pointer (&domain);
}

/* a QEMU at this socket may be that of another domain, which has left its own; one that nobody has
   attached is not ours to attach */
static void
order (QsReturn *self, QsCandidate *candidate)
{
  QsService *service = self->reconnect->service;
  g_autoptr (QsDomain) domain = find_lost (service, qs_candidate_get_domain (candidate));
  QsJobOrder job = { .domain = domain, .candidate = candidate, .shape = &qs_job_shape_job };
  gboolean is_busy = domain != NULL && qs_jobs_is_reserved (service->jobs, domain->id);

  self->again = self->again || is_busy;
  if (domain == NULL || is_busy || !domain->attachment->follow
      || qs_candidate_is_connected (candidate))
    {
      qs_visit_leave (service, candidate);
      return;
    }
  job.request = qs_candidate_make_request (candidate);
  qs_jobs_order (service->jobs, &job);
}

static void
tell_failed (const QsReturn *self, GError *error)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (self->reconnect->service, self->id);
  g_autofree char *name = domain != NULL ? qs_escape_for_terminal (domain->name) : NULL;
  g_autofree char *text = qs_escape_for_terminal (error->message);

  if (name != NULL)
    g_message ("domain ‘%s’: its QEMU could not be connected to again: %s", name, text);
  g_error_free (error);
}

static void
on_visited (QsCandidate *candidate, GError *error, gpointer user_data)
{
  QsReturn *self = user_data;

  self->is_away = FALSE;
  if (candidate != NULL)
    {
      self->n_failed = 0;
      order (self, candidate);
    }
  else
    {
      self->n_failed++;
      tell_failed (self, error);
    }
  if (self->again || (self->n_failed > 0 && self->n_failed < QS_MAX_RECONNECTS))
    schedule (self);
}

static void
visit (QsReturn *self, const QsDomain *domain)
{
  const QsAttachment *attachment = domain->attachment;
  QsService *service = self->reconnect->service;
  QsVisit visit = { .socket = attachment->socket, .fd = -1, .owner = domain->owner };

  self->is_away = TRUE;
  self->again = FALSE;
  self->last = g_get_monotonic_time ();
  qs_visit_start (service, qs_peers_get_user (service->peers, domain->owner), &visit, on_visited,
                  self);
}

static void
on_free (gpointer data)
{
  QsReturn *self = data;

  self->is_away = FALSE;
  schedule (self);
}

static gboolean
on_timer (gpointer user_data)
{
  QsReturn *self = user_data;
  QsService *service = self->reconnect->service;
  g_autoptr (QsDomain) domain = find_lost (service, self->id);

  self->timer = 0;
  if (domain == NULL || *domain->attachment->socket == '\0')
    return G_SOURCE_REMOVE;
  if (!qs_jobs_is_reserved (service->jobs, self->id))
    {
      visit (self, domain);
      return G_SOURCE_REMOVE;
    }
  self->is_away = TRUE;
  qs_jobs_wait (service->jobs, self->id, 0, on_free, self);
  return G_SOURCE_REMOVE;
}

/**
 * qs_reconnect_appeared:
 *
 * Somebody listens at the socket of the domain. However often that is told, there is one attempt
 * at a time, and not more than one in some seconds.
 */
void
qs_reconnect_appeared (QsReconnect *self, const char *id)
{
  QsReturn *one = g_hash_table_lookup (self->returns, id);

  if (one == NULL)
    {
      one = g_new0 (QsReturn, 1);
      one->reconnect = self;
      one->id = g_strdup (id);
      one->last = -QS_RECONNECT_SECONDS * (gint64)G_USEC_PER_SEC;
      g_hash_table_insert (self->returns, one->id, one);
    }
  one->n_failed = 0;
  one->again = one->is_away;
  if (!one->is_away)
    schedule (one);
}
