/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"

#define WRITE_BITS 0222u

#define TAG_ARGUMENTS                                                                              \
  "{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>, 'tag': <%s>, 'dev': <%t>, 'ino': <%t>"

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

/* what the guest writes to */
static const char *
active_path (const QsDomain *domain, const char *target)
{
  const QsActive *active = qs_domain_find_active (domain, target);
  const QsDiskDef *disk = qs_domain_def_find_disk (qs_domain_get_def (domain), target);

  return active != NULL ? active->path : disk != NULL ? disk->source : NULL;
}

static gboolean
refuse_deep (const QsSnapshotFile *row, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
               "disk ‘%s’: the snapshot lies in a backing file of the running guest; shut the "
               "guest down first",
               row->target);
  return FALSE;
}

static gboolean
plan_online_tag (QsPlan *plan, const QsDomain *domain, const QsFacts *facts,
                 const QsSnapshotFile *file, GError **error)
{
  const QsNode *node = qs_facts_find_node (facts, file->target);
  const char *path = active_path (domain, file->target);
  const QsImage *image;

  if (node == NULL || g_strcmp0 (path, file->path) != 0)
    return refuse_deep (file, error);
  /* with all that qemu-img needs, should the guest end before */
  image = qs_planning_snapshot_image (facts, file->target, error);
  if (image == NULL)
    return FALSE;
  qs_plan_add (plan, QS_STEP_NODE_SNAPSHOT_DELETE, QS_PHASE_FINISH, file->target,
               g_variant_new_parsed (TAG_ARGUMENTS ", 'node': <%s>}", file->target, file->path,
                                     file->tag, image->dev, image->ino, node->node_name));
  return TRUE;
}

/* a file that the domain has left behind is not in the hands of its QEMU */
static gboolean
is_offline (const QsDelete *delete, const QsSnapshotFile *row)
{
  const QsFile *file = qs_facts_find_file (delete->facts, row->path);

  if (delete->facts->state == QS_DOMAIN_SHUTOFF)
    return TRUE;
  return file != NULL && file->active_of == NULL && !qs_delete_is_below (delete, file);
}

/* (nullable): the node below the disk's own that has the image open, if its name is one that we have
   given. Nodes are told apart by their place in the chain, so that it must be the chain that was
   walked */
static const char *
find_deep_node (const QsDelete *delete, const char *target, const QsImage *image)
{
  const QsNode *node = qs_facts_find_node (delete->facts, target);
  const QsDiskFacts *disk = qs_facts_find_disk (delete->facts, target);

  if (node == NULL || node->below == NULL || disk == NULL || disk->error != NULL
      || g_strv_length (node->below) + 1 != disk->chain->len)
    return NULL;
  for (guint i = 1; i < disk->chain->len; i++)
    if (qs_image_is_same (g_ptr_array_index (disk->chain, i), image)
        && g_str_has_prefix (node->below[i - 1], "snapd-"))
      return node->below[i - 1];
  return NULL;
}

static gboolean
may_reopen (const QsFacts *facts, const QsImage *image)
{
  static const char *const commands[] = { "blockdev-reopen", "snapshot-delete", NULL };

  return qs_facts_has_commands (facts, commands)
         && (facts->open_files == NULL || qs_facts_sees_open (facts, image))
         && !g_ptr_array_find_with_equal_func (facts->foreign_images, image->path, g_str_equal,
                                               NULL);
}

/* a tag in a file that goes is not deleted before; one in the guest's own file needs no preparation */
static gboolean
is_deep (const QsDelete *delete, const QsSnapshotFile *row)
{
  const QsFile *file = qs_facts_find_file (delete->facts, row->path);

  return qs_snapshot_file_is_disk (row) && row->tag != NULL
         && delete->facts->state != QS_DOMAIN_SHUTOFF && file != NULL && file->active_of == NULL
         && g_strcmp0 (active_path (delete->domain, row->target), row->path) != 0
         && qs_delete_is_below (delete, file) && !qs_delete_is_gone (delete, row->path);
}

static gboolean
prepare_tag (QsDelete *delete, const QsSnapshotFile *row, QsChangeList *changes, GError **error)
{
  const QsMerging mode = { .target = row->target };
  const QsImage *image = qs_planning_snapshot_image (delete->facts, row->target, error);
  QsDeleteTag tag = { .row = row, .image = image };

  if (image == NULL)
    return FALSE;
  tag.node = find_deep_node (delete, row->target, image);
  if (tag.node == NULL || !may_reopen (delete->facts, image))
    return refuse_deep (row, error);
  if (!qs_delete_is_written (delete, image))
    qs_merging_plan_mode (&mode, image, delete->facts, delete->plan, changes);
  tag.writable = delete->plan->steps->len;
  qs_plan_add (delete->plan, QS_STEP_NODE_WRITABLE, QS_PHASE_PREPARE, row->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>}", row->target,
                                     tag.node, row->path));
  g_array_append_val (delete->deep_tags, tag);
  return TRUE;
}

/**
 * qs_delete_prepare_tags:
 * @changes: of the commit
 *
 * What is inside a backing file of the running guest can be deleted only if QEMU makes its node
 * writable, which is tried before anything is recorded.
 */
gboolean
qs_delete_prepare_tags (QsDelete *delete, QsChangeList *changes, GError **error)
{
  const GPtrArray *files = delete->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    if (is_deep (delete, g_ptr_array_index (files, i))
        && !prepare_tag (delete, g_ptr_array_index (files, i), changes, error))
      return FALSE;
  return TRUE;
}

static const QsDeleteTag *
find_deep (const QsDelete *delete, const QsSnapshotFile *row)
{
  for (guint i = 0; i < delete->deep_tags->len; i++)
    if (g_array_index (delete->deep_tags, QsDeleteTag, i).row == row)
      return &g_array_index (delete->deep_tags, QsDeleteTag, i);
  return NULL;
}

/* it is somebody's state, as before; a file that is merged is protected after that */
static void
plan_protection (QsDelete *delete, const QsDeleteTag *tag)
{
  const QsMerging mode = { .target = tag->row->target };
  const QsFile *file = qs_facts_find_file (delete->facts, tag->image->path);
  QsChangeList changes;

  if (file == NULL || (file->mode & WRITE_BITS & ~tag->image->mode) == 0
      || qs_delete_is_written (delete, tag->image))
    return;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_FILE_MODE, "path", "s", tag->image->path, "mode", "u",
                  file->mode, NULL);
  qs_merging_plan_protection (&mode, tag->image, delete->facts, delete->plan);
  qs_planning_add_record (delete->plan, QS_PHASE_FINISH, tag->row->target, &changes);
}

static gboolean
plan_deep_tag (QsDelete *delete, const QsDeleteTag *tag)
{
  const QsSnapshotFile *row = tag->row;

  qs_plan_add (delete->plan, QS_STEP_NODE_SNAPSHOT_DELETE, QS_PHASE_FINISH, row->target,
               g_variant_new_parsed (TAG_ARGUMENTS ", 'node': <%s>, 'writable': <%u>}", row->target,
                                     row->path, row->tag, tag->image->dev, tag->image->ino,
                                     tag->node, tag->writable));
  plan_protection (delete, tag);
  return TRUE;
}

static gboolean
add_tag (QsDelete *delete, const QsSnapshotFile *file, GError **error)
{
  const QsDeleteTag *deep = find_deep (delete, file);
  gboolean removes = TRUE;

  if (deep != NULL ? !plan_deep_tag (delete, deep)
      : is_offline (delete, file)
          ? !plan_offline_tag (delete->plan, delete->facts, file, &removes, error)
          : !plan_online_tag (delete->plan, delete->domain, delete->facts, file, error))
    return FALSE;
  if (removes)
    g_strv_builder_add (delete->removed, file->tag);
  return TRUE;
}

/**
 * qs_delete_add_tags:
 *
 * The tags go after the record; one in a file that goes as a whole is not deleted before.
 */
gboolean
qs_delete_add_tags (QsDelete *delete, GError **error)
{
  const GPtrArray *files = delete->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (qs_snapshot_file_is_disk (file) && file->tag != NULL
          && !qs_delete_is_gone (delete, file->path) && !add_tag (delete, file, error))
        return FALSE;
    }
  return TRUE;
}
