/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-merge-files.h"
#include "qs-tool.h"

/* whether all that was to be copied is found in the file that it was copied to, by what stands on
   the disk: a table that QEMU keeps in memory only is seen by its absence */

#define MIN_WINDOW ((guint64)16 * 1024 * 1024)

typedef struct
{
  guint64 start;
  guint64 end;
} Range;

typedef struct
{
  const QsWork *work;
  const QsMergeFiles *files;
  guint64 offset;
  guint64 length;
} Window;

static gboolean
run_map (const Window *window, guint index, GString *out, GError **error)
{
  const QsImage *image = g_ptr_array_index (window->files->images, index);
  g_autofree char *spec = qs_merge_files_spec_unlocked (window->files, index);
  g_autofree char *offset = g_strdup_printf ("--start-offset=%" G_GUINT64_FORMAT, window->offset);
  g_autofree char *length = g_strdup_printf ("--max-length=%" G_GUINT64_FORMAT, window->length);
  /* -U: a QEMU has it open for writing */
  const char *argv[] = { "map", "-U", "--output=json", offset, length, spec, NULL };
  const QsTool tool = { .class = QS_TOOL_QUERY,
                        .argv = argv,
                        .fd = g_array_index (window->files->fds, QsFd, index),
                        .path = image->path,
                        .out = out };

  return qs_tool_run (window->work, &tool, error);
}

/* @member: what makes a range of the image count */
static GArray *
read_ranges (const GString *text, const char *member, GError **error)
{
  g_autoptr (JsonNode) root = qs_json_parse (text->str, text->len, QS_ERROR_IMAGE_FAILED, error);
  GArray *ranges;
  JsonArray *rows;

  if (root == NULL)
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (root))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "qemu-img map told nothing");
      return NULL;
    }
  rows = json_node_get_array (root);
  ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  for (guint i = 0; i < json_array_get_length (rows); i++)
    {
      JsonObject *row = qs_json_element (rows, i);
      Range range;

      if (row == NULL || !qs_json_boolean (row, member))
        continue;
      range.start = (guint64)qs_json_int64 (row, "start");
      range.end = range.start + (guint64)qs_json_int64 (row, "length");
      g_array_append_val (ranges, range);
    }
  return ranges;
}

static GArray *
map_image (const Window *window, guint index, const char *member, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  return run_map (window, index, text, error) ? read_ranges (text, member, error) : NULL;
}

/* both in order */
static gboolean
contains (const GArray *all, const GArray *some)
{
  guint at = 0;

  for (guint i = 0; i < some->len; i++)
    {
      guint64 start = g_array_index (some, Range, i).start;

      while (start < g_array_index (some, Range, i).end)
        {
          while (at < all->len && g_array_index (all, Range, at).end <= start)
            at++;
          if (at == all->len || g_array_index (all, Range, at).start > start)
            return FALSE;
          start = g_array_index (all, Range, at).end;
        }
    }
  return TRUE;
}

/* zeros hide what is below: only where nothing is below may they leave no trace. The first image is the
   one that was written */
static const char *
what_is_copied (const QsMergeFiles *files, guint index)
{
  const QsImage *image = g_ptr_array_index (files->images, index);

  return index + 1 == files->images->len && image->backing_name == NULL ? "data" : "present";
}

static gboolean
covers_window (const Window *window, guint index, gboolean *covers, GError **error)
{
  const char *what = what_is_copied (window->files, index);
  g_autoptr (GArray) copied = map_image (window, index, what, error);
  g_autoptr (GArray) present =
      copied != NULL && copied->len > 0 ? map_image (window, 0, "present", error) : NULL;

  if (copied == NULL || (copied->len > 0 && present == NULL))
    return FALSE;
  *covers = copied->len == 0 || contains (present, copied);
  return TRUE;
}

/* an image that is in many pieces is looked at in several windows, since what a tool may print is
   limited */
static gboolean
covers_image (const QsWork *work, const QsMergeFiles *files, guint index, gboolean *covers,
              GError **error)
{
  const QsImage *image = g_ptr_array_index (files->images, index);
  Window window = { work, files, 0, MAX (image->virtual_size, 1) };

  *covers = TRUE;
  while (*covers && window.offset < image->virtual_size)
    {
      g_autoptr (GError) failure = NULL;

      window.length = MIN (window.length, image->virtual_size - window.offset);
      if (covers_window (&window, index, covers, &failure))
        window.offset += window.length;
      else if (g_error_matches (failure, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED)
               && window.length > MIN_WINDOW)
        window.length = (window.length / 2 + MIN_WINDOW - 1) / MIN_WINDOW * MIN_WINDOW;
      else
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
    }
  return TRUE;
}

/* the first image is the one that was written; all data of all others must be in it, and the
   zeros that hide others. raw has no
   table that could be out of date */
static GVariant *
handle_covers (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) rows = g_variant_get_child_value (arguments, 0);
  g_autoptr (QsMergeFiles) files = qs_merge_files_open (work, rows, error);
  const QsImage *written = files != NULL ? g_ptr_array_index (files->images, 0) : NULL;
  gboolean covers = TRUE;

  if (written == NULL)
    return NULL;
  for (guint i = 1; covers && !g_str_equal (written->format, "raw") && i < files->images->len; i++)
    if (!covers_image (work, files, i, &covers, error))
      return NULL;
  return g_variant_new ("(b)", covers);
}

static const QsMethod methods[] = {
  { "covers", "(a(sstt))", handle_covers },
};

const QsMethod *
qs_find_covers_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
