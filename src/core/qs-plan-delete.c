/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"

/* with these the files of the disk and of other snapshots are not touched */
#define RECORD_FLAGS (QS_DELETE_METADATA_ONLY | QS_DELETE_REMOVE_MIRROR)

static QsRequest *
make_part (const QsRequest *request, guint flags, const QsSnapshot *snapshot)
{
  QsRequest *part = qs_request_new (QS_VERB_SNAPSHOT_DELETE, flags);

  part->snapshot = g_strdup (snapshot->uuid);
  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  return part;
}

/**
 * qs_parts_add_descendants:
 * @request: whose parts they are, about the snapshot above them
 * @flags: of each delete
 *
 * Each is a part of its own, leaves first.
 */
void
qs_parts_add_descendants (GPtrArray *parts, const QsDomain *domain, const QsRequest *request,
                          guint flags)
{
  g_autoptr (GPtrArray) below =
      qs_tree_list (domain->tree, request->snapshot, QS_LIST_DESCENDANTS | QS_LIST_TOPOLOGICAL);

  for (guint i = below->len; i > 0; i--)
    g_ptr_array_add (parts, make_part (request, flags, g_ptr_array_index (below, i - 1)));
}

/**
 * qs_parts_delete:
 *
 * With CHILDREN or CHILDREN_ONLY each snapshot is a part of its own, leaves first.
 */
GPtrArray *
qs_parts_delete (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  guint flags = request->flags & QS_DELETE_METADATA_ONLY;
  const QsSnapshot *snapshot;

  if (!(request->flags & (QS_DELETE_CHILDREN | QS_DELETE_CHILDREN_ONLY)))
    return NULL;
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_delete_flag_set, request->flags, error))
    return NULL;

  parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  qs_parts_add_descendants (parts, domain, request, flags);
  if (request->flags & QS_DELETE_CHILDREN)
    g_ptr_array_add (parts, make_part (request, flags, snapshot));
  return g_steal_pointer (&parts);
}

gboolean
qs_ask_delete (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);

  if (snapshot == NULL || !qs_flags_check (&qs_delete_flag_set, request->flags, error)
      || !qs_delete_check_mirror (domain, snapshot, request->flags, error))
    return FALSE;
  questions->files = TRUE;
  if (request->flags & (QS_DELETE_REOPEN_MIRROR | QS_DELETE_REMOVE_MIRROR))
    {
      qs_delete_ask_mirror (domain, snapshot, request->flags, questions);
      return TRUE;
    }
  if (request->flags & QS_DELETE_METADATA_ONLY)
    return TRUE;
  if (snapshot->unverified)
    {
      questions->document = TRUE;
      questions->snapshot_rows = TRUE;
      return TRUE;
    }
  qs_merging_ask (domain, questions);
  questions->snapshot_files = TRUE;
  questions->above = TRUE;
  questions->tip_of = g_strdup (snapshot->uuid);
  return TRUE;
}

/* the parent is current then, unless its own later changes wait: those of the disks would be mistaken for
   them */
const char *
qs_delete_find_next (const QsDelete *delete)
{
  const QsSnapshot *parent = qs_tree_lookup (delete->domain->tree, delete->snapshot->parent);

  return parent != NULL && !parent->has_tip ? parent->uuid : "";
}

static gboolean
settle (QsDelete *delete, QsChangeList *changes, GError **error)
{
  if (!qs_delete_settle_disks (delete, changes, error))
    return FALSE;
  qs_delete_prepare_merges (delete, changes);
  return delete->metadata_only || qs_delete_prepare_tags (delete, changes, error);
}

static gboolean
add_record (QsDelete *delete, GError **error)
{
  const QsSnapshot *snapshot = delete->snapshot;
  const QsSnapshot *current = qs_tree_get_current (delete->domain->tree);
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", snapshot->uuid, NULL);
  if (current == snapshot)
    qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", qs_delete_find_next (delete), NULL);
  qs_delete_settle_mirrors (delete, &changes);
  qs_delete_settle_files (delete, &changes);
  if (!settle (delete, &changes, error))
    {
      g_variant_builder_clear (&changes);
      return FALSE;
    }
  qs_planning_add_record (delete->plan, QS_PHASE_COMMIT, snapshot->name, &changes);
  return TRUE;
}

static void
add_unlinks (QsDelete *delete)
{
  QsChangeList forget;

  if (delete->unlinked->len == 0)
    return;
  qs_changes_init (&forget);
  for (guint i = 0; i < delete->unlinked->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->unlinked, i);

      qs_planning_unlink (delete->plan, file->path, file);
      qs_changes_add (&forget, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
    }
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, delete->snapshot->name, &forget);
}

static void
add_result (QsDelete *delete)
{
  g_auto (GStrv) removed = g_strv_builder_end (delete->removed);
  g_auto (GStrv) kept = g_strv_builder_end (delete->kept);
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

  if (delete->merges->len > 0)
    qs_delete_describe_merges (delete, &result);
  g_variant_dict_insert (&result, "removed", "^as", removed);
  g_variant_dict_insert (&result, "kept", "^as", kept);
  qs_plan_set_result (delete->plan, g_variant_dict_end (&result));
}

/* offline tags are deleted by qemu-img, those of a running guest by its QEMU: each after the record
   is gone, so that no record ever stands for a tag or a file that is not there */
QsPlan *
qs_plan_delete (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) unlinked = g_ptr_array_new ();
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  g_autoptr (GArray) merges = g_array_new (FALSE, FALSE, sizeof (QsDeleteMerge));
  g_autoptr (GArray) deep_tags = g_array_new (FALSE, FALSE, sizeof (QsDeleteTag));
  g_autoptr (GStrvBuilder) removed = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  QsDelete delete = { .plan = plan,
                      .domain = domain,
                      .facts = facts,
                      .snapshot = qs_planning_snapshot (domain, request, error),
                      .metadata_only = (request->flags & RECORD_FLAGS) != 0,
                      .removes_mirrors = (request->flags & QS_DELETE_REMOVE_MIRROR) != 0,
                      .unlinked = unlinked,
                      .gone = gone,
                      .merges = merges,
                      .deep_tags = deep_tags,
                      .removed = removed,
                      .kept = kept };

  if (delete.snapshot == NULL
      || (!delete.metadata_only
          && !qs_redefine_check_verified (domain, delete.snapshot, facts, error))
      || !qs_planning_check_block_jobs (facts, error))
    return NULL;
  delete.leaving[0] = delete.snapshot->uuid;
  g_ptr_array_add (gone, NULL);
  g_array_set_clear_func (merges, (GDestroyNotify)qs_delete_merge_clear);
  if (request->flags & QS_DELETE_REOPEN_MIRROR)
    {
      if (!qs_delete_reopen_mirror (&delete, error))
        return NULL;
      add_unlinks (&delete);
      add_result (&delete);
      return g_steal_pointer (&plan);
    }
  if (!add_record (&delete, error)
      || (!delete.metadata_only && !qs_delete_add_tags (&delete, error)))
    return NULL;
  if (delete.removes_mirrors)
    qs_delete_end_mirrors (&delete);
  qs_delete_finish_merges (&delete);
  add_unlinks (&delete);
  add_result (&delete);
  return g_steal_pointer (&plan);
}
