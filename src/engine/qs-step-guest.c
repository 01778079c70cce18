/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-qcow2.h"
#include "qs-step-qmp.h"

/* steps that are QMP commands: qs-step-qmp.c knows the commands, this file what is around them */

/* the event would tell, too, but the caller shall find it in the property when the job has ended */
static void
note_state (QsStepCall *call, QsDomainState state)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s",
                  qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state), NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (call->world->engine->registry, call->world->domain, changes, NULL);
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
note_before (QsStepCall *call, QsGuest *guest, QsDomainState wanted, GError **error)
{
  g_autoptr (GVariant) learnt = NULL;
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  learnt = g_variant_ref_sink (g_variant_new_parsed ("{'changed': <%b>}", state != wanted));
  return qs_step_call_note (call, learnt, error);
}

/* what must not be taken for gone: a QEMU that lives and only does not answer. TRUE with no @guest:
   its process has ended, and nodes and run state have gone with it */
static gboolean
find_guest (QsStepCall *call, QsGuest **guest, GError **error)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);
  g_autoptr (QsGuest) found = qs_registry_get_guest (engine->registry, call->world->domain);
  const QsProcess *process = NULL;

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

/* after the commit, a guest that has ended meanwhile is no reason to fail for ever */
static gboolean
finish_without_guest (QsStepCall *call, GVariant **result, GError **error)
{
  if (call->step->kind == QS_STEP_NODE_SNAPSHOT_DELETE)
    return qs_run_image_delete (call, result, error);
  if (call->step->kind == QS_STEP_CONT || call->step->kind == QS_STEP_STOP
      || call->step->kind == QS_STEP_NODE_REBASE)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "the domain's QEMU has ended");
  return FALSE;
}

gboolean
qs_run_guest_step (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  QsDomainState state;
  gboolean settles = sets_state (call->step, &state);

  if (!find_guest (call, &guest, error))
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
  if (settles && call->step->phase == QS_PHASE_PREPARE && !note_before (call, guest, state, error))
    return FALSE;
  if (!qs_step_qmp_run (guest, call->step, result, error))
    return FALSE;
  if (settles)
    note_state (call, state);
  return TRUE;
}

gboolean
qs_undo_guest_step (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  return find_guest (call, &guest, error)
         && qs_step_qmp_undo (guest, call->step, qs_step_call_result (call), error);
}

QsProbe
qs_probe_guest_step (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  return qs_step_qmp_probe (guest, call->step, qs_step_call_result (call), error);
}

/* an overlay that the guest has written through has more than its first clusters */
static gboolean
was_written (QsStepCall *call, const char *path, gboolean *written, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsImage) image = NULL;
  guint64 empty_size = 0;

  if (worker == NULL || !qs_worker_inspect_image (worker, path, "qcow2", &image, error))
    return FALSE;

  QsQcow2Layout layout = { .virtual_size = image->virtual_size,
                           .cluster_size = image->cluster_size,
                           .extended_l2 = image->extended_l2,
                           .backing = image->backing_name,
                           .backing_format = image->backing_format };
  g_autoptr (GPtrArray) chunks = qs_qcow2_build (&layout, &empty_size, error);
  if (chunks == NULL)
    return FALSE;
  *written = image->size > empty_size;
  return TRUE;
}

/* QEMU is gone and cannot be asked: an overlay with data in it was switched to, and then all were;
   empty ones give the same view as their bases, so that going back loses nothing */
static QsProbe
probe_overlays (QsStepCall *call, GVariant *disks, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *path = NULL;
      gboolean written = FALSE;

      g_variant_lookup (disk, "path", "&s", &path);
      if (!was_written (call, path, &written, error))
        return QS_PROBE_UNKNOWN;
      if (written)
        return QS_PROBE_DONE;
    }
  return QS_PROBE_NOT_DONE;
}

QsProbe
qs_probe_blockdev_snapshot (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) disks = qs_step_value (call->step, "disks");
  g_autoptr (QsGuest) guest = NULL;

  if (!find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  if (guest != NULL)
    return qs_step_qmp_probe (guest, call->step, qs_step_call_result (call), error);
  return probe_overlays (call, disks, error);
}

/* its QEMU has ended: what is in the overlay tells */
static QsProbe
probe_overlay (QsStepCall *call, GError **error)
{
  gboolean written = FALSE;

  if (!was_written (call, qs_step_string (call->step, "path"), &written, error))
    return QS_PROBE_UNKNOWN;
  return written ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

QsProbe
qs_probe_snapshot_sync (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!find_guest (call, &guest, error))
    return QS_PROBE_UNKNOWN;
  return guest != NULL ? qs_step_qmp_probe (guest, call->step, NULL, error)
                       : probe_overlay (call, error);
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

  if (!find_guest (call, &guest, error))
    return FALSE;
  if (call->step->phase == QS_PHASE_FINISH && (guest == NULL || call->world->recovering))
    return settle_sync (call, result, error);
  return qs_run_guest_step (call, result, error);
}
