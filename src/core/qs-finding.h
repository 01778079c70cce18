/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* what a comparison of the records with the files has found */

typedef enum
{
  QS_FINDING_QUARANTINE,
  QS_FINDING_MISSING_FILE,
  QS_FINDING_WRONG_FILE,
  QS_FINDING_UNREADABLE_FILE,
  QS_FINDING_DIRTY_IMAGE,
  QS_FINDING_MISSING_TAG,
  QS_FINDING_NO_DATA,
  QS_FINDING_UNVERIFIED,
  QS_FINDING_BACKING_MISMATCH,
  QS_FINDING_BACKING_FORMAT,
  QS_FINDING_NO_BACKING_NAME,
  QS_FINDING_CHAIN_LOOP,
  QS_FINDING_SIZE_MISMATCH,
  QS_FINDING_STATE_WRITTEN,
  QS_FINDING_STATE_WRITABLE,
  QS_FINDING_WRITE_PROTECTED,
  QS_FINDING_OPEN_MODE,
  QS_FINDING_HIDDEN_LAYER,
  QS_FINDING_ORPHAN_TAG,
  QS_FINDING_FOREIGN_TAG,
  QS_FINDING_ORPHAN_OVERLAY,
  QS_FINDING_LEFTOVER,
  QS_FINDING_CORRUPT_IMAGE,
  QS_FINDING_LEAKED_CLUSTERS,
  QS_FINDING_NOT_READ,
  QS_FINDING_INCOMPLETE,
} QsFindingKind;
#define QS_N_FINDING_KINDS (QS_FINDING_INCOMPLETE + 1)

/* what a repair of it does */
typedef enum
{
  QS_REPAIR_NONE,
  QS_REPAIR_FORGET_FILE,
  QS_REPAIR_FORGET_SNAPSHOT,
  QS_REPAIR_DELETE_TAG,
  QS_REPAIR_UNLINK,
  QS_REPAIR_MODE,
  QS_REPAIR_LEAKS,
  QS_REPAIR_FORMAT,
} QsRepairKind;

/**
 * QsFinding:
 * @id: follows from what was found and where, so that it is the same as long as that is so
 * @subject: target of a disk or name of a snapshot, ""
 */
typedef struct
{
  QsFindingKind kind;
  char *id;
  char *subject;
  char *path;
  char *text;
  char *repair;     /* what a repair would do; NULL: none can */
  QsRepairKind how; /* what the rest is for */
  char *tag;
  char *snapshot; /* uuid */
  char *keep;     /* the other name of the file, which stays */
  guint32 mode;
} QsFinding;

const char *qs_finding_kind_name (QsFindingKind kind);
char *qs_finding_make_id (QsFindingKind kind, const char *path, const char *detail);
QsFinding *qs_finding_new (QsFindingKind kind, const char *path, const char *detail);
void qs_finding_free (QsFinding *finding);
void qs_finding_offer (QsFinding *finding, QsRepairKind how, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
GVariant *qs_finding_to_variant (const QsFinding *finding);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsFinding, qs_finding_free)
