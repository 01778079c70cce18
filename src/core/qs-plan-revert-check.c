/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-safety.h"

/* what a revert must not lose or mix up: the states of the tree */

static gboolean
depends_on (const QsFacts *facts, const char *descendant, const char *state_file)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (qs_file_is_of (file, descendant) && qs_facts_is_backed_by (facts, file, state_file))
        return TRUE;
    }
  return FALSE;
}

static gboolean
check_descendants_of (const QsRevert *revert, const GPtrArray *below, const char *path,
                      GError **error)
{
  for (guint n = 0; n < below->len; n++)
    {
      const QsSnapshot *child = g_ptr_array_index (below, n);

      /* the service has taken those, to undo reverts and not to hinder them, and a fresh overlay
         leaves them as they are */
      if (child->origin == QS_ORIGIN_SAFETY || !depends_on (revert->facts, child->uuid, path))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "snapshot ‘%s’ stands on the files of ‘%s’; discard what came after it "
                   "(DISCARD), commit the later changes into it (COMMIT), or create a branch from "
                   "it (BRANCH with CURRENT); to go to the latest state of another branch use TIP",
                   child->name, revert->snapshot->name);
      return FALSE;
    }
  return TRUE;
}

/* the rule of the branch proposal: descendants that stand on the target's state files would be
   mixed up by a revert that does not say what becomes of them */
static gboolean
check_descendants (const QsRevert *revert, GError **error)
{
  g_autoptr (GPtrArray) below =
      qs_tree_list (revert->domain->tree, revert->snapshot->uuid, QS_LIST_DESCENDANTS);

  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);

      if (disk->kind == QS_REVERT_DISK_FRESH
          && !check_descendants_of (revert, below, disk->path, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_of (const QsFacts *facts, const char *path, const char *snapshot)
{
  const QsFile *file = qs_facts_find_file (facts, path);

  return file != NULL && qs_file_is_of (file, snapshot);
}

/* by the images' headers, or, where those name nothing, by the records */
static gboolean
stands_on_files_of (const QsFacts *facts, const QsDiskFacts *active, const char *snapshot)
{
  const QsFile *file;

  for (guint i = 0; i < active->chain->len; i++)
    if (is_of (facts, ((QsImage *)g_ptr_array_index (active->chain, i))->path, snapshot))
      return TRUE;
  file = active->chain->len == 0
             ? NULL
             : qs_facts_find_file (facts, ((QsImage *)g_ptr_array_index (active->chain, 0))->path);
  for (guint n = 0; file != NULL && file->backing != NULL && n < facts->files->len; n++)
    {
      if (is_of (facts, file->backing, snapshot))
        return TRUE;
      file = qs_facts_find_file (facts, file->backing);
    }
  return FALSE;
}

/* a redefine may have made one current that the disks do not come from: what they hold is then no
   later change of it, to be kept with it. It may have other disks than those that are moved */
static gboolean
comes_from (const QsRevert *revert, const QsSnapshot *snapshot)
{
  const GPtrArray *disks = revert->facts->disks;

  for (guint i = 0; i < disks->len; i++)
    if (stands_on_files_of (revert->facts, g_ptr_array_index (disks, i), snapshot->uuid))
      return TRUE;
  return FALSE;
}

static gboolean
stands_on (const QsFacts *facts, const QsDiskFacts *active, const char *state_file)
{
  const QsImage *top = g_ptr_array_index (active->chain, 0);

  for (guint i = 0; i < active->chain->len; i++)
    if (g_str_equal (((QsImage *)g_ptr_array_index (active->chain, i))->path, state_file))
      return TRUE;
  return qs_facts_is_backed_by (facts, qs_facts_find_file (facts, top->path), state_file);
}

/* of the snapshot that is current itself, what came later is dropped: it must be that on each disk */
static gboolean
check_own_changes (const QsRevert *revert, GError **error)
{
  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);
      const QsDiskFacts *active = qs_facts_find_disk (revert->facts, disk->target);

      if (!qs_revert_moves (revert, disk) || active == NULL || active->chain->len == 0
          || stands_on (revert->facts, active, disk->path)
          || qs_safety_has_all (revert->domain, revert->request, revert->facts, disk->target))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "disk ‘%s’: what it holds now would belong to no snapshot: snapshot ‘%s’ is "
                   "current, but the disk does not stand on its file ‘%s’; take a snapshot first, "
                   "or drop it (DISCARD)",
                   disk->target, revert->snapshot->name, disk->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
moves_any (const QsRevert *revert)
{
  for (guint i = 0; i < revert->disks->len; i++)
    if (qs_revert_moves (revert, qs_revert_disk (revert, i)))
      return TRUE;
  return FALSE;
}

/* a snapshot has one line of later changes: where it is current, those of the disks */
static gboolean
check_one_line (const QsSnapshot *current, GError **error)
{
  if (current == NULL || !current->has_tip)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
               "snapshot ‘%s’ is current, and has kept later changes from before besides; take a "
               "snapshot of what the disks hold now first",
               current->name);
  return FALSE;
}

/* what is dropped may be on its way to somebody */
static gboolean
check_tip_unused (const QsRevert *revert, const QsTip *tip, GError **error)
{
  const QsDiskFacts *disk = qs_facts_find_tip_disk (revert->facts, tip->target);

  return disk == NULL || disk->chain->len == 0
         || qs_check_unused (revert->facts, tip->target, g_ptr_array_index (disk->chain, 0), error);
}

/* a tip may have disks that the snapshot itself has not: what waits there is no change since then */
static gboolean
check_tips (const QsRevert *revert, GError **error)
{
  const GPtrArray *tips = revert->facts->tips;

  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      if (!g_str_equal (tip->snapshot, revert->snapshot->uuid))
        continue;
      if (!check_tip_unused (revert, tip, error))
        return FALSE;
      if (qs_revert_find_disk (revert, tip->target) != NULL)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "disk ‘%s’ is not in snapshot ‘%s’, but what it held then and later waits with "
                   "it, in ‘%s’; go there (TIP), or drop it (DISCARD)",
                   tip->target, revert->snapshot->name, tip->path);
      return FALSE;
    }
  return TRUE;
}

/* what the disks hold now must belong to somebody who can come back to it */
static gboolean
check_left (const QsRevert *revert, GError **error)
{
  const QsSnapshot *current = qs_tree_get_current (revert->domain->tree);
  gboolean moves = moves_any (revert);

  if (moves && !check_one_line (current, error))
    return FALSE;
  if (moves && qs_revert_drops_left (revert))
    return check_own_changes (revert, error);
  if (!moves || qs_revert_text (revert->request, "safety") != NULL
      || (current != NULL && comes_from (revert, current)))
    return TRUE;
  if (current == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                         "the changes made since would belong to no snapshot: the domain has no "
                         "current one; take a snapshot of them first, or drop them (DISCARD)");
  else
    g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                 "what the disks hold now would belong to no snapshot: snapshot ‘%s’ is current, "
                 "but they do not stand on its files; take a snapshot first, or drop it (DISCARD)",
                 current->name);
  return FALSE;
}

/**
 * qs_revert_check_tree:
 *
 * Refuses what would lose or mix up states of the tree. FORCE does not lift these; DISCARD does.
 */
gboolean
qs_revert_check_tree (const QsRevert *revert, GError **error)
{
  guint flags = revert->request->flags;

  /* what another branch has kept is not what is discarded */
  if (flags & QS_REVERT_DISCARD)
    return qs_revert_drops_left (revert) || !moves_any (revert)
           || check_one_line (qs_tree_get_current (revert->domain->tree), error);
  if (!(flags & QS_REVERT_TIP) && !revert->onto_tip
      && (!check_descendants (revert, error) || !check_tips (revert, error)))
    return FALSE;
  return check_left (revert, error);
}
