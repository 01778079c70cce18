/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-step-process.h"
#include "qs-storage.h"
#include "qs-thaw.h"
#include "qs-wake-later.h"

static const QsExecutor executors[] = {
  [QS_STEP_IMAGE_CREATE] = { qs_run_image_create, qs_undo_image_create, qs_probe_image_create },
  [QS_STEP_IMAGE_TAKE] = { qs_run_image_take, qs_undo_image_take, NULL },
  [QS_STEP_IMAGE_SNAPSHOT] = { qs_run_image_snapshot, qs_undo_image_snapshot, NULL },
  [QS_STEP_IMAGE_SNAPSHOT_APPLY] = { qs_run_image_apply, NULL, qs_probe_image_apply },
  [QS_STEP_IMAGE_SNAPSHOT_DELETE] = { qs_run_image_delete, NULL, qs_probe_image_delete },
  [QS_STEP_NODE_ADD] = { qs_run_guest_step, qs_undo_guest_step, NULL },
  [QS_STEP_TRANSACTION] = { qs_run_transaction, qs_undo_transaction, qs_probe_transaction },
  [QS_STEP_BLOCKDEV_SNAPSHOT_SYNC] = { qs_run_snapshot_sync, NULL, qs_probe_snapshot_sync },
  [QS_STEP_NODE_SNAPSHOT_DELETE] = { qs_run_node_tag, NULL, NULL },
  [QS_STEP_NVRAM_CREATE] = { qs_run_nvram_create, qs_undo_image_create, qs_probe_image_create },
  [QS_STEP_PROOF_START] = { qs_run_proof_start, qs_undo_proof_start, NULL },
  [QS_STEP_SPAWN] = { qs_run_spawn, qs_undo_spawn, NULL },
  [QS_STEP_STOP] = { qs_run_guest_step, qs_undo_guest_step, qs_probe_guest_step },
  [QS_STEP_CONT] = { qs_run_guest_step, qs_undo_guest_step, qs_probe_guest_step },
  [QS_STEP_POWERDOWN] = { qs_run_guest_step, NULL, qs_probe_guest_step },
  [QS_STEP_QUIT] = { qs_run_quit, NULL, qs_probe_quit },
  [QS_STEP_RECORD] = { qs_run_record, NULL, qs_probe_record },
  [QS_STEP_FILE_UNLINK] = { qs_run_file_unlink, NULL, qs_probe_file_unlink },
  [QS_STEP_IMAGE_DISCARD] = { qs_run_image_discard, NULL, NULL },
  [QS_STEP_FILE_LINK] = { qs_run_file_link, qs_undo_file_link, NULL },
  [QS_STEP_FILE_RENAME] = { qs_run_file_rename, NULL, qs_probe_file_rename },
  [QS_STEP_FILE_MODE] = { qs_run_file_mode, qs_undo_file_mode, NULL },
  [QS_STEP_NODE_REBASE] = { qs_run_guest_step, NULL, NULL },
  [QS_STEP_NODE_HOLD] = { qs_run_guest_step, qs_undo_guest_step, NULL },
  [QS_STEP_NODE_SWITCH] = { qs_run_guest_step, qs_undo_guest_step, NULL },
  [QS_STEP_NODE_RELEASE] = { qs_run_guest_step, NULL, NULL },
  [QS_STEP_RESET] = { qs_run_guest_step, NULL, NULL },
  [QS_STEP_CONNECT] = { qs_run_connect, NULL, NULL },
  [QS_STEP_DISCONNECT] = { qs_run_disconnect, NULL, NULL },
  [QS_STEP_FILE_CREATE] = { qs_run_file_create, qs_undo_image_create, NULL },
  [QS_STEP_SNAPSHOT_SAVE] = { qs_run_snapshot_save, qs_undo_snapshot_save, NULL },
  [QS_STEP_MIGRATE] = { qs_run_migrate, qs_undo_migrate, NULL },
  [QS_STEP_MIGRATE_CONTINUE] = { qs_run_migrate_continue, qs_undo_migrate_continue, NULL },
  [QS_STEP_FREEZE] = { qs_run_freeze, qs_undo_freeze, NULL },
  [QS_STEP_THAW] = { qs_run_thaw, qs_undo_thaw, NULL },
  [QS_STEP_FILE_COPY] = { qs_run_file_copy, qs_undo_image_create, qs_probe_image_create },
  [QS_STEP_BLOCK_COMMIT] = { qs_run_merge, qs_undo_merge, NULL },
  [QS_STEP_BLOCK_STREAM] = { qs_run_merge, qs_undo_merge, NULL },
  [QS_STEP_JOB_COMPLETE] = { qs_run_job_complete, qs_undo_merge, NULL },
  [QS_STEP_FLUSH] = { qs_run_flush, qs_undo_merge, NULL },
  [QS_STEP_JOB_FINALIZE] = { qs_run_job_finalize, NULL, qs_probe_job_finalize },
  [QS_STEP_JOB_DISMISS] = { qs_run_job_dismiss, NULL, NULL },
  [QS_STEP_MIGRATE_INCOMING] = { qs_run_migrate_incoming, qs_undo_with_process, NULL },
  [QS_STEP_ACTIVATE] = { qs_run_activate, NULL, NULL },
  [QS_STEP_SNAPSHOT_LOAD] = { qs_run_snapshot_load, qs_undo_nothing, qs_probe_snapshot_load },
  [QS_STEP_STORAGE] = { qs_run_storage, qs_undo_storage, NULL },
  [QS_STEP_STORAGE_QUIT] = { qs_run_storage_quit, NULL, NULL },
  [QS_STEP_IMAGE_REBASE] = { qs_run_image_rebase, NULL, qs_probe_image_rebase },
  [QS_STEP_IMAGE_CHECK] = { qs_run_image_check, NULL, NULL },
  [QS_STEP_IMAGE_REPAIR] = { qs_run_image_repair, NULL, qs_probe_image_repair },
  [QS_STEP_NODE_WRITABLE] = { qs_run_node_writable, qs_undo_node_writable, NULL },
  [QS_STEP_MIRROR_END] = { qs_run_mirror_end, NULL, NULL },
  [QS_STEP_MIRROR] = { qs_run_mirror, qs_undo_merge, NULL },
  [QS_STEP_JOB_HOLD] = { qs_run_job_hold, qs_undo_merge, NULL },
  [QS_STEP_NODE_BACKING] = { qs_run_guest_step, qs_undo_guest_step, NULL },
};
G_STATIC_ASSERT (G_N_ELEMENTS (executors) == QS_N_STEP_KINDS);

static QsStepCall
make_call (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results)
{
  QsStepCall call = { .world = (QsRealWorld *)world,
                      .plan = plan,
                      .step = g_ptr_array_index (plan->steps, index),
                      .index = index,
                      .results = results };

  return call;
}

static void
prefix_disk (const QsStep *step, GError **error)
{
  const char *target = qs_step_string (step, "target");

  if (target == NULL || error == NULL || *error == NULL)
    return;
  if (g_str_equal (target, QS_MEMORY_TARGET))
    g_prefix_error (error, "memory: ");
  else
    g_prefix_error (error, "disk ‘%s’: ", target);
}

static gboolean
is_done (const QsStepCall *call, guint32 index)
{
  GVariant *learnt = index < call->results->len ? g_ptr_array_index (call->results, index) : NULL;
  gboolean done = FALSE;

  return learnt != NULL && g_variant_lookup (learnt, "done", "b", &done) && done;
}

/* a merge that was given up, or a copy that the guest does not go over to: what hangs on it is left out.
   @merge: what plans of an earlier version have for it */
static gboolean
is_left_out (const QsStepCall *call)
{
  gboolean is_old = call->step->kind == QS_STEP_FILE_UNLINK;
  guint32 index = 0;

  if (g_variant_lookup (call->step->arguments, "unless-done", "u", &index))
    return is_done (call, index);
  if (!g_variant_lookup (call->step->arguments, "if-done", "u", &index)
      && (!is_old || !g_variant_lookup (call->step->arguments, "merge", "u", &index)))
    return FALSE;
  return !is_done (call, index);
}

static gboolean
run_step (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GVariant **result,
          GError **error)
{
  QsStepCall call = make_call (world, plan, index, results);
  gboolean done;

  if (is_left_out (&call))
    {
      *result = g_variant_ref_sink (g_variant_new_parsed ("{'done': <false>}"));
      return TRUE;
    }
  call.cancellable = world->cancellable;
  /* the first word of each step is passed on */
  call.world->told_at = 0;
  done = executors[call.step->kind].run (&call, result, error);
  if (!done)
    prefix_disk (call.step, error);
  return done;
}

static gboolean
undo_step (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GError **error)
{
  QsStepCall call = make_call (world, plan, index, results);
  gboolean done;

  if (is_left_out (&call))
    return TRUE;
  g_return_val_if_fail (executors[call.step->kind].undo != NULL, FALSE);
  done = executors[call.step->kind].undo (&call, error);
  if (!done)
    prefix_disk (call.step, error);
  return done;
}

static QsProbe
probe_step (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GError **error)
{
  QsStepCall call = make_call (world, plan, index, results);

  if (is_left_out (&call))
    return QS_PROBE_DONE;
  g_return_val_if_fail (executors[call.step->kind].probe != NULL, QS_PROBE_UNKNOWN);
  return executors[call.step->kind].probe (&call, error);
}

static const QsWorldVTable real_world = { run_step, undo_step, probe_step };

void
qs_real_world_init (QsRealWorld *world, QsEngine *engine, const char *domain, guint32 owner,
                    guint64 op, guint part)
{
  *world = (QsRealWorld){ .world = { .vtable = &real_world },
                          .engine = engine,
                          .domain = g_strdup (domain),
                          .owner = owner,
                          .journal = qs_store_get_journal (engine->store, op),
                          .op = op,
                          .part = part };
}

static void
pay_later (QsRealWorld *world)
{
  g_autoptr (QsGuest) guest =
      world->owes_wake ? qs_registry_get_guest (world->engine->registry, world->domain) : NULL;

  if (guest != NULL)
    qs_wake_later (world->engine, guest, world->owed);
}

void
qs_real_world_clear (QsRealWorld *world)
{
  pay_later (world);
  qs_beside_end (world);
  qs_storage_forget (world);
  if (world->engine != NULL)
    qs_thaw_release (world->engine, world->op);
  g_clear_pointer (&world->worker, qs_worker_release);
  g_clear_pointer (&world->journal, qs_journal_free);
  g_clear_pointer (&world->domain, g_free);
}

/**
 * qs_real_world_worker:
 *
 * Returns: (transfer none): the owner's worker
 */
QsWorker *
qs_real_world_worker (QsRealWorld *world, GError **error)
{
  if (world->worker != NULL && qs_worker_is_broken (world->worker))
    g_clear_pointer (&world->worker, qs_worker_release);
  if (world->worker == NULL)
    world->worker = qs_worker_pool_acquire (world->engine->workers, world->owner, error);
  return world->worker;
}

/**
 * qs_real_world_guest:
 *
 * Returns: (transfer full): the connection to the domain's QEMU
 */
QsGuest *
qs_real_world_guest (QsRealWorld *world, GError **error)
{
  QsGuest *guest = qs_registry_get_guest (world->engine->registry, world->domain);

  if (guest == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                         "there is no connection to the domain's QEMU");
  return guest;
}

/**
 * qs_step_call_result:
 *
 * Returns: (transfer none) (nullable): what the step learnt when it ran
 */
GVariant *
qs_step_call_result (const QsStepCall *call)
{
  return call->index < call->results->len ? g_ptr_array_index (call->results, call->index) : NULL;
}

/**
 * qs_step_call_note:
 *
 * Writes down what a step has learnt before it goes on, so that its undo knows it after a crash.
 */
gboolean
qs_step_call_note (QsStepCall *call, GVariant *learnt, GError **error)
{
  QsJournal *journal = call->world->journal;

  return qs_journal_intend (journal, call->world->part, call->plan, call->index, learnt, error);
}

/**
 * qs_step_call_tell:
 *
 * How far the step has come, as often as it likes: not all of it is passed on.
 */
void
qs_step_call_tell (QsStepCall *call, const QsAmount *amount)
{
  QsRealWorld *world = call->world;
  gint64 now = g_get_monotonic_time ();

  if (world->world.tell == NULL || now - world->told_at < QS_PROGRESS_MILLISECONDS * 1000)
    return;
  world->told_at = now;
  world->world.tell (amount, world->world.user_data);
}

/* what turned out to be durable although it was not said so; before a restart that was loaded. What a
   job goes on with was not */
static void
show_late (QsStepCall *call, GVariant *changes)
{
  g_autoptr (GError) error = NULL;

  if ((!call->world->recovering || call->world->world.control != NULL)
      && !qs_registry_apply (call->world->engine->registry, call->world->domain, changes, &error))
    g_warning ("domain %s: %s, ignoring", call->world->domain, error->message);
}

/**
 * qs_step_call_tell_ready:
 *
 * That the operation waits for its caller to say how it is to go on, or does so no more.
 */
void
qs_step_call_tell_ready (QsStepCall *call, gboolean ready)
{
  const QsWorld *world = &call->world->world;

  if (world->tell_ready != NULL)
    world->tell_ready (ready, world->user_data);
}

gboolean
qs_run_record (QsStepCall *call, GVariant **result, GError **error)
{
  QsRealWorld *world = call->world;
  g_autoptr (GVariant) planned = qs_step_value (call->step, "changes");
  g_autoptr (GVariant) changes = qs_changes_resolve (planned, call->results, error);

  if (changes == NULL)
    return FALSE;
  if (qs_store_is_recorded (world->engine->store, world->op, world->part, call->index, NULL))
    {
      show_late (call, changes);
      return TRUE;
    }
  if (!qs_store_record (world->engine->store, world->op, world->part, call->index, changes, error))
    return FALSE;
  return qs_registry_apply (world->engine->registry, world->domain, changes, error);
}

QsProbe
qs_probe_record (QsStepCall *call, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (GVariant) planned = NULL;
  g_autoptr (GVariant) changes = NULL;
  gboolean recorded = qs_store_is_recorded (call->world->engine->store, call->world->op,
                                            call->world->part, call->index, &failure);

  if (failure != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return QS_PROBE_UNKNOWN;
    }
  if (!recorded)
    return QS_PROBE_NOT_DONE;
  planned = qs_step_value (call->step, "changes");
  changes = qs_changes_resolve (planned, call->results, NULL);
  if (changes != NULL)
    show_late (call, changes);
  return QS_PROBE_DONE;
}
