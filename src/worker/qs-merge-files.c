/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-files.h"

#include "qs-image-file.h"
#include "qs-limits.h"

#include <string.h>

static void
clear_fd (gpointer data)
{
  qs_fd_clear (data);
}

void
qs_merge_files_free (QsMergeFiles *files)
{
  if (files == NULL)
    return;
  g_ptr_array_unref (files->images);
  g_array_unref (files->fds);
  g_free (files);
}

gboolean
qs_merge_is_format (const char *format)
{
  static const char *const formats[] = { "qcow2", "qed", "raw", NULL };

  return g_strv_contains (formats, format);
}

/* a colon before the first slash would be something else than a file */
gboolean
qs_merge_is_name (const char *name)
{
  return strlen (name) <= QS_MAX_BACKING_NAME_BYTES && name[strcspn (name, ":/")] != ':'
         && name[0] != '-';
}

/**
 * qs_merge_check_identity:
 *
 * As qs_place_check_identity(); a block device is the one that its node stands for.
 */
gboolean
qs_merge_check_identity (const QsPlace *place, const struct stat *info, guint64 dev, guint64 ino,
                         GError **error)
{
  struct stat device = *info;

  if (S_ISBLK (info->st_mode))
    {
      device.st_dev = 0;
      device.st_ino = info->st_rdev;
    }
  return qs_place_check_identity (place, &device, dev, ino, error);
}

static gboolean
add_file (QsMergeFiles *files, const QsWork *work, GVariant *row, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  const char *format;
  QsImage *image;
  struct stat info;
  guint64 dev;
  guint64 ino;

  g_variant_get (row, "(&s&stt)", &path, &format, &dev, &ino);
  place = qs_place_existing (work, path, error);
  fd = place != NULL ? qs_place_open (place, QS_OPEN_READ, &info, error) : -1;
  if (fd < 0 || !qs_merge_check_identity (place, &info, dev, ino, error))
    return FALSE;
  image = qs_image_file_inspect (place, fd, format, &info, error);
  if (image == NULL)
    return FALSE;
  g_ptr_array_add (files->images, image);
  g_array_append_val (files->fds, fd);
  fd = -1;
  return TRUE;
}

static gboolean
check_rows (GVariant *rows, GError **error)
{
  gsize n = g_variant_n_children (rows);
  gboolean is_sound = n > 0 && n <= QS_MAX_CHAIN_FILES;

  for (gsize i = 0; is_sound && i < n; i++)
    {
      const char *format;

      g_variant_get_child (rows, i, "(&s&stt)", NULL, &format, NULL, NULL);
      is_sound = qs_merge_is_format (format);
    }
  if (!is_sound)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                         "these are no images that can be merged");
  return is_sound;
}

QsMergeFiles *
qs_merge_files_open (const QsWork *work, GVariant *rows, GError **error)
{
  g_autoptr (QsMergeFiles) files = NULL;

  if (!check_rows (rows, error))
    return NULL;
  files = g_new0 (QsMergeFiles, 1);
  files->images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  files->fds = g_array_new (FALSE, FALSE, sizeof (QsFd));
  g_array_set_clear_func (files->fds, clear_fd);
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);

      if (!add_file (files, work, row, error))
        return NULL;
    }
  return g_steal_pointer (&files);
}

static void
append_image (GString *spec, const QsMergeFiles *files, guint index, const char *locking)
{
  const QsImage *image = g_ptr_array_index (files->images, index);

  g_string_append_printf (
      spec, "{\"driver\":\"%s\",\"file\":{\"driver\":\"%s\",\"filename\":\"/proc/self/fd/%d\"%s}",
      image->format, image->rdev != 0 ? "host_device" : "file",
      g_array_index (files->fds, QsFd, index), locking);
}

/**
 * qs_merge_files_spec:
 *
 * Returns: how qemu-img is told to open the first image on all the others, and nothing else
 */
char *
qs_merge_files_spec (const QsMergeFiles *files)
{
  GString *spec = g_string_new ("json:");
  const QsImage *image = NULL;

  for (guint i = 0; i < files->images->len; i++)
    {
      g_string_append (spec, i > 0 ? ",\"backing\":" : "");
      append_image (spec, files, i, "");
      image = g_ptr_array_index (files->images, i);
    }
  g_string_append (spec, g_str_equal (image->format, "raw") ? "" : ",\"backing\":null");
  for (guint i = 0; i < files->images->len; i++)
    g_string_append_c (spec, '}');
  return g_string_free (spec, FALSE);
}

static char *
spec_alone (const QsMergeFiles *files, guint index, const char *locking)
{
  const QsImage *image = g_ptr_array_index (files->images, index);
  GString *spec = g_string_new ("json:");

  append_image (spec, files, index, locking);
  g_string_append (spec, g_str_equal (image->format, "raw") ? "}" : ",\"backing\":null}");
  return g_string_free (spec, FALSE);
}

/**
 * qs_merge_files_spec_alone:
 *
 * Returns: the same for one image without any backing file
 */
char *
qs_merge_files_spec_alone (const QsMergeFiles *files, guint index)
{
  return spec_alone (files, index, "");
}

/**
 * qs_merge_files_spec_unlocked:
 *
 * Returns: the same to look at its tables only: during a block job QEMU locks out even those who
 *   only read, for what is between the files of the job makes no sense to a guest
 */
char *
qs_merge_files_spec_unlocked (const QsMergeFiles *files, guint index)
{
  return spec_alone (files, index, ",\"locking\":\"off\"");
}
