/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-merge.h"
#include "qs-users.h"

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
qs_parts_delete (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
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
refuse_external (const QsSnapshot *snapshot, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "snapshot ‘%s’: deleting an external snapshot, which merges its files, is not "
               "supported by this version; METADATA_ONLY forgets it and keeps the files",
               snapshot->name);
  return FALSE;
}

/* one whose memory alone is external has no files to be merged: its files will tell */
static gboolean
check_supported (const QsSnapshot *snapshot, guint flags, GError **error)
{
  if (flags & (QS_DELETE_REOPEN_MIRROR | QS_DELETE_REMOVE_MIRROR))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "snapshot ‘%s’ has no mirror",
                   snapshot->name);
      return FALSE;
    }
  if (flags & QS_DELETE_METADATA_ONLY)
    return TRUE;
  return snapshot->kind == QS_KIND_INTERNAL || snapshot->memory != QS_LOCATION_NO
         || snapshot->unverified || refuse_external (snapshot, error);
}

gboolean
qs_ask_delete (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
               GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);

  if (snapshot == NULL || !qs_flags_check (&qs_delete_flag_set, request->flags, error)
      || !check_supported (snapshot, request->flags, error))
    return FALSE;
  questions->files = TRUE;
  if (request->flags & QS_DELETE_METADATA_ONLY)
    return TRUE;
  if (snapshot->unverified)
    {
      questions->document = TRUE;
      questions->snapshot_rows = TRUE;
      return TRUE;
    }
  questions->users = TRUE;
  questions->snapshot_files = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  return TRUE;
}

/* what becomes of the files of a snapshot that are not its disks' */
typedef struct
{
  QsPlan *plan;
  const QsDomain *domain;
  const QsFacts *facts;
  const QsSnapshot *snapshot;
  gboolean metadata_only;
  GPtrArray *unlinked; /* of const QsFile */
  GStrvBuilder *removed;
  GStrvBuilder *kept;
} Delete;

static void
keep_file (Delete *delete, const QsFile *file, const char *why)
{
  g_strv_builder_add (delete->kept, file->path);
  qs_plan_note (delete->plan, "‘%s’ stays: %s", file->path, why);
}

/* (transfer full) (nullable): whose definition names the file by now */
static char *
find_user (const Delete *delete, const QsFile *file)
{
  if (qs_users_is_here (delete->facts, file->path))
    return g_strdup_printf ("domain ‘%s’", delete->domain->name);
  return qs_users_describe (delete->facts, file->path);
}

/* branches share a file with memory: the last one that uses it takes it along */
static void
settle_file (Delete *delete, const QsFile *file, QsChangeList *changes)
{
  g_autofree char *user = find_user (delete, file);

  if (qs_file_has_other_users (file, delete->snapshot->uuid))
    {
      keep_file (delete, file, "another snapshot uses it, too");
      return;
    }
  if (delete->metadata_only || !file->ours)
    {
      keep_file (delete, file,
                 file->ours ? "only the record was to be deleted" : "it was not made here");
      qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
      return;
    }
  if (user != NULL)
    {
      g_autofree char *why = g_strconcat (user, " uses it", NULL);

      keep_file (delete, file, why);
      qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
      return;
    }
  g_ptr_array_add (delete->unlinked, (gpointer)file);
  g_strv_builder_add (delete->removed, file->path);
  qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, NULL);
}

/* an overlay that waited as the tip of the snapshot, and that nothing else is recorded to need, is a
   file like any other from now on: its name may be used again when somebody has removed it */
static gboolean
is_lone_tip (const Delete *delete, const QsFile *file)
{
  const char *const leaving[] = { delete->snapshot->uuid, NULL };
  const QsFileBook book = { delete->facts->files, leaving, NULL, NULL };
  QsFileFate fate;

  if (!delete->metadata_only || !qs_file_is_tip (file)
      || qs_file_has_other_users (file, delete->snapshot->uuid))
    return FALSE;
  fate = qs_file_book_fate (&book, file);
  return fate == QS_FILE_UNLINK || fate == QS_FILE_LEAVE;
}

static void
add_record (Delete *delete)
{
  const QsSnapshot *snapshot = delete->snapshot;
  const QsSnapshot *current = qs_tree_get_current (delete->domain->tree);
  QsChangeList changes;

  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", snapshot->uuid, NULL);
  if (current != NULL && g_str_equal (current->uuid, snapshot->uuid))
    qs_changes_add (&changes, QS_CHANGE_CURRENT, "uuid", "s", snapshot->parent, NULL);
  for (guint i = 0; i < delete->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->facts->files, i);

      if ((!qs_file_is_disk (file) && qs_file_is_of (file, snapshot->uuid))
          || is_lone_tip (delete, file))
        settle_file (delete, file, &changes);
    }
  qs_planning_add_record (delete->plan, QS_PHASE_COMMIT, snapshot->name, &changes);
}

static void
add_unlinks (Delete *delete)
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
  if (!qs_check_one_name (facts, file->target, image, error))
    return FALSE;
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

static gboolean
add_tag (Delete *delete, const QsSnapshotFile *file, GError **error)
{
  gboolean removes = TRUE;

  if (file->tag == NULL)
    return refuse_external (delete->snapshot, error);
  if (delete->facts->state == QS_DOMAIN_SHUTOFF
          ? !plan_offline_tag (delete->plan, delete->facts, file, &removes, error)
          : !plan_online_tag (delete->plan, delete->domain, delete->facts, file, error))
    return FALSE;
  if (removes)
    g_strv_builder_add (delete->removed, file->tag);
  return TRUE;
}

static gboolean
add_tags (Delete *delete, GError **error)
{
  const GPtrArray *files = delete->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (qs_snapshot_file_is_disk (file) && !add_tag (delete, file, error))
        return FALSE;
    }
  return TRUE;
}

static void
add_result (Delete *delete)
{
  g_auto (GStrv) removed = g_strv_builder_end (delete->removed);
  g_auto (GStrv) kept = g_strv_builder_end (delete->kept);
  g_auto (GVariantDict) result = G_VARIANT_DICT_INIT (NULL);

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
  g_autoptr (GStrvBuilder) removed = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  Delete delete = { .plan = plan,
                    .domain = domain,
                    .facts = facts,
                    .snapshot = qs_planning_snapshot (domain, request, error),
                    .metadata_only = (request->flags & QS_DELETE_METADATA_ONLY) != 0,
                    .unlinked = unlinked,
                    .removed = removed,
                    .kept = kept };

  if (delete.snapshot == NULL
      || (!delete.metadata_only
          && !qs_redefine_check_verified (domain, delete.snapshot, facts, error))
      || !qs_planning_check_block_jobs (facts, error))
    return NULL;
  add_record (&delete);
  if (!delete.metadata_only && !add_tags (&delete, error))
    return NULL;
  add_unlinks (&delete);
  add_result (&delete);
  return g_steal_pointer (&plan);
}
