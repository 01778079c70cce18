/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

/* what a revert must not trip over: files that are other ones by now, or that others need */

/* (nullable): the first that is not the snapshot itself, nor one that DISCARD deletes */
static const QsSnapshot *
find_other (const QsRevert *revert, const GPtrArray *uuids)
{
  const QsTree *tree = revert->domain->tree;

  for (guint i = 0; uuids != NULL && i < uuids->len; i++)
    {
      const char *uuid = g_ptr_array_index (uuids, i);
      const QsSnapshot *user = qs_tree_lookup (tree, uuid);

      if (user != NULL && user != revert->snapshot
          && !qs_tree_is_ancestor (tree, revert->snapshot->uuid, uuid))
        return user;
    }
  return NULL;
}

/* (nullable): who, other than the snapshots that are discarded, needs what stands on an image */
static const char *
find_other_user (const QsRevert *revert, const QsFile *above)
{
  const GPtrArray *lists[] = { above->state_of, above->tag_of, above->tip_of };
  const QsSnapshot *user = NULL;

  for (guint i = 0; user == NULL && i < G_N_ELEMENTS (lists); i++)
    user = find_other (revert, lists[i]);
  return user != NULL ? user->name : NULL;
}

/* an image that others stand on must not change below them */
static gboolean
check_not_below (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  for (guint i = 0; i < revert->facts->files->len; i++)
    {
      const QsFile *above = g_ptr_array_index (revert->facts->files, i);
      const char *user;

      if (!qs_facts_is_backed_by (revert->facts, above, disk->path))
        continue;
      user = find_other_user (revert, above);
      if (user == NULL && (revert->request->flags & QS_REVERT_DISCARD)
          && (above->active_of == NULL || qs_revert_drops_left (revert)))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "disk ‘%s’: the snapshot lies in ‘%s’, which is the backing file of ‘%s’ now; "
                   "%s%s%s",
                   disk->target, disk->path, above->path,
                   user != NULL ? "delete snapshot ‘" : "discard what came after it (DISCARD)",
                   user != NULL ? user : "", user != NULL ? "’ first" : "");
      return FALSE;
    }
  return TRUE;
}

/* (nullable): who waits in the file, or is the file, besides the snapshot itself */
static const char *
find_waiting (const QsRevert *revert, const QsFile *file, gboolean *is_below)
{
  const GPtrArray *lists[] = { file->state_of, file->tip_of };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (guint n = 0; lists[i] != NULL && n < lists[i]->len; n++)
      {
        const char *uuid = g_ptr_array_index (lists[i], n);
        const QsSnapshot *user = qs_tree_lookup (revert->domain->tree, uuid);

        if (user == NULL || user == revert->snapshot)
          continue;
        *is_below = find_other (revert, lists[i]) == NULL;
        return user->name;
      }
  return NULL;
}

/* nor one that waits with later changes, or is the state of another */
static gboolean
check_not_waiting (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  const QsFile *file = qs_facts_find_file (revert->facts, disk->path);
  gboolean is_below = FALSE;
  const char *user = file != NULL ? find_waiting (revert, file, &is_below) : NULL;

  if (user == NULL || (is_below && (revert->request->flags & QS_REVERT_DISCARD)))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
               "disk ‘%s’: the snapshot lies in ‘%s’, which waits with the changes made after "
               "snapshot ‘%s’; go there first (TIP), or %s",
               disk->target, disk->path, user,
               is_below ? "discard what came after it (DISCARD)" : "delete that one");
  return FALSE;
}

static gboolean
check_bitmap (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  const QsNode *node = qs_facts_find_node (revert->facts, disk->target);

  if (node == NULL || node->bitmap == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’ has the dirty bitmap ‘%s’, which would be wrong after the revert; remove "
               "it first",
               disk->target, node->bitmap);
  return FALSE;
}

static gboolean
check_tag (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  guint n = qs_image_count_tag (disk->image, disk->tag);

  if (qs_planning_is_foreign (revert->facts, disk->path))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: its image is already used by another domain", disk->target);
      return FALSE;
    }
  if (n != 1)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "disk ‘%s’: ‘%s’ holds %u snapshots with the tag ‘%s’", disk->target, disk->path,
                   n, disk->tag);
      return FALSE;
    }
  return check_not_below (revert, disk, error) && check_not_waiting (revert, disk, error)
         && check_bitmap (revert, disk, error);
}

static gboolean
check_identity (const QsFacts *facts, const QsRevertDisk *disk, GError **error)
{
  const QsFile *record = qs_facts_find_file (facts, disk->path);

  /* of a device only its name lasts over a reboot */
  if (record == NULL || disk->image->rdev != 0 || qs_file_is (record, disk->image))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: ‘%s’ is not the file that the snapshot was taken with", disk->target,
               disk->path);
  return FALSE;
}

/* neither what is written by the revert nor what it drops is in another's hands; a state file may be,
   for it is only read */
static gboolean
check_nobody (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  const QsImage *active = qs_revert_active_image (revert, disk->target);

  if (disk->kind != QS_REVERT_DISK_FRESH
      && (!qs_check_unused (revert->facts, disk->target, disk->image, error)
          || !qs_check_one_name (revert->facts, disk->target, disk->image, error)))
    return FALSE;
  return active == NULL || qs_check_unused (revert->facts, disk->target, active, error);
}

/**
 * qs_revert_check_files:
 *
 * Whether the files of the disks are those that were recorded, and nobody else's.
 */
gboolean
qs_revert_check_files (const QsRevert *revert, GError **error)
{
  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);

      if (!check_identity (revert->facts, disk, error) || !check_nobody (revert, disk, error)
          || (disk->kind == QS_REVERT_DISK_TAG && !check_tag (revert, disk, error)))
        return FALSE;
    }
  return TRUE;
}
