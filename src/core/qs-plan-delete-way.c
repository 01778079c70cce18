/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

/* in which direction files become one */

static const QsImage *
find_in_walks (const GPtrArray *walks, const QsFile *file)
{
  for (guint i = 0; i < walks->len; i++)
    {
      const GPtrArray *chain = ((const QsDiskFacts *)g_ptr_array_index (walks, i))->chain;

      for (guint n = 0; n < chain->len; n++)
        if (qs_delete_is_at (chain, n, file))
          return g_ptr_array_index (chain, n);
    }
  return NULL;
}

/**
 * qs_delete_find_rebased:
 * @images: (nullable): of QsImage: those found are added
 *
 * What else stands on the file above, and names it in its header: besides what QEMU has open.
 *
 * Returns: FALSE if one of them was not found
 */
gboolean
qs_delete_find_rebased (const QsDelete *delete, const QsDeleteMerge *merge, GPtrArray *images)
{
  const QsMerging *merging = &merge->merging;

  for (guint i = 0; i < delete->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->facts->files, i);
      const QsImage *image;

      if (g_strcmp0 (file->backing, merge->above->path) != 0
          || qs_delete_is_gone (delete, file->path)
          || (merging->node != NULL && merging->first > 0
              && qs_delete_is_at (merging->chain, merging->first - 1, file)))
        continue;
      image = find_in_walks (delete->facts->disks, file);
      if (image == NULL)
        image = find_in_walks (delete->facts->above, file);
      if (image == NULL)
        return FALSE;
      if (images != NULL && image->backing_name != NULL)
        g_ptr_array_add (images, (gpointer)image);
    }
  return TRUE;
}

/* the name that the owner's start script knows is that of the overlay, and would go with it */
static gboolean
takes_name (const QsDelete *delete, const QsDeleteMerge *merge)
{
  const QsDomain *domain = delete->domain;
  const QsDiskDef *disk = merge->above->active_of != NULL
                              ? qs_domain_def_find_disk (domain->def, merge->above->active_of)
                              : NULL;

  return domain->attachment != NULL && domain->attachment->stable_path && disk != NULL
         && g_strcmp0 (disk->source, merge->above->path) == 0;
}

/* their headers are written after the commit, when there is no way back */
static const char *
find_rebase_obstacle (const QsDelete *delete, const QsDeleteMerge *merge)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();
  const char *why = NULL;

  if (!qs_delete_find_rebased (delete, merge, images))
    return "not all files that stand on the one above were found";
  for (guint i = 0; why == NULL && i < images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (images, i);

      why = image->in_use  ? "what stands on the file above is in use"
            : image->dirty ? "what stands on the file above is marked dirty or corrupt"
                           : qs_merging_header_obstacle (image, delete->facts);
    }
  return why;
}

/* what was not made here would be left beside a file of ours that has all of it */
static gboolean
leaves_behind (const QsDeleteMerge *merge)
{
  for (guint i = 0; i + 1 < merge->files->len; i++)
    if (!((const QsFile *)g_ptr_array_index (merge->files, i))->ours)
      return merge->below->ours;
  return FALSE;
}

static const char *
find_down_obstacle (const QsDelete *delete, const QsDeleteMerge *merge)
{
  const char *why = find_rebase_obstacle (delete, merge);

  if (takes_name (delete, merge))
    return "a start script knows the name of the file above";
  if (qs_delete_is_left (delete, merge->above))
    return "only the record of the snapshot of the file above was deleted";
  if (leaves_behind (merge))
    return "the file above was not made here";
  if (qs_merging_find_standing (delete->facts, merge->above, merge->merging.target) != NULL)
    return "another disk stands on the file above, or it cannot be seen whether it does";
  return why != NULL ? why : qs_merging_obstacle (&merge->merging, delete->facts);
}

/* what is copied up is copied before the commit, and a snapshot inside of a file that stays open for
   that goes after it */
static gboolean
waits_for_tag (const QsMerging *merging)
{
  return merging->node != NULL ? qs_merging_loses_tags (merging, 1) : !merging->has_storage;
}

static guint64
count_bytes (QsDeleteMerge *merge, QsMergeDirection direction)
{
  merge->merging.direction = direction;
  return qs_merging_bytes (&merge->merging);
}

/* with the last snapshot there is no next time */
static gboolean
is_last (const QsDelete *delete)
{
  return qs_tree_size (delete->domain->tree) <= 1;
}

/**
 * qs_delete_choose_way:
 * @merge: located; its direction is set
 *
 * The way that copies fewer bytes, of those that lose nothing; down where both copy the same, and where
 * the lowest file is not the service's to delete: it would stay, with what the disk held once.
 *
 * Returns: (nullable): why there is none, for people
 */
const char *
qs_delete_choose_way (const QsDelete *delete, QsDeleteMerge *merge)
{
  guint64 up = count_bytes (merge, QS_MERGE_UP);
  const char *not_up = qs_merging_obstacle (&merge->merging, delete->facts);
  guint64 down = count_bytes (merge, QS_MERGE_DOWN);
  const char *not_down = find_down_obstacle (delete, merge);
  gboolean is_down = not_down == NULL && (not_up != NULL || !merge->below->ours || down <= up);

  if (is_down)
    return NULL;
  if (not_up == NULL && waits_for_tag (&merge->merging))
    return not_down == NULL && is_last (delete) ? NULL : QS_DELETE_NEXT_TIME;
  merge->merging.direction = QS_MERGE_UP;
  return not_up == NULL ? NULL : not_down;
}
