/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

typedef enum
{
  QS_STEP_IMAGE_CREATE,
  QS_STEP_IMAGE_TAKE,
  QS_STEP_IMAGE_SNAPSHOT,
  QS_STEP_IMAGE_SNAPSHOT_APPLY,
  QS_STEP_IMAGE_SNAPSHOT_DELETE,
  QS_STEP_NODE_ADD,
  QS_STEP_TRANSACTION,
  QS_STEP_BLOCKDEV_SNAPSHOT_SYNC,
  QS_STEP_NODE_SNAPSHOT_DELETE,
  QS_STEP_NVRAM_CREATE,
  QS_STEP_PROOF_START,
  QS_STEP_SPAWN,
  QS_STEP_STOP,
  QS_STEP_CONT,
  QS_STEP_POWERDOWN,
  QS_STEP_QUIT,
  QS_STEP_RECORD,
  QS_STEP_FILE_UNLINK,
  QS_STEP_IMAGE_DISCARD,
  QS_STEP_FILE_LINK,
  QS_STEP_FILE_RENAME,
  QS_STEP_FILE_MODE,
  QS_STEP_NODE_REBASE,
  QS_STEP_NODE_HOLD,
  QS_STEP_NODE_SWITCH,
  QS_STEP_NODE_RELEASE,
  QS_STEP_RESET,
  QS_STEP_CONNECT,
  QS_STEP_DISCONNECT,
  QS_STEP_FILE_CREATE,
  QS_STEP_SNAPSHOT_SAVE,
  QS_STEP_MIGRATE,
  QS_STEP_MIGRATE_CONTINUE,
  QS_STEP_FREEZE,
  QS_STEP_THAW,
  QS_STEP_FILE_COPY,
  QS_STEP_BLOCK_COMMIT,
  QS_STEP_BLOCK_STREAM,
  QS_STEP_JOB_COMPLETE,
  QS_STEP_FLUSH,
  QS_STEP_JOB_FINALIZE,
  QS_STEP_JOB_DISMISS,
  QS_STEP_MIGRATE_INCOMING,
  QS_STEP_ACTIVATE,
  QS_STEP_SNAPSHOT_LOAD,
  QS_STEP_STORAGE,
  QS_STEP_STORAGE_QUIT,
  QS_STEP_IMAGE_REBASE,
  QS_STEP_IMAGE_CHECK,
  QS_STEP_IMAGE_REPAIR,
  QS_STEP_NODE_WRITABLE,
  QS_STEP_MIRROR,
  QS_STEP_JOB_HOLD,
  QS_STEP_NODE_BACKING,
  QS_STEP_MIRROR_END,
} QsStepKind;
#define QS_N_STEP_KINDS (QS_STEP_MIRROR_END + 1)

typedef enum
{
  QS_PHASE_PREPARE,
  QS_PHASE_COMMIT,
  QS_PHASE_FINISH,
} QsPhase;
#define QS_N_PHASES (QS_PHASE_FINISH + 1)

#define QS_MAY_PREPARE (1u << QS_PHASE_PREPARE)
#define QS_MAY_COMMIT (1u << QS_PHASE_COMMIT)
#define QS_MAY_FINISH (1u << QS_PHASE_FINISH)
/* as a commit that did not take effect it may leave something behind, which its undo clears away */
#define QS_CLEARS_COMMIT (1u << QS_N_PHASES)
/* it loses what neither undo nor a later revert brings back */
#define QS_IS_FINAL (2u << QS_N_PHASES)
/* argument `path` is a file that is new, or gone, afterwards */
#define QS_MAKES_FILE (4u << QS_N_PHASES)
#define QS_REMOVES_FILE (8u << QS_N_PHASES)
/* its undo lets a guest go on, and can be done whatever comes of other steps */
#define QS_RELEASES_GUEST (16u << QS_N_PHASES)
/* it changes nothing */
#define QS_ONLY_LOOKS (32u << QS_N_PHASES)
/* QEMU goes on with it by itself: done once more, it takes the work where it is */
#define QS_CAN_RESUME (64u << QS_N_PHASES)
/* a power failure takes its effect along, with QEMU or with the record: its intent is not synchronized
   before it */
#define QS_INTENT_MAY_WAIT (128u << QS_N_PHASES)
#define QS_NEEDS_NO_SYNC (QS_CAN_RESUME | QS_INTENT_MAY_WAIT)

/* stands where other steps and files have the target of a disk */
#define QS_MEMORY_TARGET "@memory"
#define QS_NVRAM_TARGET "@nvram"

/**
 * QsStepType:
 * @name: the QMP command or qemu-img verb that does it
 * @undo: what takes it back; NULL where nothing does: then it may not be a prepare step
 * @phases: where in a plan it may stand, and what else is to be known of it
 * @arguments: "key:type" words, a `?` behind the type of an optional one. Each kind may have
 *   `if-done:u` as well, the index of an earlier step: only if that one says that it is done; else it
 *   is left out, and says the same of itself
 * @rows: the same for each row of an argument `disks` of type aa{sv}, or NULL
 *
 * The step table. An operation that needs a new kind of step adds a row here, an executor in the
 * engine, and nothing else.
 */
typedef struct
{
  const char *name;
  const char *undo;
  guint phases;
  const char *arguments;
  const char *rows;
} QsStepType;

/**
 * QsStep:
 * @target: what it works on, for people: a disk target, snapshot or path
 * @arguments: a{sv}, complete: the step is done from them alone, also after a restart
 */
typedef struct
{
  QsStepKind kind;
  QsPhase phase;
  char *target;
  GVariant *arguments;
} QsStep;

const QsStepType *qs_step_type (QsStepKind kind);
gboolean qs_step_kind_lookup (const char *name, QsStepKind *kind);
const char *qs_phase_name (QsPhase phase);
gboolean qs_phase_lookup (const char *name, QsPhase *phase);
QsStep *qs_step_new (QsStepKind kind, QsPhase phase, const char *target, GVariant *arguments);
void qs_step_free (QsStep *step);
gboolean qs_step_check (const QsStep *step, GError **error);

const char *qs_step_string (const QsStep *step, const char *key);
guint64 qs_step_uint64 (const QsStep *step, const char *key);
gboolean qs_step_boolean (const QsStep *step, const char *key);
GVariant *qs_step_value (const QsStep *step, const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsStep, qs_step_free)
