/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-error.h"

/* what a caller asks of a job that is at work; its thread looks for it by itself */

/* @task: (out) (transfer none): of one that kills a hanging guest there is none */
static gboolean
find_task (QsJob *job, QsTask **task, GError **error)
{
  *task = job->task;
  if (job->task != NULL && !qs_job_is_ended (job))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       qs_job_is_ended (job) ? "the job has ended"
                                             : "this job cannot be paused or slowed down");
  return FALSE;
}

gboolean
qs_job_set_paused (QsJob *job, gboolean paused, GError **error)
{
  static const char *const names[] = { "Paused", NULL };
  QsTask *task;

  if (!find_task (job, &task, error) || !qs_task_set_paused (task, paused, error))
    return FALSE;
  if (job->paused == paused)
    return TRUE;
  job->paused = paused;
  qs_job_announce (job, names);
  return TRUE;
}

/**
 * qs_job_set_bandwidth:
 * @speed: bytes a second, 0: as fast as it goes
 */
gboolean
qs_job_set_bandwidth (QsJob *job, guint64 speed, GError **error)
{
  static const char *const names[] = { "Bandwidth", NULL };
  QsTask *task;

  if (!find_task (job, &task, error) || !qs_task_set_speed (task, speed, error))
    return FALSE;
  if (job->bandwidth == speed)
    return TRUE;
  job->bandwidth = speed;
  qs_job_announce (job, names);
  return TRUE;
}
