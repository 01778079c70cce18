/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* the role of its file in the records */
#define QS_MIRROR_ROLE "mirror"

/**
 * QsMirror:
 * @target: disk
 * @snapshot: uuid of the one that it was asked for with
 * @job: of QEMU, which writes to block node @node
 * @reason: (nullable): why nothing is written to it any more; NULL: it is kept equal to the disk
 *
 * A second file to which all is written that the guest writes to a disk after a snapshot.
 */
typedef struct
{
  char *target;
  char *path;
  char *format;
  char *snapshot;
  char *job;
  char *node;
  char *reason;
} QsMirror;

QsMirror *qs_mirror_copy (const QsMirror *mirror);
void qs_mirror_free (QsMirror *mirror);
gboolean qs_mirror_is_live (const QsMirror *mirror);
const char *qs_mirror_state (const QsMirror *mirror);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsMirror, qs_mirror_free)
