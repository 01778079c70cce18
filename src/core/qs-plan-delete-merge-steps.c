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

/* where in a merge those begin that go */
static guint
first_goner (const QsDeleteMerge *merge)
{
  return merge->merging.direction == QS_MERGE_UP ? 1 : 0;
}

static const QsFile *
goner_at (const QsDeleteMerge *merge, guint index)
{
  return g_ptr_array_index (merge->files, first_goner (merge) + index);
}

/* (transfer container): all whose write bits are put back before: what is rebased is written to, too */
static GPtrArray *
find_written (const QsDelete *delete, const QsDeleteMerge *merge)
{
  const QsMerging *merging = &merge->merging;
  GPtrArray *images = g_ptr_array_new ();

  for (guint i = 0; i <= (merging->direction == QS_MERGE_UP ? 0 : merging->layers); i++)
    g_ptr_array_add (images, (gpointer)qs_merging_image (merging, i));
  if (merging->direction == QS_MERGE_UP)
    return images;
  if (merging->node != NULL && merging->first > 0)
    g_ptr_array_add (images, (gpointer)qs_merging_above (merging));
  qs_delete_find_rebased (delete, merge, images);
  return images;
}

static void
plan_modes (QsDelete *delete, const QsDeleteMerge *merge, QsChangeList *changes)
{
  g_autoptr (GPtrArray) images = find_written (delete, merge);

  for (guint i = 0; i < images->len; i++)
    qs_merging_plan_mode (&merge->merging, g_ptr_array_index (images, i), delete->facts,
                          delete->plan, changes);
}

/**
 * qs_delete_is_written:
 *
 * Whether a merge cares for the write bits of a file.
 */
gboolean
qs_delete_is_written (const QsDelete *delete, const QsImage *image)
{
  for (guint i = 0; i < delete->merges->len; i++)
    {
      g_autoptr (GPtrArray) images = find_written (delete, merge_at (delete, i));

      for (guint n = 0; n < images->len; n++)
        if (qs_image_is_same (g_ptr_array_index (images, n), image))
          return TRUE;
    }
  return FALSE;
}

/* until the files are one, the lower ones are kept for the uppermost */
static void
become_layers (const QsDeleteMerge *merge, QsChangeList *changes)
{
  for (guint i = merge->files->len; i-- > 1;)
    {
      const QsFile *file = g_ptr_array_index (merge->files, i);

      if (!qs_file_is_layer (file))
        qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", file->path, "role", "s", "layer",
                        NULL);
    }
}

static void
note_merge (QsDelete *delete, const QsDeleteMerge *merge)
{
  const QsMerging *merging = &merge->merging;
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < merging->layers; i++)
    g_string_append_printf (names, "%s‘%s’", i > 0 ? ", " : "",
                            qs_merging_image (merging, first_goner (merge) + i)->path);
  qs_plan_note (delete->plan, "disk ‘%s’: %s %s merged %s ‘%s’, %" G_GUINT64_FORMAT " bytes",
                merging->target, names->str, merging->layers > 1 ? "are" : "is",
                merging->direction == QS_MERGE_UP ? "up into" : "down into",
                qs_merging_written (merging)->path, qs_merging_bytes (merging));
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
      become_layers (merge_at (delete, i), changes);
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
condition (const QsDeleteMerge *merge)
{
  return merge->dismiss != G_MAXUINT ? g_variant_new_fixed_array (
             G_VARIANT_TYPE_UINT32, &merge->dismiss, 1, sizeof (guint32))
                                     : NULL;
}

static gboolean
is_unlinked (const QsDeleteMerge *merge, guint index)
{
  return goner_at (merge, index)->ours
         && qs_merging_image (&merge->merging, first_goner (merge) + index)->n_links == 1;
}

/* the chain that it was the top of looks sound, and is not */
static void
bury_one (QsDelete *delete, const QsDeleteMerge *merge, guint index, QsChangeList *changes)
{
  const QsFile *file = goner_at (merge, index);

  if (is_unlinked (merge, index))
    {
      g_strv_builder_add (delete->removed, file->path);
      qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, "if-done", "au",
                      condition (merge), NULL);
      return;
    }
  qs_delete_keep_file (delete, file,
                       file->ours ? "it has other names; do not use it any more"
                       : merge->merging.direction == QS_MERGE_UP
                           ? "it was not made here; nothing needs it any more"
                           : "it was not made here; do not use it any more");
  qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                  condition (merge), NULL);
}

static void
bury (QsDelete *delete, const QsDeleteMerge *merge, QsChangeList *changes)
{
  for (guint i = 0; i < merge->merging.layers; i++)
    bury_one (delete, merge, i, changes);
}

static void
plan_unlinks (QsDelete *delete, const QsDeleteMerge *merge)
{
  QsChangeList forget;
  guint n = 0;

  qs_changes_init (&forget);
  for (guint i = 0; i < merge->merging.layers; i++)
    {
      const QsFile *file = goner_at (merge, i);

      if (!is_unlinked (merge, i))
        continue;
      qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", file->path, "if-done", "au",
                      condition (merge), NULL);
      qs_planning_unlink_if (delete->plan, file->path, file, merge->dismiss);
      n++;
    }
  if (n > 0)
    qs_planning_add_record (delete->plan, QS_PHASE_FINISH, merge->merging.target, &forget);
  else
    g_variant_builder_clear (&forget);
}

/* whether its write bits were taken off, and nobody is to write to it afterwards */
static gboolean
stays_protected (const QsDelete *delete, const QsDeleteMerge *merge, const QsImage *image)
{
  const QsFile *file = qs_facts_find_file (delete->facts, image->path);

  return file != NULL && (file->mode & WRITE_BITS & ~image->mode) != 0 && file->active_of == NULL
         && (file != merge->below || merge->above->active_of == NULL);
}

/* (transfer container): what was written to for the merge, and is somebody's state again */
static GPtrArray *
find_protected (const QsDelete *delete, const QsDeleteMerge *merge)
{
  g_autoptr (GPtrArray) written = g_ptr_array_new ();
  GPtrArray *found = g_ptr_array_new ();

  g_ptr_array_add (written, (gpointer)qs_merging_written (&merge->merging));
  if (merge->merging.direction == QS_MERGE_DOWN)
    {
      qs_delete_find_rebased (delete, merge, written);
      if (merge->merging.node != NULL && merge->merging.first > 0)
        g_ptr_array_add (written, (gpointer)qs_merging_above (&merge->merging));
    }
  for (guint i = 0; i < written->len; i++)
    if (stays_protected (delete, merge, g_ptr_array_index (written, i)))
      g_ptr_array_add (found, g_ptr_array_index (written, i));
  return found;
}

static void
plan_protections (QsDelete *delete, const QsDeleteMerge *merge)
{
  g_autoptr (GPtrArray) images = find_protected (delete, merge);
  QsChangeList changes;

  if (images->len == 0)
    return;
  qs_changes_init (&changes);
  for (guint i = 0; i < images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (images, i);

      qs_changes_add (&changes, QS_CHANGE_FILE_MODE, "path", "s", image->path, "mode", "u",
                      qs_facts_find_file (delete->facts, image->path)->mode, NULL);
      qs_merging_plan_protection (&merge->merging, image, delete->facts, delete->plan);
    }
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, merge->merging.target, &changes);
}

static void
finish_up (QsDelete *delete, QsDeleteMerge *merge)
{
  const char *backing = merge->below->backing;
  QsChangeList changes;

  qs_merging_plan_end (&merge->merging, QS_PHASE_FINISH, delete->plan);
  merge->dismiss = merge->merging.end;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_BACKING, "path", "s", merge->above->path, "backing", "s",
                  backing != NULL ? backing : "", "if-done", "au", condition (merge), NULL);
  bury (delete, merge, &changes);
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, merge->merging.target, &changes);
  plan_protections (delete, merge);
  plan_unlinks (delete, merge);
}

static void
plan_rebases (QsDelete *delete, const QsDeleteMerge *merge)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new ();

  qs_delete_find_rebased (delete, merge, images);
  for (guint i = 0; i < images->len; i++)
    qs_merging_plan_rebase (&merge->merging, g_ptr_array_index (images, i),
                            qs_merging_base (&merge->merging), delete->plan);
}

/* a disk that nothing is recorded of is on what its definition says */
static void
add_active (const QsDelete *delete, const QsDeleteMerge *merge, QsChangeList *changes)
{
  const QsMerging *merging = &merge->merging;
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

/* from below: so the last of them is the one to look from for the sizes of all */
static void
add_merges (const QsDeleteMerge *merge, QsChangeList *changes)
{
  for (guint i = merge->merging.layers; i-- > 0;)
    qs_changes_add (changes, QS_CHANGE_FILE_MERGE, "path", "s", goner_at (merge, i)->path, "into",
                    "s", merge->below->path, "format", "s",
                    qs_merging_base (&merge->merging)->format, NULL);
}

static void
finish_down (QsDelete *delete, QsDeleteMerge *merge)
{
  QsChangeList changes;

  merge->dismiss = G_MAXUINT;
  qs_changes_init (&changes);
  add_merges (merge, &changes);
  if (!is_layer_then (delete, merge->above))
    qs_changes_add (&changes, QS_CHANGE_FILE_ROLE, "path", "s", merge->below->path, "role", "s",
                    "disk", NULL);
  add_active (delete, merge, &changes);
  bury (delete, merge, &changes);
  qs_merging_plan_down (&merge->merging, delete->facts, delete->plan, &changes);
  plan_rebases (delete, merge);
  plan_protections (delete, merge);
  plan_unlinks (delete, merge);
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
