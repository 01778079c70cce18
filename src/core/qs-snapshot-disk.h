/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-snapshot-def.h"

/* one <disk> of a snapshot document; for qs-snapshot-def.c and qs-snapshot-format.c */
QsSnapshotDisk *qs_snapshot_disk_new (const xmlNode *disk, GError **error);
QsSnapshotDisk *qs_snapshot_disk_copy (const QsSnapshotDisk *disk);
void qs_snapshot_disk_free (QsSnapshotDisk *disk);
void qs_snapshot_disk_write (const QsSnapshotDisk *disk, xmlNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsSnapshotDisk, qs_snapshot_disk_free)
