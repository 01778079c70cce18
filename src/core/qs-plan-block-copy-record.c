/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block-copy.h"

#include "qs-exchange.h"

/* what a copy changes in the records, and what becomes of the files that the disk was on */

/* files below that nothing is recorded of, from below. @identity: FALSE: they may be replaced before the
   guest goes over */
static void
record_below (const QsBlockCopy *copy, const GPtrArray *chain, gboolean identity,
              QsChangeList *changes)
{
  const QsFacts *facts = copy->block->facts;
  const char *backing = "";

  for (guint i = chain->len; i-- > 1;)
    {
      const QsImage *image = g_ptr_array_index (chain, i);
      guint64 dev = 0;
      guint64 ino = 0;

      if (identity)
        qs_image_identity (image, &dev, &ino);
      if (qs_facts_find_file (facts, image->path) == NULL)
        qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", image->path, "format", "s",
                        image->format, "role", "s", "disk", "backing", "s", backing, "ours", "b",
                        FALSE, "dev", "t", dev, "ino", "t", ino, "btime", "x",
                        identity ? image->btime : (gint64)0, "if-done", "au",
                        qs_block_condition (copy->block), NULL);
      backing = image->path;
    }
}

static void
record_dest (const QsBlockCopy *copy, const char *backing, guint image_step, QsChangeList *changes)
{
  const QsImage *image;
  guint64 dev, ino;

  if (copy->reused == NULL)
    {
      qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", copy->dest, "format", "s",
                      copy->format, "role", "s", "disk", "backing", "s", backing, "ours", "b", TRUE,
                      "step", "u", image_step, "if-done", "au", qs_block_condition (copy->block),
                      NULL);
      return;
    }
  image = g_ptr_array_index (copy->reused->chain, 0);
  qs_image_identity (image, &dev, &ino);
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", copy->dest, "format", "s", copy->format,
                  "role", "s", "disk", "backing", "s", backing, "ours", "b", FALSE, "dev", "t", dev,
                  "ino", "t", ino, "btime", "x", image->btime, "if-done", "au",
                  qs_block_condition (copy->block), NULL);
}

/* what the copy stands on, the copy first; not the copy itself, if that is made */
static const GPtrArray *
new_chain (const QsBlockCopy *copy)
{
  if (qs_block_copy_has_own_chain (copy))
    return copy->reused->chain;
  return qs_block_copy_below (copy) != NULL ? copy->block->disk->chain : NULL;
}

/**
 * qs_block_copy_add_commit:
 * @image: index of the step that makes the destination, unless that is the caller's own
 *
 * From the record on the copy is the true one.
 */
void
qs_block_copy_add_commit (const QsBlockCopy *copy, guint image)
{
  QsBlock *block = copy->block;
  const GPtrArray *chain = new_chain (copy);
  gboolean own = qs_block_copy_has_own_chain (copy);
  guint n_left = chain != NULL && !own ? 1 : block->disk->chain->len;
  QsChangeList changes;

  qs_changes_init (&changes);
  if (chain != NULL)
    record_below (copy, chain, !own, &changes);
  record_dest (copy, chain != NULL ? ((const QsImage *)g_ptr_array_index (chain, 1))->path : "",
               image, &changes);
  qs_changes_add (&changes, QS_CHANGE_ACTIVE, "target", "s", block->disk->target, "path", "s",
                  copy->dest, "format", "s", copy->format, "stem", "s", NULL, "if-done", "au",
                  qs_block_condition (block), NULL);
  if (own)
    block->stay = "nobody can tell whether the files that the copy stands on are copies of these";
  qs_block_settle_left (block, n_left, &changes);
  qs_planning_add_record (block->plan, QS_PHASE_COMMIT, block->disk->target, &changes);
}

static gboolean
is_unlinked (const QsBlock *block, const char *path)
{
  for (guint i = 0; i < block->goners->len; i++)
    if (g_str_equal (((const QsFile *)g_ptr_array_index (block->goners, i))->path, path))
      return TRUE;
  return FALSE;
}

/* what is put back before anything is to write to the file again */
static void
record_mode (const QsBlockCopy *copy)
{
  QsBlock *block = copy->block;
  QsChangeList changes;

  if (qs_facts_find_file (block->facts, copy->source->path) == NULL
      || g_strv_contains ((const char *const *)block->settled->pdata, copy->source->path))
    return;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_MODE, "path", "s", copy->source->path, "mode", "u",
                  copy->source->mode & 07777u, "if-done", "au", qs_block_condition (block), NULL);
  qs_planning_add_record (block->plan, QS_PHASE_FINISH, block->disk->target, &changes);
}

/**
 * qs_block_copy_add_protection:
 *
 * The script that somebody else starts QEMU with names the old file still.
 */
void
qs_block_copy_add_protection (const QsBlockCopy *copy)
{
  QsBlock *block = copy->block;
  const QsImage *source = copy->source;
  const QsProtection file = { block->disk->target, source->path, source };

  if (block->domain->attachment == NULL)
    return;
  qs_plan_note (block->plan, "disk ‘%s’: start QEMU from ‘%s’ from now on", block->disk->target,
                copy->dest);
  if (is_unlinked (block, source->path) || !qs_exchange_is_protected (source, block->domain->owner))
    return;
  qs_exchange_add_protection_if (block->plan, &file, block->condition);
  record_mode (copy);
  qs_plan_note (block->plan,
                "‘%s’ loses its write bits, so that no QEMU is started from it by mistake: what "
                "the guest writes from then on is not in it",
                source->path);
}

/**
 * qs_block_copy_add_result:
 *
 * What is told of a disk that has gone over.
 */
void
qs_block_copy_add_result (const QsBlockCopy *copy)
{
  const GPtrArray *chain = new_chain (copy);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) removed = g_strv_builder_end (copy->block->removed);
  g_auto (GStrv) kept = g_strv_builder_end (copy->block->kept);
  g_auto (GStrv) files = NULL;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

  g_strv_builder_add (builder, copy->dest);
  for (guint i = 1; chain != NULL && i < chain->len; i++)
    g_strv_builder_add (builder, ((const QsImage *)g_ptr_array_index (chain, i))->path);
  files = g_strv_builder_end (builder);
  /* the last part tells what the disk is made of in the end */
  if (copy->waits)
    g_variant_dict_insert (&result, "files", "^as", files);
  g_variant_dict_insert (&result, "copied-bytes", "t", qs_block_copy_bytes (copy));
  g_variant_dict_insert (&result, "pivoted", "b", TRUE);
  g_variant_dict_insert (&result, "removed", "^as", removed);
  g_variant_dict_insert (&result, "kept", "^as", kept);
  qs_plan_set_result (copy->block->plan, g_variant_dict_end (&result));
}
