/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-block.h"

/* a pull copies what a disk stands on into the file that the guest writes to. The files below are only
   read, so that snapshots lose nothing; the end of the job is the commit */

gboolean
qs_ask_block_pull (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                   GError **error)
{
  if ((request->flags & QS_BLOCK_REBASE_RELATIVE) && qs_block_option (request, "base") == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "RELATIVE is about the name of a base: name one");
      return FALSE;
    }
  return qs_block_ask (domain, request, &qs_block_rebase_flag_set, questions, error);
}

/* how many files go into the first */
static gboolean
find_layers (QsBlock *block, GError **error)
{
  const char *base = qs_block_option (block->request, "base");
  guint place = block->disk->chain->len;

  if (base != NULL && !qs_block_find_place (block, base, &place, error))
    return FALSE;
  if (place == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "disk ‘%s’: ‘%s’ is what the guest writes to, and cannot be what it stands on",
                   block->disk->target, base);
      return FALSE;
    }
  block->merging.direction = QS_MERGE_UP;
  block->merging.keeps = TRUE;
  block->merging.layers = place - 1;
  return TRUE;
}

/* the stream copies what the guest sees now, and takes away what tags need below it */
static gboolean
check_tags (const QsBlock *block, GError **error)
{
  const QsImage *image = qs_merging_written (&block->merging);
  const QsFile *file = qs_facts_find_file (block->facts, image->path);
  g_autofree char *names = NULL;

  if (image->tags->len == 0)
    return TRUE;
  names = file != NULL && file->tag_of->len > 0
              ? qs_block_describe_snapshots (block, file->tag_of)
              : g_strdup_printf ("the unrecorded snapshot ‘%s’",
                                 ((const QsTag *)g_ptr_array_index (image->tags, 0))->name);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: ‘%s’ holds %s, which would be lost if anything were pulled into it; "
               "delete that first",
               block->disk->target, image->path, names);
  return FALSE;
}

static gboolean
check_name (const QsBlock *block, GError **error)
{
  const QsMerging *merging = &block->merging;
  g_autofree char *name = qs_merging_below (merging) != NULL
                              ? qs_merging_backing_name (merging, 0, merging->layers + 1)
                              : NULL;

  return (block->request->flags & QS_BLOCK_REBASE_RELATIVE) == 0
         || qs_block_check_relative (block, qs_merging_written (merging), name, error);
}

static void
note_pull (const QsBlock *block)
{
  const QsMerging *merging = &block->merging;

  qs_plan_note (
      block->plan,
      "disk ‘%s’: what %u files below hold is pulled into ‘%s’, at most %" G_GUINT64_FORMAT
      " bytes",
      block->disk->target, merging->layers, qs_merging_written (merging)->path,
      qs_merging_bytes (merging));
}

static void
add_record (QsBlock *block)
{
  const QsMerging *merging = &block->merging;
  const QsImage *below = qs_merging_below (merging);
  const QsImage *written = qs_merging_written (merging);
  QsChangeList changes;

  qs_changes_init (&changes);
  if (qs_facts_find_file (block->facts, written->path) != NULL)
    qs_changes_add (&changes, QS_CHANGE_FILE_BACKING, "path", "s", written->path, "backing", "s",
                    below != NULL ? below->path : "", "if-done", "au", qs_block_condition (block),
                    NULL);
  qs_block_settle_below (block, &changes);
  qs_planning_add_record (block->plan, QS_PHASE_FINISH, block->disk->target, &changes);
}

static void
add_steps (QsBlock *block)
{
  QsMerging *merging = &block->merging;

  note_pull (block);
  qs_merging_plan_copy (merging, QS_PHASE_PREPARE, block->facts, block->plan);
  qs_merging_add_part (merging, QS_STEP_FLUSH, QS_PHASE_PREPARE, block->plan);
  qs_merging_plan_end (merging, QS_PHASE_COMMIT, block->plan);
  block->condition = merging->end;
  add_record (block);
  qs_block_add_unlinks (block);
  qs_block_add_result (block, 1, merging->layers + 1);
}

static gboolean
plan_pull (QsBlock *block, GError **error)
{
  if (!find_layers (block, error))
    return FALSE;
  if (block->merging.layers == 0)
    {
      qs_block_add_nothing (block, "there is nothing to be pulled");
      return TRUE;
    }
  if (!check_tags (block, error) || !check_name (block, error)
      || !qs_merging_check (&block->merging, block->domain, block->facts, error))
    return FALSE;
  add_steps (block);
  return TRUE;
}

QsPlan *
qs_plan_block_pull (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                    GError **error)
{
  return qs_block_make_plan (domain, request, facts, plan_pull, error);
}
