/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-device.h"
#include "qs-image-file.h"
#include "qs-tool.h"
#include "qs-unnamed.h"

static gboolean
write_file (int fd, const char *path, const GPtrArray *chunks, guint64 size, GError **error)
{
  for (guint i = 0; i < chunks->len; i++)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);
      gsize length;
      const guint8 *data = g_bytes_get_data (chunk->bytes, &length);

      if (!qs_fd_write_at (fd, chunk->offset, data, length))
        return qs_fail_errno (error, path, "write");
    }
  return ftruncate (fd, size) == 0 || qs_fail_errno (error, path, "write");
}

static gboolean
write_device (QsWork *work, int fd, const QsWish *wish, const GPtrArray *chunks, guint64 size,
              GError **error)
{
  guint64 bytes = qs_device_bytes (wish, size);
  guint64 room = 0;
  struct stat info;

  if (fstat (fd, &info) != 0 || !qs_fd_size (fd, &info, &room))
    return qs_fail_errno (error, wish->path, "get the size of");
  if (room < bytes)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
                   "‘%s’ has %" G_GUINT64_FORMAT " bytes, and an empty overlay alone takes "
                   "%" G_GUINT64_FORMAT,
                   wish->path, room, bytes);
      return FALSE;
    }
  qs_unnamed_note_device (work, bytes);
  return qs_device_write (fd, wish, chunks, size, error);
}

/* layouts that are not built here; names are arguments of their own, never in an option string */
static gboolean
create_by_tool (const QsWork *work, int fd, const QsWish *wish, GError **error)
{
  g_autofree char *link = qs_fd_link (fd);
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, wish->layout.virtual_size);
  g_autofree char *options = g_strdup_printf ("cluster_size=%u%s", wish->layout.cluster_size,
                                              wish->layout.extended_l2 ? ",extended_l2=on" : "");
  const char *argv[] = { "create", "-q", "-f", wish->format, "-u", "-o", options,
                         link,     size, NULL, NULL,         NULL, NULL, NULL };
  const QsTool tool = { .class = QS_TOOL_QUERY, .argv = argv, .fd = fd, .path = wish->path };

  if (wish->layout.backing != NULL)
    {
      const char *backing[] = { "-b", wish->layout.backing, "-F", wish->layout.backing_format, link,
                                size };

      for (guint i = 0; i < G_N_ELEMENTS (backing); i++)
        argv[7 + i] = backing[i];
    }
  return qs_tool_run (work, &tool, error);
}

/* what the tool writes is not known beforehand, so that it could not be told from other contents and
   taken back */
static gboolean
check_new (const QsWish *wish, GError **error)
{
  if (wish->taken.ino == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ exists: an image so large with clusters of %u bytes is written only to a new "
               "file",
               wish->path, wish->layout.cluster_size);
  return FALSE;
}

static gboolean
write_image (QsWork *work, int fd, const QsWish *wish, GError **error)
{
  g_autoptr (GPtrArray) chunks = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 size;

  chunks = qs_wish_build (wish, &size, &failure);
  if (chunks != NULL)
    return wish->taken.rdev != 0 ? write_device (work, fd, wish, chunks, size, error)
                                 : write_file (fd, wish->path, chunks, size, error);
  if (g_error_matches (failure, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED))
    return check_new (wish, error) && create_by_tool (work, fd, wish, error);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* what was written must be what a later gate reads, whoever wrote it */
static gboolean
check_written (const QsPlace *place, int fd, const QsWish *wish, GError **error)
{
  g_autoptr (QsImage) image = NULL;
  struct stat info;

  if (fstat (fd, &info) != 0)
    return qs_fail_errno (error, place->path, "look at");
  image = qs_image_file_inspect (place, fd, wish->format, &info, error);
  if (image == NULL)
    return FALSE;
  if (image->virtual_size == wish->layout.virtual_size
      && g_strcmp0 (image->backing_name, wish->layout.backing) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ was not written as it was meant to be",
               place->path);
  return FALSE;
}

static gboolean
fill_image (QsWork *work, const QsPlace *place, int fd, const QsWish *wish, GError **error)
{
  if (!write_image (work, fd, wish, error) || !check_written (place, fd, wish, error))
    return FALSE;
  if (wish->taken.ino == 0 && !qs_unnamed_set_rights (fd, place, wish->mode, wish->gid, error))
    return FALSE;
  return fsync (fd) == 0 || qs_fail_errno (error, place->path, "write");
}

static GVariant *
handle_create_image (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  QsWish wish = { 0 };
  struct stat info;
  int fd;

  qs_wish_unpack (arguments, &wish);
  if (!qs_wish_check (&wish, error))
    return NULL;
  place = qs_place_new (work, wish.path, error);
  if (place == NULL)
    return NULL;
  if (wish.taken.ino != 0)
    fd = qs_unnamed_take (work, place, &wish.taken, error);
  else
    fd = qs_unnamed_open (work, place, error);
  if (fd < 0)
    return NULL;
  if (fill_image (work, place, fd, &wish, error) && fstat (fd, &info) == 0)
    return g_variant_new ("((ttx))", (guint64)info.st_dev, (guint64)info.st_ino, qs_fd_btime (fd));
  qs_unnamed_drop_last (work);
  return NULL;
}

static const QsMethod methods[] = {
  { "create-image", QS_WISH_ARGUMENTS, handle_create_image },
};

const QsMethod *
qs_find_create_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
