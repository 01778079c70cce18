/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-merge.h"

/* files of which each is needed by the next one alone, and the one that stands on them: by the records,
   and where they were found */

/**
 * qs_delete_is_left:
 *
 * Whether only the record of a file's snapshot was deleted, some time ago: nobody is recorded to need
 * it, but it was to stay, and as it is.
 */
gboolean
qs_delete_is_left (const QsDelete *delete, const QsFile *file)
{
  const char *uuid = delete->snapshot->uuid;
  const QsFileBook book = qs_delete_book (delete);

  return !qs_file_is_layer (file) && !qs_file_is_of (file, uuid)
         && !g_ptr_array_find_with_equal_func (file->tip_of, uuid, g_str_equal, NULL)
         && qs_file_book_fate (&book, file) != QS_FILE_KEEP;
}

static gboolean
may_join (const QsDelete *delete, const QsFile *file)
{
  const QsFileBook book = qs_delete_book (delete);

  return qs_file_book_fate (&book, file) == QS_FILE_MERGE && !qs_delete_is_left (delete, file);
}

static void
add_above (const QsDelete *delete, const QsFile *file, GPtrArray *files)
{
  const QsFileBook book = qs_delete_book (delete);

  while (files->len < QS_MAX_CHAIN_FILES)
    {
      file = qs_file_book_find_above (&book, file);
      if (file == NULL)
        return;
      g_ptr_array_insert (files, 0, (gpointer)file);
      if (!may_join (delete, file))
        return;
    }
}

static void
add_below (const QsDelete *delete, const QsFile *file, GPtrArray *files)
{
  while (file->backing != NULL && files->len < QS_MAX_CHAIN_FILES)
    {
      file = qs_facts_find_file (delete->facts, file->backing);
      if (file == NULL || !may_join (delete, file))
        return;
      g_ptr_array_add (files, (gpointer)file);
    }
}

/**
 * qs_delete_find_run:
 * @file: that one other file stands on, and nobody else needs
 *
 * Returns: (transfer container) (element-type QsFile): all files below and above it of which the same is
 *   true, and the one that stands on them, from that down
 */
GPtrArray *
qs_delete_find_run (const QsDelete *delete, const QsFile *file)
{
  GPtrArray *files = g_ptr_array_new ();

  g_ptr_array_add (files, (gpointer)file);
  add_above (delete, file, files);
  add_below (delete, file, files);
  return files;
}

/**
 * qs_delete_is_at:
 * @chain: (element-type QsImage)
 *
 * Whether that is the image of a file.
 */
gboolean
qs_delete_is_at (const GPtrArray *chain, guint index, const QsFile *file)
{
  const QsImage *image = index < chain->len ? g_ptr_array_index (chain, index) : NULL;

  return image != NULL
         && (g_str_equal (image->path, file->path) || (file->ino != 0 && qs_file_is (file, image)));
}

/**
 * qs_delete_merge_init:
 * @files: of which @n from index @from on become one
 */
void
qs_delete_merge_init (QsDeleteMerge *merge, const GPtrArray *files, guint from, guint n)
{
  *merge = (QsDeleteMerge){ .files = g_ptr_array_new () };
  for (guint i = from; i < from + n; i++)
    g_ptr_array_add (merge->files, g_ptr_array_index (files, i));
  merge->above = g_ptr_array_index (merge->files, 0);
  merge->below = g_ptr_array_index (merge->files, n - 1);
  merge->merging.layers = n - 1;
}

void
qs_delete_merge_clear (QsDeleteMerge *merge)
{
  g_clear_pointer (&merge->files, g_ptr_array_unref);
}

/* G_MAXUINT: it is not in it */
static guint
find_place (const GPtrArray *chain, const GPtrArray *files)
{
  for (guint first = 0; first + files->len <= chain->len; first++)
    {
      guint n = 0;

      while (n < files->len && qs_delete_is_at (chain, first + n, g_ptr_array_index (files, n)))
        n++;
      if (n == files->len)
        return first;
    }
  return G_MAXUINT;
}

static const QsDiskFacts *
find_walk (const GPtrArray *walks, QsDeleteMerge *merge)
{
  for (guint i = 0; i < walks->len; i++)
    {
      const QsDiskFacts *walk = g_ptr_array_index (walks, i);

      merge->merging.first = find_place (walk->chain, merge->files);
      if (merge->merging.first != G_MAXUINT)
        return walk;
    }
  return NULL;
}

/**
 * qs_delete_merge_has:
 *
 * Whether a file is one of those that become one.
 */
gboolean
qs_delete_merge_has (const QsDeleteMerge *merge, const char *path)
{
  for (guint i = 0; i < merge->files->len; i++)
    if (g_str_equal (((const QsFile *)g_ptr_array_index (merge->files, i))->path, path))
      return TRUE;
  return FALSE;
}

/* which disk a branch is of */
static const char *
find_target (const QsDelete *delete, const QsDeleteMerge *merge)
{
  const GPtrArray *rows = delete->facts->snapshot_files;
  const GPtrArray *tips = delete->facts->tips;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (qs_delete_merge_has (merge, row->path))
        return row->target;
    }
  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      if (qs_delete_merge_has (merge, tip->path))
        return tip->target;
    }
  return merge->above->path;
}

static gboolean
fail_walk (const QsDeleteMerge *merge, const QsDiskFacts *walk, GError **error)
{
  if (walk != NULL)
    g_set_error (error, walk->error->domain, walk->error->code,
                 "‘%s’ is not merged before all files below it are known: %s", merge->above->path,
                 walk->error->message);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "‘%s’ does not stand on ‘%s’, against what is recorded; they are not merged",
                 merge->above->path, merge->below->path);
  return FALSE;
}

/**
 * qs_delete_merge_locate:
 *
 * Where the files are: in what a disk stands on, or in a branch.
 */
gboolean
qs_delete_merge_locate (const QsDelete *delete, QsDeleteMerge *merge, GError **error)
{
  const QsFacts *facts = delete->facts;
  const QsDiskFacts *walk = find_walk (facts->disks, merge);
  gboolean is_open = walk != NULL && facts->state != QS_DOMAIN_SHUTOFF;
  QsMerging *merging = &merge->merging;

  merging->target = walk != NULL ? walk->target : find_target (delete, merge);
  if (walk == NULL)
    walk = find_walk (facts->above, merge);
  if (walk == NULL || walk->error != NULL)
    return fail_walk (merge, walk, error);
  merging->chain = walk->chain;
  merging->leaving = facts->snapshot_files;
  merging->node = is_open ? qs_facts_find_node (facts, merging->target) : NULL;
  /* nothing else may have a file open that loses a tag */
  merging->has_storage = !is_open && !qs_merging_loses_tags (merging, 0);
  if (!is_open || merging->node != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: the running QEMU has no such disk", merging->target);
  return FALSE;
}
