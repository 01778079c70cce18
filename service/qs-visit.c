/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-visit.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <unistd.h>

typedef struct
{
  QsService *service;
  QsUser *user; /* or NULL */
  QsVisit visit;
  QsVisitFunc func; /* NULL once it was told that there is no more time */
  gpointer user_data;
  guint timeout;
  QsCandidate *candidate;
  GError *error;
} QsVisiting;

static void
visiting_free (QsVisiting *visiting)
{
  g_free ((char *)visiting->visit.socket);
  g_free ((char *)visiting->visit.name);
  g_free ((char *)visiting->visit.uuid);
  g_free ((char *)visiting->visit.agent);
  g_free (visiting);
}

static void
free_candidate (gpointer data)
{
  qs_candidate_free (data);
}

static void
on_freed (gpointer data)
{
}

/**
 * qs_visit_leave:
 * @candidate: (transfer full) (nullable)
 *
 * Nobody wants this QEMU: its connection is closed, in a thread, for that may wait.
 */
void
qs_visit_leave (QsService *service, QsCandidate *candidate)
{
  if (candidate != NULL)
    qs_work_push (service->work, free_candidate, on_freed, candidate);
}

static void
discover (gpointer data)
{
  QsVisiting *visiting = data;

  visiting->candidate =
      qs_engine_discover (visiting->service->engine, &visiting->visit, &visiting->error);
}

static void
on_discovered (gpointer data)
{
  QsVisiting *visiting = data;

  if (visiting->user != NULL)
    visiting->user->n_visits--;
  g_clear_handle_id (&visiting->timeout, g_source_remove);
  if (visiting->func != NULL)
    visiting->func (visiting->candidate, visiting->error, visiting->user_data);
  else
    {
      g_clear_error (&visiting->error);
      qs_visit_leave (visiting->service, visiting->candidate);
    }
  visiting_free (visiting);
}

/* what listens there may be anything: it keeps a thread and a place, not those who wait */
static gboolean
on_timeout (gpointer user_data)
{
  QsVisiting *visiting = user_data;
  QsVisitFunc func = g_steal_pointer (&visiting->func);

  visiting->timeout = 0;
  func (NULL,
        g_error_new (QS_ERROR, QS_ERROR_TIMEOUT,
                     "what listens at the QMP socket did not say who it is within %d seconds; "
                     "nothing was changed",
                     QS_CALL_SECONDS),
        visiting->user_data);
  return G_SOURCE_REMOVE;
}

/**
 * qs_visit_start:
 * @user: (nullable): on whose account it is; NULL: who starts it sees to it that there are not many
 * @visit: its strings are copied, its descriptor is taken over
 *
 * Connects to a QEMU in a thread and asks it who it is. @func is called once, on the main context.
 */
void
qs_visit_start (QsService *service, QsUser *user, const QsVisit *visit, QsVisitFunc func,
                gpointer user_data)
{
  QsVisiting *visiting;

  if (user != NULL && user->n_visits >= QS_MAX_VISITS_PER_UID)
    {
      if (visit->fd >= 0)
        close (visit->fd);
      func (NULL,
            g_error_new (QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                         "%d QMP sockets are being connected to for uid %u already, wait for one",
                         QS_MAX_VISITS_PER_UID, user->uid),
            user_data);
      return;
    }
  visiting = g_new0 (QsVisiting, 1);
  *visiting = (QsVisiting){ service, user, *visit, func, user_data, 0, NULL, NULL };
  visiting->visit.socket = g_strdup (visit->socket);
  visiting->visit.name = g_strdup (visit->name);
  visiting->visit.uuid = visit->uuid != NULL ? g_ascii_strdown (visit->uuid, -1) : NULL;
  visiting->visit.agent = g_strdup (visit->agent);
  visiting->timeout = g_timeout_add_seconds (QS_CALL_SECONDS, on_timeout, visiting);
  if (user != NULL)
    user->n_visits++;
  qs_work_push (service->work, discover, on_discovered, visiting);
}
