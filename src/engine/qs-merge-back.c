/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-back.h"

#include "qs-block-graph.h"
#include "qs-block-job.h"
#include "qs-limits.h"
#include "qs-migration.h"
#include "qs-step-qmp-private.h"
#include "qs-wake.h"

/* more than there are states to go through */
#define MAX_TURNS 16

typedef enum
{
  PLACE_ERROR,
  PLACE_BACK, /* no device stands on the overlay, and none may ever have done so */
  PLACE_AWAY, /* on the overlay */
} Place;

/* somebody else has put the device elsewhere. Where our overlay is not even in use, it was never gone
   over to, and nothing was written to it; else what is on top of it would lose what it stands on */
static Place
find_elsewhere (QsGuest *guest, const QsMergeBack *back, GError **error)
{
  g_autoptr (JsonNode) graph = qs_block_graph_query (guest, error);

  if (graph == NULL)
    return PLACE_ERROR;
  if (!qs_block_graph_has_parent (graph, back->overlay))
    return PLACE_BACK;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "the device stands neither on ‘%s’ nor on its overlay ‘%s’, and something else does",
               back->node, back->overlay);
  return PLACE_ERROR;
}

static Place
find_place (QsGuest *guest, const QsMergeBack *back, GError **error)
{
  g_autoptr (JsonNode) devices = qs_device_query (guest, error);

  if (devices == NULL)
    return PLACE_ERROR;
  if (qs_device_find_root (devices, back->node) != NULL)
    return PLACE_BACK;
  return qs_device_find_root (devices, back->overlay) != NULL ? PLACE_AWAY
                                                              : find_elsewhere (guest, back, error);
}

static gboolean
start_job (QsGuest *guest, const QsMergeBack *back, const char *id, GError **error)
{
  return back->note (FALSE, back->user_data, error)
         && qs_qmp_run (qs_guest_get_qmp (guest), "block-commit",
                        g_variant_new_parsed ("{'job-id': <%s>, 'device': <%s>, 'base-node': <%s>,"
                                              " 'auto-finalize': <false>, 'auto-dismiss': <false>}",
                                              id, back->overlay, back->node),
                        QS_QMP_COMMAND_SECONDS, error);
}

/* both files are equal now, and the guest's requests wait: not for longer than one record takes.
   Without the record a crash would take the overlay for the later one */
static gboolean
pivot (QsGuest *guest, const QsMergeBack *back, const char *id, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);

  if (back->note (TRUE, back->user_data, error))
    return qs_block_job_do (qmp, "job-finalize", id, error);
  qs_block_job_cancel (qmp, id, NULL);
  return FALSE;
}

static gboolean
settle_job (QsGuest *guest, const QsBlockJob *job, const char *id, GError **error)
{
  if (!qs_block_job_do (qs_guest_get_qmp (guest), "job-dismiss", id, error))
    return FALSE;
  if (job->problem == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "QEMU failed to do ‘block-commit’: %s",
               job->problem);
  return FALSE;
}

/* before anything is written to the file below */
static gboolean
start_merge (QsGuest *guest, const QsMergeBack *back, const char *id, GError **error)
{
  return back->check (back->user_data, error) && start_job (guest, back, id, error);
}

/* one step from where the job is now, whoever has begun it */
static gboolean
take_turn (QsGuest *guest, const QsMergeBack *back, const char *id, const QsBlockJob *job,
           GError **error)
{
  switch (job->state)
    {
    case QS_BLOCK_JOB_ABSENT:
      return start_merge (guest, back, id, error);
    case QS_BLOCK_JOB_READY:
      return qs_block_job_do (qs_guest_get_qmp (guest), "job-complete", id, error);
    case QS_BLOCK_JOB_PENDING:
      return pivot (guest, back, id, error);
    case QS_BLOCK_JOB_CONCLUDED:
      return settle_job (guest, job, id, error);
    case QS_BLOCK_JOB_RUNNING:
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

/**
 * qs_merge_back:
 *
 * Commits the overlay into the node below and lets the device go over to that, while the guest runs
 * or stands still. A second time it does nothing; interrupted, it goes on where it was.
 */
gboolean
qs_merge_back (QsGuest *guest, const QsMergeBack *back, GError **error)
{
  static const QsBlockJobWait wait = { .seconds = QS_TOOL_WORK_SECONDS };
  g_autofree char *id = g_strconcat (back->overlay, "-m", NULL);
  g_auto (QsBlockJob) job = { 0 };

  for (guint i = 0; i < MAX_TURNS; i++)
    {
      Place place;

      if (!qs_block_job_wait (qs_guest_get_qmp (guest), id, &wait, &job, error))
        return FALSE;
      place = job.state == QS_BLOCK_JOB_ABSENT ? find_place (guest, back, error) : PLACE_AWAY;
      if (place != PLACE_AWAY)
        return place == PLACE_BACK;
      if (!take_turn (guest, back, id, &job, error))
        return FALSE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU does not bring the job ‘%s’ to an end", id);
  return FALSE;
}

/**
 * qs_merge_back_check:
 *
 * A guest that a migration has left without its images cannot write to them: what a migration of ours
 * has done to it was taken back before.
 */
gboolean
qs_merge_back_check (QsGuest *guest, GError **error)
{
  g_auto (QsMigrationState) state = { 0 };
  g_autofree char *run_state = NULL;

  if (!qs_migration_query (guest, &state, error))
    return FALSE;
  /* it stands still before the end, for as long as nobody continues it, and has its images */
  if (state.phase == QS_MIGRATION_WAITING)
    return TRUE;
  return qs_migration_settle (guest, &run_state, error) && qs_wake_check_home (guest, error);
}
