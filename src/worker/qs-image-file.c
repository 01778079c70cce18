/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-file.h"

#include "qs-limits.h"

#include <fcntl.h>
#include <sys/vfs.h>

static QsImageHeader *
read_header (const QsPlace *place, int fd, const char *format, guint64 size, GError **error)
{
  g_autofree guint8 *data = g_malloc (QS_IMAGE_HEADER_BYTES);
  gssize length = qs_fd_read_at (fd, 0, data, QS_IMAGE_HEADER_BYTES);
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
  gssize length = qs_fd_read_at (fd, header->tags_offset, data, wanted);
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

/* what is not known to have none is asked when the link is made */
static gboolean
has_hard_links (int fd)
{
  static const guint32 without[] = {
    0x4d44,     /* msdos, vfat */
    0x2011bab0, /* exfat */
    0x4244,     /* hfs */
    0xf995e849, /* hpfs */
    0x786f4256, /* vboxsf */
  };
  struct statfs info;

  if (fstatfs (fd, &info) != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (without); i++)
    if ((guint32)info.f_type == without[i])
      return FALSE;
  return TRUE;
}

static void
fill_file (const QsPlace *place, int fd, const struct stat *info, QsImage *image)
{
  image->dev = info->st_dev;
  image->ino = info->st_ino;
  image->rdev = S_ISBLK (info->st_mode) ? info->st_rdev : 0;
  image->in_use = qs_fd_in_use (fd);
  image->is_written = qs_fd_is_written (fd);
  image->btime = qs_fd_btime (fd);
  image->mtime = info->st_mtim.tv_sec * G_GUINT64_CONSTANT (1000000000) + info->st_mtim.tv_nsec;
  image->allocated = (guint64)info->st_blocks * 512;
  image->mode = info->st_mode & 07777;
  image->uid = info->st_uid;
  image->gid = info->st_gid;
  image->n_links = info->st_nlink;
  image->linkable = S_ISREG (info->st_mode) && has_hard_links (fd);
  image->writable =
      faccessat (place->folder, place->name, W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0;
}

/**
 * qs_image_file_look:
 *
 * Returns: what can be said of any file, whatever it holds; its format is ""
 */
QsImage *
qs_image_file_look (const QsPlace *place, int fd, const struct stat *info)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (place->path);
  image->format = g_strdup ("");
  image->size = info->st_size;
  qs_fd_size (fd, info, &image->size);
  fill_file (place, fd, info, image);
  return image;
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

  if (!qs_fd_size (fd, info, &image->size))
    {
      qs_fail_errno (error, place->path, "get the size of");
      return NULL;
    }
  header = read_header (place, fd, format, image->size, error);
  if (header == NULL || !read_tags (place, fd, header, image, error))
    return NULL;
  image->path = g_strdup (place->path);
  image->format = g_strdup (format);
  fill_file (place, fd, info, image);
  qs_image_header_fill (header, image);
  return g_steal_pointer (&image);
}

static gboolean
has_byte (const guint8 *data, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (data[i] != 0)
      return TRUE;
  return FALSE;
}

/* raw has no table, and all of its data */
static gboolean
scan_table (const QsPlace *place, int fd, const QsImageHeader *header, gboolean *has_data,
            GError **error)
{
  g_autofree guint8 *data = g_malloc (QS_IMAGE_HEADER_BYTES);
  guint64 done = 0;

  *has_data = header->table_bytes == 0;
  while (!*has_data && done < header->table_bytes)
    {
      gssize n = qs_fd_read_at (fd, header->table_offset + done, data,
                                MIN (QS_IMAGE_HEADER_BYTES, header->table_bytes - done));

      if (n <= 0)
        return qs_fail_errno (error, place->path, "read");
      *has_data = has_byte (data, (gsize)n);
      done += (guint64)n;
    }
  return TRUE;
}

/**
 * qs_image_file_has_data:
 *
 * Whether anything was ever written through an overlay: the first-level table of an empty one is
 * all zeros.
 */
gboolean
qs_image_file_has_data (const QsPlace *place, int fd, const char *format, gboolean *has_data,
                        GError **error)
{
  g_autoptr (QsImageHeader) header = NULL;
  struct stat info;
  guint64 size = 0;

  if (fstat (fd, &info) != 0 || !qs_fd_size (fd, &info, &size))
    return qs_fail_errno (error, place->path, "get the size of");
  header = read_header (place, fd, format, size, error);
  if (header == NULL)
    return FALSE;
  if (header->table_bytes <= QS_MAX_L1_BYTES)
    return scan_table (place, fd, header, has_data, error);
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "‘%s’: the first-level table is too large",
               place->path);
  return FALSE;
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

/**
 * qs_image_file_resolve:
 *
 * Returns: (transfer full): the path of the backing file that the header names
 */
char *
qs_image_file_resolve (const QsImage *image, GError **error)
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

/* what is recorded as the backing file of @path */
static gboolean
find_link (GVariant *links, const char *path, const char **backing, const char **format)
{
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, links);
  while (g_variant_iter_next (&iter, "(&s&s&s)", &key, backing, format))
    if (g_str_equal (key, path))
      return TRUE;
  return FALSE;
}

static gboolean
check_format (const QsImage *image, GError **error)
{
  if (image->backing_format != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ does not tell the format of its backing file ‘%s’; write it with "
               "‘qemu-img rebase -u -F’",
               image->path, image->backing_name);
  return FALSE;
}

/* to end the chain here instead would show zeros to the guest */
static gboolean
take_recorded (const QsImage *image, const char *backing, const char *backing_format, char **path,
               const char **format, GError **error)
{
  if (*backing_format == '\0')
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "‘%s’ is recorded as the backing file of ‘%s’, but its format is not", backing,
                   image->path);
      return FALSE;
    }
  *path = g_strdup (backing);
  *format = backing_format;
  return TRUE;
}

/* the header has the say; the record fills in what it leaves open, and never for raw, which has no
   header. @path is NULL at the end of the chain */
static gboolean
find_next (QsImage *image, GVariant *links, char **path, const char **format, GError **error)
{
  const char *recorded = NULL;
  const char *recorded_format = NULL;
  gboolean is_recorded = !g_str_equal (image->format, "raw")
                         && find_link (links, image->path, &recorded, &recorded_format);

  g_clear_pointer (path, g_free);
  if (image->backing_name == NULL && is_recorded)
    return take_recorded (image, recorded, recorded_format, path, format, error);
  if (image->backing_name == NULL)
    return TRUE;
  *path = qs_image_file_resolve (image, error);
  if (*path == NULL)
    return FALSE;
  if (image->backing_format == NULL && is_recorded && *recorded_format != '\0'
      && g_str_equal (image->format, "qed") && g_str_equal (recorded, *path))
    image->backing_format = g_strdup (recorded_format);
  *format = image->backing_format;
  return check_format (image, error);
}

static gboolean
check_lengths (const QsChainStart *start, guint n_images, GError **error)
{
  if (g_variant_n_children (start->links) <= QS_MAX_CHAIN_FILES && n_images < QS_MAX_CHAIN_FILES)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "the backing chain has more than %d files",
               QS_MAX_CHAIN_FILES);
  return FALSE;
}

/**
 * qs_image_file_walk:
 * @images: (element-type QsImage): gets the files from @start down, also those before a failure
 *
 * Walks the chain by the names in the headers, every file through the gate. A header without a name
 * ends it, unless a backing file is recorded (mode no-backing-file).
 */
gboolean
qs_image_file_walk (const QsWork *work, const QsChainStart *start, GPtrArray *images,
                    GError **error)
{
  g_autofree char *next = g_strdup (start->path);
  const char *format = start->format;

  while (next != NULL)
    {
      QsImage *image = NULL;

      if (check_lengths (start, images->len, error))
        image = inspect_path (work, next, format, error);
      if (image == NULL)
        {
          if (images->len > 0)
            g_prefix_error (error, "backing file: ");
          return FALSE;
        }
      if (!add_image (images, image, error)
          || !find_next (image, start->links, &next, &format, error))
        return FALSE;
    }
  return TRUE;
}
