/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-fd.h"
#include "qs-image-header.h"
#include "qs-place.h"
#include "qs-work.h"

/**
 * QsMergeFiles:
 *
 * Image files as they were recorded, opened once by their names, and for reading; a tool opens them
 * through these descriptors and follows no name.
 */
typedef struct
{
  GPtrArray *images; /* of QsImage */
  GArray *fds;       /* of QsFd */
} QsMergeFiles;

/* @files: a(sstt): path, format, identity as qs_image_identity() has it */
QsMergeFiles *qs_merge_files_open (const QsWork *work, GVariant *files, GError **error);
void qs_merge_files_free (QsMergeFiles *files);

char *qs_merge_files_spec (const QsMergeFiles *files);
char *qs_merge_files_spec_alone (const QsMergeFiles *files, guint index);
char *qs_merge_files_spec_unlocked (const QsMergeFiles *files, guint index);

gboolean qs_merge_check_identity (const QsPlace *place, const struct stat *info, guint64 dev,
                                  guint64 ino, GError **error);
gboolean qs_merge_is_format (const char *format);
gboolean qs_merge_is_name (const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsMergeFiles, qs_merge_files_free)
