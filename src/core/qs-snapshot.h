/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-enums.h"

/**
 * QsSnapshot:
 *
 * One row of the tree, without its document. Immutable, atomically reference-counted; strings are
 * stored behind the struct in one allocation, for there may be 100,000 of them.
 */
typedef struct
{
  const char *uuid;
  const char *name;
  const char *parent; /* uuid, or "" for a root */
  const char *description;
  gint64 created; /* microseconds since the epoch, realtime: for display only */
  guint64 rev;    /* order of creation */
  QsSnapshotState state;
  QsKind kind;
  QsLocation memory;
  QsOrigin origin;
  guint64 freeze_time; /* milliseconds that the guest's file systems were frozen for it */
  gboolean quiesced;   /* they were all the time until it was taken */
  gboolean unverified;
  gboolean has_tip;
} QsSnapshot;

QsSnapshot *qs_snapshot_new (const QsSnapshot *values);
QsSnapshot *qs_snapshot_ref (QsSnapshot *snapshot);
void qs_snapshot_unref (QsSnapshot *snapshot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsSnapshot, qs_snapshot_unref)
