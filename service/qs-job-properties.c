/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-dbus-error.h"
#include "qs-job-private.h"
#include "qs-properties.h"

/* a job that is not on the bus yet has no word */
static const char *const state_words[] = {
  [QS_JOB_PREPARING] = "queued",    [QS_JOB_QUEUED] = "queued",       [QS_JOB_RUNNING] = "running",
  [QS_JOB_UNDOING] = "undoing",     [QS_JOB_COMPLETED] = "completed", [QS_JOB_FAILED] = "failed",
  [QS_JOB_CANCELLED] = "cancelled",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_words) == QS_N_JOB_STATES);

static GVariant *
get_operation (const QsSubject *subject)
{
  return g_variant_new_string (qs_operation_get (subject->job->request->verb)->name);
}

static GVariant *
get_domain (const QsSubject *subject)
{
  return qs_object_path_to_variant (qs_object_path_domain (subject->job->domain_id));
}

static GVariant *
get_snapshot (const QsSubject *subject)
{
  return qs_object_path_to_variant (qs_job_snapshot_path (subject->job));
}

static GVariant *
get_state (const QsSubject *subject)
{
  const QsJob *job = subject->job;

  return g_variant_new_string (
      job->ready && job->state == QS_JOB_RUNNING ? "ready" : state_words[job->state]);
}

static GVariant *
get_step (const QsSubject *subject)
{
  return g_variant_new_string (subject->job->step);
}

static GVariant *
get_progress (const QsSubject *subject)
{
  return g_variant_new_double (subject->job->progress);
}

static GVariant *
get_bytes_done (const QsSubject *subject)
{
  return g_variant_new_uint64 (subject->job->amount.done);
}

static GVariant *
get_bytes_total (const QsSubject *subject)
{
  return g_variant_new_uint64 (subject->job->amount.total);
}

static GVariant *
get_speed (const QsSubject *subject)
{
  return g_variant_new_uint64 (qs_job_is_ended (subject->job) ? 0 : subject->job->amount.speed);
}

static GVariant *
get_paused (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->job->paused && !qs_job_is_ended (subject->job));
}

static GVariant *
get_bandwidth (const QsSubject *subject)
{
  return g_variant_new_uint64 (subject->job->bandwidth);
}

static GVariant *
get_cancelable (const QsSubject *subject)
{
  const QsJob *job = subject->job;

  return g_variant_new_boolean (!job->committed && !qs_job_is_ended (job)
                                && !g_cancellable_is_cancelled (job->cancellable));
}

static GVariant *
get_start_time (const QsSubject *subject)
{
  return g_variant_new_uint64 (subject->job->start_time);
}

static GVariant *
get_started_by_uid (const QsSubject *subject)
{
  return g_variant_new_uint32 (subject->job->starter->uid);
}

static GVariant *
get_error_name (const QsSubject *subject)
{
  const QsJob *job = subject->job;

  if (!qs_job_is_ended (job) || job->error == NULL)
    return g_variant_new_string ("");
  return g_variant_new_take_string (qs_dbus_error_name (job->error));
}

static GVariant *
get_error_message (const QsSubject *subject)
{
  const QsJob *job = subject->job;

  return g_variant_new_string (qs_job_is_ended (job) && job->error != NULL ? job->error->message
                                                                           : "");
}

static GVariant *
get_result (const QsSubject *subject)
{
  const QsJob *job = subject->job;

  if (!qs_job_is_ended (job))
    return g_variant_new ("a{sv}", NULL);
  return g_variant_ref (job->result);
}

static GVariant *
get_notes (const QsSubject *subject)
{
  return g_variant_ref (subject->job->notes);
}

const QsProperty qs_job_properties[] = {
  { "Operation", get_operation },
  { "Domain", get_domain },
  { "Snapshot", get_snapshot },
  { "State", get_state },
  { "Step", get_step },
  { "Progress", get_progress },
  { "BytesDone", get_bytes_done },
  { "BytesTotal", get_bytes_total },
  { "Speed", get_speed },
  { "Paused", get_paused },
  { "Bandwidth", get_bandwidth },
  { "Cancelable", get_cancelable },
  { "StartTime", get_start_time },
  { "StartedByUID", get_started_by_uid },
  { "ErrorName", get_error_name },
  { "ErrorMessage", get_error_message },
  { "Result", get_result },
  { "Notes", get_notes },
  { NULL, NULL },
};
