/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-step-qmp.h"

/* steps that are QMP commands: qs-step-qmp.c knows the commands, this file what is around them */

/* the event would tell, too, but the caller shall find it in the property when the job has ended */
static gboolean
note_state (QsStepCall *call, QsDomainState state)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s",
                  qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state), NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (call->world->engine->registry, call->world->domain, changes, NULL);
  return TRUE;
}

static gboolean
sets_state (const QsStep *step, QsDomainState *state)
{
  *state = step->kind == QS_STEP_STOP ? QS_DOMAIN_PAUSED : QS_DOMAIN_RUNNING;
  return step->kind == QS_STEP_STOP || step->kind == QS_STEP_CONT;
}

/* whether the step will change the guest is in the journal before it does, so that undo, also after
   a crash, resumes a guest that we have paused and no other */
static gboolean
note_before (QsStepCall *call, QsGuest *guest, guint64 *resumes, GError **error)
{
  g_autoptr (GVariant) learnt = NULL;
  QsDomainState state;
  gboolean changes;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  /* before the command, so that a `cont` right after it counts */
  *resumes = qs_qmp_get_resumes (qs_guest_get_qmp (guest));
  changes =
      call->step->kind == QS_STEP_STOP ? qs_step_stop_changes (state) : state != QS_DOMAIN_RUNNING;
  learnt = g_variant_ref_sink (g_variant_new_parsed ("{'changed': <%b>}", changes));
  return qs_step_call_note (call, learnt, error);
}

/* (nullable): nobody has talked yet to a process that a step before a crash of the service has started
   and one after it has recorded */
static QsGuest *
meet (QsStepCall *call, QsDomain *domain)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (GError) error = NULL;

  if (!qs_watch_is_lost (engine, domain))
    return NULL;
  if (!qs_watch_find (engine, domain, &error))
    g_message ("%s, ignoring", error->message);
  return qs_registry_get_guest (engine->registry, domain->id);
}

/**
 * qs_step_call_find_guest:
 * @guest: (out) (transfer full): NULL: its process has ended, and nodes and run state have gone with
 *   it
 *
 * A QEMU that lives and only does not answer is not taken for gone: that is a failure.
 */
gboolean
qs_step_call_find_guest (QsStepCall *call, QsGuest **guest, GError **error)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);
  g_autoptr (QsGuest) found = qs_registry_get_guest (engine->registry, call->world->domain);
  const QsProcess *process = NULL;

  if (found == NULL && call->world->recovering)
    found = meet (call, domain);
  if (found != NULL && qs_guest_is_open (found))
    {
      *guest = g_steal_pointer (&found);
      return TRUE;
    }
  if (found != NULL)
    process = qs_guest_get_process (found);
  else if (domain != NULL)
    process = domain->process;
  if (process == NULL || qs_process_wait (process, QS_QUIT_SECONDS))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU %" G_GINT64_FORMAT " runs, but its monitor cannot be asked", process->pid);
  return FALSE;
}

/**
 * qs_step_call_need_guest:
 *
 * Returns: (transfer full): the guest, for a step that changes it before the commit; NULL if it has
 *   ended, or is another one
 */
QsGuest *
qs_step_call_need_guest (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return NULL;
  if (guest == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                         "the domain's QEMU has ended");
  return guest != NULL && qs_guest_check (guest, error) ? g_steal_pointer (&guest) : NULL;
}

/* what these change has ended with QEMU */
static const QsStepKind gone_with_it[] = {
  QS_STEP_CONT, QS_STEP_STOP, QS_STEP_NODE_REBASE, QS_STEP_NODE_RELEASE, QS_STEP_RESET,
};

/* after the commit, a guest that has ended meanwhile is no reason to fail for ever */
static gboolean
finish_without_guest (QsStepCall *call, GVariant **result, GError **error)
{
  if (call->step->kind == QS_STEP_NODE_SNAPSHOT_DELETE)
    return qs_run_image_delete (call, result, error);
  for (guint i = 0; i < G_N_ELEMENTS (gone_with_it); i++)
    if (call->step->kind == gone_with_it[i])
      return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "the domain's QEMU has ended");
  return FALSE;
}

/* a guest that somebody else has paused is never continued */
static gboolean
is_not_ours_to_continue (const QsStepCall *call)
{
  g_autoptr (GVariant) stop = qs_step_value (call->step, "stop");
  GVariant *stopped;
  gboolean changed = FALSE;

  if (call->step->kind != QS_STEP_CONT || stop == NULL
      || g_variant_get_uint32 (stop) >= call->results->len)
    return FALSE;
  stopped = g_ptr_array_index (call->results, g_variant_get_uint32 (stop));
  return stopped == NULL || !g_variant_lookup (stopped, "changed", "b", &changed) || !changed;
}

/* one whose memory is gone */
static gboolean
must_stand_still (const QsStepCall *call)
{
  return (call->step->kind == QS_STEP_CONT || call->step->kind == QS_STEP_RESET)
         && qs_step_memory_is_lost (call);
}

/* what was asked for is not tried for long: whoever asks may ask again */
static gboolean
lets_go_on (const QsStep *step)
{
  return step->kind == QS_STEP_CONT && step->phase == QS_PHASE_FINISH;
}

gboolean
qs_run_guest_step (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsDomainState state;
  gboolean settles = sets_state (call->step, &state);
  gboolean noted = settles && call->step->phase == QS_PHASE_PREPARE;
  guint64 resumes = 0;

  if (is_not_ours_to_continue (call) || must_stand_still (call))
    return TRUE;
  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (guest == NULL && call->step->phase == QS_PHASE_FINISH)
    return finish_without_guest (call, result, error);
  if (guest == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "the domain's QEMU has ended");
      return FALSE;
    }
  if (call->step->phase != QS_PHASE_FINISH && !qs_guest_check (guest, error))
    return FALSE;
  if (noted && !note_before (call, guest, &resumes, error))
    return FALSE;
  if (lets_go_on (call->step))
    return qs_step_wake (call, guest, qs_step_wake_from (call->step), &state, error)
           && note_state (call, state);
  if (!qs_step_qmp_run (guest, call->step, result, error))
    return FALSE;
  if (noted)
    *result = qs_step_add_resumes (*result, resumes);
  return !settles || note_state (call, state);
}

gboolean
qs_undo_guest_step (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  GVariant *learnt = qs_step_call_result (call);
  gboolean changed = FALSE;

  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (call->step->kind == QS_STEP_STOP && qs_step_memory_is_lost (call))
    return TRUE;
  if (call->step->kind == QS_STEP_STOP && guest != NULL)
    return learnt == NULL || !g_variant_lookup (learnt, "changed", "b", &changed) || !changed
           || qs_step_wake (call, guest, QS_WAKE_PAUSED, NULL, error);
  return qs_step_qmp_undo (guest, call->step, learnt, error);
}

QsProbe
qs_probe_guest_step (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  return qs_step_qmp_probe (guest, call->step, qs_step_call_result (call), error);
}

static QsProbe
probe_tag (QsStepCall *call, GVariant *row, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsImage) image = NULL;
  const char *path = NULL;
  const char *tag = NULL;

  g_variant_lookup (row, "path", "&s", &path);
  g_variant_lookup (row, "tag", "&s", &tag);
  if (worker == NULL || !qs_worker_inspect_image (worker, path, "qcow2", &image, error))
    return QS_PROBE_UNKNOWN;
  return qs_image_count_tag (image, tag) > 0 ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

/* snapshots inside the images are made before any overlay is switched to, and taken back if one is
   not: all of them there, all is done */
static QsProbe
probe_tags (QsStepCall *call, GVariant *disks, GError **error)
{
  QsProbe answer = QS_PROBE_NOT_DONE;

  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      g_autoptr (GVariant) tag = g_variant_lookup_value (disk, "tag", NULL);

      if (tag == NULL)
        continue;
      answer = probe_tag (call, disk, error);
      if (answer != QS_PROBE_DONE)
        return answer;
    }
  return answer;
}

/* all were switched at once: one that tells is enough, but before going back all must tell */
static QsProbe
probe_overlays (QsStepCall *call, GVariant *disks, GError **error)
{
  QsProbe answer = QS_PROBE_NOT_DONE;
  g_autoptr (GError) why = NULL;

  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      g_autoptr (GVariant) overlay = g_variant_lookup_value (disk, "overlay", NULL);
      QsProbe probe;

      if (overlay == NULL)
        continue;
      probe = qs_step_probe_overlay (call, disk, why == NULL ? &why : NULL);

      if (probe == QS_PROBE_DONE)
        return QS_PROBE_DONE;
      if (probe == QS_PROBE_UNKNOWN)
        answer = QS_PROBE_UNKNOWN;
    }
  if (why != NULL)
    g_propagate_error (error, g_steal_pointer (&why));
  return answer;
}

QsProbe
qs_probe_transaction (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) disks = qs_step_value (call->step, "disks");
  g_autoptr (QsGuest) guest = NULL;
  QsProbe probe;

  if (!qs_step_call_find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  if (guest != NULL)
    return qs_step_qmp_probe (guest, call->step, qs_step_call_result (call), error);
  probe = probe_overlays (call, disks, error);
  return probe == QS_PROBE_NOT_DONE ? probe_tags (call, disks, error) : probe;
}

QsProbe
qs_probe_snapshot_sync (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  return guest != NULL ? qs_step_qmp_probe (guest, call->step, NULL, error)
                       : qs_step_probe_overlay (call, call->step->arguments, error);
}

/* after the commit: a disk that was not reached before an interruption is not tried again, for its
   point in time has passed */
static gboolean
settle_sync (QsStepCall *call, GVariant **result, GError **error)
{
  QsProbe probe = qs_probe_snapshot_sync (call, error);

  if (probe == QS_PROBE_UNKNOWN)
    return FALSE;
  *result = g_variant_ref_sink (g_variant_new_parsed (
      "{'done': <%b>, 'error': <'the switch was interrupted'>}", probe == QS_PROBE_DONE));
  return TRUE;
}

gboolean
qs_run_snapshot_sync (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (call->step->phase == QS_PHASE_FINISH && (guest == NULL || call->world->recovering))
    return settle_sync (call, result, error);
  return qs_run_guest_step (call, result, error);
}
