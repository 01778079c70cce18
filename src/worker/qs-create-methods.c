/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-file.h"
#include "qs-qcow2.h"
#include "qs-tool.h"
#include "qs-unnamed.h"

#include <errno.h>

#define IMAGE_ARGUMENTS "(sstubmsmsuutt)"

/**
 * Wish:
 *
 * The image to be made. @empty_ino is not 0 if the caller's own empty file is to be used.
 */
typedef struct
{
  const char *path;
  const char *format;
  QsQcow2Layout layout;
  guint32 mode;
  guint32 gid;
  guint64 empty_dev;
  guint64 empty_ino;
} Wish;

static void
unpack_wish (GVariant *arguments, Wish *wish)
{
  g_variant_get (arguments, "(&s&stubm&sm&suutt)", &wish->path, &wish->format,
                 &wish->layout.virtual_size, &wish->layout.cluster_size, &wish->layout.extended_l2,
                 &wish->layout.backing, &wish->layout.backing_format, &wish->mode, &wish->gid,
                 &wish->empty_dev, &wish->empty_ino);
}

static gboolean
write_at (int fd, guint64 offset, GBytes *bytes)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);

  while (length > 0)
    {
      ssize_t n = pwrite (fd, data, length, offset);

      if (n < 0 && errno != EINTR)
        return FALSE;
      n = MAX (n, 0);
      data += n;
      offset += n;
      length -= n;
    }
  return TRUE;
}

static gboolean
write_chunks (int fd, const char *path, GPtrArray *chunks, guint64 size, GError **error)
{
  for (guint i = 0; i < chunks->len; i++)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);

      if (!write_at (fd, chunk->offset, chunk->bytes))
        return qs_fail_errno (error, path, "write");
    }
  return ftruncate (fd, size) == 0 || qs_fail_errno (error, path, "write");
}

/* layouts that are not built here, and qed; names are arguments of their own, never in an option
   string */
static gboolean
create_by_tool (const QsWork *work, int fd, const Wish *wish, GError **error)
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

static gboolean
write_image (const QsWork *work, int fd, const Wish *wish, GError **error)
{
  g_autoptr (GPtrArray) chunks = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 size;

  if (g_str_equal (wish->format, "qed"))
    return create_by_tool (work, fd, wish, error);
  chunks = qs_qcow2_build (&wish->layout, &size, &failure);
  if (chunks != NULL)
    return write_chunks (fd, wish->path, chunks, size, error);
  if (g_error_matches (failure, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED))
    return create_by_tool (work, fd, wish, error);
  g_propagate_prefixed_error (error, g_steal_pointer (&failure), "‘%s’: ", wish->path);
  return FALSE;
}

/* what was written must be what a later gate reads, whoever wrote it */
static gboolean
check_written (const QsPlace *place, int fd, const Wish *wish, GError **error)
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

/* a group that the owner is not in gets no rights; nobody else ever does */
static gboolean
set_rights (int fd, const Wish *wish, GError **error)
{
  mode_t mode = wish->mode & 0660;
  struct stat info;

  if (fstat (fd, &info) != 0)
    return qs_fail_errno (error, wish->path, "look at");
  if (info.st_gid != wish->gid && fchown (fd, -1, wish->gid) != 0)
    mode &= 0600;
  return fchmod (fd, mode) == 0 || qs_fail_errno (error, wish->path, "set the mode of");
}

static gboolean
check_wish (const Wish *wish, GError **error)
{
  if (!g_str_equal (wish->format, "qcow2") && !g_str_equal (wish->format, "qed"))
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%s’: an overlay has the format qcow2 or qed, not ‘%s’", wish->path,
                 wish->format);
  else if ((wish->layout.backing == NULL) != (wish->layout.backing_format == NULL))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "‘%s’: a backing file needs a name and a format", wish->path);
  else
    return TRUE;
  return FALSE;
}

static gboolean
fill_image (const QsWork *work, const QsPlace *place, int fd, const Wish *wish, GError **error)
{
  if (!write_image (work, fd, wish, error) || !check_written (place, fd, wish, error))
    return FALSE;
  if (wish->empty_ino == 0 && !set_rights (fd, wish, error))
    return FALSE;
  return fsync (fd) == 0 || qs_fail_errno (error, place->path, "write");
}

static GVariant *
handle_create_image (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  Wish wish = { 0 };
  struct stat info;
  int fd;

  unpack_wish (arguments, &wish);
  if (!check_wish (&wish, error))
    return NULL;
  place = qs_place_new (work, wish.path, error);
  if (place == NULL)
    return NULL;
  if (wish.empty_ino != 0)
    fd = qs_unnamed_take (work, place, wish.empty_dev, wish.empty_ino, error);
  else if (qs_place_stat (place, &info))
    fd = (errno = EEXIST, qs_fail_errno (error, wish.path, "create"), -1);
  else
    fd = qs_unnamed_open (work, place, error);
  if (fd < 0)
    return NULL;
  if (fill_image (work, place, fd, &wish, error) && fstat (fd, &info) == 0)
    return g_variant_new ("((ttx))", (guint64)info.st_dev, (guint64)info.st_ino, qs_fd_btime (fd));
  /* the one just made, which is of no use */
  g_array_set_size (work->unnamed, work->unnamed->len - 1);
  return NULL;
}

static const QsMethod methods[] = {
  { "create-image", IMAGE_ARGUMENTS, handle_create_image },
};

const QsMethod *
qs_find_create_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
