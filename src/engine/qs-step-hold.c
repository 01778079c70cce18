/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-error.h"

/* a job that is ready waits for its caller, as long as that takes. Whether the guest goes over to what it
   has written is decided here; that it does so, later steps see to */

static void
tell (const QsBlockJob *job, gpointer data)
{
  const QsMerge *merge = data;
  const QsAmount amount = { .done = job->done, .total = job->total };

  qs_step_call_tell (merge->call, &amount);
}

/* nobody else than the service knows what is to be recorded before a job ends */
static gboolean
fail (const QsMerge *merge, QsGuest *guest, const QsBlockJob *job, GError **error)
{
  if (job->state == QS_BLOCK_JOB_CONCLUDED && job->problem != NULL)
    return qs_merge_fail (merge, guest, job, error);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "the job ‘%s’ of QEMU was told to end, but not by the service", merge->job);
  return FALSE;
}

static gboolean
wait_for_end (const QsMerge *merge, QsGuest *guest, QsControlEnd *end, GError **error)
{
  const QsBlockJobWait wait = { .cancellable = merge->call->cancellable,
                                .control = merge->call->world->world.control,
                                .may_be_left = TRUE,
                                .tell = tell,
                                .user_data = (gpointer)merge };
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_hold (qs_guest_get_qmp (guest), merge->job, &wait, &job, end, error))
    return FALSE;
  return *end != QS_CONTROL_HOLD || fail (merge, guest, &job, error);
}

/* at once, and then what changes: how far it has come is the same for as long as the guest writes nothing */
static gboolean
tell_first (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };

  if (!qs_block_job_look (qs_guest_get_qmp (guest), merge->job, &job, error))
    return FALSE;
  merge->call->world->told_at = 0;
  tell (&job, (gpointer)merge);
  return TRUE;
}

static gboolean
hold (const QsMerge *merge, QsGuest *guest, QsControlEnd *end, GError **error)
{
  QsControl *control = merge->call->world->world.control;
  gboolean told;

  if (control == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
                   "nobody is there who could say how the job ‘%s’ is to end", merge->job);
      return FALSE;
    }
  if (!tell_first (merge, guest, error))
    return FALSE;
  qs_control_set_hold (control, QS_CONTROL_NOW);
  qs_step_call_tell_ready (merge->call, TRUE);
  told = wait_for_end (merge, guest, end, error);
  qs_control_set_hold (control, QS_CONTROL_NEVER);
  qs_step_call_tell_ready (merge->call, FALSE);
  return told;
}

static GVariant *
done_result (void)
{
  return g_variant_ref_sink (g_variant_new_parsed ("{'done': <true>}"));
}

/* of a commit the file that was written is one of the guest's chain */
static GVariant *
finished_result (const QsMerge *merge)
{
  const char *path = merge->is_mirror ? qs_step_string (merge->step, "path") : NULL;
  const char *const files[] = { path, NULL };
  g_autofree char *note =
      path != NULL
          ? g_strdup_printf ("‘%s’ is a copy of the disk of the moment at which the job was "
                             "told to end; the guest goes on with the files it had",
                             path)
          : g_strdup ("the guest goes on with the file it had, and what that held at the "
                      "moment at which the job was told to end is in the one below, too");

  return g_variant_ref_sink (g_variant_new_parsed (
      "{'done': <false>, 'note': <%s>, 'instead': <{'pivoted': <false>, 'files': <%^as>}>}", note,
      files));
}

/* written down before, so that another try does not take the job for one that somebody else has ended */
static gboolean
note_finish (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) learnt = finished_result (merge);

  return qs_step_call_note (merge->call, learnt, error);
}

/* of a commit the guest's own file stays on the one that was written */
static gboolean
finish (const QsMerge *merge, QsGuest *guest, GError **error)
{
  if (!note_finish (merge, error)
      || !qs_block_job_finish (qs_guest_get_qmp (guest), merge->job, error))
    return FALSE;
  if (!merge->is_mirror)
    return TRUE;
  qs_merge_drop_nodes (merge, guest, "added");
  return qs_merge_mirror_sync (merge, error);
}

static gboolean
is_finishing (const QsStepCall *call)
{
  GVariant *learnt = qs_step_call_result (call);
  gboolean done = TRUE;

  return learnt != NULL && g_variant_lookup (learnt, "done", "b", &done) && !done;
}

static gboolean
run (const QsMerge *merge, QsGuest *guest, QsControlEnd *end, GError **error)
{
  if (qs_merge_reach (merge, guest, QS_BLOCK_JOB_READY, error) && hold (merge, guest, end, error))
    return TRUE;
  qs_step_call_explain_end (merge->call, error);
  return FALSE;
}

gboolean
qs_run_job_hold (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsControlEnd end = QS_CONTROL_FINISH;
  QsMerge merge;

  if (!qs_merge_read (call, &merge, error) || !qs_merge_find_guest (&merge, &guest, error))
    return FALSE;
  if (guest == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "%s has ended",
                   qs_merge_program (&merge));
      return FALSE;
    }
  if (!is_finishing (call) && !run (&merge, guest, &end, error))
    return FALSE;
  *result = end == QS_CONTROL_PIVOT ? done_result () : finished_result (&merge);
  return end == QS_CONTROL_PIVOT || finish (&merge, guest, error);
}
