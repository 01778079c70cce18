/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-block-graph.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

/* the steps of a merge in a running QEMU. Each takes the job where it is: also one that a daemon began
   which was killed */

/* (nullable) @guest: without error QEMU has ended */
static gboolean
begin (QsStepCall *call, QsMerge *merge, QsGuest **guest, GError **error)
{
  return qs_merge_read (call, merge, error) && qs_merge_find_guest (merge, guest, error);
}

/* before the commit there is no need to go on without QEMU */
static gboolean
without_guest (const QsMerge *merge, GVariant **result, GError **error)
{
  if (merge->call->step->phase == QS_PHASE_FINISH)
    return qs_merge_offline (merge, result, error);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "%s has ended",
               qs_merge_program (merge));
  return FALSE;
}

gboolean
qs_run_merge (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  if (guest == NULL)
    return without_guest (&merge, result, error);
  return qs_merge_reach (&merge, guest,
                         merge.header != NULL ? QS_BLOCK_JOB_PENDING : QS_BLOCK_JOB_READY, error);
}

/* what was begun only may fail later */
gboolean
qs_run_mirror (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  if (guest == NULL)
    return without_guest (&merge, result, error);
  if (qs_step_boolean (call->step, "until-ready")
          ? qs_merge_reach (&merge, guest, QS_BLOCK_JOB_READY, error)
          : qs_merge_begin (&merge, guest, error))
    return TRUE;
  qs_step_call_explain_end (call, error);
  return FALSE;
}

/* a destination that has lost its name would go with the guest's next end */
static gboolean
complete (const QsMerge *merge, QsGuest *guest, GError **error)
{
  return (!merge->is_mirror || qs_merge_mirror_check (merge, error))
         && qs_merge_reach (merge, guest, QS_BLOCK_JOB_PENDING, error);
}

gboolean
qs_run_job_complete (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  return guest != NULL ? complete (&merge, guest, error) : without_guest (&merge, result, error);
}

/* the guest's requests may wait as long as a job is pending */
static gboolean
give_up (const QsMerge *merge, QsGuest *guest)
{
  qs_block_job_cancel (qs_guest_get_qmp (guest), merge->job, NULL);
  return FALSE;
}

static gboolean
reach_flushed (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_merge_reach (merge, guest, QS_BLOCK_JOB_PENDING, error)
      || !qs_block_job_look (qs_guest_get_qmp (guest), merge->job, &job, error))
    return FALSE;
  return job.state != QS_BLOCK_JOB_PENDING || qs_merge_flush (merge, guest, error)
         || give_up (merge, guest);
}

gboolean
qs_run_flush (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  return guest != NULL ? reach_flushed (&merge, guest, error)
                       : without_guest (&merge, result, error);
}

/* a job of an operation before goes on, unless it is about to go over: then QEMU knows but one way back */
static gboolean
leave_job (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };
  QsQmp *qmp = qs_guest_get_qmp (guest);

  return qs_block_job_look (qmp, merge->job, &job, error)
         && (job.state != QS_BLOCK_JOB_PENDING || qs_block_job_cancel (qmp, merge->job, error));
}

/* the base of what has been done is as it was; only the job goes */
gboolean
qs_undo_merge (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  if (guest == NULL)
    return merge.is_mirror || qs_merge_put_back (&merge, error);
  if (qs_step_boolean (merge.step, "keep"))
    return leave_job (&merge, guest, error);
  return merge.is_private ? qs_merge_storage_cancel (&merge, guest, error)
                          : qs_block_job_cancel (qs_guest_get_qmp (guest), merge.job, error);
}

static gboolean
wait_concluded (const QsMerge *merge, QsGuest *guest, GError **error)
{
  const QsBlockJobWait wait = { .seconds = QS_QMP_TRANSACTION_SECONDS };
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_wait (qs_guest_get_qmp (guest), merge->job, &wait, &job, error))
    return FALSE;
  if (job.state == QS_BLOCK_JOB_CONCLUDED && job.problem == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "QEMU failed to end ‘%s’: %s",
               qs_step_type (merge->step->kind)->name,
               job.problem != NULL ? job.problem : "the job goes on");
  return FALSE;
}

/* a job that is not there any more, or has failed, is done once more */
static gboolean
reach_pending (const QsMerge *merge, QsGuest *guest, GError **error)
{
  if (merge->header != NULL)
    return reach_flushed (merge, guest, error);
  return qs_merge_reach (merge, guest, QS_BLOCK_JOB_PENDING, error);
}

static gboolean
finalize (const QsMerge *merge, QsGuest *guest, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_auto (QsBlockJob) job = { 0 };
  gboolean done = FALSE;

  if (!qs_block_job_look (qmp, merge->job, &job, error))
    return FALSE;
  if (job.state == QS_BLOCK_JOB_CONCLUDED && job.problem == NULL)
    return TRUE;
  if (job.state == QS_BLOCK_JOB_ABSENT && !qs_merge_is_done (merge, guest, &done, error))
    return FALSE;
  if (done)
    return TRUE;
  if (job.state != QS_BLOCK_JOB_PENDING && !reach_pending (merge, guest, error))
    return FALSE;
  return qs_block_job_do (qmp, "job-finalize", merge->job, error)
         && wait_concluded (merge, guest, error);
}

/* that the device goes over to the other file was recorded before */
static gboolean
finalize_gone (const QsMerge *merge, GVariant **result, GError **error)
{
  if (merge->header != NULL)
    return qs_merge_offline (merge, result, error);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'done': <true>}"));
  return TRUE;
}

gboolean
qs_run_job_finalize (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  if (guest != NULL)
    return finalize (&merge, guest, error);
  if (call->step->phase == QS_PHASE_FINISH)
    return finalize_gone (&merge, result, error);
  return without_guest (&merge, result, error);
}

static QsProbe
probe_job (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };
  gboolean done = FALSE;

  if (!qs_block_job_look (qs_guest_get_qmp (guest), merge->job, &job, error))
    return QS_PROBE_UNKNOWN;
  if (job.state == QS_BLOCK_JOB_CONCLUDED)
    return job.problem == NULL ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
  if (job.state != QS_BLOCK_JOB_ABSENT)
    return QS_PROBE_NOT_DONE;
  if (!qs_merge_is_done (merge, guest, &done, error))
    return QS_PROBE_UNKNOWN;
  return done ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

/* QEMU gone: the header tells; of a device that went over to another file nothing does, which is why
   that is recorded first and is no commit */
QsProbe
qs_probe_job_finalize (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  gboolean is_new = FALSE;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return QS_PROBE_UNKNOWN;
  if (guest != NULL)
    return probe_job (&merge, guest, error);
  if (merge.header == NULL || !qs_merge_header_is_new (&merge, &is_new, error))
    return QS_PROBE_UNKNOWN;
  return is_new ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

/* (nullable) @node: one that somebody still uses stays, and one that QEMU has made by itself has gone
   with what stood on it */
static void
drop_node (QsGuest *guest, const char *node)
{
  g_autoptr (GError) error = NULL;

  if (node != NULL && *node != '#'
      && !qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-del",
                      g_variant_new_parsed ("{'node-name': <%s>}", node), QS_QMP_COMMAND_SECONDS,
                      &error))
    g_debug ("node ‘%s’ stays: %s", node, error->message);
}

/**
 * qs_merge_drop_nodes:
 *
 * Nodes that nobody stands on any more, and below each the one of its file, which may have been made
 * apart and would keep a file open that is deleted.
 */
void
qs_merge_drop_nodes (const QsMerge *merge, QsGuest *guest, const char *key)
{
  g_autoptr (GVariant) names = qs_step_value (merge->step, key);
  g_autoptr (JsonNode) graph =
      g_variant_n_children (names) > 0 ? qs_block_graph_query (guest, NULL) : NULL;

  for (gsize i = 0; i < g_variant_n_children (names); i++)
    {
      const char *node;

      g_variant_get_child (names, i, "&s", &node);
      drop_node (guest, node);
      if (graph != NULL)
        drop_node (guest, qs_block_graph_child (graph, node, "file"));
    }
}

static gboolean
check_end (const QsMerge *merge, QsGuest *guest, GError **error)
{
  gboolean done = FALSE;
  gboolean is_new = TRUE;

  if (!qs_merge_is_done (merge, guest, &done, error)
      || (merge->header != NULL && !qs_merge_header_is_new (merge, &is_new, error)))
    return FALSE;
  if (!done || !is_new)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ has ended, but %s",
                 qs_step_type (merge->step->kind)->name,
                 done ? "the header names the old backing file still"
                      : "QEMU goes on with the old files");
  return done && is_new;
}

static gboolean
dismiss (const QsMerge *merge, QsGuest *guest, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_look (qmp, merge->job, &job, error))
    return FALSE;
  if (job.state == QS_BLOCK_JOB_CONCLUDED
      && !qs_block_job_do (qmp, "job-dismiss", merge->job, error))
    return FALSE;
  if (!check_end (merge, guest, error) || !qs_merge_flush_again (merge, guest, error))
    return FALSE;
  qs_merge_drop_nodes (merge, guest, "drop");
  return TRUE;
}

gboolean
qs_run_job_dismiss (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsMerge merge;

  if (!begin (call, &merge, &guest, error))
    return FALSE;
  if (guest == NULL)
    return finalize_gone (&merge, result, error);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'done': <true>}"));
  return dismiss (&merge, guest, error);
}
