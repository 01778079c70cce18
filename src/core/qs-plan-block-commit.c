/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-block-commit.h"

#include "qs-error.h"

/* a commit copies files of a chain into one below them. Where no snapshot lies in any of them, nothing
   is lost before the end, and all can be taken back: the end is the commit, or, where the guest goes over
   to the file below, the record of that, once the caller says so. Where snapshots are given up, the
   record of that comes before the first byte, and all else is done then */

#define WRITE_BITS 0222u

gboolean
qs_ask_block_commit (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                     GError **error)
{
  return qs_block_ask (domain, request, &qs_block_commit_flag_set, questions, error);
}

static gboolean
find_named (const QsBlock *block, const char *key, guint other, guint *place, GError **error)
{
  const char *name = qs_block_option (block->request, key);

  *place = other;
  return name == NULL || qs_block_find_place (block, name, place, error);
}

static gboolean
check_range (const QsBlock *block, guint top, guint base, GError **error)
{
  guint flags = block->request->flags;
  gboolean is_active = (flags & QS_BLOCK_COMMIT_ACTIVE) != 0;
  const char *target = block->disk->target;

  if (top + 1 >= block->disk->chain->len)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "disk ‘%s’: top stands on nothing that it could be merged into", target);
  else if (base <= top)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "disk ‘%s’: base is not below top in its chain", target);
  else if ((flags & QS_BLOCK_COMMIT_SHALLOW) != 0 && base != top + 1)
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "disk ‘%s’: with SHALLOW base is the file right below top", target);
  else if (is_active != (top == 0))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 top == 0
                     ? "disk ‘%s’: top is what the guest writes to, which needs ACTIVE"
                     : "disk ‘%s’: ACTIVE is for what the guest writes to, and top is not that",
                 target);
  else
    return TRUE;
  return FALSE;
}

static gboolean
find_range (QsBlock *block, GError **error)
{
  gboolean is_shallow = (block->request->flags & QS_BLOCK_COMMIT_SHALLOW) != 0;
  guint top, base;

  if (!find_named (block, "top", 0, &top, error)
      || !find_named (block, "base", is_shallow ? top + 1 : block->disk->chain->len - 1, &base,
                      error)
      || !check_range (block, top, base, error))
    return FALSE;
  block->merging.direction = QS_MERGE_DOWN;
  block->merging.first = top;
  block->merging.layers = base - top;
  return TRUE;
}

static void
note_commit (const QsBlock *block)
{
  const QsMerging *merging = &block->merging;

  qs_plan_note (block->plan,
                "disk ‘%s’: ‘%s’ gets the content of files above, %u in number, at most "
                "%" G_GUINT64_FORMAT " bytes",
                block->disk->target, qs_merging_base (merging)->path, merging->layers,
                qs_merging_bytes (merging));
  if (merging->first == 0 && block->domain->attachment != NULL)
    qs_plan_note (block->plan, "disk ‘%s’: start QEMU from ‘%s’ from now on", block->disk->target,
                  qs_merging_base (merging)->path);
}

/* what the disk is on from now on is on record, with all that it stands on */
static void
record_chain (QsBlock *block, QsChangeList *changes)
{
  const GPtrArray *chain = block->disk->chain;
  const char *backing = "";

  for (guint i = chain->len; i > block->merging.layers; i--)
    {
      const QsImage *image = g_ptr_array_index (chain, i - 1);
      guint64 dev, ino;

      qs_image_identity (image, &dev, &ino);
      if (qs_facts_find_file (block->facts, image->path) == NULL)
        qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", image->path, "format", "s",
                        image->format, "role", "s", "disk", "backing", "s", backing, "ours", "b",
                        FALSE, "dev", "t", dev, "ino", "t", ino, "btime", "x", image->btime,
                        "if-done", "au", qs_block_condition (block), NULL);
      backing = image->path;
    }
}

static void
record_active (QsBlock *block, QsChangeList *changes)
{
  const QsImage *base = qs_merging_base (&block->merging);
  const QsActive *active = qs_domain_find_active (block->domain, block->disk->target);
  const QsFile *file = qs_facts_find_file (block->facts, base->path);

  record_chain (block, changes);
  if (file != NULL && qs_file_is_layer (file))
    qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", base->path, "role", "s", "disk",
                    "if-done", "au", qs_block_condition (block), NULL);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", block->disk->target, "path", "s",
                  base->path, "format", "s", base->format, "stem", "s",
                  active != NULL ? active->stem : NULL, "if-done", "au", qs_block_condition (block),
                  NULL);
}

/* of what the disk is made of then; what went into the file below looks sound, and is not */
static void
record_merge (QsBlock *block, QsChangeList *changes)
{
  const QsImage *above = qs_merging_above (&block->merging);

  if (above == NULL)
    record_active (block, changes);
  else if (qs_facts_find_file (block->facts, above->path) != NULL)
    qs_changes_add (changes, QS_CHANGE_FILE_BACKING, "path", "s", above->path, "backing", "s",
                    qs_merging_base (&block->merging)->path, "if-done", "au",
                    qs_block_condition (block), NULL);
  qs_block_settle_layers (block, changes);
}

/* without write bits, where they are back for the time of the merge */
static gboolean
is_protected (const QsBlock *block, const QsImage *image)
{
  const QsFile *file = qs_facts_find_file (block->facts, image->path);

  return file != NULL && (file->mode & WRITE_BITS & ~image->mode) != 0 && file->active_of == NULL;
}

/* of a guest that stays where it is all files below its own are again what they were */
static void
add_held_protections (QsBlock *block)
{
  const QsMerging *merging = &block->merging;

  for (guint i = 1; merging->is_held && i <= merging->layers; i++)
    if (is_protected (block, qs_merging_image (merging, i)))
      qs_merging_plan_protection_unless (merging, qs_merging_image (merging, i), block->facts,
                                         block->plan);
}

/* nobody is to write to a file below another one, where the service has seen to that */
static void
add_protections (QsBlock *block)
{
  const QsMerging *merging = &block->merging;
  const QsImage *images[] = { qs_merging_above (merging), qs_merging_base (merging) };

  for (guint i = 0; merging->first > 0 && i < G_N_ELEMENTS (images); i++)
    if (is_protected (block, images[i]))
      qs_merging_plan_protection (merging, images[i], block->facts, block->plan);
  add_held_protections (block);
}

/* nothing of them is recorded yet: files on which others stand have those they had in the end */
static void
add_modes (QsBlock *block)
{
  QsChangeList unchanged;

  qs_changes_init (&unchanged);
  qs_merging_plan_modes (&block->merging, block->facts, block->plan, &unchanged);
  g_variant_builder_clear (&unchanged);
}

/* of the files that the guest's own one goes into */
static void
record_modes (QsBlock *block, QsChangeList *changes)
{
  const QsMerging *merging = &block->merging;

  for (guint i = 0; merging->first == 0 && i <= merging->layers; i++)
    if (is_protected (block, qs_merging_image (merging, i)))
      qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s",
                      qs_merging_image (merging, i)->path, "mode", "u", 0u, "if-done", "au",
                      qs_block_condition (block), NULL);
}

static void
add_active (QsBlock *block)
{
  QsMerging *merging = &block->merging;
  QsChangeList changes;

  add_modes (block);
  qs_merging_plan_copy (merging, QS_PHASE_PREPARE, block->facts, block->plan);
  block->condition = qs_merging_plan_hold (merging, block->plan);
  qs_merging_add_part (merging, QS_STEP_JOB_COMPLETE, QS_PHASE_PREPARE, block->plan);
  qs_changes_init (&changes);
  record_modes (block, &changes);
  record_merge (block, &changes);
  qs_planning_add_record (block->plan, QS_PHASE_COMMIT, block->disk->target, &changes);
  qs_merging_plan_end (merging, QS_PHASE_FINISH, block->plan);
}

static void
add_below (QsBlock *block)
{
  QsMerging *merging = &block->merging;
  QsChangeList changes;

  add_modes (block);
  qs_merging_plan_copy (merging, QS_PHASE_PREPARE, block->facts, block->plan);
  qs_merging_add_part (merging, QS_STEP_FLUSH, QS_PHASE_PREPARE, block->plan);
  qs_merging_plan_end (merging, QS_PHASE_COMMIT, block->plan);
  block->condition = merging->end;
  qs_changes_init (&changes);
  record_merge (block, &changes);
  qs_planning_add_record (block->plan, QS_PHASE_FINISH, block->disk->target, &changes);
}

static void
add_forced (const QsBlockCommit *commit)
{
  QsBlock *block = commit->block;
  QsChangeList changes;

  add_modes (block);
  qs_changes_init (&changes);
  record_modes (block, &changes);
  qs_block_commit_add_leaving (commit, &changes);
  qs_planning_add_record (block->plan, QS_PHASE_COMMIT, block->disk->target, &changes);
  qs_changes_init (&changes);
  record_merge (block, &changes);
  qs_merging_plan_down (&block->merging, block->facts, block->plan, &changes);
}

static void
add_steps (const QsBlockCommit *commit)
{
  QsBlock *block = commit->block;
  guint first = block->merging.first;

  note_commit (block);
  if (commit->leaving->len > 1)
    add_forced (commit);
  else if (first == 0)
    add_active (block);
  else
    add_below (block);
  add_protections (block);
  qs_block_add_unlinks (block);
  qs_block_add_result (block, first, first + block->merging.layers);
}

static gboolean
plan_commit (QsBlock *block, GError **error)
{
  g_autoptr (GPtrArray) leaving = g_ptr_array_new ();
  QsBlockCommit commit = { block, leaving };

  g_ptr_array_add (leaving, NULL);
  if (!find_range (block, error) || !qs_block_commit_check (&commit, error))
    return FALSE;
  add_steps (&commit);
  return TRUE;
}

QsPlan *
qs_plan_block_commit (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                      GError **error)
{
  return qs_block_make_plan (domain, request, facts, plan_commit, error);
}
