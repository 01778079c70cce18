/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-unnamed.h"

#include "qs-device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static gboolean
empty_again (const QsUnnamed *file)
{
  struct stat info;

  if (fstat (file->fd, &info) != 0)
    return FALSE;
  return S_ISBLK (info.st_mode) ? qs_fd_zero (file->fd, file->device_bytes)
                                : ftruncate (file->fd, 0) == 0;
}

static void
unnamed_clear (QsUnnamed *file)
{
  if (file->name != NULL && file->folder >= 0)
    unlinkat (file->folder, file->name, 0);
  if (file->taken && !empty_again (file))
    g_debug ("cannot empty a file again: %s; ignoring", g_strerror (errno));
  g_free (file->name);
  qs_fd_clear (&file->fd);
  qs_fd_clear (&file->folder);
}

/**
 * qs_unnamed_new:
 *
 * Returns: (element-type QsUnnamed): an array whose elements vanish with it
 */
GArray *
qs_unnamed_new (void)
{
  GArray *files = g_array_new (FALSE, FALSE, sizeof (QsUnnamed));

  g_array_set_clear_func (files, (GDestroyNotify)unnamed_clear);
  return files;
}

/* the same name for the same target, so that what a crash leaves is found by who looks for it */
static int
open_hidden (const QsPlace *place, QsUnnamed *file)
{
  file->name = g_strdup_printf (".snapd-%08x-0", g_str_hash (place->name));
  file->folder = fcntl (place->folder, F_DUPFD_CLOEXEC, 0);
  return openat (place->folder, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                 0600);
}

static gboolean
has_room (const QsWork *work, GError **error)
{
  if (work->unnamed->len < QS_MAX_DISKS)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "more than %d files at once",
               QS_MAX_DISKS);
  return FALSE;
}

static int
keep (QsWork *work, QsUnnamed *file, const struct stat *info)
{
  file->dev = info->st_dev;
  file->ino = info->st_ino;
  g_array_append_val (work->unnamed, *file);
  return file->fd;
}

/* the name is given with care later; to fail before anything is written is quicker */
static gboolean
is_absent (const QsPlace *place, GError **error)
{
  struct stat info;

  if (!qs_place_stat (place, &info))
    return TRUE;
  errno = EEXIST;
  return qs_fail_errno (error, place->path, "create");
}

/**
 * qs_unnamed_open:
 *
 * Makes a file in the folder of @place, at which nothing may be, that has no name and is its
 * owner's alone.
 *
 * Returns: its descriptor, which stays the worker's; -1 on failure
 */
int
qs_unnamed_open (QsWork *work, const QsPlace *place, GError **error)
{
  QsUnnamed file = { .fd = -1, .folder = -1 };
  struct stat info;

  if (!has_room (work, error) || !is_absent (place, error))
    return -1;
  file.fd = openat (place->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
    file.fd = open_hidden (place, &file);
  if (file.fd >= 0 && fstat (file.fd, &info) == 0)
    return keep (work, &file, &info);
  if (file.name != NULL && errno == EEXIST)
    g_set_error (
        error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
        "cannot create ‘%s’: ‘%s’ beside it is left from an operation that was cut off, or "
        "in use by one; delete it if none is running",
        place->path, file.name);
  else
    qs_fail_errno (error, place->path, "create");
  g_clear_pointer (&file.name, g_free); /* somebody else's, if it exists */
  unnamed_clear (&file);
  return -1;
}

static gboolean
is_taken_one (int fd, const struct stat *info, const QsTaken *taken)
{
  if (info->st_dev != taken->dev || info->st_ino != taken->ino)
    return FALSE;
  if (taken->rdev == 0)
    return S_ISREG (info->st_mode) && info->st_size == 0;
  return S_ISBLK (info->st_mode) && info->st_rdev == taken->rdev
         && qs_fd_diskseq (fd) == taken->diskseq;
}

/**
 * qs_unnamed_take:
 *
 * Takes the caller's empty file or block device, if it is still the one that was found, the file
 * still empty, and no image that another process uses.
 *
 * Returns: its descriptor, which stays the worker's; -1 on failure
 */
int
qs_unnamed_take (QsWork *work, const QsPlace *place, const QsTaken *taken, GError **error)
{
  QsUnnamed file = { .fd = -1, .folder = -1, .taken = TRUE };
  gboolean is_device = taken->rdev != 0;
  g_auto (QsFd) fd = -1;
  struct stat info;

  if (!has_room (work, error))
    return -1;
  fd = is_device ? qs_device_open (place, QS_OPEN_WRITE, &info, error)
                 : qs_place_open (place, QS_OPEN_WRITE, &info, error);
  if (fd < 0 || !qs_place_check_unused (place, fd, error))
    return -1;
  if (!is_taken_one (fd, &info, taken))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "‘%s’ is no longer the %s",
                   place->path, is_device ? "device that was found" : "empty file that it was");
      return -1;
    }
  file.fd = g_steal_fd (&fd);
  return keep (work, &file, &info);
}

/**
 * qs_unnamed_set_rights:
 *
 * Of a file just made: a group that the owner is not in gets no rights; nobody else ever does.
 */
gboolean
qs_unnamed_set_rights (int fd, const QsPlace *place, guint32 mode, guint32 gid, GError **error)
{
  mode_t rights = mode & 0660;
  struct stat info;

  if (fstat (fd, &info) != 0)
    return qs_fail_errno (error, place->path, "look at");
  if (info.st_gid != gid && fchown (fd, -1, gid) != 0)
    rights &= 0600;
  return fchmod (fd, rights) == 0 || qs_fail_errno (error, place->path, "set the mode of");
}

/**
 * qs_unnamed_drop_last:
 *
 * Takes back the one just made or taken.
 */
void
qs_unnamed_drop_last (QsWork *work)
{
  g_array_set_size (work->unnamed, work->unnamed->len - 1);
}

/**
 * qs_unnamed_note_device:
 *
 * That so much of the one just taken is about to be written.
 */
void
qs_unnamed_note_device (QsWork *work, guint64 bytes)
{
  g_array_index (work->unnamed, QsUnnamed, work->unnamed->len - 1).device_bytes = bytes;
}

static gboolean
give_name (const QsUnnamed *file, const QsPlace *place)
{
  g_autofree char *link = qs_fd_link (file->fd);
  struct stat info;

  if (file->taken)
    return qs_place_stat (place, &info) && info.st_dev == file->dev && info.st_ino == file->ino;
  if (file->name == NULL)
    return linkat (AT_FDCWD, link, place->folder, place->name, AT_SYMLINK_FOLLOW) == 0;
  return renameat2 (file->folder, file->name, place->folder, place->name, RENAME_NOREPLACE) == 0;
}

/**
 * qs_unnamed_link:
 *
 * Gives the file dev:ino the name of @place, which nothing may have, and makes that durable.
 */
gboolean
qs_unnamed_link (QsWork *work, const QsPlace *place, guint64 dev, guint64 ino, GError **error)
{
  for (guint i = 0; i < work->unnamed->len; i++)
    {
      QsUnnamed *file = &g_array_index (work->unnamed, QsUnnamed, i);

      if (file->dev != dev || file->ino != ino)
        continue;
      if (!give_name (file, place))
        return qs_fail_errno (error, place->path, "create");
      g_clear_pointer (&file->name, g_free);
      file->taken = FALSE;
      g_array_remove_index_fast (work->unnamed, i);
      return qs_place_sync (place, error);
    }
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "the file to be named ‘%s’ was not made by this worker", place->path);
  return FALSE;
}
