/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-block-commit.h"
#include "qs-users.h"

/* who needs one of the files as it is: those above go, and the one below changes */

static gboolean
is_forced (const QsBlockCommit *commit)
{
  return (commit->block->request->flags & QS_BLOCK_COMMIT_FORCE) != 0;
}

static const char *
what_happens (const QsMerging *merging, guint index)
{
  return index < merging->layers ? "merged into another file" : "written to";
}

static void
add_leaving (QsBlockCommit *commit, const GPtrArray *uuids)
{
  for (guint i = 0; i < uuids->len; i++)
    if (!g_strv_contains ((const char *const *)commit->leaving->pdata,
                          g_ptr_array_index (uuids, i)))
      g_ptr_array_insert (commit->leaving, 0, g_ptr_array_index (uuids, i));
}

/* their states are gone with the first byte. What lies inside of a file is not given up with a record */
static gboolean
check_snapshots (QsBlockCommit *commit, guint index, GError **error)
{
  const QsMerging *merging = &commit->block->merging;
  const QsImage *image = qs_merging_image (merging, index);
  const QsFile *file = qs_facts_find_file (commit->block->facts, image->path);
  const GPtrArray *uuids = NULL;
  g_autofree char *names = NULL;

  if (file == NULL)
    return TRUE;
  if (file->tag_of->len > 0)
    uuids = file->tag_of;
  else if (!is_forced (commit))
    uuids = file->state_of->len > 0 ? file->state_of : file->tip_of;
  add_leaving (commit, file->state_of);
  add_leaving (commit, file->tip_of);
  if (uuids == NULL || uuids->len == 0)
    return TRUE;
  names = qs_block_describe_snapshots (commit->block, uuids);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: ‘%s’, which would be %s, holds %s; delete that first%s", merging->target,
               image->path, what_happens (merging, index), names,
               uuids == file->tag_of ? "" : ", or give its record up with FORCE");
  return FALSE;
}

/* (nullable): a recorded one that stands on @file beside the chain */
static const QsFile *
find_branch (const QsBlock *block, const QsFile *file, const QsImage *above)
{
  for (guint i = 0; i < block->facts->files->len; i++)
    {
      const QsFile *other = g_ptr_array_index (block->facts->files, i);

      if (g_strcmp0 (other->backing, file->path) == 0
          && (above == NULL || !g_str_equal (other->path, above->path)))
        return other;
    }
  return NULL;
}

static gboolean
has_image (const QsDiskFacts *disk, const QsImage *image)
{
  for (guint i = 0; i < disk->chain->len; i++)
    if (qs_image_is_same (g_ptr_array_index (disk->chain, i), image))
      return TRUE;
  return FALSE;
}

/* (nullable) (transfer full) */
static char *
find_disk_user (const QsBlock *block, const QsImage *image)
{
  for (guint i = 0; i < block->facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (block->facts->disks, i);

      if (disk != block->disk && (disk->error != NULL || has_image (disk, image)))
        return g_strdup_printf ("disk ‘%s’, as far as can be seen,", disk->target);
    }
  return NULL;
}

/* (nullable) (transfer full): besides snapshots, and what is above in the chain */
static char *
describe_user (const QsBlock *block, guint index)
{
  const QsMerging *merging = &block->merging;
  const QsImage *image = qs_merging_image (merging, index);
  const QsFile *file = qs_facts_find_file (block->facts, image->path);
  const QsImage *above =
      index > 0 ? qs_merging_image (merging, index - 1) : qs_merging_above (merging);
  const QsFile *branch = file != NULL ? find_branch (block, file, above) : NULL;
  char *user = qs_users_describe (block->facts, image->path);

  if (user != NULL)
    return user;
  return branch != NULL ? g_strdup_printf ("‘%s’, which stands on it,", branch->path)
                        : find_disk_user (block, image);
}

static gboolean
check_users (const QsBlockCommit *commit, guint index, GError **error)
{
  const QsMerging *merging = &commit->block->merging;
  g_autofree char *user = describe_user (commit->block, index);

  if (user != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’: %s needs ‘%s’ as it is, which would be %s", merging->target, user,
                 qs_merging_image (merging, index)->path, what_happens (merging, index));
  return user == NULL;
}

/* the name that the owner's start script knows is that of the overlay, and would go with it */
static gboolean
check_stable_path (const QsBlock *block, GError **error)
{
  const QsDomain *domain = block->domain;
  const QsMerging *merging = &block->merging;
  const QsDiskDef *disk = qs_domain_def_find_disk (domain->def, merging->target);

  if (merging->first > 0 || domain->attachment == NULL || !domain->attachment->stable_path
      || disk == NULL || g_strcmp0 (disk->source, qs_merging_image (merging, 0)->path) != 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "disk ‘%s’: overlays take over the name ‘%s’ that the start script knows, and this "
               "version cannot give it back to ‘%s’; attach the domain anew with stable-path off, "
               "and let the script name that file afterwards; or pull instead",
               merging->target, disk->source, qs_merging_base (merging)->path);
  return FALSE;
}

static gboolean
check_name (const QsBlock *block, GError **error)
{
  const QsMerging *merging = &block->merging;
  g_autofree char *name = NULL;

  if (merging->first == 0 || (block->request->flags & QS_BLOCK_COMMIT_RELATIVE) == 0)
    return TRUE;
  name = qs_merging_backing_name (merging, -1, merging->layers);
  return qs_block_check_relative (block, qs_merging_above (merging), name, error);
}

/**
 * qs_block_commit_check:
 *
 * Nobody loses anything that is not given up by FORCE.
 */
gboolean
qs_block_commit_check (QsBlockCommit *commit, GError **error)
{
  const QsBlock *block = commit->block;

  for (guint i = 0; i <= block->merging.layers; i++)
    if (!check_snapshots (commit, i, error) || !check_users (commit, i, error))
      return FALSE;
  return check_stable_path (block, error) && check_name (block, error)
         && qs_block_commit_check_leaving (commit, error)
         && qs_merging_check (&block->merging, block->domain, block->facts, error);
}
