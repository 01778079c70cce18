/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-merge.h"

/**
 * QsDeleteMerge:
 * @files: of const QsFile: from the top, each stands on the next
 * @above: the first of them
 * @below: the last; of all but the first is true that nobody needs it but the one above it
 * @dismiss: of a merge up: index of the step that tells whether it was done; else G_MAXUINT
 */
typedef struct
{
  GPtrArray *files;
  const QsFile *above;
  const QsFile *below;
  QsMerging merging;
  guint32 dismiss;
} QsDeleteMerge;

/**
 * QsDeleteTag:
 * @writable: index of the step that makes the node so
 *
 * A tag in a backing file of the running guest.
 */
typedef struct
{
  const QsSnapshotFile *row;
  const QsImage *image;
  const char *node;
  guint32 writable;
} QsDeleteTag;

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
  const char *leaving[2]; /* its uuid */
  gboolean metadata_only;
  gboolean removes_mirrors; /* although it is the record alone that goes */
  GPtrArray *unlinked;      /* of const QsFile */
  GPtrArray *gone;          /* of char: their paths, NULL-terminated */
  GArray *merges;           /* of QsDeleteMerge */
  GArray *deep_tags;        /* of QsDeleteTag */
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
QsFileBook qs_delete_book (const QsDelete *delete);

/* qs-plan-delete-merge.c: which files become one */
gboolean qs_delete_add_merge (QsDelete *delete, const QsFile *file, QsChangeList *changes,
                              GError **error);
void qs_delete_keep_layer (QsDelete *delete, const QsFile *file, const char *why,
                           QsChangeList *changes);
void qs_delete_look_at_layers (QsDelete *delete, QsChangeList *changes);

/* qs-plan-delete-run.c: files that may become one, and where they are */
GPtrArray *qs_delete_find_run (const QsDelete *delete, const QsFile *file);
gboolean qs_delete_is_left (const QsDelete *delete, const QsFile *file);
gboolean qs_delete_is_at (const GPtrArray *chain, guint index, const QsFile *file);
void qs_delete_merge_init (QsDeleteMerge *merge, const GPtrArray *files, guint from, guint n);
void qs_delete_merge_clear (QsDeleteMerge *merge);
gboolean qs_delete_merge_has (const QsDeleteMerge *merge, const char *path);
gboolean qs_delete_merge_locate (const QsDelete *delete, QsDeleteMerge *merge, GError **error);

/* qs-plan-delete-way.c: in which direction */
#define QS_DELETE_NEXT_TIME "it can be merged with the next delete"
const char *qs_delete_choose_way (const QsDelete *delete, QsDeleteMerge *merge);
gboolean qs_delete_find_rebased (const QsDelete *delete, const QsDeleteMerge *merge,
                                 GPtrArray *images);

/* qs-plan-delete-mirror.c */
gboolean qs_delete_check_mirror (const QsDomain *domain, const QsSnapshot *snapshot, guint flags,
                                 GError **error);
void qs_delete_ask_mirror (const QsDomain *domain, const QsSnapshot *snapshot, guint flags,
                           QsQuestions *questions);
gboolean qs_delete_reopen_mirror (QsDelete *delete, GError **error);
void qs_delete_settle_mirrors (QsDelete *delete, QsChangeList *changes);
void qs_delete_end_mirrors (QsDelete *delete);

/* qs-plan-delete.c */
const char *qs_delete_find_next (const QsDelete *delete);

/* qs-plan-delete-merge-steps.c */
void qs_delete_prepare_merges (QsDelete *delete, QsChangeList *changes);
gboolean qs_delete_is_written (const QsDelete *delete, const QsImage *image);
void qs_delete_finish_merges (QsDelete *delete);
void qs_delete_describe_merges (const QsDelete *delete, GVariantDict *result);

/* qs-plan-delete-tags.c: what lies inside of images. To be prepared when it is known what is merged */
gboolean qs_delete_prepare_tags (QsDelete *delete, QsChangeList *changes, GError **error);
gboolean qs_delete_add_tags (QsDelete *delete, GError **error);
