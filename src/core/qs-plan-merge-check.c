/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-merge.h"

#include "qs-error.h"

/* whether a merge can be done, as far as that can be seen before. An obstacle is a reason why this
   direction would lose something, and another way may be taken; what the check refuses is wrong with
   the files or with QEMU */

static const char *const commands[] = { "block-commit",
                                        "job-complete",
                                        "job-finalize",
                                        "job-dismiss",
                                        "blockdev-del",
                                        "x-debug-query-block-graph",
                                        NULL };

static gboolean
is_leaving (const QsMerging *merge, const QsImage *image, const QsTag *tag)
{
  for (guint i = 0; merge->leaving != NULL && i < merge->leaving->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (merge->leaving, i);

      if (g_strcmp0 (row->tag, tag->name) == 0 && g_str_equal (row->path, image->path))
        return TRUE;
    }
  return FALSE;
}

static gboolean
keeps_tag (const QsMerging *merge, const QsImage *image)
{
  for (guint i = 0; i < image->tags->len; i++)
    if (!is_leaving (merge, image, g_ptr_array_index (image->tags, i)))
      return TRUE;
  return FALSE;
}

static QsMergeSide
find_side (const QsImage *image, const QsFacts *facts)
{
  return qs_merge_side (image, qs_facts_find_file (facts, image->path), NULL);
}

/* smaller above than below is what nobody but a person with a tool does: what then is beyond its end
   would be lost */
static const char *
find_size_obstacle (const QsMerging *merge, guint index)
{
  const QsImage *layer = qs_merging_image (merge, index);
  const QsImage *below = qs_merging_image (merge, index + 1);
  const QsImage *base = qs_merging_base (merge);

  if (layer->virtual_size < below->virtual_size)
    return "the disk has been made smaller since";
  if (layer->virtual_size == base->virtual_size)
    return NULL;
  if (base->rdev != 0)
    return "the disk has grown since, and a block device cannot";
  return keeps_tag (merge, base)
             ? "the disk has grown since, and the file below holds internal snapshots"
             : NULL;
}

/* a file without a backing file in its header, on one that only the records know: it would be given one */
static gboolean
hides_backing (const QsImage *image)
{
  return image != NULL && image->backing_name == NULL;
}

/**
 * qs_merging_header_obstacle:
 * @image: that stands on one which goes
 *
 * Returns: (nullable): why its header cannot name another file, for people
 */
const char *
qs_merging_header_obstacle (const QsImage *image, const QsFacts *facts)
{
  if (!find_side (image, facts).is_writable)
    return "what stands on the file above cannot be written to";
  return image->encrypted ? "what stands on the file above is encrypted" : NULL;
}

static const char *
find_layer_obstacle (const QsMerging *merge, guint index, const QsFacts *facts)
{
  const QsImage *layer = qs_merging_image (merge, index);
  QsMergeSide above = find_side (layer, facts);
  QsMergeSide below = find_side (qs_merging_base (merge), facts);
  const char *why;

  above.has_tags = keeps_tag (merge, layer);
  why = qs_merge_down_obstacle (&below, &above);
  if (why == NULL && !above.is_writable)
    why = "it cannot be written to";
  return why != NULL ? why : find_size_obstacle (merge, index);
}

static const char *
find_down_obstacle (const QsMerging *merge, const QsFacts *facts)
{
  const QsImage *base = qs_merging_base (merge);
  const char *why = NULL;

  for (guint i = 0; why == NULL && i < merge->layers; i++)
    why = find_layer_obstacle (merge, i, facts);
  if (why == NULL && base->n_links > 1 && base->rdev == 0)
    why = "the file below has other names: remove those first";
  if (why == NULL && hides_backing (qs_merging_above (merge)))
    why = "what stands on the file above does not name it in its header";
  if (why == NULL && qs_merging_above (merge) != NULL)
    why = qs_merging_header_obstacle (qs_merging_above (merge), facts);
  return why;
}

/* what is beyond the end of the lowest file reads as zeros, and would not any more if the one that all
   stand on goes further */
static gboolean
is_cut (const QsMerging *merge)
{
  guint64 size = qs_merging_image (merge, 0)->virtual_size;
  guint64 base = qs_merging_base (merge)->virtual_size;
  const QsImage *below = qs_merging_below (merge);

  for (guint i = 0; i < merge->layers; i++)
    if (qs_merging_image (merge, i)->virtual_size < qs_merging_image (merge, i + 1)->virtual_size)
      return TRUE;
  return below != NULL && size > base && below->virtual_size > base;
}

/* a tag that goes is still there while the files are copied; one in a file that stays is not touched */
static const char *
find_up_obstacle (const QsMerging *merge, const QsFacts *facts)
{
  const QsImage *layer = qs_merging_image (merge, 0);
  QsMergeSide above = find_side (layer, facts);
  const char *why = NULL;

  for (guint i = 1; why == NULL && i <= merge->layers; i++)
    {
      QsMergeSide below = find_side (qs_merging_image (merge, i), facts);

      below.has_tags = below.has_tags && !merge->keeps;
      why = qs_merge_up_obstacle (&below, &above);
    }
  if (why == NULL && layer->n_links > 1 && layer->rdev == 0)
    why = "the file above has other names: remove those first";
  if (why == NULL && is_cut (merge))
    why = "the disk has been made smaller since";
  return why == NULL && hides_backing (layer)
             ? "the file above does not name the one below in its header"
             : why;
}

/**
 * qs_merging_loses_tags:
 * @first: index in the chain
 *
 * Returns: whether one of the files from there on loses a tag before
 */
gboolean
qs_merging_loses_tags (const QsMerging *merge, guint first)
{
  for (guint i = first; i < merge->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (merge->chain, i);

      for (guint n = 0; n < image->tags->len; n++)
        if (is_leaving (merge, image, g_ptr_array_index (image->tags, n)))
          return TRUE;
    }
  return FALSE;
}

/**
 * qs_merging_obstacle:
 *
 * Returns: (nullable): why these files cannot be merged in this direction, for people
 */
const char *
qs_merging_obstacle (const QsMerging *merge, const QsFacts *facts)
{
  return merge->direction == QS_MERGE_UP ? find_up_obstacle (merge, facts)
                                         : find_down_obstacle (merge, facts);
}

static gboolean
check_obstacle (const QsMerging *merge, const QsFacts *facts, GError **error)
{
  const char *why = qs_merging_obstacle (merge, facts);

  if (why != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’: ‘%s’ cannot be merged into ‘%s’: %s", merge->target,
                 qs_merging_goner (merge)->path, qs_merging_written (merge)->path, why);
  return why == NULL;
}

/* beside a running guest the files are those of a branch that it does not use */
static gboolean
check_closed (const QsMerging *merge, const QsImage *image, const QsFacts *facts, GError **error)
{
  if (merge->node != NULL || facts->state == QS_DOMAIN_SHUTOFF || !image->in_use)
    return qs_check_unused (facts, merge->target, image, error);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: ‘%s’ is in use, although the disk does not stand on it; end the program "
               "that uses it, or shut the guest down first",
               merge->target, image->path);
  return FALSE;
}

/* what would be written to, or deleted, must be what is recorded */
static gboolean
check_image (const QsMerging *merge, const QsImage *image, const QsFacts *facts, GError **error)
{
  const QsFile *file = qs_facts_find_file (facts, image->path);
  gboolean is_other =
      file != NULL && file->ino != 0 && image->rdev == 0 && !qs_file_is (file, image);

  if (is_other)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "disk ‘%s’: ‘%s’ is not the file that is recorded", merge->target, image->path);
  else if (image->encrypted || (image->dirty && merge->node == NULL))
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "disk ‘%s’: ‘%s’ is encrypted, or marked dirty or corrupt; it is not merged",
                 merge->target, image->path);
  else
    return check_closed (merge, image, facts, error);
  return FALSE;
}

static gboolean
check_images (const QsMerging *merge, const QsFacts *facts, GError **error)
{
  for (guint i = 0; i <= merge->layers; i++)
    if (!check_image (merge, qs_merging_image (merge, i), facts, error))
      return FALSE;
  return TRUE;
}

/* of what is there already nothing is needed once more, unless a tag holds on to it */
static guint64
needed_bytes (const QsMerging *merge)
{
  const QsImage *written = qs_merging_written (merge);
  guint64 size = qs_merging_image (merge, 0)->virtual_size;
  guint64 bytes = qs_merging_bytes (merge);

  if (written->rdev != 0)
    return 0;
  if (written->tags->len > 0)
    return bytes;
  return MIN (bytes, size > written->allocated ? size - written->allocated : 0);
}

static gboolean
check_room (const QsMerging *merge, const QsFacts *facts, GError **error)
{
  const QsImage *written = qs_merging_written (merge);
  const QsTarget *target = qs_facts_find_target (facts, written->path);
  guint64 needed = needed_bytes (merge);

  if (target == NULL || needed <= target->free_bytes)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
               "disk ‘%s’: ‘%s’ may have to take %" G_GUINT64_FORMAT
               " bytes, and %" G_GUINT64_FORMAT " are free",
               merge->target, written->path, needed, target->free_bytes);
  return FALSE;
}

/**
 * qs_merging_is_chain:
 *
 * Nodes are told apart by their place in the chain, so that it must be the chain that was walked. What
 * a QEMU of somebody else was told of backing files only its open files tell.
 */
gboolean
qs_merging_is_chain (const QsMerging *merge, const QsDomain *domain, const QsFacts *facts)
{
  if (merge->node->below == NULL || g_strv_length (merge->node->below) + 1 != merge->chain->len
      || !qs_facts_has_open (facts, g_ptr_array_index (merge->chain, 0)))
    return FALSE;
  if (facts->open_files == NULL)
    return domain->attachment == NULL || facts->is_later;
  for (guint i = 0; i < merge->chain->len; i++)
    if (!qs_facts_sees_open (facts, g_ptr_array_index (merge->chain, i)))
      return FALSE;
  return TRUE;
}

/* a bitmap in the guest's own file goes with that file */
static gboolean
loses_bitmap (const QsMerging *merge)
{
  return merge->node->bitmap != NULL && merge->first == 0 && merge->direction == QS_MERGE_DOWN;
}

static gboolean
check_node (const QsMerging *merge, const QsDomain *domain, const QsFacts *facts, GError **error)
{
  if (!qs_facts_has_commands (facts, commands)
      || (merge->direction == QS_MERGE_UP && !qs_facts_has_command (facts, "block-stream")))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                 "disk ‘%s’: this QEMU is too old to merge files; shut the guest down first",
                 merge->target);
  else if (!qs_merging_is_chain (merge, domain, facts))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’: the running QEMU does not have the files open that are recorded, or "
                 "it cannot be seen which; shut the guest down first",
                 merge->target);
  else if (loses_bitmap (merge))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’ has the dirty bitmap ‘%s’, which would go with the file that it is in; "
                 "remove it first",
                 merge->target, merge->node->bitmap);
  else
    return TRUE;
  return FALSE;
}

/* files that the guest does not stand on must not be open there all the same */
static gboolean
check_not_open (const QsMerging *merge, const QsFacts *facts, GError **error)
{
  for (guint i = 0; facts->open_files != NULL && i <= merge->layers; i++)
    {
      const QsImage *image = qs_merging_image (merge, i);

      if (!qs_facts_sees_open (facts, image))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’: the running QEMU has ‘%s’ open, although no disk is recorded to "
                   "need it; shut the guest down first",
                   merge->target, image->path);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_merging_check:
 *
 * Whether the merge can be done, on whatever there is of files and nodes; who else relies on the files
 * is for the caller to know.
 */
gboolean
qs_merging_check (const QsMerging *merge, const QsDomain *domain, const QsFacts *facts,
                  GError **error)
{
  if (!check_images (merge, facts, error) || !check_obstacle (merge, facts, error)
      || !check_room (merge, facts, error))
    return FALSE;
  return merge->node != NULL ? check_node (merge, domain, facts, error)
                             : check_not_open (merge, facts, error);
}
