/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#define WRITE_BITS 0222u

/* the steps of the merges of a delete. Up, all is copied before the commit, and can be given up; down,
   the file below is spoiled for its snapshot by the first byte, so that the record comes first */

static QsDeleteMerge *
merge_at (const QsDelete *delete, guint index)
{
  return &g_array_index (delete->merges, QsDeleteMerge, index);
}

static gboolean
goes_up (const QsDelete *delete, guint index)
{
  return merge_at (delete, index)->merging.direction == QS_MERGE_UP;
}

static const QsFile *
find_goner (const QsDeleteMerge *pair)
{
  return pair->merging.direction == QS_MERGE_UP ? pair->below : pair->above;
}

/* what is rebased has to be written to, as well */
static void
plan_modes (QsDelete *delete, const QsDeleteMerge *pair, QsChangeList *changes)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  qs_merging_plan_modes (&pair->merging, delete->facts, delete->plan, changes);
  if (pair->merging.direction == QS_MERGE_UP || !qs_delete_find_rebased (delete, pair, images))
    return;
  for (guint i = 0; i < images->len; i++)
    qs_merging_plan_mode (&pair->merging, g_ptr_array_index (images, i), delete->facts,
                          delete->plan, changes);
}

/* until the files are one, the lower one is kept for the upper one */
static void
become_layer (const QsDeleteMerge *pair, QsChangeList *changes)
{
  if (!qs_file_is_layer (pair->below))
    qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", pair->below->path, "role", "s",
                    "layer", NULL);
}

static void
note_merge (QsDelete *delete, const QsDeleteMerge *pair)
{
  qs_plan_note (delete->plan, "disk ‘%s’: ‘%s’ is merged %s ‘%s’, %" G_GUINT64_FORMAT " bytes",
                pair->merging.target, qs_merging_goner (&pair->merging)->path,
                pair->merging.direction == QS_MERGE_UP ? "up into" : "down into",
                qs_merging_written (&pair->merging)->path, qs_merging_bytes (&pair->merging));
}

/**
 * qs_delete_prepare_merges:
 * @changes: of the commit
 *
 * Adds all that comes before the commit.
 */
void
qs_delete_prepare_merges (QsDelete *delete, QsChangeList *changes)
{
  for (guint i = 0; i < delete->merges->len; i++)
    {
      note_merge (delete, merge_at (delete, i));
      plan_modes (delete, merge_at (delete, i), changes);
      become_layer (merge_at (delete, i), changes);
    }
  for (guint i = 0; i < delete->merges->len; i++)
    qs_merging_plan_storage (&merge_at (delete, i)->merging, delete->domain, delete->facts,
                             delete->plan);
  for (guint i = 0; i < delete->merges->len; i++)
    if (goes_up (delete, i))
      qs_merging_plan_copy (&merge_at (delete, i)->merging, QS_PHASE_PREPARE, delete->facts,
                            delete->plan);
  for (guint i = 0; i < delete->merges->len; i++)
    if (goes_up (delete, i))
      qs_merging_add_part (&merge_at (delete, i)->merging, QS_STEP_FLUSH, QS_PHASE_PREPARE,
                           delete->plan);
}

/* with QEMU's end the merge may have been given up */
static GVariant *
condition (const QsDeleteMerge *pair)
{
  return pair->dismiss != G_MAXUINT ? g_variant_new_fixed_array (
             G_VARIANT_TYPE_UINT32, &pair->dismiss, 1, sizeof (guint32))
                                    : NULL;
}

static gboolean
is_unlinked (const QsDeleteMerge *pair)
{
  return find_goner (pair)->ours && qs_merging_goner (&pair->merging)->n_links == 1;
}

/* the chain that it was the top of looks sound, and is not */
static void
bury (QsDelete *delete, const QsDeleteMerge *pair, QsChangeList *changes)
{
  const QsFile *file = find_goner (pair);

  if (is_unlinked (pair))
    {
      g_strv_builder_add (delete->removed, file->path);
      qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, "if-done", "au",
                      condition (pair), NULL);
      return;
    }
  qs_delete_keep_file (delete, file,
                       file->ours ? "it has other names; do not use it any more"
                       : pair->merging.direction == QS_MERGE_UP
                           ? "it was not made here; nothing needs it any more"
                           : "it was not made here; do not use it any more");
  qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                  condition (pair), NULL);
}

static void
plan_unlink (QsDelete *delete, const QsDeleteMerge *pair)
{
  const QsFile *file = find_goner (pair);
  QsChangeList forget;

  if (!is_unlinked (pair))
    return;
  qs_changes_init (&forget);
  qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                  condition (pair), NULL);
  qs_planning_unlink_if (delete->plan, file->path, file, pair->dismiss);
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, pair->merging.target, &forget);
}

/* whether its write bits were taken off, and nobody is to write to it afterwards */
static gboolean
stays_protected (const QsDelete *delete, const QsDeleteMerge *pair, const QsImage *image)
{
  const QsFile *file = qs_facts_find_file (delete->facts, image->path);

  return file != NULL && (file->mode & WRITE_BITS & ~image->mode) != 0 && file->active_of == NULL
         && (file != pair->below || pair->above->active_of == NULL);
}

/* (transfer container): what was written to for the merge, and is somebody's state again */
static GPtrArray *
find_protected (const QsDelete *delete, const QsDeleteMerge *pair)
{
  g_autoptr (GPtrArray) written = g_ptr_array_new ();
  GPtrArray *found = g_ptr_array_new ();

  g_ptr_array_add (written, (gpointer)qs_merging_written (&pair->merging));
  if (pair->merging.direction == QS_MERGE_DOWN)
    {
      qs_delete_find_rebased (delete, pair, written);
      if (pair->merging.node != NULL && pair->merging.first > 0)
        g_ptr_array_add (written, (gpointer)qs_merging_above (&pair->merging));
    }
  for (guint i = 0; i < written->len; i++)
    if (stays_protected (delete, pair, g_ptr_array_index (written, i)))
      g_ptr_array_add (found, g_ptr_array_index (written, i));
  return found;
}

static void
plan_protections (QsDelete *delete, const QsDeleteMerge *pair)
{
  g_autoptr (GPtrArray) images = find_protected (delete, pair);
  QsChangeList changes;

  if (images->len == 0)
    return;
  qs_changes_init (&changes);
  for (guint i = 0; i < images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (images, i);

      qs_changes_add (&changes, QS_CHANGE_FILE_MODE, "path", "s", image->path, "mode", "u",
                      qs_facts_find_file (delete->facts, image->path)->mode, NULL);
      qs_merging_plan_protection (&pair->merging, image, delete->facts, delete->plan);
    }
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, pair->merging.target, &changes);
}

static void
finish_up (QsDelete *delete, QsDeleteMerge *pair)
{
  const char *backing = pair->below->backing;
  QsChangeList changes;

  qs_merging_plan_end (&pair->merging, QS_PHASE_FINISH, delete->plan);
  pair->dismiss = pair->merging.end;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_BACKING, "path", "s", pair->above->path, "backing", "s",
                  backing != NULL ? backing : "", "if-done", "au", condition (pair), NULL);
  bury (delete, pair, &changes);
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, pair->merging.target, &changes);
  plan_protections (delete, pair);
  plan_unlink (delete, pair);
}

static void
plan_rebases (QsDelete *delete, const QsDeleteMerge *pair)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  qs_delete_find_rebased (delete, pair, images);
  for (guint i = 0; i < images->len; i++)
    qs_merging_plan_rebase (&pair->merging, g_ptr_array_index (images, i),
                            qs_merging_base (&pair->merging), delete->plan);
}

/* a disk that nothing is recorded of is on what its definition says */
static void
add_active (const QsDelete *delete, const QsDeleteMerge *pair, QsChangeList *changes)
{
  const QsMerging *merging = &pair->merging;
  const QsDiskFacts *disk = qs_facts_find_disk (delete->facts, merging->target);
  const QsActive *active = qs_domain_find_active (delete->domain, merging->target);
  const QsImage *base = qs_merging_base (merging);

  if (disk != NULL && disk->chain == merging->chain && merging->first == 0 && active == NULL)
    qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", merging->target, "path", "s",
                    base->path, "format", "s", base->format, "stem", "s", NULL, NULL);
}

/* who needs the file above needs the one below when they are one: perhaps only what stands on it */
static gboolean
is_layer_then (const QsDelete *delete, const QsFile *above)
{
  const QsFileBook book = qs_delete_book (delete);
  QsFileFate fate = qs_file_book_fate (&book, above);

  return fate == QS_FILE_MERGE || fate == QS_FILE_HIDE;
}

static void
finish_down (QsDelete *delete, QsDeleteMerge *pair)
{
  QsChangeList changes;

  pair->dismiss = G_MAXUINT;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_MERGE, "path", "s", pair->above->path, "into", "s",
                  pair->below->path, "format", "s", qs_merging_base (&pair->merging)->format, NULL);
  if (!is_layer_then (delete, pair->above))
    qs_changes_add (&changes, QS_CHANGE_FILE_ROLE, "path", "s", pair->below->path, "role", "s",
                    "disk", NULL);
  add_active (delete, pair, &changes);
  bury (delete, pair, &changes);
  qs_merging_plan_down (&pair->merging, delete->facts, delete->plan, &changes);
  plan_rebases (delete, pair);
  plan_protections (delete, pair);
  plan_unlink (delete, pair);
}

/**
 * qs_delete_finish_merges:
 *
 * Adds all that comes after the commit.
 */
void
qs_delete_finish_merges (QsDelete *delete)
{
  for (guint i = 0; i < delete->merges->len; i++)
    if (goes_up (delete, i))
      finish_up (delete, merge_at (delete, i));
  for (guint i = 0; i < delete->merges->len; i++)
    if (!goes_up (delete, i))
      finish_down (delete, merge_at (delete, i));
}

/**
 * qs_delete_describe_merges:
 *
 * Adds the direction, "mixed" if there are both, and how much is copied at most.
 */
void
qs_delete_describe_merges (const QsDelete *delete, GVariantDict *result)
{
  QsMergeDirection first = merge_at (delete, 0)->merging.direction;
  const char *name = qs_merge_direction_name (first);
  guint64 bytes = 0;

  for (guint i = 0; i < delete->merges->len; i++)
    {
      const QsMerging *merging = &merge_at (delete, i)->merging;

      bytes += qs_merging_bytes (merging);
      name = merging->direction == first ? name : "mixed";
    }
  g_variant_dict_insert (result, "direction", "s", name);
  g_variant_dict_insert (result, "merged-bytes", "t", bytes);
}
