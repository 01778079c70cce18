/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-job.h"

#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

/* events may be lost, so that a waiter looks once in a while without one */
#define LOOK_AGAIN (G_USEC_PER_SEC / 4)

#define TELL_TIMES 4

/* more than a job may have to wait for at once, when its speed is limited */
#define MAX_PIECE (64 * 1024 * 1024)

static const struct
{
  const char *word;
  QsBlockJobState state;
} states[] = {
  { "ready", QS_BLOCK_JOB_READY },         { "pending", QS_BLOCK_JOB_PENDING },
  { "concluded", QS_BLOCK_JOB_CONCLUDED }, { "undefined", QS_BLOCK_JOB_CONCLUDED },
  { "null", QS_BLOCK_JOB_ABSENT },
};

/* the second is one that was ready: `job-complete` is refused until it goes on */
static const char *const paused_words[] = { "paused", "standby", NULL };

void
qs_block_job_clear (QsBlockJob *job)
{
  g_clear_pointer (&job->problem, g_free);
  *job = (QsBlockJob){ 0 };
}

static QsBlockJobState
read_state (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_strcmp0 (states[i].word, word) == 0)
      return states[i].state;
  return QS_BLOCK_JOB_RUNNING;
}

static guint64
read_bytes (JsonObject *job, const char *name)
{
  return (guint64)MAX (qs_json_int64 (job, name), 0);
}

static void
read_job (JsonObject *object, QsBlockJob *job)
{
  const char *status = qs_json_string (object, "status");

  job->state = read_state (status);
  job->is_paused = status != NULL && g_strv_contains (paused_words, status);
  job->done = read_bytes (object, "current-progress");
  job->total = read_bytes (object, "total-progress");
  if (job->state == QS_BLOCK_JOB_CONCLUDED && json_object_has_member (object, "error"))
    job->problem = qs_json_clean (qs_json_string (object, "error"));
}

static JsonNode *
query_jobs (QsQmp *qmp, GError **error)
{
  g_autoptr (JsonNode) jobs =
      qs_qmp_execute (qmp, "query-jobs", NULL, QS_QMP_COMMAND_SECONDS, error);

  if (jobs != NULL && JSON_NODE_HOLDS_ARRAY (jobs))
    return g_steal_pointer (&jobs);
  if (jobs != NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                         "QEMU’s list of jobs cannot be understood");
  return NULL;
}

/**
 * qs_block_job_look:
 * @job: (out): to be cleared by the caller; what it held is cleared before
 */
gboolean
qs_block_job_look (QsQmp *qmp, const char *id, QsBlockJob *job, GError **error)
{
  g_autoptr (JsonNode) jobs = query_jobs (qmp, error);
  JsonArray *array = jobs != NULL ? json_node_get_array (jobs) : NULL;

  qs_block_job_clear (job);
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *object = qs_json_element (array, i);

      if (object != NULL && g_strcmp0 (qs_json_string (object, "id"), id) == 0)
        read_job (object, job);
    }
  return array != NULL;
}

gboolean
qs_block_job_may_ask_nodes (QsQmp *qmp, gboolean *may, GError **error)
{
  g_autoptr (JsonNode) jobs = query_jobs (qmp, error);
  JsonArray *array = jobs != NULL ? json_node_get_array (jobs) : NULL;

  *may = TRUE;
  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *object = qs_json_element (array, i);

      if (object != NULL && g_strcmp0 (qs_json_string (object, "type"), "stream") == 0
          && read_state (qs_json_string (object, "status")) == QS_BLOCK_JOB_CONCLUDED)
        *may = FALSE;
    }
  return array != NULL;
}

static gboolean
check_patience (const QsBlockJobWait *wait, const char *id, gint64 deadline, GError **error)
{
  if (g_cancellable_is_cancelled (wait->cancellable))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CANCELLED, "the job ‘%s’ of QEMU was cancelled", id);
      return FALSE;
    }
  if (wait->may_be_left && wait->control != NULL && qs_control_is_left (wait->control))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CANCELLED,
                   "the service ends, and the job ‘%s’ of QEMU goes on", id);
      return FALSE;
    }
  if (g_get_monotonic_time () < deadline)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               "the job ‘%s’ of QEMU has not got on in time: it may still be running", id);
  return FALSE;
}

/* what QEMU refuses is not for a job that is just ending, or that another client has paused, or let go
   on, before */
static void
ask (QsQmp *qmp, const char *command, GVariant *arguments)
{
  g_autoptr (GError) error = NULL;

  if (!qs_qmp_run (qmp, command, arguments, QS_QMP_COMMAND_SECONDS, &error))
    g_debug ("%s: %s", command, error->message);
}

static void
ask_speed (QsQmp *qmp, const char *id, guint64 speed)
{
  ask (qmp, "block-job-set-speed",
       g_variant_new_parsed ("{'device': <%s>, 'speed': <%x>}", id, (gint64)speed));
}

static void
ask_paused (QsQmp *qmp, const char *id, gboolean paused)
{
  ask (qmp, paused ? "job-pause" : "job-resume", g_variant_new_parsed ("{'id': <%s>}", id));
}

/* only what has changed is asked for, so that another client's pause stays his own */
static void
steer (QsQmp *qmp, const char *id, QsControl *control)
{
  gboolean paused;
  guint64 speed;

  if (control == NULL)
    return;
  if (qs_control_take_speed (control, &speed))
    ask_speed (qmp, id, speed);
  if (qs_control_take_paused (control, &paused))
    ask_paused (qmp, id, paused);
}

void
qs_block_job_release (QsQmp *qmp, const char *id, guint64 speed)
{
  ask_speed (qmp, id, speed);
  ask_paused (qmp, id, FALSE);
}

/**
 * qs_block_job_adopt:
 *
 * Best effort: what cannot be learnt is as if nobody had asked for it.
 */
void
qs_block_job_adopt (QsQmp *qmp, const char *id, QsControl *control)
{
  g_autoptr (JsonNode) jobs =
      qs_qmp_execute (qmp, "query-block-jobs", NULL, QS_QMP_COMMAND_SECONDS, NULL);
  JsonArray *array =
      jobs != NULL && JSON_NODE_HOLDS_ARRAY (jobs) ? json_node_get_array (jobs) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *job = qs_json_element (array, i);

      if (job != NULL && g_strcmp0 (qs_json_string (job, "device"), id) == 0)
        qs_control_adopt (control, qs_json_boolean (job, "paused"),
                          MIN (read_bytes (job, "speed"), QS_MAX_JOB_SPEED));
    }
}

static gint64
next_deadline (const QsBlockJobWait *wait)
{
  guint64 speed = wait->control != NULL ? qs_control_get_speed (wait->control) : 0;
  guint64 seconds = wait->seconds + (speed > 0 ? MAX_PIECE / speed : 0);

  return g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
}

static gboolean
wait_running (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
              GError **error)
{
  gint64 deadline = 0;
  guint64 done = G_MAXUINT64;

  while (qs_block_job_look (qmp, id, job, error))
    {
      if (wait->tell != NULL)
        wait->tell (job, wait->user_data);
      if (job->state != QS_BLOCK_JOB_RUNNING)
        return TRUE;
      steer (qmp, id, wait->control);
      if (job->done != done || (job->is_paused && wait->control != NULL))
        deadline = next_deadline (wait);
      done = job->done;
      if (!check_patience (wait, id, deadline, error))
        return FALSE;
      qs_qmp_wait_news (qmp, LOOK_AGAIN);
    }
  return FALSE;
}

/**
 * qs_block_job_wait:
 *
 * Waits while a job only runs; the time starts anew whenever it has got on, and does not run while
 * the job is paused. Meanwhile others may stop the guest or let it go on, if the operation lets them.
 */
gboolean
qs_block_job_wait (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
                   GError **error)
{
  QsPassage *passage = wait->control != NULL ? qs_control_get_passage (wait->control) : NULL;
  gboolean reached;

  if (passage == NULL)
    return wait_running (qmp, id, wait, job, error);
  qs_passage_open (passage);
  reached = wait_running (qmp, id, wait, job, error);
  qs_passage_close (passage);
  return reached;
}

/* one that is paused comes back to where it was */
static gboolean
is_held (const QsBlockJob *job)
{
  return job->state == QS_BLOCK_JOB_READY || (job->state == QS_BLOCK_JOB_RUNNING && job->is_paused);
}

/* what has changed is told some times, for not all that is told is passed on; then no more, for this may
   go on for days */
static void
tell_change (const QsBlockJobWait *wait, const QsBlockJob *job, QsBlockJob *told, guint *times)
{
  if (job->done != told->done || job->total != told->total)
    *times = TELL_TIMES;
  if (wait->tell == NULL || *times == 0)
    return;
  wait->tell (job, wait->user_data);
  *told = (QsBlockJob){ .done = job->done, .total = job->total };
  (*times)--;
}

static gboolean
wait_held (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
           QsControlEnd *end, GError **error)
{
  QsBlockJob told = { 0 };
  guint times = 0;

  while (qs_block_job_look (qmp, id, job, error))
    {
      tell_change (wait, job, &told, &times);
      if (!is_held (job))
        return TRUE;
      steer (qmp, id, wait->control);
      if (job->state == QS_BLOCK_JOB_READY)
        *end = qs_control_get_end (wait->control);
      if (*end != QS_CONTROL_HOLD)
        return TRUE;
      if (!check_patience (wait, id, G_MAXINT64, error))
        return FALSE;
      qs_control_wait_end (wait->control, LOOK_AGAIN);
    }
  return FALSE;
}

gboolean
qs_block_job_hold (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
                   QsControlEnd *end, GError **error)
{
  QsPassage *passage = qs_control_get_passage (wait->control);
  gboolean told;

  *end = QS_CONTROL_HOLD;
  qs_passage_open (passage);
  told = wait_held (qmp, id, wait, job, end, error);
  qs_passage_close (passage);
  return told;
}

gboolean
qs_block_job_do (QsQmp *qmp, const char *command, const char *id, GError **error)
{
  return qs_qmp_run (qmp, command, g_variant_new_parsed ("{'id': <%s>}", id),
                     QS_QMP_COMMAND_SECONDS, error);
}

/**
 * qs_block_job_complete:
 *
 * Of a job that is ready. It is told as ready for a moment afterwards, in which QEMU refuses to be told
 * once more.
 */
gboolean
qs_block_job_complete (QsQmp *qmp, const char *id, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + QS_QMP_TRANSACTION_SECONDS * G_USEC_PER_SEC;
  g_auto (QsBlockJob) job = { .state = QS_BLOCK_JOB_READY };
  gboolean done = qs_block_job_do (qmp, "job-complete", id, error);

  while (done && job.state == QS_BLOCK_JOB_READY && g_get_monotonic_time () < deadline)
    {
      qs_qmp_wait_news (qmp, LOOK_AGAIN);
      done = qs_block_job_look (qmp, id, &job, error);
    }
  return done;
}

static gboolean
is_over (const QsBlockJob *job)
{
  return job->state == QS_BLOCK_JOB_ABSENT || job->state == QS_BLOCK_JOB_CONCLUDED;
}

/* cancelling takes a moment, in which a job may still be told as ready or pending */
static gboolean
wait_over (QsQmp *qmp, const char *id, QsBlockJob *job, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + QS_QMP_TRANSACTION_SECONDS * G_USEC_PER_SEC;

  while (!is_over (job))
    {
      if (g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                       "the job ‘%s’ of QEMU was cancelled and has not ended", id);
          return FALSE;
        }
      qs_qmp_wait_news (qmp, LOOK_AGAIN);
      if (!qs_block_job_look (qmp, id, job, error))
        return FALSE;
    }
  return TRUE;
}

/* that a job has ended by itself just before is no failure */
gboolean
qs_block_job_cancel (QsQmp *qmp, const char *id, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_look (qmp, id, &job, error))
    return FALSE;
  if (!is_over (&job))
    qs_block_job_do (qmp, "job-cancel", id, NULL);
  return wait_over (qmp, id, &job, error)
         && (job.state == QS_BLOCK_JOB_ABSENT || qs_block_job_do (qmp, "job-dismiss", id, error));
}

/* QEMU takes a cancel of a job that is ready for a wish to end it in good order, unless it is forced */
static gboolean
ask_finish (QsQmp *qmp, const char *id, QsBlockJob *job, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + QS_QMP_TRANSACTION_SECONDS * G_USEC_PER_SEC;

  if (job->state == QS_BLOCK_JOB_READY
      && !qs_qmp_run (qmp, "block-job-cancel", g_variant_new_parsed ("{'device': <%s>}", id),
                      QS_QMP_COMMAND_SECONDS, error))
    return FALSE;
  while (job->state == QS_BLOCK_JOB_READY || job->state == QS_BLOCK_JOB_RUNNING)
    {
      if (g_get_monotonic_time () >= deadline)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                       "the job ‘%s’ of QEMU was told to end and has not: the guest writes faster "
                       "than can be copied",
                       id);
          return FALSE;
        }
      qs_qmp_wait_news (qmp, LOOK_AGAIN);
      if (!qs_block_job_look (qmp, id, job, error))
        return FALSE;
    }
  return TRUE;
}

/* what is done already is not asked for again */
gboolean
qs_block_job_finish (QsQmp *qmp, const char *id, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_look (qmp, id, &job, error) || !ask_finish (qmp, id, &job, error))
    return FALSE;
  if (job.state == QS_BLOCK_JOB_PENDING
      && (!qs_block_job_do (qmp, "job-finalize", id, error) || !wait_over (qmp, id, &job, error)))
    return FALSE;
  if (job.state == QS_BLOCK_JOB_ABSENT)
    return TRUE;
  if (job.problem != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "the job ‘%s’ of QEMU has failed: %s",
                   id, job.problem);
      return FALSE;
    }
  return qs_block_job_do (qmp, "job-dismiss", id, error);
}
