/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-block-commit.h"

/* snapshots that are given up because one of their files is merged: what else they have */

static const char *const *
get_leaving (const QsBlockCommit *commit)
{
  return (const char *const *)commit->leaving->pdata;
}

static gboolean
is_of (const QsBlockCommit *commit, const GPtrArray *uuids)
{
  for (guint i = 0; i < uuids->len; i++)
    if (g_strv_contains (get_leaving (commit), g_ptr_array_index (uuids, i)))
      return TRUE;
  return FALSE;
}

static gboolean
is_merged (const QsBlockCommit *commit, const QsFile *file)
{
  const QsMerging *merging = &commit->block->merging;

  for (guint i = 0; i <= merging->layers; i++)
    if (g_str_equal (qs_merging_image (merging, i)->path, file->path))
      return TRUE;
  return FALSE;
}

static QsFileFate
find_fate (const QsBlockCommit *commit, const QsFile *file)
{
  const QsFacts *facts = commit->block->facts;
  const QsFileBook book = { .files = facts->files,
                            .leaving = get_leaving (commit),
                            .foreign = facts->foreign_images };

  return qs_file_book_fate (&book, file);
}

/* of another disk: it becomes a layer of that, or somebody else needs it; what nobody would need any
   more is for a delete of the snapshot to remove */
static gboolean
check_file (const QsBlockCommit *commit, const QsFile *file, GError **error)
{
  QsFileFate fate = QS_FILE_KEEP;

  if (is_of (commit, file->tag_of))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "‘%s’ holds an internal snapshot of one that would have to go; delete that first",
                 file->path);
  else if ((is_of (commit, file->state_of) || is_of (commit, file->tip_of))
           && !is_merged (commit, file))
    fate = find_fate (commit, file);
  else
    return TRUE;
  if (fate == QS_FILE_UNLINK || fate == QS_FILE_LEAVE)
    g_set_error (
        error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
        "nothing stands on ‘%s’, which belongs to a snapshot that would have to go; delete "
        "that first",
        file->path);
  return fate != QS_FILE_UNLINK && fate != QS_FILE_LEAVE && !is_of (commit, file->tag_of);
}

/**
 * qs_block_commit_check_leaving:
 */
gboolean
qs_block_commit_check_leaving (const QsBlockCommit *commit, GError **error)
{
  const GPtrArray *files = commit->block->facts->files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);

      if (qs_file_is_disk (file) && !check_file (commit, file, error))
        return FALSE;
    }
  return TRUE;
}

/* the nearest one above that stays, unless its own later changes wait */
static const char *
find_next (const QsBlockCommit *commit, const QsSnapshot *current)
{
  const QsTree *tree = commit->block->domain->tree;
  const QsSnapshot *next = current;

  for (guint n = qs_tree_size (tree);
       next != NULL && g_strv_contains (get_leaving (commit), next->uuid) && n > 0; n--)
    next = qs_tree_lookup (tree, next->parent);
  return next != NULL && !next->has_tip ? next->uuid : "";
}

static void
settle_disk (const QsBlockCommit *commit, const QsFile *file, QsChangeList *changes)
{
  QsFileFate fate = find_fate (commit, file);

  if (is_merged (commit, file) || !is_of (commit, file->state_of) || qs_file_is_layer (file)
      || (fate != QS_FILE_MERGE && fate != QS_FILE_HIDE))
    return;
  qs_block_keep (commit->block, file->path, "what stands on it needs it");
  qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", file->path, "role", "s", "layer",
                  NULL);
}

/**
 * qs_block_commit_add_leaving:
 * @changes: of the record that comes before the first byte is written
 */
void
qs_block_commit_add_leaving (const QsBlockCommit *commit, QsChangeList *changes)
{
  QsBlock *block = commit->block;
  const QsSnapshot *current = qs_tree_get_current (block->domain->tree);

  for (guint i = 0; i + 1 < commit->leaving->len; i++)
    {
      const char *uuid = g_ptr_array_index (commit->leaving, i);
      const QsSnapshot *snapshot = qs_tree_lookup (block->domain->tree, uuid);

      qs_changes_add (changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", uuid, NULL);
      qs_plan_note (block->plan, "snapshot ‘%s’ is given up",
                    snapshot != NULL ? snapshot->name : uuid);
    }
  if (current != NULL && g_strv_contains (get_leaving (commit), current->uuid))
    qs_changes_add (changes, QS_CHANGE_CURRENT, "uuid", "s", find_next (commit, current), NULL);
  for (guint i = 0; i < block->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (block->facts->files, i);

      if (qs_file_is_disk (file))
        settle_disk (commit, file, changes);
      else if (is_of (commit, file->state_of) || is_of (commit, file->tag_of))
        qs_block_settle_extra (block, file, find_fate (commit, file), changes);
    }
}
