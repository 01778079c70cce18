/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* as many bytes as there are, up to @length; -1 and errno on failure */
static gssize
read_at (int fd, guint64 offset, guint8 *data, gsize length)
{
  gsize done = 0;

  while (done < length)
    {
      ssize_t n = pread (fd, data + done, length - done, offset + done);

      if (n == 0)
        break;
      if (n < 0 && errno != EINTR)
        return -1;
      done += MAX (n, 0);
    }
  return done;
}

static gboolean
get_size (const QsPlace *place, int fd, const struct stat *info, guint64 *size, GError **error)
{
  *size = info->st_size;
  if (S_ISBLK (info->st_mode) && ioctl (fd, BLKGETSIZE64, size) != 0)
    return qs_fail_errno (error, place->path, "get the size of");
  return TRUE;
}

static QsImageHeader *
read_header (const QsPlace *place, int fd, const char *format, guint64 size, GError **error)
{
  g_autofree guint8 *data = g_malloc (QS_IMAGE_HEADER_BYTES);
  gssize length = read_at (fd, 0, data, QS_IMAGE_HEADER_BYTES);
  QsImageHeader *header;

  if (length < 0)
    {
      qs_fail_errno (error, place->path, "read");
      return NULL;
    }
  header = qs_image_header_parse (format, data, length, size, error);
  if (header == NULL)
    g_prefix_error (error, "‘%s’: ", place->path);
  return header;
}

static gboolean
read_tags (const QsPlace *place, int fd, const QsImageHeader *header, QsImage *image,
           GError **error)
{
  gsize wanted = qs_image_header_tags_length (header, image->size);
  g_autofree guint8 *data = g_malloc (MAX (wanted, 1));
  gssize length = read_at (fd, header->tags_offset, data, wanted);
  GPtrArray *tags;

  if (length < 0)
    return qs_fail_errno (error, place->path, "read");
  tags = qs_image_header_parse_tags (header, data, length, error);
  if (tags == NULL)
    {
      g_prefix_error (error, "‘%s’: ", place->path);
      return FALSE;
    }
  g_ptr_array_unref (image->tags);
  image->tags = tags;
  return TRUE;
}

static void
fill_file (const QsPlace *place, int fd, const struct stat *info, QsImage *image)
{
  image->dev = info->st_dev;
  image->ino = info->st_ino;
  image->btime = qs_fd_btime (fd);
  image->mtime = info->st_mtim.tv_sec * G_GUINT64_CONSTANT (1000000000) + info->st_mtim.tv_nsec;
  image->allocated = (guint64)info->st_blocks * 512;
  image->mode = info->st_mode & 07777;
  image->uid = info->st_uid;
  image->gid = info->st_gid;
  image->n_links = info->st_nlink;
  image->writable =
      faccessat (place->folder, place->name, W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0;
}

/**
 * qs_image_file_inspect:
 * @fd: open for reading
 *
 * Takes the file through the gate; no tool has opened it then.
 */
QsImage *
qs_image_file_inspect (const QsPlace *place, int fd, const char *format, const struct stat *info,
                       GError **error)
{
  g_autoptr (QsImage) image = qs_image_new ();
  g_autoptr (QsImageHeader) header = NULL;

  if (!get_size (place, fd, info, &image->size, error))
    return NULL;
  header = read_header (place, fd, format, image->size, error);
  if (header == NULL || !read_tags (place, fd, header, image, error))
    return NULL;
  image->path = g_strdup (place->path);
  image->format = g_strdup (format);
  fill_file (place, fd, info, image);
  qs_image_header_fill (header, image);
  return g_steal_pointer (&image);
}

static QsImage *
inspect_path (const QsWork *work, const char *path, const char *format, GError **error)
{
  g_autoptr (QsPlace) place = qs_place_existing (work, path, error);
  g_auto (QsFd) fd = -1;
  struct stat info;

  if (place == NULL)
    return NULL;
  fd = qs_place_open (place, QS_OPEN_READ, &info, error);
  return fd >= 0 ? qs_image_file_inspect (place, fd, format, &info, error) : NULL;
}

static gboolean
is_plain (const char *path)
{
  g_autofree char *canonical = g_canonicalize_filename (path, "/");

  return g_str_equal (canonical, path);
}

/* only the kernel knows where `..` behind a symbolic link leads */
static char *
resolve_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *link = NULL;
  g_autofree char *canonical = NULL;
  g_auto (QsFd) fd = qs_open_folder (folder);

  if (fd < 0)
    {
      qs_fail_errno (error, folder, "open the folder");
      return NULL;
    }
  link = qs_fd_link (fd);
  canonical = g_file_read_link (link, NULL);
  return g_build_filename (canonical != NULL ? canonical : folder, name, NULL);
}

static char *
resolve_backing (const QsImage *image, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (image->path);
  g_autofree char *path = image->backing_name[0] == '/'
                              ? g_strdup (image->backing_name)
                              : g_build_filename (folder, image->backing_name, NULL);

  return is_plain (path) ? g_steal_pointer (&path) : resolve_folder (path, error);
}

static gboolean
add_image (GPtrArray *images, QsImage *image, GError **error)
{
  for (guint i = 0; i < images->len; i++)
    {
      const QsImage *other = g_ptr_array_index (images, i);

      if (other->dev != image->dev || other->ino != image->ino)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "the backing chain has a loop: ‘%s’ stands below ‘%s’ again", image->path,
                   other->path);
      qs_image_free (image);
      return FALSE;
    }
  g_ptr_array_add (images, image);
  return TRUE;
}

static gboolean
has_next (const QsImage *image, guint n_images, GError **error)
{
  if (image->backing_format == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%s’ does not tell the format of its backing file ‘%s’; write it with "
                 "‘qemu-img rebase -u -F’",
                 image->path, image->backing_name);
  else if (n_images >= QS_MAX_CHAIN_FILES)
    g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                 "the backing chain has more than %d files", QS_MAX_CHAIN_FILES);
  else
    return TRUE;
  return FALSE;
}

/**
 * qs_image_file_walk:
 * @images: (element-type QsImage): gets the files from @path down, also those before a failure
 *
 * Walks the chain by the names in the headers, every file through the gate.
 */
gboolean
qs_image_file_walk (const QsWork *work, const char *path, const char *format, GPtrArray *images,
                    GError **error)
{
  g_autofree char *next = g_strdup (path);

  while (next != NULL)
    {
      QsImage *image = inspect_path (work, next, format, error);

      if (image == NULL)
        {
          if (images->len > 0)
            g_prefix_error (error, "backing file: ");
          return FALSE;
        }
      if (!add_image (images, image, error))
        return FALSE;
      if (image->backing_name == NULL)
        return TRUE;
      if (!has_next (image, images->len, error))
        return FALSE;
      g_free (next);
      next = resolve_backing (image, error);
      format = image->backing_format;
    }
  return FALSE;
}
