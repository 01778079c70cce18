/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-device.h"

#include "qs-name.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

/**
 * qs_device_resolve:
 *
 * The names of volumes, /dev/mapper/NAME and /dev/GROUP/NAME, are symbolic links, and last when those
 * of the nodes do not. Only root can make a link there, and one that leads elsewhere is none of
 * these.
 *
 * Returns: (transfer full) (nullable): the node below /dev; NULL if @path is no such link
 */
char *
qs_device_resolve (const char *path)
{
  char node[PATH_MAX];
  struct stat info;

  if (!qs_path_is_device (path) || lstat (path, &info) != 0 || !S_ISLNK (info.st_mode)
      || info.st_uid != 0 || realpath (path, node) == NULL || !qs_path_is_device (node)
      || lstat (node, &info) != 0 || !S_ISBLK (info.st_mode))
    return NULL;
  return g_strdup (node);
}

/**
 * qs_device_open:
 *
 * Opens a block device for the service alone: one that is mounted, or part of another device, is
 * refused. QEMU makes no such claim, but has its locks.
 *
 * Returns: a descriptor, or -1
 */
int
qs_device_open (const QsPlace *place, QsOpenMode mode, struct stat *info, GError **error)
{
  int access = mode == QS_OPEN_WRITE ? O_RDWR : O_RDONLY;
  g_auto (QsFd) fd = -1;

  if (!g_str_has_prefix (place->path, "/dev/") || !qs_place_stat (place, info)
      || !S_ISBLK (info->st_mode))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "‘%s’ is no block device below ‘/dev’", place->path);
      return -1;
    }
  fd = openat (place->folder, place->name,
               access | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0 && fstat (fd, info) == 0 && S_ISBLK (info->st_mode))
    return g_steal_fd (&fd);
  qs_fail_errno (error, place->path, "open");
  return -1;
}

/**
 * qs_device_bytes:
 *
 * Returns: how much of a device an empty overlay of @size bytes takes: whole clusters
 */
guint64
qs_device_bytes (const QsWish *wish, guint64 size)
{
  guint64 cluster = wish->layout.cluster_size;

  return (size + cluster - 1) / cluster * cluster;
}

/**
 * qs_device_write:
 *
 * Writes an empty overlay over whatever is there. The header comes last: with it all else is there.
 */
gboolean
qs_device_write (int fd, const QsWish *wish, const GPtrArray *chunks, guint64 size, GError **error)
{
  if (!qs_fd_zero (fd, qs_device_bytes (wish, size)))
    return qs_fail_errno (error, wish->path, "write");
  for (guint i = chunks->len; i-- > 0;)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);
      gsize length;
      const guint8 *data = g_bytes_get_data (chunk->bytes, &length);

      if ((i == 0 && fsync (fd) != 0) || !qs_fd_write_at (fd, chunk->offset, data, length))
        return qs_fail_errno (error, wish->path, "write");
    }
  return TRUE;
}
