/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-error.h"

/* a merge whose QEMU has ended in the middle of it. What the job has read from is as it was, so that
   the old chain is right, or can be made so by its name alone */

static GVariant *
sink (GVariant *value)
{
  return value != NULL ? g_variant_ref_sink (value) : NULL;
}

static gboolean
set_backing (const QsMerge *merge, const char *name_key, const char *format_key, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  const char *name = qs_step_string (merge->step, name_key);
  const char *format = qs_step_string (merge->step, format_key);
  g_autoptr (GVariant) file = sink (qs_merge_header_file (merge, error));

  return worker != NULL && file != NULL
         && qs_worker_set_backing (worker, file, name != NULL ? name : "",
                                   format != NULL ? format : "", error);
}

/* clusters that the job had taken, and no table knows */
static gboolean
repair_written (const QsMerge *merge, GVariant *files, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  g_autoptr (GVariant) row =
      g_variant_get_child_value (files, merge->is_stream ? 0 : merge->layers);
  const char *format;

  g_variant_get_child (row, 1, "&s", &format);
  return worker != NULL
         && (g_str_equal (format, "raw")
             || qs_worker_repair_leaks (worker, g_variant_new_array (NULL, &row, 1), error));
}

/**
 * qs_merge_header_is_new:
 */
gboolean
qs_merge_header_is_new (const QsMerge *merge, gboolean *is_new, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  g_autoptr (GVariant) file = sink (qs_merge_header_file (merge, error));
  g_autoptr (QsImage) image = NULL;
  const char *old = qs_step_string (merge->step, "old");
  const char *path;
  const char *format;

  if (worker == NULL || file == NULL)
    return FALSE;
  g_variant_get_child (file, 0, "(&s&stt)", &path, &format, NULL, NULL);
  if (!qs_worker_inspect_image (worker, path, format, &image, error))
    return FALSE;
  *is_new = g_strcmp0 (image->backing_name != NULL ? image->backing_name : "", old) != 0;
  return TRUE;
}

/**
 * qs_merge_put_back:
 *
 * The old chain, whatever the job has come to.
 */
gboolean
qs_merge_put_back (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) files = sink (qs_merge_files (merge, error));
  gboolean is_new = FALSE;

  if (files == NULL)
    return FALSE;
  if (merge->header != NULL
      && (!qs_merge_header_is_new (merge, &is_new, error)
          || (is_new && !set_backing (merge, "old", "old-format", error))))
    return FALSE;
  return repair_written (merge, files, error);
}

/* whether a step of this merge has done all of it in this way before */
static gboolean
is_done_before (const QsMerge *merge)
{
  for (guint i = merge->index; i <= merge->call->index && i < merge->call->results->len; i++)
    {
      GVariant *result = g_ptr_array_index (merge->call->results, i);
      gboolean offline = FALSE;

      if (result != NULL && g_variant_lookup (result, "offline", "b", &offline) && offline)
        return TRUE;
    }
  return FALSE;
}

/* layer @top on the file that is written, which holds all below that layer already */
static GVariant *
layer_files (const QsMerge *merge, GVariant *files, guint top)
{
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (QS_WORKER_FILES));

  for (gsize i = 0; i < g_variant_n_children (files); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (files, i);

      if (i == top || i >= merge->layers)
        g_variant_builder_add_value (&rows, row);
    }
  return g_variant_builder_end (&rows);
}

/* from below, and all of them once more if that was interrupted: whatever the file has got by then is
   in a layer that is still to come, or was below it */
static gboolean
commit_layers (const QsMerge *merge, GVariant *files, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);

  for (guint i = merge->layers; worker != NULL && i-- > 0;)
    {
      const QsAmount amount = { .done = merge->layers - 1 - i, .total = merge->layers };

      qs_step_call_tell (merge->call, &amount);
      if (!qs_worker_commit (worker, layer_files (merge, files, i), NULL, error))
        return FALSE;
    }
  return worker != NULL;
}

static gboolean
commit (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) files = sink (qs_merge_files (merge, error));

  return files != NULL && qs_merge_put_back (merge, error) && commit_layers (merge, files, error)
         && (merge->header == NULL || set_backing (merge, "backing", "backing-format", error));
}

/**
 * qs_merge_offline:
 * @result: (out): what the step has learnt
 *
 * Brings a merge to its end without QEMU: a commit is done, a stream is given up and leaves all as it
 * was.
 */
gboolean
qs_merge_offline (const QsMerge *merge, GVariant **result, GError **error)
{
  /* later steps and records look at the last of these */
  if (is_done_before (merge))
    {
      *result = g_variant_ref_sink (
          g_variant_new_parsed ("{'offline': <true>, 'done': <%b>}", !merge->is_stream));
      return TRUE;
    }
  if (merge->is_stream)
    {
      *result = g_variant_ref_sink (g_variant_new_parsed (
          "{'offline': <true>, 'done': <false>,"
          " 'error': <'QEMU ended before the merge was complete; the files below are kept'>}"));
      return qs_merge_put_back (merge, error);
    }
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'offline': <true>, 'done': <true>}"));
  return commit (merge, error);
}
