/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-revert-commit.h"
#include "qs-users.h"

/* which snapshots and files go with a COMMIT, and who else relies on them */

static void
add_leaving (QsRevertCommit *commit, const QsSnapshot *snapshot)
{
  g_ptr_array_add (commit->leaving, (gpointer)snapshot);
}

static void
take_uuids (QsRevertCommit *commit)
{
  commit->uuids = g_new0 (char *, commit->leaving->len + 1);
  for (guint i = 0; i < commit->leaving->len; i++)
    commit->uuids[i] =
        g_strdup (((const QsSnapshot *)g_ptr_array_index (commit->leaving, i))->uuid);
}

static gboolean
check_known (const QsRevertCommit *commit, GError **error)
{
  for (guint i = 0; i < commit->leaving->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (commit->leaving, i);

      if (!snapshot->unverified)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "snapshot ‘%s’ is unverified: it is not known which files it lies in; redefine "
                   "it, or delete it with METADATA_ONLY",
                   snapshot->name);
      return FALSE;
    }
  return TRUE;
}

/* which is current afterwards */
static gboolean
check_parent (const QsRevertCommit *commit, GError **error)
{
  const QsSnapshot *parent = qs_tree_lookup (commit->domain->tree, commit->snapshot->parent);

  if (parent == NULL || !parent->has_tip)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "without snapshot ‘%s’ the domain would be at ‘%s’, whose own later changes wait "
               "for a revert with TIP and would be lost; delete those, or revert to it, first",
               commit->snapshot->name, parent->name);
  return FALSE;
}

/**
 * qs_revert_commit_find_leaving:
 *
 * The snapshot and those between it and what the domain does now.
 */
gboolean
qs_revert_commit_find_leaving (QsRevertCommit *commit, GError **error)
{
  const QsTree *tree = commit->domain->tree;
  const QsSnapshot *current = qs_tree_get_current (tree);
  const QsSnapshot *step = current;

  for (guint n = qs_tree_size (tree); step != NULL && step != commit->snapshot && n > 0; n--)
    {
      add_leaving (commit, step);
      step = qs_tree_lookup (tree, step->parent);
    }
  if (step != commit->snapshot)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "snapshot ‘%s’ is neither the current one nor above it%s%s%s, so that the "
                   "changes of today are not changes since then",
                   commit->snapshot->name, current != NULL ? ", which is ‘" : "",
                   current != NULL ? current->name : "", current != NULL ? "’" : "");
      return FALSE;
    }
  if (!check_parent (commit, error))
    return FALSE;
  add_leaving (commit, commit->snapshot);
  take_uuids (commit);
  return check_known (commit, error);
}

static const QsFile *
file_at (const QsRevertCommit *commit, const GPtrArray *chain, guint index)
{
  const QsImage *image = g_ptr_array_index (chain, index);

  return qs_facts_find_file (commit->facts, image->path);
}

/* 0: none */
static guint
find_lowest_state (const QsRevertCommit *commit, const GPtrArray *chain)
{
  for (guint i = chain->len; i-- > 1;)
    {
      const QsFile *file = file_at (commit, chain, i);

      if (file != NULL && qs_revert_commit_is_of (commit, file->state_of))
        return i;
    }
  return 0;
}

static gboolean
is_merged (const QsRevertCommit *commit, const QsFile *file)
{
  for (guint i = 0; i < commit->merges->len; i++)
    {
      const QsMerging *merge = &g_array_index (commit->merges, QsMerging, i);

      for (guint n = 1; n <= merge->layers; n++)
        if (g_str_equal (qs_merging_image (merge, n)->path, file->path))
          return TRUE;
    }
  return FALSE;
}

/* each disk of each of them, in a file of its own below what the disk is on now */
static gboolean
check_states (const QsRevertCommit *commit, GError **error)
{
  for (guint i = 0; i < commit->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (commit->facts->files, i);

      if (!qs_file_is_disk (file))
        continue;
      if (qs_revert_commit_is_of (commit, file->tag_of))
        g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                     "‘%s’ holds an internal snapshot that would have to go; later changes are "
                     "committed only where all disks of the snapshots are external",
                     file->path);
      else if (qs_revert_commit_is_of (commit, file->state_of) && !is_merged (commit, file))
        g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                     "no disk of the domain stands on ‘%s’, which belongs to a snapshot that would "
                     "have to go: the changes of today are not changes since then",
                     file->path);
      else
        continue;
      return FALSE;
    }
  return TRUE;
}

static gboolean
find_merge (QsRevertCommit *commit, const QsDiskFacts *disk, GError **error)
{
  QsMerging merge = { .target = disk->target,
                      .chain = disk->chain,
                      .layers = find_lowest_state (commit, disk->chain),
                      .node = qs_facts_find_node (commit->facts, disk->target) };

  if (merge.layers > 0)
    g_array_append_val (commit->merges, merge);
  if (merge.layers == 0 || disk->error == NULL)
    return TRUE;
  g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", disk->target,
               disk->error->message);
  return FALSE;
}

/**
 * qs_revert_commit_find_merges:
 *
 * Of each disk, all above the lowest file that is the state of one of them.
 */
gboolean
qs_revert_commit_find_merges (QsRevertCommit *commit, GError **error)
{
  for (guint i = 0; i < commit->facts->disks->len; i++)
    if (!find_merge (commit, g_ptr_array_index (commit->facts->disks, i), error))
      return FALSE;
  return check_states (commit, error);
}

/* (nullable): the first that stays */
static const char *
find_staying (const QsRevertCommit *commit, const GPtrArray *uuids)
{
  for (guint i = 0; uuids != NULL && i < uuids->len; i++)
    if (!g_strv_contains ((const char *const *)commit->uuids, g_ptr_array_index (uuids, i)))
      return g_ptr_array_index (uuids, i);
  return NULL;
}

static char *
describe_snapshot (const QsRevertCommit *commit, const char *uuid)
{
  const QsSnapshot *snapshot = qs_tree_lookup (commit->domain->tree, uuid);

  return g_strdup_printf ("snapshot ‘%s’", snapshot != NULL ? snapshot->name : uuid);
}

/* (nullable) (transfer full): of a file */
static char *
describe_own_user (const QsRevertCommit *commit, const QsFile *file)
{
  const char *uuid = find_staying (commit, file->state_of);

  if (uuid == NULL)
    uuid = find_staying (commit, file->tag_of);
  return uuid != NULL ? describe_snapshot (commit, uuid) : NULL;
}

static const QsFile *
find_above (const QsFacts *facts, const QsFile *file, const QsFile *except)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *other = g_ptr_array_index (facts->files, i);

      if (other != except && g_strcmp0 (other->backing, file->path) == 0)
        return other;
    }
  return NULL;
}

/* (transfer full): who wants @file, which stands on one that goes: the first snapshot up from it */
static char *
describe_branch (const QsRevertCommit *commit, const QsFile *file)
{
  const QsFile *first = file;
  const char *tip =
      file->tip_of != NULL && file->tip_of->len > 0 ? g_ptr_array_index (file->tip_of, 0) : NULL;

  if (tip != NULL)
    {
      g_autofree char *snapshot = describe_snapshot (commit, tip);

      return g_strdup_printf ("the tip of %s", snapshot);
    }
  for (guint n = commit->facts->files->len; file != NULL && n > 0; n--)
    {
      char *user = describe_own_user (commit, file);

      if (user != NULL)
        return user;
      file = find_above (commit->facts, file, NULL);
    }
  return g_strdup_printf ("‘%s’, which stands on it,", first->path);
}

/* (nullable) (transfer full): of file @index of the chain, besides those that go. A tag in the file
   that is written keeps what it holds */
static char *
describe_user (const QsRevertCommit *commit, const QsMerging *merge, guint index)
{
  const QsImage *image = qs_merging_image (merge, index);
  const QsFile *file = qs_facts_find_file (commit->facts, image->path);
  const QsFile *above = index > 0 ? file_at (commit, merge->chain, index - 1) : NULL;
  const QsFile *branch = file != NULL ? find_above (commit->facts, file, above) : NULL;
  const char *staying = file != NULL ? find_staying (commit, file->state_of) : NULL;

  if (staying == NULL && file != NULL && index < merge->layers)
    staying = find_staying (commit, file->tag_of);
  if (staying != NULL)
    return describe_snapshot (commit, staying);
  return branch != NULL ? describe_branch (commit, branch)
                        : qs_users_describe (commit->facts, image->path);
}

/**
 * qs_revert_commit_check_users:
 *
 * Another branch, a tip or another domain would see its files change, or go.
 */
gboolean
qs_revert_commit_check_users (const QsRevertCommit *commit, GError **error)
{
  for (guint i = 0; i < commit->merges->len; i++)
    {
      const QsMerging *merge = &g_array_index (commit->merges, QsMerging, i);

      for (guint n = 0; n <= merge->layers; n++)
        {
          g_autofree char *user = describe_user (commit, merge, n);

          if (user == NULL)
            continue;
          g_set_error (
              error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
              "disk ‘%s’: %s needs ‘%s’ as it is, which would be %s; delete that first, or "
              "create a branch (BRANCH with CURRENT) instead",
              merge->target, user, qs_merging_image (merge, n)->path,
              n < merge->layers ? "merged and deleted" : "merged into");
          return FALSE;
        }
    }
  return TRUE;
}
