/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-announce.h"
#include "qs-flags.h"
#include "qs-names.h"

/* what the task of a job tells while it is at work */

/* once, however often it is told */
void
qs_job_announce_reverted (QsJob *job)
{
  QsAudience audience = { job->owner, job->domain_id, NULL, FALSE };
  g_autofree char *path = qs_object_path_domain (job->domain_id);
  g_autofree char *snapshot = qs_job_snapshot_path (job);

  /* a COMMIT goes nowhere, and its snapshot is no more */
  if (job->request->verb != QS_VERB_SNAPSHOT_REVERT || job->reverted
      || (job->request->flags & QS_REVERT_COMMIT))
    return;
  job->reverted = TRUE;
  qs_announce_signal (job->service, &audience, path, QS_DOMAIN_INTERFACE, "SnapshotReverted",
                      g_variant_new ("(o)", snapshot));
}

/* what was asked of a job of QEMU before a restart of the service holds still */
static void
take_wishes (QsJob *job, QsTask *task)
{
  static const char *const names[] = { "Paused", "Bandwidth", NULL };
  gboolean paused;
  guint64 speed;

  qs_task_get_wishes (task, &paused, &speed);
  if (job->paused == paused && job->bandwidth == speed)
    return;
  job->paused = paused;
  job->bandwidth = speed;
  qs_job_announce (job, names);
}

static void
on_step (QsTask *task, const char *step, gdouble progress, gboolean undoing, gpointer user_data)
{
  static const char *const names[] = { "State",      "Step",  "Progress", "BytesDone",
                                       "BytesTotal", "Speed", NULL };
  QsJob *job = user_data;

  job->amount = (QsAmount){ 0 };
  job->ready = FALSE;
  g_free (job->step);
  job->step = g_strdup (step);
  job->progress = progress;
  if (undoing && job->state == QS_JOB_RUNNING)
    job->state = QS_JOB_UNDOING;
  qs_job_announce (job, names);
}

static void
on_amount (QsTask *task, const QsAmount *amount, gdouble progress, gpointer user_data)
{
  static const char *const names[] = { "Progress", "BytesDone", "BytesTotal", "Speed", NULL };
  QsJob *job = user_data;

  take_wishes (job, task);
  job->amount = *amount;
  job->progress = progress;
  qs_job_note_amount (job);
  qs_job_announce (job, names);
}

static void
set_committed (QsJob *job, gboolean committed)
{
  static const char *const names[] = { "Cancelable", NULL };

  if (job->committed == committed)
    return;
  job->committed = committed;
  qs_job_announce (job, names);
}

static void
on_begun (QsTask *task, gpointer user_data)
{
  set_committed (user_data, FALSE);
}

static void
on_committed (QsTask *task, gpointer user_data)
{
  QsJob *job = user_data;

  qs_job_announce_reverted (job);
  set_committed (job, TRUE);
}

static void
on_ready (QsTask *task, gboolean ready, gpointer user_data)
{
  static const char *const names[] = { "State", NULL };
  QsJob *job = user_data;

  job->ready = ready;
  qs_jobs_set_ready (job->service->jobs, job, ready);
  qs_job_announce (job, names);
}

static void
on_block_jobs (QsTask *task, GPtrArray *rows, gpointer user_data)
{
  qs_job_set_block_jobs (user_data, rows);
}

const QsTaskSink qs_job_sink = { .step = on_step,
                                 .amount = on_amount,
                                 .begun = on_begun,
                                 .committed = on_committed,
                                 .ready = on_ready,
                                 .block_jobs = on_block_jobs };
