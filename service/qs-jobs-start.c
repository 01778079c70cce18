/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-limits.h"

/* nothing is begun for one that has left the bus; @invocation: NULL: nobody called */
gboolean
qs_jobs_check_caller (GDBusMethodInvocation *invocation, GError **error)
{
  if (invocation == NULL || !g_cancellable_is_cancelled (qs_call_get (invocation)->peer->gone))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_CANCELLED, "the caller has left the bus");
  return FALSE;
}

gboolean
qs_jobs_check_room (const QsUser *user, GError **error)
{
  if (user->n_queued_jobs < QS_MAX_QUEUED_JOBS_PER_UID)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
               "%d operations of uid %u are waiting already", QS_MAX_QUEUED_JOBS_PER_UID,
               user->uid);
  return FALSE;
}

static gboolean
check_domain (const QsJob *job, GError **error)
{
  const QsService *service = job->service;
  const QsDomain *domain = job->domain;

  if (service->stopping)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED, "the service is stopping, call again");
      return FALSE;
    }
  if (service->degraded != NULL && !qs_operation_get (job->request->verb)->looks)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "the records cannot be written: %s",
                   service->degraded);
      return FALSE;
    }
  if (domain != NULL && domain->quarantine_reason != NULL
      && !qs_operation_passes_quarantine (job->request->verb))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED, "domain ‘%s’ is in quarantine: %s",
                   domain->name, domain->quarantine_reason);
      return FALSE;
    }
  return TRUE;
}

static void
set_busy (GError **error, const QsJob *holder)
{
  g_autofree char *path = qs_object_path_job (holder->number);

  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY,
               "another operation works on the domain; wait for job %s", path);
}

static void
refuse_busy (QsJob *job, const QsJob *holder)
{
  GError *error = NULL;

  set_busy (&error, holder);
  qs_job_refuse (job, error);
}

static gboolean
is_destroy (const QsJob *job)
{
  return job->request->verb == QS_VERB_DESTROY;
}

/* the domain is another value by now, with another QEMU perhaps */
static gboolean
look_up_again (QsJob *job, GError **error)
{
  g_clear_pointer (&job->domain, qs_domain_unref);
  job->domain = qs_service_lookup (job->service, job->domain_id);
  if (job->domain != NULL)
    return check_domain (job, error);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_DOMAIN, "no such domain");
  return FALSE;
}

static void
kill_guest (gpointer data)
{
  QsJob *job = data;

  qs_engine_kill (job->service->engine, job->domain_id, &job->error);
}

static void
on_killed (gpointer data)
{
  g_autoptr (QsJob) job = data;

  qs_jobs_end (job->service->jobs, job);
}

/* the operation that hangs keeps the domain and ends by itself, for its QEMU is gone */
static void
kill_now (QsJobs *self, QsJob *job)
{
  job->number = ++self->last_number;
  self->n_open++;
  job->committed = TRUE;
  qs_job_log_start (job);
  qs_job_take_notes (job);
  qs_jobs_publish (self, job, TRUE);
  qs_work_push (self->service->work, kill_guest, on_killed, qs_job_ref (job));
}

static void
destroy_now (gpointer data)
{
  g_autoptr (QsJob) job = data;
  QsJobs *self = job->service->jobs;
  QsJob *holder = qs_reservations_get (self->reservations, job->key);
  GError *error = NULL;

  if (!qs_jobs_check_caller (job->invocation, &error) || !look_up_again (job, &error))
    qs_job_refuse (job, error);
  else if (holder == NULL)
    qs_jobs_prepare (self, job);
  else if (is_destroy (holder))
    refuse_busy (job, holder);
  else
    kill_now (self, job);
}

/* Destroy always passes: what runs is given some time to take itself back. One that is only queued
   ends here and now, so we wait before we cancel */
static void
start_after (QsJobs *self, QsJob *job, QsJob *holder)
{
  qs_jobs_wait (self, job->key, QS_DESTROY_WAIT_SECONDS, destroy_now, qs_job_ref (job));
  qs_job_cancel (holder, NULL);
}

static char *
key_beside (const QsJob *job)
{
  return g_strconcat ("beside-", job->domain_id, NULL);
}

static void
start_beside (QsJobs *self, QsJob *job)
{
  char *key = key_beside (job);

  g_free (job->key);
  job->key = key;
  qs_jobs_prepare (self, job);
}

/* one that could go past @holder waits for the one that does so just now, not for hours */
static QsJob *
find_hindrance (QsJobs *self, const QsJob *job, QsJob *holder)
{
  g_autofree char *key = NULL;
  QsJob *other;

  if (!qs_operation_get (job->request->verb)->passes)
    return holder;
  key = key_beside (job);
  other = qs_reservations_get (self->reservations, key);
  return other != NULL ? other : holder;
}

static gboolean
check_start (const QsJob *job, GError **error)
{
  gboolean unlimited = job->starter->uid == 0 || job->invocation == NULL || job->candidate != NULL;
  guint rate = unlimited ? 0 : job->service->settings.mutations_per_second;

  return qs_jobs_check_caller (job->invocation, error) && check_domain (job, error)
         && qs_jobs_check_room (job->starter, error)
         && qs_user_take_mutation (job->starter, rate, g_get_monotonic_time (), error);
}

/**
 * qs_jobs_order:
 *
 * Reserves the domain, surveys and plans in a thread, and then carries the plan out. A refusal is
 * the answer of the call.
 */
void
qs_jobs_order (QsJobs *self, const QsJobOrder *order)
{
  g_autoptr (QsJob) job = qs_job_new (self->service, order);
  GError *error = NULL;
  QsJob *holder;

  job->request->caller = job->starter->uid;
  job->request->caller_is_owner = job->owner == job->starter->uid;
  if (!check_start (job, &error))
    {
      qs_job_refuse (job, error);
      return;
    }
  job->key = job->domain_id != NULL ? g_strdup (job->domain_id) : qs_jobs_define_key (job->owner);
  holder = qs_reservations_get (self->reservations, job->key);
  if (holder == NULL)
    qs_jobs_prepare (self, job);
  else if (is_destroy (job) && !is_destroy (holder))
    start_after (self, job, holder);
  else if (qs_job_enter (job, holder))
    start_beside (self, job);
  else
    refuse_busy (job, find_hindrance (self, job, holder));
}

/* of a domain that is new: the caller, unless one who may has named another */
static guint32
owner_of (const QsCall *call, const QsRequest *request)
{
  guint32 owner = qs_call_get_uid (call);

  if (request->options != NULL)
    g_variant_lookup (request->options, "owner", "u", &owner);
  return owner;
}

/**
 * qs_jobs_start:
 * @invocation: (transfer full): of a call that is let in, its objects looked up
 * @request: (transfer full)
 *
 * qs_jobs_order() on the domain of the call.
 */
void
qs_jobs_start (QsJobs *self, GDBusMethodInvocation *invocation, QsRequest *request,
               const QsJobShape *shape)
{
  const QsCall *call = qs_call_get (invocation);
  QsJobOrder order = { .invocation = invocation,
                       .domain = call->domain,
                       .owner = owner_of (call, request),
                       .request = request,
                       .shape = shape };

  qs_jobs_order (self, &order);
}
