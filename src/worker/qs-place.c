/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-place.h"

#include "qs-device.h"
#include "qs-name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

static const struct
{
  int number;
  QsError code;
  const char *advice;
} errno_codes[] = {
  { ENOSPC, QS_ERROR_NO_SPACE, "" },
  { EDQUOT, QS_ERROR_NO_SPACE, "" },
  { EEXIST, QS_ERROR_CONFIG_UNSUPPORTED, "; choose another name" },
  { EACCES, QS_ERROR_CONFIG_UNSUPPORTED, "; its owner needs the rights" },
  { EPERM, QS_ERROR_CONFIG_UNSUPPORTED, "" },
  { EROFS, QS_ERROR_CONFIG_UNSUPPORTED,
    "; for the system service the folder must be listed in ReadWritePaths= of its unit" },
  { ELOOP, QS_ERROR_CONFIG_UNSUPPORTED, "; symbolic links are not followed here" },
  { ENOTDIR, QS_ERROR_CONFIG_UNSUPPORTED, "" },
  { EISDIR, QS_ERROR_CONFIG_UNSUPPORTED, "" },
  { EBUSY, QS_ERROR_CONFIG_UNSUPPORTED, "; it is mounted, or part of another device" },
  { ENXIO, QS_ERROR_CONFIG_UNSUPPORTED, "" },
  { ENAMETOOLONG, QS_ERROR_INVALID_ARGUMENT, "" },
};

/**
 * qs_fail_errno:
 * @what: what was being done, with the path still to follow
 *
 * Sets @error from errno; always FALSE.
 */
gboolean
qs_fail_errno (GError **error, const char *path, const char *what)
{
  int number = errno;
  QsError code = QS_ERROR_IMAGE_FAILED;
  const char *advice = "";

  for (guint i = 0; i < G_N_ELEMENTS (errno_codes); i++)
    if (errno_codes[i].number == number)
      {
        code = errno_codes[i].code;
        advice = errno_codes[i].advice;
      }
  g_set_error (error, QS_ERROR, code, "cannot %s ‘%s’: %s%s", what, path, g_strerror (number),
               advice);
  return FALSE;
}

/**
 * qs_open_folder:
 *
 * Returns: a descriptor that names the folder, or -1 and errno
 */
int
qs_open_folder (const char *folder)
{
  const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                .resolve = RESOLVE_NO_MAGICLINKS };

  return syscall (SYS_openat2, AT_FDCWD, folder, &how, sizeof how);
}

static gboolean
fail_folder (GError **error, const char *path, const char *folder)
{
  if (errno != ENOENT)
    return qs_fail_errno (error, folder, "open the folder");
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "the folder ‘%s’ of ‘%s’ does not exist", folder, path);
  return FALSE;
}

/**
 * qs_place_find:
 * @missing: set to TRUE if there is no such folder
 *
 * Returns: the place; NULL with @error, or without one if @missing
 */
QsPlace *
qs_place_find (const QsWork *work, const char *path, gboolean *missing, GError **error)
{
  g_autoptr (QsPlace) place = g_new0 (QsPlace, 1);
  g_autofree char *device = NULL;
  g_autofree char *folder = NULL;

  place->folder = -1;
  if (!qs_path_check (path, work->system_mode, error))
    return NULL;
  if (g_str_has_suffix (path, "/"))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "‘%s’ names a folder, not a file",
                   path);
      return NULL;
    }
  device = qs_device_resolve (path);
  folder = g_path_get_dirname (device != NULL ? device : path);
  place->path = g_strdup (path);
  place->name = g_path_get_basename (device != NULL ? device : path);
  place->folder = qs_open_folder (folder);
  if (place->folder >= 0)
    return g_steal_pointer (&place);
  if (missing != NULL && errno == ENOENT)
    *missing = TRUE;
  else
    fail_folder (error, path, folder);
  return NULL;
}

/**
 * qs_place_new:
 *
 * Returns: the place; NULL if the path is refused or its folder cannot be opened
 */
QsPlace *
qs_place_new (const QsWork *work, const char *path, GError **error)
{
  return qs_place_find (work, path, NULL, error);
}

/**
 * qs_place_existing:
 *
 * The same for a file that is expected to be there.
 */
QsPlace *
qs_place_existing (const QsWork *work, const char *path, GError **error)
{
  gboolean missing = FALSE;
  QsPlace *place = qs_place_find (work, path, &missing, error);

  if (missing)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ is missing, and so is its folder",
                 path);
  return place;
}

void
qs_place_free (QsPlace *place)
{
  if (place == NULL)
    return;
  qs_fd_clear (&place->folder);
  g_free (place->path);
  g_free (place->name);
  g_free (place);
}

/**
 * qs_place_stat:
 *
 * Returns: FALSE, and errno, if nothing is there; a link is not followed
 */
gboolean
qs_place_stat (const QsPlace *place, struct stat *info)
{
  return fstatat (place->folder, place->name, info, AT_SYMLINK_NOFOLLOW) == 0;
}

/**
 * qs_place_check_type:
 *
 * Whether this is a file that may be opened in this way, or deleted (QS_OPEN_WRITE).
 */
gboolean
qs_place_check_type (const QsPlace *place, QsOpenMode mode, const struct stat *info, GError **error)
{
  if (!S_ISREG (info->st_mode) && !S_ISBLK (info->st_mode))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "‘%s’ is neither a regular file nor a block device", place->path);
      return FALSE;
    }
  if (mode == QS_OPEN_WRITE && S_ISREG (info->st_mode) && info->st_nlink != 1)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "‘%s’ has %lu names; a file with another name is not written", place->path,
                   (gulong)info->st_nlink);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_place_open:
 *
 * Opens an existing regular file or block device; never waits for the other end of a FIFO.
 *
 * Returns: a descriptor, or -1
 */
int
qs_place_open (const QsPlace *place, QsOpenMode mode, struct stat *info, GError **error)
{
  int access = mode == QS_OPEN_WRITE ? O_RDWR : O_RDONLY;
  g_auto (QsFd) fd = -1;

  /* looked at first, for opening some devices has effects; and once more when it is open */
  if (qs_place_stat (place, info) && !qs_place_check_type (place, mode, info, error))
    return -1;
  fd = openat (place->folder, place->name, access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 || fstat (fd, info) != 0)
    {
      qs_fail_errno (error, place->path, "open");
      return -1;
    }
  return qs_place_check_type (place, mode, info, error) ? g_steal_fd (&fd) : -1;
}

/**
 * qs_place_check_unused:
 * @fd: of the file
 *
 * Asked before an existing file is written, and once more by QEMU itself.
 */
gboolean
qs_place_check_unused (const QsPlace *place, int fd, GError **error)
{
  if (!qs_fd_in_use (fd))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ is in use: another process has it locked as an image", place->path);
  return FALSE;
}

/**
 * qs_place_check_identity:
 *
 * Asked before anything is destroyed: is it still the file that was recorded.
 */
gboolean
qs_place_check_identity (const QsPlace *place, const struct stat *info, guint64 dev, guint64 ino,
                         GError **error)
{
  if (info->st_dev == dev && info->st_ino == ino)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ is no longer the file that was recorded; it is left alone", place->path);
  return FALSE;
}

/**
 * qs_place_sync:
 *
 * Makes durable which names the folder has.
 */
gboolean
qs_place_sync (const QsPlace *place, GError **error)
{
  g_auto (QsFd) fd = openat (place->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd >= 0 && fsync (fd) == 0)
    return TRUE;
  /* a folder that may be written, but not listed: the whole file system instead */
  if (fd < 0 && errno == EACCES)
    {
      fd = openat (place->folder, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (fd >= 0 && syncfs (fd) == 0)
        return TRUE;
    }
  return qs_fail_errno (error, place->path, "make durable the folder of");
}

/**
 * qs_fd_btime:
 *
 * Returns: when the file was born, in nanoseconds; 0: its file system does not tell
 */
gint64
qs_fd_btime (int fd)
{
  struct statx info;

  if (statx (fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &info) != 0
      || !(info.stx_mask & STATX_BTIME))
    return 0;
  return info.stx_btime.tv_sec * G_GINT64_CONSTANT (1000000000) + info.stx_btime.tv_nsec;
}

/**
 * qs_fd_link:
 *
 * Returns: a name by which this process, and a child that inherits @fd, opens its file again
 */
char *
qs_fd_link (int fd)
{
  return g_strdup_printf ("/proc/self/fd/%d", fd);
}
