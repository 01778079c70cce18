/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-branch.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-scope.h"

static void
branch_clear (QsBranch *branch)
{
  qs_selection_free (branch->selection);
  qs_snapshot_def_unref (branch->document);
  g_clear_pointer (&branch->create.steps, g_hash_table_unref);
  g_clear_pointer (&branch->create.exchanged, g_hash_table_unref);
  g_clear_pointer (&branch->create.syncs, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsBranch, branch_clear)

static QsSelection *
align (const QsDomain *domain, const QsRequest *request, gint64 now, GError **error)
{
  const char *description = request->def->description;
  g_autoptr (QsSelection) selection = NULL;

  if (!qs_description_check (description != NULL ? description : "", error))
    return NULL;
  selection = qs_align_branch (domain, request->def, request->flags, now, error);
  if (selection == NULL || !qs_branch_check_asked (domain, selection, error))
    return NULL;
  return g_steal_pointer (&selection);
}

/* which disks need an overlay only the record of the snapshot tells, so that all are asked */
static gboolean
ask_overlay (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
             const QsSelected *selected, GError **error)
{
  if (selected->active != NULL)
    g_ptr_array_add (questions->disks, (gpointer)selected->disk);
  if (selected->path == NULL)
    return TRUE;
  if (!qs_scope_check_path (domain, request, questions, selected->path, error))
    {
      g_prefix_error (error, "disk ‘%s’: ", selected->disk->target);
      return FALSE;
    }
  g_ptr_array_add (questions->targets, g_strdup (selected->path));
  if (selected->mode == QS_DISK_MODE_EXISTING)
    qs_questions_add_reused (questions, selected->path, selected->format, NULL);
  return TRUE;
}

/**
 * qs_ask_branch:
 *
 * What qs_ask_create() does of a request with BRANCH.
 */
gboolean
qs_ask_branch (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsSnapshot *point = qs_branch_check_point (domain, request, error);
  g_autoptr (QsSelection) selection = NULL;

  if (point == NULL)
    return FALSE;
  selection = align (domain, request, questions->now, error);
  if (selection == NULL)
    return FALSE;
  for (guint i = 0; i < selection->disks->len; i++)
    if (!ask_overlay (domain, request, questions, g_ptr_array_index (selection->disks, i), error))
      return FALSE;
  questions->snapshot = g_strdup (point->uuid);
  questions->document = TRUE;
  questions->snapshot_files = TRUE;
  questions->snapshot_memory = TRUE;
  questions->files = TRUE;
  questions->users = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  return TRUE;
}

static gboolean
read_document (QsBranch *branch, GError **error)
{
  const char *document = branch->create.facts->snapshot_document;

  if (document == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "snapshot ‘%s’ has no document",
                 branch->point->name);
  else
    branch->document = qs_snapshot_def_parse_record (document, error);
  return branch->document != NULL;
}

static gboolean
add_overlay (QsBranch *branch, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsImage *image = qs_branch_check_state_file (branch, selected, error);

  return image != NULL
         && qs_create_add_overlay (&branch->create, plan, selected, image, image->virtual_size,
                                   error);
}

static gboolean
add_overlays (QsBranch *branch, QsPlan *plan, GError **error)
{
  for (guint i = 0; i < branch->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (branch->selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL && !add_overlay (branch, plan, selected, error))
        return FALSE;
    }
  return TRUE;
}

static void
note_chain (const QsBranch *branch, QsPlan *plan, const QsSelected *selected)
{
  const QsDiskFacts *disk =
      qs_facts_find_snapshot_disk (branch->create.facts, selected->disk->target);

  if (disk->chain->len >= QS_WARN_CHAIN_FILES)
    qs_plan_note (plan, "disk ‘%s’ has a chain of %u files; delete snapshots to shorten it",
                  disk->target, disk->chain->len);
}

/* of a stream, or a copy of firmware variables, only that a file is there is known */
static gboolean
is_there (const QsFacts *facts, const QsSnapshotFile *row)
{
  const QsTarget *target = qs_facts_find_target (facts, row->path);
  const QsDiskFacts *image = qs_facts_find_snapshot_disk (facts, row->target);

  if (row->tag != NULL)
    return image != NULL && image->error == NULL;
  return target != NULL && target->type == QS_TARGET_REGULAR;
}

/* its disks are sound all the same, and their tip is reached without */
static void
note_missing (const QsBranch *branch, QsPlan *plan)
{
  const GPtrArray *rows = branch->create.facts->snapshot_files;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (qs_snapshot_file_is_disk (row) || is_there (branch->create.facts, row))
        continue;
      qs_plan_note (
          plan,
          "‘%s’, with the %s of snapshot ‘%s’, is not there any more: the branch lacks "
          "%s, too, and only a revert to its tip (TIP) can do without",
          row->path, g_str_equal (row->target, QS_MEMORY_TARGET) ? "memory" : "firmware variables",
          branch->point->name, g_str_equal (row->target, QS_MEMORY_TARGET) ? "it" : "them");
    }
}

static void
add_result (const QsBranch *branch, QsPlan *plan)
{
  const QsSelection *selection = branch->selection;
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) files = g_ptr_array_new ();

  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice != QS_LOCATION_EXTERNAL)
        continue;
      g_ptr_array_add (files, selected->path);
      note_chain (branch, plan, selected);
    }
  g_variant_dict_insert_value (&result, "files",
                               g_variant_new_strv ((const char *const *)files->pdata, files->len));
  g_variant_dict_insert_value (&result, "uncovered-disks",
                               g_variant_new_strv ((const char *const *)selection->uncovered->pdata,
                                                   selection->uncovered->len));
  qs_plan_set_result (plan, g_variant_dict_end (&result));
}

static gboolean
build (QsBranch *branch, QsPlan *plan, GError **error)
{
  const QsFacts *facts = branch->create.facts;

  if (!qs_redefine_check_verified (branch->create.domain, branch->point, facts, error)
      || !read_document (branch, error) || !qs_branch_check_memory (branch, error)
      || !qs_branch_settle_disks (branch, error) || !qs_planning_check_block_jobs (facts, error)
      || !add_overlays (branch, plan, error) || !qs_branch_add_record (branch, plan, error))
    return FALSE;
  note_missing (branch, plan);
  add_result (branch, plan);
  return TRUE;
}

/**
 * qs_plan_branch:
 *
 * Neither the guest nor what its disks are on is touched, whether it runs or not: what is new lies
 * beside it, until somebody goes there.
 */
QsPlan *
qs_plan_branch (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_auto (QsBranch) branch = { .create = { .domain = domain, .request = request, .facts = facts } };
  g_autoptr (QsPlan) plan = qs_plan_new ();

  branch.point = qs_branch_check_point (domain, request, error);
  if (branch.point == NULL)
    return NULL;
  branch.selection = align (domain, request, facts->now, error);
  if (branch.selection == NULL)
    return NULL;
  branch.create.selection = branch.selection;
  branch.create.steps = g_hash_table_new (g_str_hash, g_str_equal);
  branch.create.exchanged = g_hash_table_new (g_str_hash, g_str_equal);
  branch.create.syncs = g_hash_table_new (g_str_hash, g_str_equal);
  return build (&branch, plan, error) ? g_steal_pointer (&plan) : NULL;
}
