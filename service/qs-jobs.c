/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-jobs.h"

#include "qs-call.h"
#include "qs-error.h"
#include "qs-job-private.h"
#include "qs-limits.h"

static void run_queued (QsJobs *self);

QsJobs *
qs_jobs_new (QsService *service)
{
  QsJobs *self = g_new0 (QsJobs, 1);

  self->service = service;
  self->reservations = qs_reservations_new ();
  self->published =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)qs_job_unref);
  g_queue_init (&self->queue);
  g_queue_init (&self->ended);
  return self;
}

void
qs_jobs_free (QsJobs *self)
{
  if (self == NULL)
    return;
  qs_reservations_free (self->reservations);
  g_queue_clear_full (&self->queue, (GDestroyNotify)qs_job_unref);
  g_queue_clear (&self->ended);
  g_hash_table_unref (self->published);
  g_free (self);
}

/**
 * qs_jobs_lookup:
 *
 * Returns: (transfer full) (nullable): the job that is on the bus with this number
 */
QsJob *
qs_jobs_lookup (QsJobs *self, guint64 number)
{
  QsJob *job = g_hash_table_lookup (self->published, &number);

  return job != NULL ? qs_job_ref (job) : NULL;
}

/* (transfer none): the job on the bus that works on @domain */
QsJob *
qs_jobs_find_active (QsJobs *self, const char *domain)
{
  QsJob *job = qs_reservations_get (self->reservations, domain);

  return job != NULL && g_hash_table_contains (self->published, &job->number) ? job : NULL;
}

/* (transfer full) (element-type QsJob) */
GPtrArray *
qs_jobs_list (QsJobs *self)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_job_unref);
  GHashTableIter iter;
  QsJob *job;

  g_hash_table_iter_init (&iter, self->published);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&job))
    g_ptr_array_add (list, qs_job_ref (job));
  return list;
}

guint
qs_jobs_count_open (QsJobs *self)
{
  return self->n_open;
}

char *
qs_jobs_define_key (guint32 owner)
{
  return g_strdup_printf ("define-%u", owner);
}

gboolean
qs_jobs_is_reserved (QsJobs *self, const char *key)
{
  return qs_reservations_get (self->reservations, key) != NULL;
}

void
qs_jobs_wait (QsJobs *self, const char *key, guint seconds, QsWorkFunc func, gpointer data)
{
  qs_reservations_wait (self->reservations, key, seconds, func, data);
}

static gboolean
on_shown_long_enough (gpointer user_data)
{
  QsJob *job = user_data;
  QsJobs *self = job->service->jobs;

  if (g_queue_remove (&self->ended, job))
    {
      qs_job_withdraw (job);
      g_hash_table_remove (self->published, &job->number);
    }
  return G_SOURCE_REMOVE;
}

/* an ended job stays for those who come late, but not more of them than a limit */
static void
show_ended (QsJobs *self, QsJob *job)
{
  g_queue_push_tail (&self->ended, job);
  g_timeout_add_seconds_full (G_PRIORITY_DEFAULT, QS_FINISHED_JOB_SECONDS, on_shown_long_enough,
                              qs_job_ref (job), (GDestroyNotify)qs_job_unref);
  if (self->ended.length > QS_FINISHED_JOBS_KEPT)
    on_shown_long_enough (g_queue_peek_head (&self->ended));
}

static void
set_outcome (QsJob *job)
{
  if (job->error == NULL)
    {
      job->state = QS_JOB_COMPLETED;
      job->progress = 1;
    }
  else
    job->state = g_error_matches (job->error, QS_ERROR, QS_ERROR_CANCELLED) ? QS_JOB_CANCELLED
                                                                            : QS_JOB_FAILED;
}

/* to callers a snapshot is an object */
static void
name_safety_snapshot (QsJob *job)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (job->result);
  g_autofree char *path = NULL;
  const char *uuid;

  if (!g_variant_dict_lookup (&dict, "safety-snapshot", "&s", &uuid))
    return;
  path = qs_object_path_snapshot (job->domain_id, uuid);
  g_variant_dict_insert (&dict, "safety-snapshot", "o", path);
  g_variant_unref (job->result);
  job->result = g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* the end of a job, however it came; the domain is free before anybody is told */
void
qs_jobs_end (QsJobs *self, QsJob *job)
{
  gboolean was_published = g_hash_table_contains (self->published, &job->number);

  self->n_open--;
  if (job->error != NULL)
    qs_error_fold (&job->error);
  qs_job_log_end (job);
  qs_job_log_notes (job);
  if (job->result == NULL)
    job->result = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  name_safety_snapshot (job);
  qs_job_leave (job);
  qs_reservations_release (self->reservations, job->key, job);
  if (was_published)
    {
      set_outcome (job);
      if (job->error != NULL)
        qs_job_log_unasked (job, job->error);
      qs_job_announce_busy (job);
      qs_job_complete (job);
      show_ended (self, job);
    }
  else if (job->error != NULL)
    qs_job_refuse (job, g_error_copy (job->error));
  else
    qs_job_answer (job);
  qs_job_drop_candidate (job);
  qs_reservations_wake (self->reservations, job->key);
  qs_job_tell_end (job, job->error);
  qs_service_check_degraded (job->service);
}

static void
run (gpointer data)
{
  QsJob *job = data;

  qs_task_run (job->task, &qs_job_sink, job, job->cancellable, &job->result, &job->error);
}

static void
on_run (gpointer data)
{
  g_autoptr (QsJob) job = data;
  QsJobs *self = job->service->jobs;

  qs_jobs_set_ready (self, job, FALSE);
  self->n_running--;
  job->starter->n_running_jobs--;
  qs_job_take_notes (job);
  if (qs_task_is_left (job->task))
    qs_jobs_leave (self, job);
  else
    qs_jobs_end (self, job);
  run_queued (self);
}

/* one without an object changes records alone: its call is not kept waiting behind long ones. Another
   one waits for what is done beside it */
static gboolean
may_run (const QsJobs *self, const QsJob *job)
{
  return !job->shape->has_object || job->beside != NULL
         || (self->n_running < QS_MAX_RUNNING_JOBS
             && job->starter->n_running_jobs < QS_MAX_RUNNING_JOBS_PER_UID);
}

void
qs_jobs_run (QsJobs *self, QsJob *job)
{
  static const char *const names[] = { "State", NULL };

  self->n_running++;
  job->starter->n_running_jobs++;
  if (job->state == QS_JOB_QUEUED)
    {
      job->state = QS_JOB_RUNNING;
      qs_job_announce (job, names);
    }
  job->state = QS_JOB_RUNNING;
  qs_work_push (self->service->work, run, on_run, qs_job_ref (job));
}

static void
run_queued (QsJobs *self)
{
  for (GList *l = self->queue.head, *next; l != NULL; l = next)
    {
      g_autoptr (QsJob) job = NULL;

      next = l->next;
      if (!may_run (self, l->data))
        continue;
      job = l->data;
      g_queue_delete_link (&self->queue, l);
      job->starter->n_queued_jobs--;
      qs_jobs_run (self, job);
    }
}

/**
 * qs_jobs_set_ready:
 *
 * Whether @job waits for somebody to say how it is to end. That may take days, in which others need not
 * wait for it; but not more of them than there are threads for.
 */
void
qs_jobs_set_ready (QsJobs *self, QsJob *job, gboolean ready)
{
  if (ready == job->uncounted || (ready && self->n_ready == QS_MAX_READY_JOBS))
    return;
  job->uncounted = ready;
  if (!ready)
    {
      self->n_ready--;
      self->n_running++;
      job->starter->n_running_jobs++;
      return;
    }
  self->n_ready++;
  self->n_running--;
  job->starter->n_running_jobs--;
  run_queued (self);
}

static void
queue_job (QsJobs *self, QsJob *job)
{
  job->state = QS_JOB_QUEUED;
  job->starter->n_queued_jobs++;
  g_queue_push_tail (&self->queue, qs_job_ref (job));
}

void
qs_jobs_publish (QsJobs *self, QsJob *job, gboolean runs)
{
  job->state = runs ? QS_JOB_RUNNING : QS_JOB_QUEUED;
  g_hash_table_insert (self->published, &job->number, qs_job_ref (job));
  qs_job_publish (job);
  qs_job_answer (job);
}

static void
prepare (gpointer data)
{
  QsJob *job = data;

  job->task = qs_engine_prepare (job->service->engine, job->domain, job->request, &job->error);
}

/* others may have been queued while this one was looked into */
static gboolean
may_begin (const QsJobs *self, QsJob *job)
{
  if (job->error != NULL || job->given_up)
    return FALSE;
  if (self->service->stopping)
    {
      g_set_error_literal (&job->error, QS_ERROR, QS_ERROR_FAILED,
                           "the service is stopping, call again");
      return FALSE;
    }
  return !g_cancellable_set_error_if_cancelled (job->cancellable, &job->error)
         && qs_jobs_check_caller (job->invocation, &job->error)
         && (may_run (self, job) || qs_jobs_check_room (job->starter, &job->error));
}

/* InterfacesAdded, then the reply, then what happens */
static void
on_prepared (gpointer data)
{
  g_autoptr (QsJob) job = data;
  QsJobs *self = job->service->jobs;
  gboolean runs;

  g_clear_handle_id (&job->timeout, g_source_remove);
  if (!may_begin (self, job))
    {
      qs_jobs_end (self, job);
      return;
    }
  if (job->domain_id == NULL)
    job->domain_id = g_strdup (qs_task_get_domain (job->task));
  qs_job_take_notes (job);
  runs = may_run (self, job);
  if (job->shape->has_object)
    qs_jobs_publish (self, job, runs);
  if (runs)
    qs_jobs_run (self, job);
  else
    queue_job (self, job);
}

/* the domain stays reserved until the thread has seen that nobody waits for it any more */
static gboolean
on_timeout (gpointer user_data)
{
  QsJob *job = user_data;

  job->timeout = 0;
  job->given_up = TRUE;
  qs_job_refuse (job, g_error_new (QS_ERROR, QS_ERROR_TIMEOUT,
                                   "looking into the domain took more than %d seconds; nothing "
                                   "was changed",
                                   QS_CALL_SECONDS));
  return G_SOURCE_REMOVE;
}

/**
 * qs_jobs_prepare:
 *
 * Reserves the domain for @job; a thread looks into it.
 */
void
qs_jobs_prepare (QsJobs *self, QsJob *job)
{
  gint64 now = g_get_monotonic_time ();

  job->number = ++self->last_number;
  self->n_open++;
  qs_reservations_put (self->reservations, job->key, job);
  qs_job_log_start (job);
  if (job->deadline == 0)
    job->deadline = now + QS_CALL_SECONDS * (gint64)G_USEC_PER_SEC;
  job->timeout = g_timeout_add (MAX (job->deadline - now, 0) / 1000, on_timeout, job);
  qs_work_push (self->service->work, prepare, on_prepared, qs_job_ref (job));
}

/**
 * qs_job_cancel:
 *
 * One that has not begun ends here; one that runs takes itself back.
 */
gboolean
qs_job_cancel (QsJob *job, GError **error)
{
  static const char *const names[] = { "Cancelable", NULL };
  QsJobs *self = job->service->jobs;

  if (job->committed || qs_job_is_ended (job))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   job->committed ? "the operation is committed, it cannot be cancelled any more"
                                  : "the job has ended");
      return FALSE;
    }
  g_cancellable_cancel (job->cancellable);
  if (g_queue_remove (&self->queue, job))
    {
      job->starter->n_queued_jobs--;
      job->error = g_error_new_literal (QS_ERROR, QS_ERROR_CANCELLED, "cancelled before it began");
      qs_jobs_end (self, job);
      qs_job_unref (job);
      return TRUE;
    }
  if (job->state != QS_JOB_PREPARING)
    qs_job_announce (job, names);
  return TRUE;
}
