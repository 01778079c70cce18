/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine-private.h"
#include "qs-wake.h"
#include "qs-world.h"

/* qs-step-process.h */
typedef struct QsBeside QsBeside;

/**
 * QsRealWorld:
 *
 * One part of an operation on one domain, with what its steps need. The worker is acquired when the
 * first step wants it.
 */
typedef struct
{
  QsWorld world;
  QsEngine *engine;
  char *domain; /* id */
  guint32 owner;
  QsWorker *worker;
  QsJournal *journal;
  guint64 op;
  guint part;
  gboolean recovering; /* an earlier try may have been killed in the middle of any step */
  gboolean tool_ended; /* qemu-img, or QEMU, was ended before it was done */
  gboolean owes_wake;  /* QEMU has not let the guest go on; @owed: from what */
  QsWakeFrom owed;
  gint64 told_at;   /* monotonic time of what was told last */
  QsBeside *beside; /* NULL: no QEMU was started beside the domain's */
  QsGuest *storage; /* NULL: no storage daemon is talked to */
} QsRealWorld;

/**
 * QsStepCall:
 *
 * One step, as its executor sees it.
 */
typedef struct
{
  QsRealWorld *world;
  const QsPlan *plan;
  const QsStep *step;
  guint index;
  GPtrArray *results; /* of GVariant or NULL, by index */
  GCancellable *cancellable;
} QsStepCall;

/* @path: NULL: it is not known */
typedef struct
{
  const char *path;
  gboolean is_disk;
} QsMemoryPlace;

/* whether a name of which cannot be known what QEMU has open by it is as good as one that can */
typedef enum
{
  QS_NAME_DOUBT_ALLOWED,
  QS_NAME_DOUBT_REFUSED,
} QsNameDoubt;

typedef gboolean (*QsStepRun) (QsStepCall *call, GVariant **result, GError **error);
typedef gboolean (*QsStepUndo) (QsStepCall *call, GError **error);
typedef QsProbe (*QsStepProbe) (QsStepCall *call, GError **error);

/**
 * QsExecutor:
 *
 * Who does a kind of step. @undo is NULL where the step table names none; @probe where the step can
 * be no commit and its undo looks for itself.
 */
typedef struct
{
  QsStepRun run;
  QsStepUndo undo;
  QsStepProbe probe;
} QsExecutor;

void qs_real_world_init (QsRealWorld *world, QsEngine *engine, const char *domain, guint32 owner,
                         guint64 op, guint part);
void qs_real_world_clear (QsRealWorld *world);
QsWorker *qs_real_world_worker (QsRealWorld *world, GError **error);
QsGuest *qs_real_world_guest (QsRealWorld *world, GError **error);
GVariant *qs_step_call_result (const QsStepCall *call);
gboolean qs_step_call_find_guest (QsStepCall *call, QsGuest **guest, GError **error);
QsGuest *qs_step_call_need_guest (QsStepCall *call, GError **error);
QsMemoryPlace qs_step_call_memory_place (const QsStepCall *call);
gboolean qs_step_call_end_guest (QsStepCall *call, QsGuest *guest, GError **error);
void qs_step_call_explain_full (QsStepCall *call, const char *path, GError **error);
void qs_step_call_explain_end (QsStepCall *call, GError **error);
GVariant *qs_step_add_resumes (GVariant *result, guint64 resumes);
gboolean qs_step_call_check_still (const QsStepCall *call, QsGuest *guest, GError **error);
void qs_step_call_tell (QsStepCall *call, const QsAmount *amount);
void qs_step_call_tell_ready (QsStepCall *call, gboolean ready);
gboolean qs_step_call_note (QsStepCall *call, GVariant *learnt, GError **error);

/* @arguments: with `target` and `path`, and perhaps `format`, `before` and its identity: DONE if a guest
   has written to it */
QsProbe qs_step_probe_overlay (QsStepCall *call, GVariant *arguments, GError **error);
gboolean qs_step_check_merge (GVariant *arguments, GError **error);
gboolean qs_step_check_name (QsStepCall *call, const char *path, QsNameDoubt doubt, GError **error);

/* the executors, by what they work on */
gboolean qs_run_image_create (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_image_take (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_image_take (QsStepCall *call, GError **error);
gboolean qs_undo_image_create (QsStepCall *call, GError **error);
QsProbe qs_probe_image_create (QsStepCall *call, GError **error);
gboolean qs_run_image_snapshot (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_image_snapshot (QsStepCall *call, GError **error);
gboolean qs_run_image_apply (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_image_apply (QsStepCall *call, GError **error);
gboolean qs_run_image_delete (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_image_delete (QsStepCall *call, GError **error);
QsProbe qs_probe_file_unlink (QsStepCall *call, GError **error);
QsProbe qs_probe_image_rebase (QsStepCall *call, GError **error);
/* qs-step-check.c */
gboolean qs_run_image_check (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_image_repair (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_image_repair (QsStepCall *call, GError **error);
gboolean qs_run_file_copy (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_nvram_create (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_step_remove_file (QsStepCall *call, const char *path, const QsFileId *id,
                              GError **error);
gboolean qs_run_file_unlink (QsStepCall *call, GVariant **result, GError **error);

gboolean qs_run_file_create (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_snapshot_save (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_snapshot_save (QsStepCall *call, GError **error);
/* qs-step-wake.c: what a result has of a migration that is complete */
#define QS_STEP_TRANSFERRED "transferred"
gboolean qs_step_stream_file (const QsStepCall *call, QsFileId *id, GError **error);
gboolean qs_step_stream_is_ours (QsStepCall *call, QsGuest *guest, gboolean *ours, GError **error);
gboolean qs_step_wake (QsStepCall *call, QsGuest *guest, QsWakeFrom from, QsDomainState *state,
                       GError **error);
gboolean qs_step_wake_migrated (QsStepCall *call, QsGuest *guest, GError **error);

gboolean qs_run_migrate (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_migrate (QsStepCall *call, GError **error);
gboolean qs_run_migrate_continue (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_migrate_continue (QsStepCall *call, GError **error);

/* qs-step-incoming.c */
gboolean qs_run_migrate_incoming (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_with_process (QsStepCall *call, GError **error);
/* qs-step-load-beside.c */
gboolean qs_run_load_beside (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_load_beside (QsStepCall *call, GError **error);
gboolean qs_run_activate (QsStepCall *call, GVariant **result, GError **error);

gboolean qs_run_proof_start (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_proof_start (QsStepCall *call, GError **error);
gboolean qs_run_spawn (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_spawn (QsStepCall *call, GError **error);
gboolean qs_run_quit (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_quit (QsStepCall *call, GError **error);

gboolean qs_run_freeze (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_freeze (QsStepCall *call, GError **error);
gboolean qs_run_thaw (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_thaw (QsStepCall *call, GError **error);

gboolean qs_run_connect (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_disconnect (QsStepCall *call, GVariant **result, GError **error);

gboolean qs_run_snapshot_load (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_nothing (QsStepCall *call, GError **error);
QsProbe qs_probe_snapshot_load (QsStepCall *call, GError **error);
/* qs-step-load.c: a load has failed after it took the guest's memory: it must not go on */
gboolean qs_step_memory_is_lost (const QsStepCall *call);
gsize qs_step_load_count (const QsStep *step);
void qs_step_load_learn (QsStepCall *call, GVariant *result);
void qs_step_load_note (QsStepCall *call, QsGuest *guest);
gboolean qs_step_load_is_done (const QsStepCall *call);
GVariant *qs_step_load_lost (const char *why, gboolean partial);
gboolean qs_step_load_find (QsStepCall *call, gboolean *loaded, GError **error);

gboolean qs_run_guest_step (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_guest_step (QsStepCall *call, GError **error);
QsProbe qs_probe_guest_step (QsStepCall *call, GError **error);
gboolean qs_run_transaction (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_transaction (QsStepCall *call, GError **error);
gboolean qs_undo_transaction (QsStepCall *call, GError **error);

/* qs-step-writable.c */
gboolean qs_run_node_writable (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_node_writable (QsStepCall *call, GError **error);
gboolean qs_run_node_tag (QsStepCall *call, GVariant **result, GError **error);

gboolean qs_run_merge (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_merge (QsStepCall *call, GError **error);
gboolean qs_run_job_complete (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_flush (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_job_finalize (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_job_finalize (QsStepCall *call, GError **error);
gboolean qs_run_mirror_end (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_mirror (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_job_hold (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_job_dismiss (QsStepCall *call, GVariant **result, GError **error);

/* qs-step-storage.c */
gboolean qs_run_storage (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_storage (QsStepCall *call, GError **error);
gboolean qs_run_storage_quit (QsStepCall *call, GVariant **result, GError **error);

/* qs-step-header.c */
gboolean qs_run_image_rebase (QsStepCall *call, GVariant **result, GError **error);

gboolean qs_run_snapshot_sync (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_snapshot_sync (QsStepCall *call, GError **error);
gboolean qs_run_image_discard (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_run_file_link (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_file_link (QsStepCall *call, GError **error);
gboolean qs_run_file_rename (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_file_rename (QsStepCall *call, GError **error);
gboolean qs_run_file_mode (QsStepCall *call, GVariant **result, GError **error);
gboolean qs_undo_file_mode (QsStepCall *call, GError **error);
gboolean qs_run_record (QsStepCall *call, GVariant **result, GError **error);
QsProbe qs_probe_record (QsStepCall *call, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRealWorld, qs_real_world_clear)
