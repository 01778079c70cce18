/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge.h"

/* what becomes of a file that a snapshot stood for, and of a pair of files one of which has to go */

#define ANY_WRITE_BIT 0222u

static gboolean
is_leaving (const QsFileBook *book, const char *snapshot)
{
  return book->leaving != NULL && g_strv_contains (book->leaving, snapshot);
}

static gboolean
is_gone (const QsFileBook *book, const QsFile *file)
{
  return book->gone != NULL && g_strv_contains (book->gone, file->path);
}

/* @snapshots: (nullable) */
static guint
count_staying (const QsFileBook *book, const GPtrArray *snapshots)
{
  guint n = 0;

  for (guint i = 0; snapshots != NULL && i < snapshots->len; i++)
    n += !is_leaving (book, g_ptr_array_index (snapshots, i));
  return n;
}

static gboolean
is_above (const QsFileBook *book, const QsFile *other, const QsFile *file)
{
  return !is_gone (book, other) && g_strcmp0 (other->backing, file->path) == 0;
}

static gboolean
is_foreign (const QsFileBook *book, const QsFile *file)
{
  for (guint i = 0; book->foreign != NULL && i < book->foreign->len; i++)
    if (g_str_equal (g_ptr_array_index (book->foreign, i), file->path))
      return TRUE;
  return FALSE;
}

/**
 * qs_file_book_count:
 *
 * Who needs a file when those that leave have left.
 */
void
qs_file_book_count (const QsFileBook *book, const QsFile *file, QsFileUsers *users)
{
  *users = (QsFileUsers){ .is_active = file->active_of != NULL,
                          .n_states = count_staying (book, file->state_of),
                          .n_tags = count_staying (book, file->tag_of),
                          .n_tips = count_staying (book, file->tip_of),
                          .is_mirror = qs_file_is_mirror (file),
                          .is_shared = is_foreign (book, file) };
  for (guint i = 0; i < book->files->len; i++)
    users->n_above += is_above (book, g_ptr_array_index (book->files, i), file);
}

/**
 * qs_file_book_find_above:
 *
 * Returns: (nullable) (transfer none): the first file that is backed by @file
 */
const QsFile *
qs_file_book_find_above (const QsFileBook *book, const QsFile *file)
{
  for (guint i = 0; i < book->files->len; i++)
    {
      const QsFile *other = g_ptr_array_index (book->files, i);

      if (is_above (book, other, file))
        return other;
    }
  return NULL;
}

/**
 * qs_file_book_fate:
 *
 * What is done with a file when those that leave have left.
 */
QsFileFate
qs_file_book_fate (const QsFileBook *book, const QsFile *file)
{
  QsFileUsers users;

  qs_file_book_count (book, file, &users);
  if (users.is_active || users.is_mirror || users.is_shared || users.n_states > 0
      || users.n_tags > 0 || users.n_tips > 0)
    return QS_FILE_KEEP;
  if (users.n_above > 1)
    return QS_FILE_HIDE;
  if (users.n_above == 1)
    return QS_FILE_MERGE;
  return file->ours ? QS_FILE_UNLINK : QS_FILE_LEAVE;
}

/**
 * qs_merge_side:
 * @file: (nullable): what is recorded of the image
 * @users: (nullable)
 */
QsMergeSide
qs_merge_side (const QsImage *image, const QsFile *file, const QsFileUsers *users)
{
  gboolean bits_are_ours = file != NULL && (file->mode & ANY_WRITE_BIT) != 0;

  return (QsMergeSide){ .allocated = image->allocated,
                        .has_tags = image->tags->len > 0,
                        .is_writable = image->writable || bits_are_ours,
                        .is_shared = users != NULL && users->is_shared };
}

/**
 * qs_merge_down_obstacle:
 *
 * A tag in the file above would go with it.
 *
 * Returns: (nullable): why the file above cannot go into the one below, for people
 */
const char *
qs_merge_down_obstacle (const QsMergeSide *below, const QsMergeSide *above)
{
  if (!below->is_writable)
    return "the file below cannot be written to";
  if (below->is_shared)
    return "another domain uses the file below";
  if (above->has_tags)
    return "the file above holds internal snapshots";
  return NULL;
}

/**
 * qs_merge_up_obstacle:
 *
 * A stream copies what the guest sees now: a tag in the file above needs more of the one below, and
 * a tag in the file below goes with it.
 *
 * Returns: (nullable): why the file below cannot go into the one above, for people
 */
const char *
qs_merge_up_obstacle (const QsMergeSide *below, const QsMergeSide *above)
{
  if (!above->is_writable)
    return "the file above cannot be written to";
  if (above->is_shared)
    return "another domain uses the file above";
  if (above->has_tags)
    return "the file above holds internal snapshots";
  if (below->has_tags)
    return "the file below holds internal snapshots";
  return NULL;
}

/**
 * qs_merge_choose:
 *
 * The way that copies fewer bytes, of those that lose nothing; down where both copy the same.
 */
QsMergeChoice
qs_merge_choose (const QsMergeSide *below, const QsMergeSide *above)
{
  const char *not_down = qs_merge_down_obstacle (below, above);
  const char *not_up = qs_merge_up_obstacle (below, above);

  if (not_down == NULL && (not_up != NULL || above->allocated <= below->allocated))
    return (QsMergeChoice){ QS_MERGE_DOWN, above->allocated, NULL };
  if (not_up == NULL)
    return (QsMergeChoice){ QS_MERGE_UP, below->allocated, NULL };
  return (QsMergeChoice){ QS_MERGE_NOT, 0, not_down };
}

static const char *const direction_names[] = {
  [QS_MERGE_DOWN] = "down",
  [QS_MERGE_UP] = "up",
  [QS_MERGE_NOT] = "none",
};

/**
 * qs_merge_direction_name:
 *
 * Returns: the word of the job's result
 */
const char *
qs_merge_direction_name (QsMergeDirection direction)
{
  return direction_names[direction];
}
