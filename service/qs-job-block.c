/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-align-private.h"
#include "qs-announce.h"
#include "qs-dbus-error.h"
#include "qs-flags.h"
#include "qs-names.h"

/* the block jobs of an operation, as the bus shows and steers them */

static const char *const phase_words[] = {
  [QS_BLOCK_JOB_PHASE_RUNNING] = "running",
  [QS_BLOCK_JOB_PHASE_READY] = "ready",
  [QS_BLOCK_JOB_PHASE_PENDING] = "pending",
  [QS_BLOCK_JOB_PHASE_ABORTING] = "aborting",
};

/* a job that is ready, and how far each has come, is not told: whoever wants to know asks */
static void
announce (QsJob *job)
{
  QsAudience audience = { job->owner, job->domain_id, NULL, FALSE };
  g_autofree char *path = qs_object_path_domain (job->domain_id);

  qs_announce_changed (job->service, &audience, path, QS_DOMAIN_INTERFACE, NULL, "BlockJobs");
}

/**
 * qs_job_set_block_jobs:
 * @rows: (nullable): NULL: none any more
 */
void
qs_job_set_block_jobs (QsJob *job, GPtrArray *rows)
{
  gboolean is_same = qs_block_jobs_equal (job->block_jobs, rows);

  g_clear_pointer (&job->block_jobs, g_ptr_array_unref);
  job->block_jobs = rows != NULL ? g_ptr_array_ref (rows) : NULL;
  if (!is_same)
    announce (job);
}

void
qs_job_note_amount (QsJob *job)
{
  for (guint i = 0; job->block_jobs != NULL && i < job->block_jobs->len; i++)
    {
      const QsBlockJobRow *row = g_ptr_array_index (job->block_jobs, i);

      if (row->at_work)
        g_hash_table_replace (job->amounts, g_strdup (row->id),
                              g_memdup2 (&job->amount, sizeof job->amount));
    }
}

static const char *
state_word (const QsJob *job, const QsBlockJobRow *row)
{
  gboolean is_paused = job->paused && row->phase <= QS_BLOCK_JOB_PHASE_READY;

  return is_paused ? "paused" : phase_words[row->phase];
}

static GVariant *
describe (const QsJob *job, const QsBlockJobRow *row)
{
  const QsAmount *amount = g_hash_table_lookup (job->amounts, row->id);
  g_autofree char *path = qs_object_path_job (job->number);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "disk", "s", row->target);
  g_variant_dict_insert (&dict, "type", "s", row->type);
  g_variant_dict_insert (&dict, "state", "s", state_word (job, row));
  g_variant_dict_insert (&dict, "cur", "t", amount != NULL ? amount->done : (guint64)0);
  g_variant_dict_insert (&dict, "end", "t", amount != NULL ? amount->total : (guint64)0);
  g_variant_dict_insert (&dict, "bandwidth", "t", job->bandwidth);
  g_variant_dict_insert (&dict, "destination", "s", row->destination);
  g_variant_dict_insert (&dict, "job", "o", path);
  return g_variant_dict_end (&dict);
}

/**
 * qs_jobs_describe_block_jobs:
 * @domain: id
 *
 * Returns: (transfer floating): aa{sv} of those that the operation at work has
 */
GVariant *
qs_jobs_describe_block_jobs (QsJobs *self, const char *domain)
{
  const QsJob *job = qs_jobs_find_active (self, domain);
  const GPtrArray *rows = job != NULL ? job->block_jobs : NULL;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; rows != NULL && i < rows->len; i++)
    g_variant_builder_add_value (&builder, describe (job, g_ptr_array_index (rows, i)));
  return g_variant_builder_end (&builder);
}

static const QsBlockJobRow *
find_row (const QsJob *job, const char *target)
{
  for (guint i = 0; job->block_jobs != NULL && i < job->block_jobs->len; i++)
    {
      const QsBlockJobRow *row = g_ptr_array_index (job->block_jobs, i);

      if (g_str_equal (row->target, target))
        return row;
    }
  return NULL;
}

/* the disk that was asked for, also as long as nothing is begun yet */
static gboolean
is_asked_for (const QsJob *job, const char *target)
{
  const QsDiskDef *disk = NULL;
  const char *name;

  if (job->domain != NULL && job->request->options != NULL
      && g_variant_lookup (job->request->options, "disk", "&s", &name))
    disk = qs_align_resolve_disk (job->domain, name, NULL);
  return disk != NULL && g_str_equal (disk->target, target);
}

/**
 * qs_job_find_disk:
 * @name: as a caller has it: target, or path of now or at the beginning of the job
 *
 * Returns: (transfer none) (nullable): the disk of @name, on which @job has a block job, or will have
 */
const char *
qs_job_find_disk (const QsJob *job, const QsDomain *domain, const char *name)
{
  const QsDiskDef *disk = qs_align_resolve_disk (domain, name, NULL);

  if (disk == NULL && job->domain != NULL)
    disk = qs_align_resolve_disk (job->domain, name, NULL);
  if (disk == NULL)
    return NULL;
  return find_row (job, disk->target) != NULL || is_asked_for (job, disk->target) ? disk->target
                                                                                  : NULL;
}

/* one that is not ready says how far it is */
static void
explain_progress (const QsJob *job, GError **error)
{
  g_autofree char *done = g_format_size_full (job->amount.done, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *total = g_format_size_full (job->amount.total, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *text = g_strdup ((*error)->message);

  if (job->amount.total == 0 || job->ready)
    return;
  g_clear_error (error);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "%s (%s of %s)", text, done, total);
}

static gboolean
pivot (QsJob *job, GError **error)
{
  g_autoptr (GError) refusal = NULL;

  if (qs_task_pivot (job->task, &refusal))
    return TRUE;
  explain_progress (job, &refusal);
  g_propagate_error (error, g_steal_pointer (&refusal));
  return FALSE;
}

/**
 * qs_job_abort_block_job:
 * @flags: QsBlockJobAbortFlags
 *
 * Ends the block job as it is wanted, in a while. What is ready has all that it needs: a copy stays, and
 * of a commit the guest stays where it is.
 */
gboolean
qs_job_abort_block_job (QsJob *job, guint flags, GError **error)
{
  if (flags & QS_BLOCK_JOB_ABORT_PIVOT)
    return pivot (job, error);
  if (job->ready)
    return qs_task_finish (job->task, error);
  return qs_job_cancel (job, error);
}

static void
answer_pivoted (const QsJob *job, GDBusMethodInvocation *invocation)
{
  if (job->error != NULL)
    qs_dbus_error_return (invocation, g_error_copy (job->error));
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

/* that it was cancelled is what was wanted */
static void
answer_aborted (const QsJob *job, GDBusMethodInvocation *invocation)
{
  if (g_error_matches (job->error, QS_ERROR, QS_ERROR_CANCELLED))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    answer_pivoted (job, invocation);
}

/**
 * qs_job_wait_aborted:
 * @invocation: (transfer full): answered when the job has ended after qs_job_abort_block_job()
 */
void
qs_job_wait_aborted (QsJob *job, guint flags, GDBusMethodInvocation *invocation)
{
  qs_job_wait_with (job, invocation,
                    flags & QS_BLOCK_JOB_ABORT_PIVOT ? answer_pivoted : answer_aborted);
}
