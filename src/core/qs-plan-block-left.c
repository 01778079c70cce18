/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block.h"
#include "qs-users.h"

/* files that a disk does not stand on any more: who needs them still, and what becomes of those that
   nobody does */

/**
 * qs_block_condition:
 *
 * Returns: (nullable) (transfer floating): for changes that hold only if it was done
 */
GVariant *
qs_block_condition (const QsBlock *block)
{
  guint32 step = block->condition;

  return step != G_MAXUINT
             ? g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, &step, 1, sizeof (step))
             : NULL;
}

/**
 * qs_block_keep:
 *
 * It stays, and that is said.
 */
void
qs_block_keep (QsBlock *block, const char *path, const char *why)
{
  g_strv_builder_add (block->kept, path);
  qs_plan_note (block->plan, "‘%s’ stays: %s", path, why);
}

static void
add_settled (QsBlock *block, const char *path)
{
  g_ptr_array_insert (block->settled, 0, (gpointer)path);
}

/* @file: (nullable): not recorded */
static void
leave (QsBlock *block, const QsImage *image, const QsFile *file, const char *why,
       QsChangeList *changes)
{
  qs_block_keep (block, image->path, why);
  add_settled (block, image->path);
  if (file != NULL)
    qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                    qs_block_condition (block), NULL);
}

static void
bury (QsBlock *block, const QsFile *file, QsChangeList *changes)
{
  g_ptr_array_add (block->goners, (gpointer)file);
  add_settled (block, file->path);
  g_strv_builder_add (block->removed, file->path);
  qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, "if-done", "au",
                  qs_block_condition (block), NULL);
}

static gboolean
is_left (const QsBlock *block, const QsImage *image)
{
  return block->leaves && image == g_ptr_array_index (block->disk->chain, 0);
}

static QsFileFate
find_fate (const QsBlock *block, const QsImage *image, const QsFile *file)
{
  const QsFileBook book = { .files = block->facts->files,
                            .gone = (const char *const *)block->settled->pdata,
                            .foreign = block->facts->foreign_images };
  QsFile as_then = *file;

  if (is_left (block, image))
    as_then.active_of = NULL;
  return qs_file_book_fate (&book, &as_then);
}

/* what a disk is on counts as named by the definition as long as it is on it, and as it was when the
   guest was started */
static gboolean
is_named (const QsBlock *block, const QsImage *image)
{
  const GPtrArray *disks = block->domain->def->disks;

  if (!is_left (block, image))
    return qs_users_is_here (block->facts, image->path);
  for (guint i = 0; i < disks->len; i++)
    if (g_strcmp0 (((const QsDiskDef *)g_ptr_array_index (disks, i))->source, image->path) == 0)
      return TRUE;
  return FALSE;
}

/* (nullable) (transfer full): why a file that nobody is recorded to need stays nevertheless */
static char *
find_obstacle (const QsBlock *block, const QsImage *image, const QsFile *file)
{
  g_autofree char *user = qs_users_describe (block->facts, image->path);

  if (user != NULL)
    return g_strconcat (user, " uses it", NULL);
  if (file == NULL || !file->ours)
    return g_strdup ("it was not made here; the disk does not need it any more");
  if (is_named (block, image))
    return g_strdup ("the definition of the domain names it");
  if (image->n_links > 1)
    return g_strdup ("it has other names");
  if (image->tags->len > 0)
    return g_strdup ("it holds internal snapshots that are not recorded");
  return qs_merging_find_standing (block->facts, file,
                                   is_left (block, image) ? block->disk->target : NULL)
                 != NULL
             ? g_strdup ("another disk stands on it, or it cannot be seen whether it does")
             : NULL;
}

static char *
describe_need (const QsBlock *block, const QsFile *file)
{
  const GPtrArray *const uuids[] = { file->state_of, file->tag_of, file->tip_of };

  for (guint i = 0; i < G_N_ELEMENTS (uuids); i++)
    if (uuids[i]->len > 0)
      {
        g_autofree char *names = qs_block_describe_snapshots (block, uuids[i]);

        return g_strconcat ("needed by ", names, NULL);
      }
  return g_strdup ("something else uses it, too");
}

/* FALSE: somebody needs it, and with it all below */
static gboolean
settle (QsBlock *block, const QsImage *image, const char **left, QsChangeList *changes)
{
  const QsFile *file = qs_facts_find_file (block->facts, image->path);
  QsFileFate fate = file != NULL ? find_fate (block, image, file) : QS_FILE_LEAVE;
  g_autofree char *why = NULL;

  if (fate == QS_FILE_HIDE || fate == QS_FILE_MERGE)
    return FALSE;
  if (fate == QS_FILE_KEEP)
    {
      why = describe_need (block, file);
      qs_block_keep (block, image->path, why);
      return FALSE;
    }
  why = block->stay != NULL ? g_strdup (block->stay) : find_obstacle (block, image, file);
  if (why == NULL && *left != NULL)
    why = g_strdup_printf ("‘%s’ stands on it", *left);
  if (why == NULL)
    {
      bury (block, file, changes);
      return TRUE;
    }
  leave (block, image, file, why, changes);
  *left = image->path;
  return TRUE;
}

/**
 * qs_block_settle_below:
 *
 * Of a merge up: the files below the first, from the top.
 */
void
qs_block_settle_below (QsBlock *block, QsChangeList *changes)
{
  const QsMerging *merging = &block->merging;
  const char *left = NULL;

  add_settled (block, qs_merging_written (merging)->path);
  for (guint i = 1; i <= merging->layers; i++)
    if (!settle (block, qs_merging_image (merging, i), &left, changes))
      return;
}

/**
 * qs_block_settle_left:
 * @n: how many
 *
 * Of a copy: the first files of the chain, which the guest does not stand on afterwards.
 */
void
qs_block_settle_left (QsBlock *block, guint n, QsChangeList *changes)
{
  const char *left = NULL;

  block->leaves = TRUE;
  for (guint i = 0; i < n; i++)
    if (!settle (block, g_ptr_array_index (block->disk->chain, i), &left, changes))
      return;
}

/**
 * qs_block_settle_layers:
 *
 * Of a merge down: what went into the file below is a chain that looks sound, and is not.
 */
void
qs_block_settle_layers (QsBlock *block, QsChangeList *changes)
{
  for (guint i = 0; i < block->merging.layers; i++)
    {
      const QsImage *image = qs_merging_image (&block->merging, i);
      const QsFile *file = qs_facts_find_file (block->facts, image->path);
      gboolean is_ours = file != NULL && file->ours;

      if (is_ours && image->n_links == 1)
        bury (block, file, changes);
      else
        leave (block, image, file,
               is_ours ? "it has other names; do not use it any more"
                       : "it was not made here; do not use it any more",
               changes);
    }
}

/**
 * qs_block_settle_extra:
 * @file: with memory or firmware variables of a snapshot that is given up
 * @fate: without those that are
 *
 * Branches share such a file: the last one that uses it takes it along.
 */
void
qs_block_settle_extra (QsBlock *block, const QsFile *file, QsFileFate fate, QsChangeList *changes)
{
  g_autofree char *user = qs_users_describe (block->facts, file->path);

  if (fate == QS_FILE_UNLINK && user == NULL && !qs_users_is_here (block->facts, file->path))
    {
      bury (block, file, changes);
      return;
    }
  qs_block_keep (block, file->path,
                 fate == QS_FILE_LEAVE ? "it was not made here" : "something else uses it, too");
  if (fate == QS_FILE_LEAVE || fate == QS_FILE_UNLINK)
    qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
}

/**
 * qs_block_add_unlinks:
 *
 * Adds the steps after the durable record.
 */
void
qs_block_add_unlinks (QsBlock *block)
{
  QsChangeList forget;

  if (block->goners->len == 0)
    return;
  qs_changes_init (&forget);
  for (guint i = 0; i < block->goners->len; i++)
    {
      const QsFile *file = g_ptr_array_index (block->goners, i);

      qs_planning_unlink_if (block->plan, file->path, file, block->condition);
      qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                      qs_block_condition (block), NULL);
    }
  qs_planning_add_record (block->plan, QS_PHASE_FINISH, block->disk->target, &forget);
}

/**
 * qs_block_add_result:
 * @from: in the chain
 * @to: the file before which it ends
 *
 * What the disk is made of then: its chain without those files.
 */
void
qs_block_add_result (QsBlock *block, guint from, guint to)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) removed = g_strv_builder_end (block->removed);
  g_auto (GStrv) kept = g_strv_builder_end (block->kept);
  g_auto (GStrv) files = NULL;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

  for (guint i = 0; i < block->disk->chain->len; i++)
    if (i < from || i >= to)
      g_strv_builder_add (builder,
                          ((const QsImage *)g_ptr_array_index (block->disk->chain, i))->path);
  files = g_strv_builder_end (builder);
  g_variant_dict_insert (&result, "files", "^as", files);
  g_variant_dict_insert (&result, "merged-bytes", "t",
                         to > from ? qs_merging_bytes (&block->merging) : (guint64)0);
  if (block->merging.is_held)
    g_variant_dict_insert (&result, "pivoted", "b", TRUE);
  g_variant_dict_insert (&result, "removed", "^as", removed);
  g_variant_dict_insert (&result, "kept", "^as", kept);
  qs_plan_set_result (block->plan, g_variant_dict_end (&result));
}
