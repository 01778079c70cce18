/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-merge.h"

#include "qs-error.h"
#include "qs-merge.h"

#define WRITE_BITS 0222u

static const char *const commands[] = { "block-commit",
                                        "job-complete",
                                        "job-finalize",
                                        "job-dismiss",
                                        "blockdev-del",
                                        "x-debug-query-block-graph",
                                        NULL };

/**
 * qs_merge_down_ask:
 *
 * What a merge within the chains of the domain's disks depends on.
 */
void
qs_merge_down_ask (const QsDomain *domain, QsQuestions *questions)
{
  questions->users = TRUE;
  questions->files = TRUE;
  questions->chains = TRUE;
  questions->monitor = qs_domain_is_active (domain);
  questions->open_files = qs_domain_is_active (domain);
  qs_planning_ask_disks (domain, questions);
}

const QsImage *
qs_merge_down_image (const QsMergeDown *merge, guint index)
{
  return g_ptr_array_index (merge->disk->chain, index);
}

/**
 * qs_merge_down_base:
 *
 * Returns: the file that the layers go into
 */
const QsImage *
qs_merge_down_base (const QsMergeDown *merge)
{
  return qs_merge_down_image (merge, merge->layers);
}

/**
 * qs_merge_down_bytes:
 *
 * Returns: that are copied at most
 */
guint64
qs_merge_down_bytes (const QsMergeDown *merge)
{
  guint64 bytes = 0;

  for (guint i = 0; i < merge->layers; i++)
    bytes += qs_merge_down_image (merge, i)->allocated;
  return bytes;
}

static gboolean
fail_layer (const QsMergeDown *merge, const QsImage *layer, const char *why, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: ‘%s’ cannot be merged into ‘%s’: %s", merge->target, layer->path,
               qs_merge_down_base (merge)->path, why);
  return FALSE;
}

/* what would be written to, or deleted, must be what is recorded */
static gboolean
check_image (const QsMergeDown *merge, const QsImage *image, const QsFacts *facts, GError **error)
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
    return qs_check_unused (facts, merge->target, image, error);
  return FALSE;
}

/* smaller above than below is what nobody but a person with a tool does: what then is beyond its end
   would be lost */
static gboolean
check_size (const QsMergeDown *merge, guint index, GError **error)
{
  const QsImage *layer = qs_merge_down_image (merge, index);
  const QsImage *below = qs_merge_down_image (merge, index + 1);
  const QsImage *base = qs_merge_down_base (merge);

  if (layer->virtual_size < below->virtual_size)
    return fail_layer (merge, layer, "the disk has been made smaller since", error);
  if (layer->virtual_size == base->virtual_size)
    return TRUE;
  if (base->rdev != 0)
    return fail_layer (merge, layer, "the disk has grown since, and a block device cannot", error);
  if (base->tags->len > 0)
    return fail_layer (merge, layer,
                       "the disk has grown since, and the file below holds internal snapshots",
                       error);
  return TRUE;
}

static gboolean
check_layer (const QsMergeDown *merge, guint index, const QsFacts *facts, GError **error)
{
  const QsImage *layer = qs_merge_down_image (merge, index);
  const QsImage *base = qs_merge_down_base (merge);
  QsMergeSide above = qs_merge_side (layer, qs_facts_find_file (facts, layer->path), NULL);
  QsMergeSide below = qs_merge_side (base, qs_facts_find_file (facts, base->path), NULL);
  const char *why = qs_merge_down_obstacle (&below, &above);

  if (why == NULL && !above.is_writable)
    why = "it cannot be written to";
  if (why != NULL)
    return fail_layer (merge, layer, why, error);
  return check_image (merge, layer, facts, error) && check_size (merge, index, error);
}

/* of what is there already nothing is needed once more, unless a tag holds on to it */
static guint64
needed_bytes (const QsMergeDown *merge)
{
  const QsImage *base = qs_merge_down_base (merge);
  guint64 size = qs_merge_down_image (merge, 0)->virtual_size;
  guint64 bytes = qs_merge_down_bytes (merge);

  if (base->rdev != 0)
    return 0;
  if (base->tags->len > 0)
    return bytes;
  return MIN (bytes, size > base->allocated ? size - base->allocated : 0);
}

static gboolean
check_room (const QsMergeDown *merge, const QsFacts *facts, GError **error)
{
  const QsImage *base = qs_merge_down_base (merge);
  const QsTarget *target = qs_facts_find_target (facts, base->path);
  guint64 needed = needed_bytes (merge);

  if (target == NULL || needed <= target->free_bytes)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
               "disk ‘%s’: ‘%s’ may have to take %" G_GUINT64_FORMAT
               " bytes, and %" G_GUINT64_FORMAT " are free",
               merge->target, base->path, needed, target->free_bytes);
  return FALSE;
}

static gboolean
check_base (const QsMergeDown *merge, const QsFacts *facts, GError **error)
{
  const QsImage *base = qs_merge_down_base (merge);

  if (base->n_links > 1 && base->rdev == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: ‘%s’ has %u names; a file with another name is not written: remove "
                   "the other names first",
                   merge->target, base->path, base->n_links);
      return FALSE;
    }
  return check_image (merge, base, facts, error) && check_room (merge, facts, error);
}

/* nodes are told apart by their place in the chain, so that it must be the chain that was walked. What
   a QEMU of somebody else was told of backing files only its open files tell */
static gboolean
is_chain (const QsMergeDown *merge, const QsDomain *domain, const QsFacts *facts)
{
  const GPtrArray *chain = merge->disk->chain;

  if (merge->node->below == NULL || g_strv_length (merge->node->below) + 1 != chain->len
      || !qs_facts_has_open (facts, qs_merge_down_image (merge, 0)))
    return FALSE;
  if (facts->open_files == NULL)
    return domain->attachment == NULL;
  for (guint i = 0; i < chain->len; i++)
    if (!qs_facts_sees_open (facts, g_ptr_array_index (chain, i)))
      return FALSE;
  return TRUE;
}

static gboolean
check_node (const QsMergeDown *merge, const QsDomain *domain, const QsFacts *facts, GError **error)
{
  if (!qs_facts_has_commands (facts, commands))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                 "disk ‘%s’: this QEMU is too old to merge files; shut the guest down first",
                 merge->target);
  else if (!is_chain (merge, domain, facts))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’: the running QEMU does not have the files open that are recorded, or "
                 "it cannot be seen which; shut the guest down first",
                 merge->target);
  else if (merge->node->bitmap != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’ has the dirty bitmap ‘%s’, which would go with the file that it is in; "
                 "remove it first",
                 merge->target, merge->node->bitmap);
  else
    return TRUE;
  return FALSE;
}

/**
 * qs_merge_down_check:
 *
 * Whether the merge can be done, on whatever there is of files and nodes; who else relies on the files
 * is for the caller to know.
 */
gboolean
qs_merge_down_check (const QsMergeDown *merge, const QsDomain *domain, const QsFacts *facts,
                     GError **error)
{
  if (!check_base (merge, facts, error))
    return FALSE;
  for (guint i = 0; i < merge->layers; i++)
    if (!check_layer (merge, i, facts, error))
      return FALSE;
  if (facts->state == QS_DOMAIN_SHUTOFF)
    return TRUE;
  if (merge->node != NULL)
    return check_node (merge, domain, facts, error);
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: the running QEMU has no such disk", merge->target);
  return FALSE;
}

/**
 * qs_merge_down_plan_modes:
 * @changes: of the commit
 *
 * Puts write bits back that the service has taken off.
 */
void
qs_merge_down_plan_modes (const QsMergeDown *merge, const QsFacts *facts, QsPlan *plan,
                          QsChangeList *changes)
{
  for (guint i = 0; i <= merge->layers; i++)
    {
      const QsImage *image = qs_merge_down_image (merge, i);
      const QsFile *file = qs_facts_find_file (facts, image->path);

      if (file == NULL || (file->mode & WRITE_BITS & ~image->mode) == 0)
        continue;
      qs_plan_add (plan, QS_STEP_FILE_MODE, QS_PHASE_PREPARE, merge->target,
                   g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                                         " 'btime': <%x>, 'mode': <%u>, 'before': <%u>}",
                                         merge->target, image->path, image->dev, image->ino,
                                         image->btime, file->mode & 07777u, image->mode & 07777u));
      qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s", image->path, "mode", "u", 0u,
                      NULL);
    }
}

static GVariant *
file_rows (const QsMergeDown *merge)
{
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ssttx)"));

  for (guint i = 0; i < merge->disk->chain->len; i++)
    {
      const QsImage *image = qs_merge_down_image (merge, i);
      guint64 dev, ino;

      qs_image_identity (image, &dev, &ino);
      g_variant_builder_add (&rows, "(ssttx)", image->path, image->format, dev, ino, image->btime);
    }
  return g_variant_builder_end (&rows);
}

/* of all that goes, from the top */
static GVariant *
dropped_nodes (const QsMergeDown *merge)
{
  g_auto (GVariantBuilder) names = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  if (merge->node != NULL)
    g_variant_builder_add (&names, "s", merge->node->node_name);
  for (guint i = 1; merge->node != NULL && i < merge->layers; i++)
    g_variant_builder_add (&names, "s", merge->node->below[i - 1]);
  return g_variant_builder_end (&names);
}

static void
add_job (const QsMergeDown *merge, const QsFacts *facts, QsPlan *plan)
{
  g_autofree char *job = g_strdup_printf ("snapd-%s-m%u", facts->op, plan->steps->len);
  const char *device = merge->node != NULL ? merge->node->node_name : "";
  const char *base = merge->node != NULL ? merge->node->below[merge->layers - 1] : "";

  qs_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH, merge->target,
               g_variant_new_parsed ("{'target': <%s>, 'job': <%s>, 'device': <%s>, 'top': <%s>,"
                                     " 'base': <%s>, 'files': <%@a(ssttx)>, 'layers': <%u>,"
                                     " 'drop': <%@as>}",
                                     merge->target, job, device, device, base, file_rows (merge),
                                     merge->layers, dropped_nodes (merge)));
}

static void
add_part (const QsMergeDown *merge, QsStepKind kind, QsPlan *plan, guint job)
{
  if (merge->node != NULL)
    qs_plan_add (
        plan, kind, QS_PHASE_FINISH, merge->target,
        g_variant_new_parsed ("{'target': <%s>, 'merge': <%u>}", merge->target, (guint32)job));
}

/**
 * qs_merge_down_plan:
 * @changes: (transfer full): that make the file below the active one: recorded when both files are
 *   equal, from when on it is the true one
 *
 * Adds the merge itself, which comes after the commit: with the first byte that it copies, the file
 * below is nobody's state any more.
 */
void
qs_merge_down_plan (const QsMergeDown *merge, const QsFacts *facts, QsPlan *plan,
                    QsChangeList *changes)
{
  guint job = plan->steps->len;

  add_job (merge, facts, plan);
  add_part (merge, QS_STEP_JOB_COMPLETE, plan, job);
  qs_planning_add_record (plan, QS_PHASE_FINISH, merge->target, changes);
  add_part (merge, QS_STEP_JOB_FINALIZE, plan, job);
  add_part (merge, QS_STEP_JOB_DISMISS, plan, job);
}
