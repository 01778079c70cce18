/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"
#include "qs-users.h"

/* files that nobody needs but the one file that stands on them: which pairs become one file, and in
   which direction */

static gboolean
is_at (const GPtrArray *chain, guint index, const QsFile *file)
{
  const QsImage *image = index < chain->len ? g_ptr_array_index (chain, index) : NULL;

  return image != NULL
         && (g_str_equal (image->path, file->path) || (file->ino != 0 && qs_file_is (file, image)));
}

/* G_MAXUINT: it is not in it */
static guint
find_place (const GPtrArray *chain, const QsDeleteMerge *pair)
{
  for (guint i = 0; i + 1 < chain->len; i++)
    if (is_at (chain, i, pair->above) && is_at (chain, i + 1, pair->below))
      return i;
  return G_MAXUINT;
}

static const QsDiskFacts *
find_walk (const GPtrArray *walks, QsDeleteMerge *pair)
{
  for (guint i = 0; i < walks->len; i++)
    {
      const QsDiskFacts *walk = g_ptr_array_index (walks, i);

      pair->merging.first = find_place (walk->chain, pair);
      if (pair->merging.first != G_MAXUINT)
        return walk;
    }
  return NULL;
}

/* which disk a branch is of */
static const char *
find_target (const QsDelete *delete, const QsDeleteMerge *pair)
{
  const GPtrArray *rows = delete->facts->snapshot_files;
  const GPtrArray *tips = delete->facts->tips;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (g_str_equal (row->path, pair->below->path))
        return row->target;
    }
  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      if (g_str_equal (tip->path, pair->above->path) || g_str_equal (tip->path, pair->below->path))
        return tip->target;
    }
  return pair->above->path;
}

static gboolean
fail_walk (const QsDeleteMerge *pair, const QsDiskFacts *walk, GError **error)
{
  if (walk != NULL)
    g_set_error (error, walk->error->domain, walk->error->code,
                 "‘%s’ is not merged before all files below it are known: %s", pair->above->path,
                 walk->error->message);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "‘%s’ does not stand on ‘%s’, against what is recorded; they are not merged",
                 pair->above->path, pair->below->path);
  return FALSE;
}

/* where the files are: in what a disk stands on, or in a branch */
static gboolean
locate (const QsDelete *delete, QsDeleteMerge *pair, GError **error)
{
  const QsFacts *facts = delete->facts;
  const QsDiskFacts *walk = find_walk (facts->disks, pair);
  gboolean is_open = walk != NULL && facts->state != QS_DOMAIN_SHUTOFF;

  pair->merging.target = walk != NULL ? walk->target : find_target (delete, pair);
  if (walk == NULL)
    walk = find_walk (facts->above, pair);
  if (walk == NULL || walk->error != NULL)
    return fail_walk (pair, walk, error);
  pair->merging.chain = walk->chain;
  pair->merging.layers = 1;
  pair->merging.leaving = facts->snapshot_files;
  pair->merging.node = is_open ? qs_facts_find_node (facts, pair->merging.target) : NULL;
  /* nothing else may have a file open that loses a tag */
  pair->merging.has_storage = !is_open && !qs_merging_loses_tags (&pair->merging, 0);
  if (!is_open || pair->merging.node != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: the running QEMU has no such disk", pair->merging.target);
  return FALSE;
}

static const QsImage *
find_in_walks (const GPtrArray *walks, const QsFile *file)
{
  for (guint i = 0; i < walks->len; i++)
    {
      const GPtrArray *chain = ((const QsDiskFacts *)g_ptr_array_index (walks, i))->chain;

      for (guint n = 0; n < chain->len; n++)
        if (is_at (chain, n, file))
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
qs_delete_find_rebased (const QsDelete *delete, const QsDeleteMerge *pair, GPtrArray *images)
{
  const QsMerging *merging = &pair->merging;

  for (guint i = 0; i < delete->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->facts->files, i);
      const QsImage *image;

      if (g_strcmp0 (file->backing, pair->above->path) != 0
          || qs_delete_is_gone (delete, file->path)
          || (merging->node != NULL && merging->first > 0
              && is_at (merging->chain, merging->first - 1, file)))
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
takes_name (const QsDelete *delete, const QsDeleteMerge *pair)
{
  const QsDomain *domain = delete->domain;
  const QsDiskDef *disk = pair->above->active_of != NULL
                              ? qs_domain_def_find_disk (domain->def, pair->above->active_of)
                              : NULL;

  return domain->attachment != NULL && domain->attachment->stable_path && disk != NULL
         && g_strcmp0 (disk->source, pair->above->path) == 0;
}

/* their headers are written after the commit, when there is no way back */
static const char *
find_rebase_obstacle (const QsDelete *delete, const QsDeleteMerge *pair)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();
  const char *why = NULL;

  if (!qs_delete_find_rebased (delete, pair, images))
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

static const char *
find_down_obstacle (const QsDelete *delete, const QsDeleteMerge *pair)
{
  const char *why = find_rebase_obstacle (delete, pair);

  if (takes_name (delete, pair))
    return "a start script knows the name of the file above";
  if (!pair->above->ours && pair->below->ours)
    return "the file above was not made here";
  if (qs_merging_find_standing (delete->facts, pair->above, pair->merging.target) != NULL)
    return "another disk stands on the file above, or it cannot be seen whether it does";
  return why != NULL ? why : qs_merging_obstacle (&pair->merging, delete->facts);
}

/* (nullable) (transfer full): in no direction */
static char *
find_user (const QsDelete *delete, const QsDeleteMerge *pair)
{
  char *user = qs_users_describe (delete->facts, pair->below->path);

  return user != NULL ? user : qs_users_describe (delete->facts, pair->above->path);
}

/* the way that copies fewer bytes, of those that lose nothing; down where both copy the same, and where
   the file below is not the service's to delete: it would stay, with what the disk held once */
static const char *
choose (const QsDelete *delete, QsDeleteMerge *pair)
{
  const char *not_down;
  const char *not_up;
  guint64 down;

  pair->merging.direction = QS_MERGE_UP;
  not_up = qs_merging_obstacle (&pair->merging, delete->facts);
  pair->merging.direction = QS_MERGE_DOWN;
  not_down = find_down_obstacle (delete, pair);
  down = qs_merging_bytes (&pair->merging);
  if (not_down == NULL
      && (not_up != NULL || !pair->below->ours
          || down <= qs_merging_base (&pair->merging)->allocated))
    return NULL;
  pair->merging.direction = QS_MERGE_UP;
  return not_up == NULL ? NULL : not_down;
}

static gboolean
is_in_chain (const QsDeleteMerge *pair, const QsDeleteMerge *other)
{
  const GPtrArray *chain = pair->merging.chain;

  for (guint i = 0; i < chain->len; i++)
    if (is_at (chain, i, other->above) || is_at (chain, i, other->below))
      return TRUE;
  return FALSE;
}

/* files are merged one pair in each chain: the next one would be found changed */
static gboolean
is_taken (const QsDelete *delete, const QsDeleteMerge *pair)
{
  for (guint i = 0; i < delete->merges->len; i++)
    {
      const QsDeleteMerge *other = &g_array_index (delete->merges, QsDeleteMerge, i);

      if (is_in_chain (pair, other) || is_in_chain (other, pair))
        return TRUE;
    }
  return FALSE;
}

/* below what the guest writes to; its node is another one while the tag is deleted */
static gboolean
loses_deep_tag (const QsDeleteMerge *pair)
{
  return pair->merging.node != NULL && qs_merging_loses_tags (&pair->merging, 1);
}

/**
 * qs_delete_keep_layer:
 *
 * The file stays, for what stands on it; whenever something more is deleted it is looked at again.
 */
void
qs_delete_keep_layer (QsDelete *delete, const QsFile *file, const char *why, QsChangeList *changes)
{
  qs_delete_keep_file (delete, file, why);
  if (!qs_file_is_layer (file))
    qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", file->path, "role", "s", "layer",
                    NULL);
}

static gboolean
add_pair (QsDelete *delete, QsDeleteMerge *pair, QsChangeList *changes, GError **error)
{
  g_autofree char *user = find_user (delete, pair);
  g_autofree char *used = user != NULL ? g_strconcat (user, " uses it, too", NULL) : NULL;
  const char *why = used;

  if (why == NULL && !locate (delete, pair, error))
    return FALSE;
  if (why == NULL && qs_merging_find_standing (delete->facts, pair->below, NULL) != NULL)
    why = "another disk stands on it, or it cannot be seen whether it does";
  if (why == NULL && (is_taken (delete, pair) || loses_deep_tag (pair)))
    why = "it can be merged with the next delete";
  if (why == NULL)
    why = choose (delete, pair);
  if (why != NULL)
    {
      qs_delete_keep_layer (delete, pair->below, why, changes);
      return TRUE;
    }
  if (!qs_merging_check (&pair->merging, delete->domain, delete->facts, error))
    return FALSE;
  g_array_append_val (delete->merges, *pair);
  return TRUE;
}

/* with another file; what goes down is a layer no more */
static gboolean
becomes_one (const QsDeleteMerge *pair, const QsFile *file)
{
  return pair->below == file || (pair->above == file && pair->merging.direction == QS_MERGE_DOWN);
}

/**
 * qs_delete_add_merge:
 * @file: that one other file stands on, and nobody else needs
 *
 * They become one file, unless something stands in the way; then it stays as a layer.
 */
gboolean
qs_delete_add_merge (QsDelete *delete, const QsFile *file, QsChangeList *changes, GError **error)
{
  const QsFileBook book = qs_delete_book (delete);
  QsDeleteMerge pair = { .below = file, .above = qs_file_book_find_above (&book, file) };

  for (guint i = 0; i < delete->merges->len; i++)
    if (becomes_one (&g_array_index (delete->merges, QsDeleteMerge, i), file))
      return TRUE;
  g_return_val_if_fail (pair.above != NULL, FALSE);
  return add_pair (delete, &pair, changes, error);
}

/* what stands in its way may have gone with what is deleted now; if it cannot be merged, it stays as it
   is, and is no reason to refuse */
static void
look_at_layer (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  g_autoptr (GError) ignored = NULL;
  const QsFileBook book = qs_delete_book (delete);

  if (qs_file_is_layer (file) && !qs_delete_is_gone (delete, file->path)
      && qs_file_book_fate (&book, file) == QS_FILE_MERGE
      && !qs_delete_add_merge (delete, file, changes, &ignored))
    qs_delete_keep_file (delete, file, ignored->message);
}

/**
 * qs_delete_look_at_layers:
 *
 * All files that were kept by earlier deletes for what stood on them.
 */
void
qs_delete_look_at_layers (QsDelete *delete, QsChangeList *changes)
{
  for (guint i = 0; i < delete->facts->files->len; i++)
    look_at_layer (delete, g_ptr_array_index (delete->facts->files, i), changes);
}
