/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"

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

/* a file that the domain has left behind is not in the hands of its QEMU */
static gboolean
is_offline (const QsDelete *delete, const QsSnapshotFile *row)
{
  const QsFile *file = qs_facts_find_file (delete->facts, row->path);

  if (delete->facts->state == QS_DOMAIN_SHUTOFF)
    return TRUE;
  return file != NULL && file->active_of == NULL && !qs_delete_is_below (delete, file);
}

static gboolean
add_tag (QsDelete *delete, const QsSnapshotFile *file, GError **error)
{
  gboolean removes = TRUE;

  if (is_offline (delete, file)
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
