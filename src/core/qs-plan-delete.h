/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/**
 * QsDelete:
 *
 * A delete on its way to a plan.
 */
typedef struct
{
  QsPlan *plan;
  const QsDomain *domain;
  const QsFacts *facts;
  const QsSnapshot *snapshot;
  gboolean metadata_only;
  GPtrArray *unlinked; /* of const QsFile */
  GPtrArray *gone;     /* of char: their paths, NULL-terminated */
  GStrvBuilder *removed;
  GStrvBuilder *kept;
} QsDelete;

/* qs-plan-delete-files.c: what becomes of files of memory and firmware variables, and of tips that are
   forgotten */
void qs_delete_keep_file (QsDelete *delete, const QsFile *file, const char *why);
void qs_delete_unlink_file (QsDelete *delete, const QsFile *file, QsChangeList *changes);
gboolean qs_delete_keep_used (QsDelete *delete, const QsFile *file, QsChangeList *changes);
void qs_delete_settle_files (QsDelete *delete, QsChangeList *changes);

/* qs-plan-delete-disks.c: what becomes of files of disks */
gboolean qs_delete_settle_disks (QsDelete *delete, QsChangeList *changes, GError **error);
gboolean qs_delete_is_below (const QsDelete *delete, const QsFile *file);
gboolean qs_delete_is_gone (const QsDelete *delete, const char *path);

/* qs-plan-delete-tags.c: what lies inside of images */
gboolean qs_delete_add_tags (QsDelete *delete, GError **error);
