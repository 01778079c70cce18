/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-merge.h"

#include <string.h>

#define WRITE_BITS 0222u

#define FILE_ROWS "a(ssttx)"

static void
add_mode (const QsMerging *merge, QsPhase phase, const QsImage *image, guint32 mode, guint32 before,
          QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_FILE_MODE, phase, merge->target,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                                     " 'btime': <%x>, 'mode': <%u>, 'before': <%u>}",
                                     merge->target, image->path, image->dev, image->ino,
                                     image->btime, mode & 07777u, before & 07777u));
}

/**
 * qs_merging_plan_mode:
 * @changes: of the commit
 *
 * Puts write bits of @image back that the service has taken off.
 */
void
qs_merging_plan_mode (const QsMerging *merge, const QsImage *image, const QsFacts *facts,
                      QsPlan *plan, QsChangeList *changes)
{
  const QsFile *file = qs_facts_find_file (facts, image->path);

  if (file == NULL || (file->mode & WRITE_BITS & ~image->mode) == 0)
    return;
  add_mode (merge, QS_PHASE_PREPARE, image, file->mode, image->mode, plan);
  qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s", image->path, "mode", "u", 0u, NULL);
}

/**
 * qs_merging_plan_protection:
 *
 * Takes them off again.
 */
void
qs_merging_plan_protection (const QsMerging *merge, const QsImage *image, const QsFacts *facts,
                            QsPlan *plan)
{
  add_mode (merge, QS_PHASE_FINISH, image, image->mode,
            qs_facts_find_file (facts, image->path)->mode, plan);
}

/**
 * qs_merging_plan_protection_unless:
 *
 * The same if the caller has said that the guest stays where it is.
 */
void
qs_merging_plan_protection_unless (const QsMerging *merge, const QsImage *image,
                                   const QsFacts *facts, QsPlan *plan)
{
  guint32 before = qs_facts_find_file (facts, image->path)->mode;

  qs_plan_add (plan, QS_STEP_FILE_MODE, QS_PHASE_FINISH, merge->target,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                                     " 'btime': <%x>, 'mode': <%u>, 'before': <%u>,"
                                     " 'unless-done': <%u>}",
                                     merge->target, image->path, image->dev, image->ino,
                                     image->btime, image->mode & 07777u, before & 07777u,
                                     (guint32)merge->hold));
}

/**
 * qs_merging_plan_modes:
 *
 * The same for all files that are written to, or whose header is.
 */
void
qs_merging_plan_modes (const QsMerging *merge, const QsFacts *facts, QsPlan *plan,
                       QsChangeList *changes)
{
  guint n = merge->direction == QS_MERGE_UP ? 1 : merge->layers + 1;

  for (guint i = 0; i < n; i++)
    qs_merging_plan_mode (merge, qs_merging_image (merge, i), facts, plan, changes);
  if (merge->direction != QS_MERGE_UP && merge->first > 0)
    qs_merging_plan_mode (merge, qs_merging_above (merge), facts, plan, changes);
}

static GVariant *
file_row (const QsImage *image)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  return g_variant_new ("(ssttx)", image->path, image->format, dev, ino, image->btime);
}

/* @n files of the chain, from the topmost one that is merged */
static GVariant *
file_rows (const QsMerging *merge, guint n)
{
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (FILE_ROWS));

  for (guint i = 0; i < n; i++)
    g_variant_builder_add_value (&rows, file_row (qs_merging_image (merge, i)));
  return g_variant_builder_end (&rows);
}

static guint
count_files (const QsMerging *merge)
{
  return merge->chain->len - merge->first;
}

/* (transfer full): of file @index from the topmost one that is merged, -1: of the one above it */
static char *
node_name (const QsMerging *merge, gint index)
{
  gint place = (gint)merge->first + index;

  if (merge->node == NULL)
    return merge->has_storage ? g_strdup_printf ("n%d", index) : g_strdup ("");
  return g_strdup (place == 0 ? merge->node->node_name : merge->node->below[place - 1]);
}

/* of all that goes, from the top */
static GVariant *
dropped_nodes (const QsMerging *merge)
{
  g_auto (GVariantBuilder) names = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);
  guint from = merge->direction == QS_MERGE_UP ? 1 : 0;

  for (guint i = from; merge->node != NULL && i < from + merge->layers; i++)
    {
      g_autofree char *name = node_name (merge, (gint)i);

      g_variant_builder_add (&names, "s", name);
    }
  return g_variant_builder_end (&names);
}

/* relative stays relative, where that is not more than a name, and QEMU takes it for one of a file */
static char *
name_from (const QsImage *image, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (image->path);
  g_autofree char *other = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  const char *old = image->backing_name;

  return old != NULL && !g_path_is_absolute (old) && g_str_equal (folder, other)
                 && strchr (name, ':') == NULL && name[0] != '-'
             ? g_steal_pointer (&name)
             : g_strdup (path);
}

/* (nullable): what all headers from the first of the images on say together, if each is a relative name,
   and that leads to the second */
static char *
compose_name (const GPtrArray *chain, guint from, guint to)
{
  const QsImage *image = g_ptr_array_index (chain, from);
  const QsImage *backing = g_ptr_array_index (chain, to);
  g_autofree char *top = g_path_get_dirname (image->path);
  g_autofree char *name = g_strdup (image->backing_name);
  g_autofree char *path = NULL;

  for (guint i = from + 1; name != NULL && i < to; i++)
    {
      const char *next = ((const QsImage *)g_ptr_array_index (chain, i))->backing_name;
      g_autofree char *folder = g_path_get_dirname (name);

      g_free (name);
      name = next != NULL && !g_path_is_absolute (next) && !g_str_equal (folder, ".")
                 ? g_build_filename (folder, next, NULL)
                 : g_strdup (next);
    }
  if (name == NULL || g_path_is_absolute (name) || strchr (name, ':') != NULL || name[0] == '-')
    return NULL;
  path = g_canonicalize_filename (name, top);
  return g_str_equal (path, backing->path) ? g_steal_pointer (&name) : NULL;
}

/**
 * qs_merging_backing_name:
 * @index: from the topmost file that is merged, -1: the one above it
 * @place: of a file below, likewise
 *
 * Returns: (transfer full): what the header of the one calls the other if it stands on it
 */
char *
qs_merging_backing_name (const QsMerging *merge, gint index, guint place)
{
  guint from = (guint)((gint)merge->first + index);
  const QsImage *image = g_ptr_array_index (merge->chain, from);
  char *name = name_from (image, qs_merging_image (merge, place)->path);
  char *composed = g_path_is_absolute (name) && image->backing_name != NULL
                           && !g_path_is_absolute (image->backing_name)
                       ? compose_name (merge->chain, from, merge->first + place)
                       : NULL;

  if (composed == NULL)
    return name;
  g_free (name);
  return composed;
}

/* what the header of @image says of its backing file, and what it is to say */
static void
add_header (GVariantBuilder *arguments, const QsImage *image, const char *name,
            const QsImage *backing)
{
  const char *old_format = image->backing_format;

  g_variant_builder_add_parsed (arguments, "{'backing', <%s>}", name);
  g_variant_builder_add_parsed (arguments, "{'backing-format', <%s>}",
                                backing != NULL ? backing->format : "");
  g_variant_builder_add_parsed (arguments, "{'old', <%s>}",
                                image->backing_name != NULL ? image->backing_name : "");
  g_variant_builder_add_parsed (arguments, "{'old-format', <%s>}",
                                old_format != NULL ? old_format : "");
}

static void
add_name (GVariantBuilder *arguments, const char *key, const QsMerging *merge, gint index)
{
  g_autofree char *name = node_name (merge, index);

  g_variant_builder_add (arguments, "{sv}", key, g_variant_new_string (name));
}

static void
add_common (const QsMerging *merge, GVariantBuilder *arguments, const QsFacts *facts)
{
  g_autofree char *job = g_strdup_printf ("snapd-%s-m%u", facts->op, merge->job);

  g_variant_builder_add_parsed (arguments, "{'target', <%s>}", merge->target);
  g_variant_builder_add_parsed (arguments, "{'job', <%s>}", job);
  g_variant_builder_add (arguments, "{sv}", "drop", dropped_nodes (merge));
  if (merge->has_storage)
    g_variant_builder_add_parsed (arguments, "{'storage', <%u>}", merge->storage);
  if (merge->speed > 0)
    g_variant_builder_add_parsed (arguments, "{'speed', <%t>}", merge->speed);
}

static GVariant *
commit_arguments (const QsMerging *merge, const QsFacts *facts)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const QsImage *above = qs_merging_above (merge);
  g_autofree char *name = NULL;

  add_common (merge, &arguments, facts);
  add_name (&arguments, "device", merge, merge->node != NULL ? -(gint)merge->first : 0);
  add_name (&arguments, "top", merge, 0);
  add_name (&arguments, "base", merge, (gint)merge->layers);
  g_variant_builder_add (&arguments, "{sv}", "files", file_rows (merge, count_files (merge)));
  g_variant_builder_add_parsed (&arguments, "{'layers', <%u>}", merge->layers);
  if (above != NULL && merge->node != NULL)
    {
      add_name (&arguments, "above", merge, -1);
      g_variant_builder_add (&arguments, "{sv}", "above-file", file_row (above));
      name = qs_merging_backing_name (merge, -1, merge->layers);
      add_header (&arguments, above, name, qs_merging_base (merge));
    }
  return g_variant_builder_end (&arguments);
}

static GVariant *
stream_arguments (const QsMerging *merge, const QsFacts *facts)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const QsImage *below = qs_merging_below (merge);
  g_autofree char *name =
      below != NULL ? qs_merging_backing_name (merge, 0, merge->layers + 1) : g_strdup ("");

  add_common (merge, &arguments, facts);
  add_name (&arguments, "node", merge, 0);
  if (below != NULL)
    add_name (&arguments, "base", merge, (gint)merge->layers + 1);
  g_variant_builder_add (&arguments, "{sv}", "files", file_rows (merge, merge->layers + 1));
  add_header (&arguments, qs_merging_image (merge, 0), name, below);
  return g_variant_builder_end (&arguments);
}

/**
 * qs_merging_plan_storage:
 *
 * Adds the step that starts the process which merges files of a domain that is off, if it needs one:
 * before the commit, after which there is no way back from one that does not start.
 */
void
qs_merging_plan_storage (QsMerging *merge, const QsDomain *domain, const QsFacts *facts,
                         QsPlan *plan)
{
  g_autofree char *id = g_strdup_printf ("%s-%s-m%u", domain->id, facts->op, plan->steps->len);

  merge->storage = plan->steps->len;
  if (merge->has_storage)
    qs_plan_add (plan, QS_STEP_STORAGE, QS_PHASE_PREPARE, merge->target,
                 g_variant_new_parsed ("{'target': <%s>, 'id': <%s>, 'files': <%@a(ssttx)>}",
                                       merge->target, id, file_rows (merge, count_files (merge))));
}

/**
 * qs_merging_plan_copy:
 * @phase: down: after the commit if the file below is a snapshot's, for with the first byte that is
 *   copied it is that no more
 *
 * Adds the step that copies.
 */
void
qs_merging_plan_copy (QsMerging *merge, QsPhase phase, const QsFacts *facts, QsPlan *plan)
{
  gboolean up = merge->direction == QS_MERGE_UP;

  merge->job = plan->steps->len;
  qs_plan_add (plan, up ? QS_STEP_BLOCK_STREAM : QS_STEP_BLOCK_COMMIT, phase, merge->target,
               up ? stream_arguments (merge, facts) : commit_arguments (merge, facts));
}

/**
 * qs_merging_add_part:
 *
 * Adds a step that belongs to the job, if there is one: files that no process has open are merged by
 * the first step alone.
 */
void
qs_merging_add_part (const QsMerging *merge, QsStepKind kind, QsPhase phase, QsPlan *plan)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (merge->node == NULL && !merge->has_storage)
    return;
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", merge->target);
  g_variant_builder_add_parsed (&arguments, "{'merge', <%u>}", (guint32)merge->job);
  if (merge->is_held)
    g_variant_builder_add_parsed (&arguments, "{'if-done', <%u>}", (guint32)merge->hold);
  qs_plan_add (plan, kind, phase, merge->target, g_variant_builder_end (&arguments));
}

/**
 * qs_merging_plan_hold:
 *
 * Adds the step that waits until the caller says how the job is to end. All that is added later is left
 * out if it is not that the guest goes over.
 *
 * Returns: its index
 */
guint
qs_merging_plan_hold (QsMerging *merge, QsPlan *plan)
{
  merge->hold = plan->steps->len;
  qs_merging_add_part (merge, QS_STEP_JOB_HOLD, QS_PHASE_PREPARE, plan);
  merge->is_held = TRUE;
  return merge->hold;
}

/**
 * qs_merging_plan_end:
 * @phase: in which the job is ended
 *
 * Adds the steps that end the job, and the process that it ran in if that was not the guest's.
 */
void
qs_merging_plan_end (QsMerging *merge, QsPhase phase, QsPlan *plan)
{
  qs_merging_add_part (merge, QS_STEP_JOB_FINALIZE, phase, plan);
  merge->end = plan->steps->len;
  qs_merging_add_part (merge, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, plan);
  if (merge->has_storage)
    qs_plan_add (plan, QS_STEP_STORAGE_QUIT, QS_PHASE_FINISH, merge->target,
                 g_variant_new_parsed ("{'storage': <%u>}", (guint32)merge->storage));
}

/**
 * qs_merging_plan_rebase:
 * @image: that stands on one that goes, and that nobody has open
 *
 * Adds the step that has it name @backing.
 */
void
qs_merging_plan_rebase (const QsMerging *merge, const QsImage *image, const QsImage *backing,
                        QsPlan *plan)
{
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *name = name_from (image, backing->path);
  GVariant *row = file_row (image);

  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", merge->target);
  g_variant_builder_add (&arguments, "{sv}", "files", g_variant_new_array (NULL, &row, 1));
  add_header (&arguments, image, name, backing);
  qs_plan_add (plan, QS_STEP_IMAGE_REBASE, QS_PHASE_FINISH, merge->target,
               g_variant_builder_end (&arguments));
}

/**
 * qs_merging_plan_down:
 * @changes: (transfer full): recorded when the file below has all of the content
 *
 * Adds a whole merge down. Where the guest's own file goes, or no guest uses the files, both files are
 * equal before the end, and from the record on the lower one is the true one.
 */
void
qs_merging_plan_down (QsMerging *merge, const QsFacts *facts, QsPlan *plan, QsChangeList *changes)
{
  gboolean pivots = merge->node == NULL || merge->first == 0;

  qs_merging_plan_copy (merge, QS_PHASE_FINISH, facts, plan);
  if (pivots)
    {
      qs_merging_add_part (merge, QS_STEP_JOB_COMPLETE, QS_PHASE_FINISH, plan);
      qs_planning_add_record (plan, QS_PHASE_FINISH, merge->target, changes);
      qs_merging_plan_end (merge, QS_PHASE_FINISH, plan);
      return;
    }
  qs_merging_add_part (merge, QS_STEP_FLUSH, QS_PHASE_FINISH, plan);
  qs_merging_plan_end (merge, QS_PHASE_FINISH, plan);
  qs_planning_add_record (plan, QS_PHASE_FINISH, merge->target, changes);
}
