/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-announce.h"
#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-flags.h"
#include "qs-names.h"
#include "qs-properties.h"
#include "qs-visit.h"

static const char *const job_interfaces[] = { QS_JOB_INTERFACE, NULL };

static void
set_starter (QsJob *job)
{
  const QsPeer *peer = job->invocation != NULL ? qs_call_get (job->invocation)->peer : NULL;

  if (peer != NULL)
    job->starter = peer->user;
  else
    job->starter = qs_peers_get_user (job->service->peers,
                                      job->task != NULL ? job->request->caller : job->owner);
  job->starter_name = peer != NULL ? g_strdup (peer->name) : NULL;
}

/* takes what @order hands over */
QsJob *
qs_job_new (QsService *service, const QsJobOrder *order)
{
  QsDomain *domain = order->domain;
  QsJob *job = g_new0 (QsJob, 1);

  g_atomic_ref_count_init (&job->references);
  job->service = service;
  job->shape = order->shape;
  job->task = order->task;
  job->request =
      job->task != NULL ? qs_request_ref (qs_task_get_request (job->task)) : order->request;
  job->candidate = order->candidate;
  job->deadline = order->deadline;
  job->on_end = order->on_end;
  job->user_data = order->user_data;
  job->domain = domain != NULL ? qs_domain_ref (domain) : NULL;
  job->domain_id = domain != NULL ? g_strdup (domain->id) : NULL;
  job->owner = domain != NULL ? domain->owner : order->owner;
  job->invocation = order->invocation;
  set_starter (job);
  job->start_time = g_get_real_time ();
  job->cancellable = g_cancellable_new ();
  job->step = g_strdup ("");
  job->progress = -1;
  job->amounts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  job->waiting = g_ptr_array_new_with_free_func (g_free);
  return job;
}

/* a connection that nobody took over ends with the job */
void
qs_job_drop_candidate (QsJob *job)
{
  qs_visit_leave (job->service, g_steal_pointer (&job->candidate));
}

/**
 * qs_job_enter:
 * @holder: works on the domain of @job
 *
 * Returns: whether @job may be done while @holder waits; until qs_job_leave() that one does not go on
 */
gboolean
qs_job_enter (QsJob *job, QsJob *holder)
{
  /* before that the task is its thread's */
  if (!qs_operation_get (job->request->verb)->passes || holder->state != QS_JOB_RUNNING
      || holder->task == NULL || !qs_task_enter_passage (holder->task))
    return FALSE;
  job->beside = qs_task_ref (holder->task);
  job->request->beside = TRUE;
  return TRUE;
}

void
qs_job_leave (QsJob *job)
{
  if (job->beside != NULL)
    qs_task_leave_passage (job->beside);
  g_clear_pointer (&job->beside, qs_task_unref);
}

QsJob *
qs_job_ref (QsJob *job)
{
  g_atomic_ref_count_inc (&job->references);
  return job;
}

void
qs_job_unref (QsJob *job)
{
  if (job == NULL || !g_atomic_ref_count_dec (&job->references))
    return;
  qs_job_drop_candidate (job);
  g_clear_pointer (&job->request, qs_request_unref);
  g_clear_pointer (&job->domain, qs_domain_unref);
  g_clear_pointer (&job->task, qs_task_unref);
  g_clear_pointer (&job->result, g_variant_unref);
  g_clear_pointer (&job->notes, g_variant_unref);
  g_clear_error (&job->error);
  g_clear_object (&job->cancellable);
  g_clear_pointer (&job->block_jobs, g_ptr_array_unref);
  g_hash_table_unref (job->amounts);
  g_ptr_array_unref (job->waiting);
  g_free (job->domain_id);
  g_free (job->key);
  g_free (job->starter_name);
  g_free (job->step);
  g_free (job);
}

guint64
qs_job_get_number (const QsJob *job)
{
  return job->number;
}

guint32
qs_job_get_owner (const QsJob *job)
{
  return job->owner;
}

guint32
qs_job_get_starter (const QsJob *job)
{
  return job->starter->uid;
}

const char *
qs_job_get_domain (const QsJob *job)
{
  return job->domain_id;
}

gboolean
qs_job_is_ended (const QsJob *job)
{
  return job->state >= QS_JOB_COMPLETED;
}

/* while no thread has the task; there is none when a hanging guest is killed */
void
qs_job_take_notes (QsJob *job)
{
  GPtrArray *notes = job->task != NULL ? qs_task_get_notes (job->task) : NULL;

  g_clear_pointer (&job->notes, g_variant_unref);
  job->notes = g_variant_ref_sink (g_variant_new_strv (
      (const char *const *)(notes != NULL ? notes->pdata : NULL), notes != NULL ? notes->len : 0));
}

static QsAudience
audience_of (const QsJob *job)
{
  return (QsAudience){ job->owner, job->domain_id, job->starter_name, FALSE };
}

/**
 * qs_job_snapshot_path:
 *
 * Returns: (transfer full): of the snapshot that is made or worked on, / if there is none
 */
char *
qs_job_snapshot_path (const QsJob *job)
{
  const char *uuid = job->task != NULL ? qs_task_get_snapshot (job->task) : NULL;
  gboolean unrecorded = job->request->verb == QS_VERB_SNAPSHOT_CREATE
                        && (job->request->flags & QS_CREATE_NO_METADATA);

  if (uuid == NULL || unrecorded)
    return g_strdup ("/");
  return qs_object_path_snapshot (job->domain_id, uuid);
}

static GVariant *
reply_job (QsJob *job)
{
  g_autofree char *path = qs_object_path_job (job->number);

  return g_variant_new ("(o)", path);
}

static GVariant *
reply_snapshot (QsJob *job)
{
  g_autofree char *snapshot = qs_job_snapshot_path (job);
  g_autofree char *path = qs_object_path_job (job->number);

  return g_variant_new ("(oo)", snapshot, path);
}

static GVariant *
reply_domain (QsJob *job)
{
  g_autofree char *path = qs_object_path_domain (qs_task_get_domain (job->task));

  return g_variant_new ("(o)", path);
}

static GVariant *
reply_nothing (QsJob *job)
{
  return NULL;
}

const QsJobShape qs_job_shape_job = { TRUE, reply_job };
const QsJobShape qs_job_shape_snapshot = { TRUE, reply_snapshot };
const QsJobShape qs_job_shape_domain = { FALSE, reply_domain };
const QsJobShape qs_job_shape_nothing = { FALSE, reply_nothing };

/* both end the call, once; a call that ran out of time has been answered already */
void
qs_job_answer (QsJob *job)
{
  GDBusMethodInvocation *invocation = g_steal_pointer (&job->invocation);

  g_clear_handle_id (&job->timeout, g_source_remove);
  if (invocation != NULL)
    g_dbus_method_invocation_return_value (invocation, job->shape->reply (job));
}

void
qs_job_tell_end (QsJob *job, const GError *error)
{
  QsJobEndFunc on_end = g_steal_pointer (&job->on_end);

  if (on_end != NULL)
    on_end (error, job->user_data);
}

void
qs_job_refuse (QsJob *job, GError *error)
{
  GDBusMethodInvocation *invocation = g_steal_pointer (&job->invocation);

  g_clear_handle_id (&job->timeout, g_source_remove);
  if (invocation != NULL)
    qs_dbus_error_return (invocation, error);
  else
    {
      qs_job_log_unasked (job, error);
      qs_job_tell_end (job, error);
      g_error_free (error);
    }
}

/* the object appears on the bus */
void
qs_job_publish (QsJob *job)
{
  QsSubject subject = { .service = job->service, .job = job };
  QsAudience audience = audience_of (job);
  g_autofree char *path = qs_object_path_job (job->number);

  qs_announce_added (job->service, &audience, QS_PATH, path,
                     qs_properties_interfaces (QS_OBJECT_JOB, &subject));
  qs_job_announce_busy (job);
}

void
qs_job_withdraw (QsJob *job)
{
  QsAudience audience = audience_of (job);
  g_autofree char *path = qs_object_path_job (job->number);

  qs_announce_removed (job->service, &audience, QS_PATH, path, job_interfaces);
}

/* the domain has this job, or none any more */
void
qs_job_announce_busy (QsJob *job)
{
  g_autoptr (QsDomain) domain = qs_service_lookup (job->service, job->domain_id);
  QsSubject subject = { .service = job->service, .domain = domain };
  QsAudience audience = { job->owner, job->domain_id, NULL, FALSE };
  g_autofree char *path = qs_object_path_domain (job->domain_id);
  static const char *const names[] = { "Job", NULL };

  if (domain != NULL)
    qs_announce_changed (job->service, &audience, path, QS_DOMAIN_INTERFACE,
                         qs_properties_get_some (QS_OBJECT_DOMAIN, &subject, names), NULL);
}

/* @names: NULL-terminated */
void
qs_job_announce (QsJob *job, const char *const *names)
{
  QsSubject subject = { .service = job->service, .job = job };
  QsAudience audience = audience_of (job);
  g_autofree char *path = qs_object_path_job (job->number);

  if (job->shape->has_object)
    qs_announce_changed (job->service, &audience, path, QS_JOB_INTERFACE,
                         qs_properties_get_some (QS_OBJECT_JOB, &subject, names), NULL);
}

static void
answer_result (const QsJob *job, GDBusMethodInvocation *invocation)
{
  if (job->error != NULL)
    qs_dbus_error_return (invocation, g_error_copy (job->error));
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", job->result));
}

static void
answer_waiter (gpointer data, gpointer user_data)
{
  const QsJobWaiter *waiter = data;

  waiter->answer (user_data, waiter->invocation);
}

/* @invocation: (transfer full): answered when the job has ended */
void
qs_job_wait_with (QsJob *job, GDBusMethodInvocation *invocation, QsJobAnswer answer)
{
  const QsJobWaiter waiter = { invocation, answer };

  if (qs_job_is_ended (job))
    answer (job, invocation);
  else
    g_ptr_array_add (job->waiting, g_memdup2 (&waiter, sizeof waiter));
}

/**
 * qs_job_wait:
 * @invocation: (transfer full): answered when the job has ended
 */
void
qs_job_wait (QsJob *job, GDBusMethodInvocation *invocation)
{
  qs_job_wait_with (job, invocation, answer_result);
}

static void
announce_completed (QsJob *job)
{
  QsSubject subject = { .service = job->service, .job = job };
  QsAudience audience = audience_of (job);
  g_autofree char *path = qs_object_path_job (job->number);
  g_autofree char *name = job->error != NULL ? qs_dbus_error_name (job->error) : g_strdup ("");
  const char *message = job->error != NULL ? job->error->message : "";
  GVariant *state = qs_properties_find (QS_OBJECT_JOB, "State")->get (&subject);

  qs_announce_signal (job->service, &audience, path, QS_JOB_INTERFACE, "Completed",
                      g_variant_new ("(@sss@a{sv})", state, name, message, job->result));
}

/**
 * qs_job_give_up_waiting:
 *
 * The service ends before the job has: those who wait for it hear of that alone.
 */
void
qs_job_give_up_waiting (QsJob *job)
{
  g_ptr_array_foreach (job->waiting, answer_waiter, job);
  g_ptr_array_set_size (job->waiting, 0);
}

/**
 * qs_job_complete:
 *
 * The last words of a job: what waits to be told first, then Completed, then those who wait.
 */
void
qs_job_complete (QsJob *job)
{
  static const char *const names[] = { "State",      "Step",      "Progress",     "Paused",
                                       "Cancelable", "ErrorName", "ErrorMessage", "Result",
                                       "Notes",      NULL };

  if (job->error == NULL)
    qs_job_announce_reverted (job);
  qs_job_set_block_jobs (job, NULL);
  qs_job_announce (job, names);
  qs_announce_flush (job->service);
  announce_completed (job);
  g_ptr_array_foreach (job->waiting, answer_waiter, job);
  g_ptr_array_set_size (job->waiting, 0);
}
