/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"

#define TAG_ARGUMENTS                                                                              \
  "{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>, 'tag': <%s>, 'dev': <%t>, 'ino': <%t>"

static QsRequest *
make_part (const QsRequest *request, const QsSnapshot *snapshot)
{
  QsRequest *part =
      qs_request_new (QS_VERB_SNAPSHOT_DELETE, request->flags & QS_DELETE_METADATA_ONLY);

  part->snapshot = g_strdup (snapshot->uuid);
  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  return part;
}

/**
 * qs_parts_delete:
 *
 * With CHILDREN or CHILDREN_ONLY each snapshot is a part of its own, leaves first.
 */
GPtrArray *
qs_parts_delete (const QsDomain *domain, const QsRequest *request, GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GPtrArray) below = NULL;
  const QsSnapshot *snapshot;

  if (!(request->flags & (QS_DELETE_CHILDREN | QS_DELETE_CHILDREN_ONLY)))
    return NULL;
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_delete_flag_set, request->flags, error))
    return NULL;

  parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  below = qs_tree_list (domain->tree, snapshot->uuid, QS_LIST_DESCENDANTS | QS_LIST_TOPOLOGICAL);
  for (guint i = below->len; i > 0; i--)
    g_ptr_array_add (parts, make_part (request, g_ptr_array_index (below, i - 1)));
  if (request->flags & QS_DELETE_CHILDREN)
    g_ptr_array_add (parts, make_part (request, snapshot));
  return g_steal_pointer (&parts);
}

static gboolean
check_supported (const QsSnapshot *snapshot, guint flags, GError **error)
{
  const char *what = NULL;

  if (flags & (QS_DELETE_REOPEN_MIRROR | QS_DELETE_REMOVE_MIRROR))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "snapshot ‘%s’ has no mirror",
                   snapshot->name);
      return FALSE;
    }
  if (flags & QS_DELETE_METADATA_ONLY)
    return TRUE;
  if (snapshot->kind != QS_KIND_INTERNAL)
    what = "deleting an external snapshot, which merges its files,";
  else if (snapshot->memory != QS_LOCATION_NO)
    what = "deleting a snapshot with memory";
  if (what == NULL || snapshot->unverified)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "snapshot ‘%s’: %s is not supported by this version; METADATA_ONLY forgets it and "
               "keeps the files",
               snapshot->name, what);
  return FALSE;
}

gboolean
qs_ask_delete (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);

  if (snapshot == NULL || !qs_flags_check (&qs_delete_flag_set, request->flags, error)
      || !check_supported (snapshot, request->flags, error))
    return FALSE;
  if (request->flags & QS_DELETE_METADATA_ONLY)
    return TRUE;
  if (snapshot->unverified)
    {
      questions->document = TRUE;
      questions->snapshot_rows = TRUE;
      return TRUE;
    }
  questions->files = TRUE;
  questions->snapshot_files = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  return TRUE;
}

static void
add_record (QsPlan *plan, const QsDomain *domain, const QsSnapshot *snapshot)
{
  const QsSnapshot *current = qs_tree_get_current (domain->tree);
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", snapshot->uuid, NULL);
  if (current != NULL && g_str_equal (current->uuid, snapshot->uuid))
    qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", snapshot->parent, NULL);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, snapshot->name, &changes);
}

/* a tag that is gone already is no error: the delete may have been interrupted, or repeated */
static gboolean
plan_offline_tag (QsPlan *plan, const QsFacts *facts, const QsSnapshotFile *file, gboolean *removes,
                  GError **error)
{
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, file->target);
  const QsImage *image;
  guint n;

  /* what is below the image does not matter for its tags */
  if (disk == NULL || disk->chain->len == 0)
    return qs_planning_snapshot_image (facts, file->target, error) != NULL;
  image = g_ptr_array_index (disk->chain, 0);
  if (!qs_check_unused (facts, file->target, image, error))
    return FALSE;
  n = qs_image_count_tag (image, file->tag);
  *removes = n == 1;
  if (n > 1)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "disk ‘%s’: ‘%s’ holds %u snapshots with the tag ‘%s’", file->target, file->path,
                   n, file->tag);
      return FALSE;
    }
  if (n == 0)
    {
      qs_plan_note (plan, "disk ‘%s’: the tag ‘%s’ was gone already", file->target, file->tag);
      return TRUE;
    }
  qs_plan_add (plan, QS_STEP_IMAGE_SNAPSHOT_DELETE, QS_PHASE_FINISH, file->target,
               g_variant_new_parsed (TAG_ARGUMENTS "}", file->target, file->path, file->tag,
                                     image->dev, image->ino));
  return TRUE;
}

static gboolean
plan_online_tag (QsPlan *plan, const QsDomain *domain, const QsFacts *facts,
                 const QsSnapshotFile *file, GError **error)
{
  const QsActive *active = qs_domain_find_active (domain, file->target);
  const QsNode *node = qs_facts_find_node (facts, file->target);
  const QsDiskDef *disk = qs_domain_def_find_disk (qs_domain_get_def (domain), file->target);
  const char *path = active != NULL ? active->path : disk != NULL ? disk->source : NULL;
  const QsImage *image;

  if (node == NULL || g_strcmp0 (path, file->path) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’: the snapshot lies in a backing file of the running guest; shut the "
                   "guest down first",
                   file->target);
      return FALSE;
    }
  /* with all that qemu-img needs, should the guest end before */
  image = qs_planning_snapshot_image (facts, file->target, error);
  if (image == NULL)
    return FALSE;
  qs_plan_add (plan, QS_STEP_NODE_SNAPSHOT_DELETE, QS_PHASE_FINISH, file->target,
               g_variant_new_parsed (TAG_ARGUMENTS ", 'node': <%s>}", file->target, file->path,
                                     file->tag, image->dev, image->ino, node->node_name));
  return TRUE;
}

/* offline tags are deleted by qemu-img, those of a running guest by its QEMU: each after the record
   is gone, so that no record ever stands for a tag that is not there */
QsPlan *
qs_plan_delete (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GStrvBuilder) removed = g_strv_builder_new ();
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);
  g_auto (GStrv) paths = NULL;

  if (snapshot == NULL
      || (!(request->flags & QS_DELETE_METADATA_ONLY)
          && !qs_redefine_check_verified (domain, snapshot, facts, error))
      || !qs_planning_check_block_jobs (facts, error))
    return NULL;
  add_record (plan, domain, snapshot);

  for (guint i = 0; !(request->flags & QS_DELETE_METADATA_ONLY) && i < facts->snapshot_files->len;
       i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (facts->snapshot_files, i);
      gboolean removes = TRUE;

      if (file->tag == NULL)
        continue;
      if (facts->state == QS_DOMAIN_SHUTOFF ? !plan_offline_tag (plan, facts, file, &removes, error)
                                            : !plan_online_tag (plan, domain, facts, file, error))
        return NULL;
      if (removes)
        g_strv_builder_add (removed, file->tag);
    }

  paths = g_strv_builder_end (removed);
  g_variant_dict_insert (&result, "removed", "^as", paths);
  g_variant_dict_insert_value (&result, "kept", g_variant_new_strv (NULL, 0));
  qs_plan_set_result (plan, g_variant_dict_end (&result));
  return g_steal_pointer (&plan);
}
