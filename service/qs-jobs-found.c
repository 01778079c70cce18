/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

/* jobs that outlive the service: the end of one run of it, and the start of the next */

static void
stop_one (gpointer data, gpointer user_data)
{
  QsJob *job = data;

  if (job->state == QS_JOB_QUEUED || job->task == NULL || !qs_task_leave (job->task))
    qs_job_cancel (job, NULL);
}

/**
 * qs_jobs_stop:
 *
 * For the end of the service; the ends of jobs still come one by one.
 */
void
qs_jobs_stop (QsJobs *self)
{
  g_autoptr (GPtrArray) jobs = qs_jobs_list (self);

  g_ptr_array_foreach (jobs, stop_one, NULL);
}

/**
 * qs_jobs_leave:
 *
 * It has not ended and is not told to have: the next start of the service goes on with it. Its domain
 * stays reserved.
 */
void
qs_jobs_leave (QsJobs *self, QsJob *job)
{
  self->n_open--;
  qs_job_log_left (job);
  qs_job_give_up_waiting (job);
  qs_job_drop_candidate (job);
}

static void begin (QsJobs *self, QsJob *job);

static void
on_free (gpointer data)
{
  g_autoptr (QsJob) job = data;

  begin (job->service->jobs, job);
}

/* it is open, so that nobody else gets far on its domain, and it was at work before: it waits for no place
   among others. The journal has it until the next start if this one is over before its domain is free */
static void
begin (QsJobs *self, QsJob *job)
{
  if (qs_jobs_is_reserved (self, job->key))
    {
      qs_jobs_wait (self, job->key, 0, on_free, qs_job_ref (job));
      return;
    }
  if (self->service->stopping)
    return;
  job->number = ++self->last_number;
  self->n_open++;
  qs_reservations_put (self->reservations, job->key, job);
  qs_job_log_start (job);
  qs_job_take_notes (job);
  qs_jobs_publish (self, job, TRUE);
  qs_jobs_run (self, job);
}

/**
 * qs_jobs_go_on:
 * @task: (transfer full): of an operation that an earlier run of the service began
 */
void
qs_jobs_go_on (QsJobs *self, QsTask *task)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (self->service, qs_task_get_domain (task));
  QsJobOrder order = { .domain = domain, .task = task, .shape = &qs_job_shape_job };
  g_autoptr (QsJob) job = NULL;

  if (domain == NULL)
    {
      qs_task_unref (task);
      return;
    }
  job = qs_job_new (self->service, &order);
  job->key = g_strdup (job->domain_id);
  begin (self, job);
}
