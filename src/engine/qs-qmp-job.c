/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-qmp-private.h"

#include <string.h>

/* events may be lost, so that a waiter looks once in a while without one */
#define LOOK_AGAIN ((gint64)G_USEC_PER_SEC)

typedef enum
{
  JOB_RUNNING,
  JOB_CONCLUDED,
  JOB_UNKNOWN,
} JobState;

static JsonObject *
find_job (JsonNode *jobs, const char *id)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (jobs) ? json_node_get_array (jobs) : NULL;

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *job = qs_json_element (array, i);

      if (job != NULL && g_strcmp0 (qs_json_string (job, "id"), id) == 0)
        return job;
    }
  return NULL;
}

void
qs_qmp_wait_news (QsQmp *qmp, gint64 microseconds)
{
  g_async_queue_timeout_pop (qmp->news, MAX (microseconds, 1));
}

/* @problem: (out): what the job failed of, or NULL */
static JobState
read_job (JsonNode *jobs, const char *id, char **problem, GError **error)
{
  JsonObject *job = find_job (jobs, id);

  if (job == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                   "QEMU does not know the job ‘%s’ any more: what became of it is unknown", id);
      return JOB_UNKNOWN;
    }
  if (g_strcmp0 (qs_json_string (job, "status"), "concluded") != 0)
    return JOB_RUNNING;
  if (json_object_has_member (job, "error"))
    *problem = qs_json_clean (qs_json_string (job, "error"));
  return JOB_CONCLUDED;
}

static JobState
look_at_job (QsQmp *qmp, const char *id, guint seconds, char **problem, GError **error)
{
  g_autoptr (JsonNode) jobs = qs_qmp_execute (qmp, "query-jobs", NULL, seconds, error);

  return jobs == NULL ? JOB_UNKNOWN : read_job (jobs, id, problem, error);
}

/* a job that saves memory keeps QEMU from answering anything until it ends: the question may take as
   long as the job */
static gboolean
wait_job (QsQmp *qmp, const char *id, gint64 deadline, char **problem, GError **error)
{
  while (TRUE)
    {
      gint64 left = deadline - g_get_monotonic_time ();
      guint seconds = MAX (left / G_USEC_PER_SEC, 1);
      JobState state = look_at_job (qmp, id, seconds, problem, error);

      if (state != JOB_RUNNING)
        return state == JOB_CONCLUDED;
      if (left <= 0)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                       "the job ‘%s’ of QEMU has not ended in time: it may still be running", id);
          return FALSE;
        }
      qs_qmp_wait_news (qmp, MIN (left, LOOK_AGAIN));
    }
}

static gint64
deadline_in (guint seconds)
{
  return g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
}

gboolean
qs_qmp_dismiss_job (QsQmp *qmp, const char *job, GError **error)
{
  return qs_qmp_run (qmp, "job-dismiss", g_variant_new_parsed ("{'id': <%s>}", job),
                     QS_QMP_COMMAND_SECONDS, error);
}

gboolean
qs_qmp_end_job (QsQmp *qmp, const char *job, guint seconds, GError **error)
{
  g_autoptr (JsonNode) jobs = qs_qmp_execute (qmp, "query-jobs", NULL, seconds, error);
  g_autofree char *problem = NULL;

  if (jobs == NULL)
    return FALSE;
  return find_job (jobs, job) == NULL
         || (wait_job (qmp, job, deadline_in (seconds), &problem, error)
             && qs_qmp_dismiss_job (qmp, job, error));
}

gboolean
qs_qmp_await_job (QsQmp *qmp, const char *job, guint seconds, gboolean *known, char **problem,
                  GError **error)
{
  g_autoptr (JsonNode) jobs = qs_qmp_execute (qmp, "query-jobs", NULL, seconds, error);

  if (jobs == NULL)
    return FALSE;
  *known = find_job (jobs, job) != NULL;
  return !*known || read_job (jobs, job, problem, NULL) == JOB_CONCLUDED
         || wait_job (qmp, job, deadline_in (seconds), problem, error);
}

static gboolean
finish_job (QsQmp *qmp, const char *job, gint64 deadline, char **problem, GError **error)
{
  return wait_job (qmp, job, deadline, problem, error) && qs_qmp_dismiss_job (qmp, job, error);
}

static gboolean
fail_job (const char *what, const char *problem, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "QEMU failed to do ‘%s’: %s", what,
               problem);
  return FALSE;
}

gboolean
qs_qmp_finish_job (QsQmp *qmp, const char *job, guint seconds, GError **error)
{
  g_autofree char *problem = NULL;

  return finish_job (qmp, job, deadline_in (seconds), &problem, error)
         && (problem == NULL || fail_job (job, problem, error));
}

gboolean
qs_qmp_run_job (QsQmp *qmp, const char *command, const char *job, GVariant *arguments,
                guint seconds, GError **error)
{
  gint64 deadline = deadline_in (seconds);
  g_autofree char *problem = NULL;

  return qs_qmp_run (qmp, command, arguments, seconds, error)
         && finish_job (qmp, job, deadline, &problem, error)
         && (problem == NULL || fail_job (command, problem, error));
}
