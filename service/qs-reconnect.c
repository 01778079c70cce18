/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-reconnect.h"

#include "qs-error.h"
#include "qs-jobs.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-visit.h"

struct QsReconnect
{
  QsService *service;
  GHashTable *returns; /* by id of the domain, of QsReturn */
  GQueue waiting;      /* of QsReturn: for one of their owner's places */
};

/**
 * QsReturn:
 *
 * One domain that somebody was seen to listen for, from then on until there is nothing to do and no
 * attempt is too recent.
 *
 * @is_away: visited, attached, or waiting for the domain or a place: comes back by itself
 * @is_wanted: to be attempted when it is there again
 * @n_failed: since somebody was seen
 * @user: whose place it has, from the visit to the end of the job
 * @timer: until the next attempt, or until it is forgotten
 */
typedef struct
{
  QsReconnect *reconnect;
  char *id;
  gboolean is_away;
  gboolean is_wanted;
  guint n_failed;
  QsUser *user;
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
  g_queue_init (&self->waiting);
  self->returns =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)return_free);
  return self;
}

void
qs_reconnect_free (QsReconnect *self)
{
  if (self == NULL)
    return;
  g_queue_clear (&self->waiting);
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

/* FALSE: it waits for one. Others of its owner have them all: that is no failure */
static gboolean
take_place (QsReturn *self, QsUser *user)
{
  if (user->n_reconnects >= QS_MAX_RECONNECTS_PER_UID)
    {
      self->is_away = TRUE;
      g_queue_push_tail (&self->reconnect->waiting, self);
      return FALSE;
    }
  user->n_reconnects++;
  self->user = user;
  return TRUE;
}

static void
leave_place (QsReturn *self)
{
  GQueue *waiting = &self->reconnect->waiting;
  QsReturn *next;

  self->user->n_reconnects--;
  self->user = NULL;
  /* whoever still finds none waits again */
  while ((next = g_queue_pop_head (waiting)) != NULL)
    {
      next->is_away = FALSE;
      schedule (next);
    }
}

/* the end of an attempt, however far it got */
static void
come_back (QsReturn *self)
{
  self->is_away = FALSE;
  leave_place (self);
  schedule (self);
}

static void
count_failure (QsReturn *self)
{
  self->n_failed++;
  self->is_wanted = self->is_wanted || self->n_failed < QS_MAX_RECONNECTS;
}

/* one that somebody has cancelled is not begun again; that its owner has too many others is no
   failure */
static void
on_job_end (const GError *error, gpointer user_data)
{
  QsReturn *self = user_data;

  if (g_error_matches (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED)
      && !qs_jobs_check_room (self->user, NULL))
    self->is_wanted = TRUE;
  else if (error != NULL && !g_error_matches (error, QS_ERROR, QS_ERROR_CANCELLED))
    count_failure (self);
  come_back (self);
}

/* FALSE: there is no job to wait for. A QEMU at this socket may be that of another domain, which has
   left its own; one that nobody has attached is not ours to attach */
static gboolean
order (QsReturn *self, QsCandidate *candidate)
{
  QsService *service = self->reconnect->service;
  g_autoptr (QsDomain) domain = find_lost (service, qs_candidate_get_domain (candidate));
  QsJobOrder job = { .domain = domain,
                     .candidate = candidate,
                     .shape = &qs_job_shape_job,
                     .on_end = on_job_end,
                     .user_data = self };
  gboolean is_busy = domain != NULL && qs_jobs_is_reserved (service->jobs, domain->id);

  self->is_wanted = self->is_wanted || is_busy;
  if (domain == NULL || is_busy || !domain->attachment->follow
      || qs_candidate_is_connected (candidate))
    {
      qs_visit_leave (service, candidate);
      return FALSE;
    }
  job.request = qs_candidate_make_request (candidate);
  qs_jobs_order (service->jobs, &job);
  return TRUE;
}

static void
tell_failed (const QsReturn *self, const GError *error)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (self->reconnect->service, self->id);
  g_autofree char *name = domain != NULL ? qs_escape_for_terminal (domain->name) : NULL;
  g_autofree char *text = qs_escape_for_terminal (error->message);

  if (name != NULL)
    g_message ("domain ‘%s’: its QEMU could not be connected to again: %s", name, text);
}

static void
on_visited (QsCandidate *candidate, GError *error, gpointer user_data)
{
  g_autoptr (GError) problem = error;
  QsReturn *self = user_data;

  if (candidate == NULL)
    {
      tell_failed (self, problem);
      count_failure (self);
      come_back (self);
    }
  else if (!order (self, candidate))
    come_back (self);
}

static void
visit (QsReturn *self, const QsDomain *domain)
{
  const QsAttachment *attachment = domain->attachment;
  QsService *service = self->reconnect->service;
  QsVisit visit = { .socket = attachment->socket, .fd = -1, .owner = domain->owner };

  if (!take_place (self, qs_peers_get_user (service->peers, domain->owner)))
    return;
  self->is_away = TRUE;
  self->is_wanted = FALSE;
  self->last = g_get_monotonic_time ();
  qs_visit_start (service, NULL, &visit, on_visited, self);
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
  if (domain == NULL || *domain->attachment->socket == '\0' || !self->is_wanted)
    {
      g_hash_table_remove (self->reconnect->returns, self->id);
      return G_SOURCE_REMOVE;
    }
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
  one->is_wanted = TRUE;
  if (!one->is_away)
    schedule (one);
}

/**
 * qs_reconnect_is_busy:
 *
 * Returns: whether a domain is connected to just now, or will be for the first time
 */
gboolean
qs_reconnect_is_busy (QsReconnect *self)
{
  GHashTableIter iter;
  QsReturn *one;

  g_hash_table_iter_init (&iter, self->returns);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&one))
    if (one->is_away || (one->is_wanted && one->n_failed == 0))
      return TRUE;
  return FALSE;
}
