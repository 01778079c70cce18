/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"

/**
 * QsFileUsers:
 *
 * Who needs a recorded file. Memory and firmware variables have files like disks do: a snapshot whose
 * memory lies in one uses it as its state or by a tag in it.
 */
typedef struct
{
  gboolean is_active; /* a disk of the domain */
  guint n_states;     /* snapshots that are this file */
  guint n_tags;       /* snapshots that lie under a tag in it */
  guint n_tips;       /* snapshots that have their later changes in it */
  guint n_above;      /* files that are backed by it */
  gboolean is_mirror; /* a disk is, or was, written to it as well */
  gboolean is_shared; /* another domain has it, too */
} QsFileUsers;

/**
 * QsFileFate:
 *
 * KEEP: somebody needs it as it is; HIDE: it stays as a layer that no snapshot stands for, below
 * several others; MERGE: only the one file above needs what it holds; UNLINK: nobody needs it;
 * LEAVE: nobody needs it, but it is not the service's to delete.
 */
typedef enum
{
  QS_FILE_KEEP,
  QS_FILE_HIDE,
  QS_FILE_MERGE,
  QS_FILE_UNLINK,
  QS_FILE_LEAVE,
} QsFileFate;

/**
 * QsFileBook:
 * @files: of QsFile: all that are recorded of the domain
 * @leaving: (nullable): uuids of snapshots that are being deleted
 * @gone: (nullable): paths of files that are being deleted
 * @foreign: (nullable): of char: paths of files that other domains use
 */
typedef struct
{
  const GPtrArray *files;
  const char *const *leaving;
  const char *const *gone;
  const GPtrArray *foreign;
} QsFileBook;

void qs_file_book_count (const QsFileBook *book, const QsFile *file, QsFileUsers *users);
const QsFile *qs_file_book_find_above (const QsFileBook *book, const QsFile *file);
QsFileFate qs_file_book_fate (const QsFileBook *book, const QsFile *file);

typedef enum
{
  QS_MERGE_DOWN, /* the file above is copied into the one below, and goes */
  QS_MERGE_UP,   /* the file below is copied into the one above, and goes */
  QS_MERGE_NOT,  /* neither may be: the file below becomes a hidden layer */
} QsMergeDirection;

/**
 * QsMergeSide:
 * @has_tags: snapshots inside it, whether anybody knows them or not
 * @is_writable: its owner may write to it once write bits that the service took off are put back
 */
typedef struct
{
  guint64 allocated;
  gboolean has_tags;
  gboolean is_writable;
  gboolean is_shared;
} QsMergeSide;

/**
 * QsMergeChoice:
 * @bytes: that are copied
 * @why: (nullable): of QS_MERGE_NOT: what stands in the way, for people
 */
typedef struct
{
  QsMergeDirection direction;
  guint64 bytes;
  const char *why;
} QsMergeChoice;

QsMergeSide qs_merge_side (const QsImage *image, const QsFile *file, const QsFileUsers *users);
const char *qs_merge_down_obstacle (const QsMergeSide *below, const QsMergeSide *above);
const char *qs_merge_up_obstacle (const QsMergeSide *below, const QsMergeSide *above);
QsMergeChoice qs_merge_choose (const QsMergeSide *below, const QsMergeSide *above);
const char *qs_merge_direction_name (QsMergeDirection direction);
