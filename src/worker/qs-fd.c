/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define BLOCK_BYTES 65536

/* QEMU locks a byte for each permission that it has, from 100 on, and one for each that it denies to
   others, from 200 on; the permission to write is the second of them */
#define LOCK_WRITES 101
#define LOCK_DENIES_WRITES 201

/**
 * qs_fd_read_at:
 *
 * Returns: as many bytes as there are, up to @length; -1 and errno on failure
 */
gssize
qs_fd_read_at (int fd, guint64 offset, guint8 *data, gsize length)
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

/**
 * qs_fd_write_at:
 *
 * Returns: FALSE and errno on failure
 */
gboolean
qs_fd_write_at (int fd, guint64 offset, const guint8 *data, gsize length)
{
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

/**
 * qs_fd_zero:
 *
 * Makes the first bytes zeros, durably. FALSE and errno on failure.
 */
gboolean
qs_fd_zero (int fd, guint64 length)
{
  g_autofree guint8 *zeros = g_malloc0 (BLOCK_BYTES);

  for (guint64 offset = 0; offset < length; offset += BLOCK_BYTES)
    if (!qs_fd_write_at (fd, offset, zeros, MIN (BLOCK_BYTES, length - offset)))
      return FALSE;
  return fsync (fd) == 0;
}

/**
 * qs_fd_size:
 *
 * The size of a file or block device. FALSE and errno on failure.
 */
gboolean
qs_fd_size (int fd, const struct stat *info, guint64 *size)
{
  *size = info->st_size;
  return !S_ISBLK (info->st_mode) || ioctl (fd, BLKGETSIZE64, size) == 0;
}

/**
 * qs_fd_diskseq:
 *
 * Returns: the kernel's number of the disk behind a block device, which no other disk that is put
 *   in its place gets before the next boot; 0: it does not tell
 */
guint64
qs_fd_diskseq (int fd)
{
  guint64 number = 0;

  return ioctl (fd, BLKGETDISKSEQ, &number) == 0 ? number : 0;
}

static gboolean
is_locked (int fd, off_t byte)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

  return fcntl (fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/**
 * qs_fd_in_use:
 *
 * Returns: whether another process writes the file, or counts on nobody writing it, by the locks
 *   that QEMU's programs take
 */
gboolean
qs_fd_in_use (int fd)
{
  return is_locked (fd, LOCK_WRITES) || is_locked (fd, LOCK_DENIES_WRITES);
}

/**
 * qs_fd_is_written:
 *
 * Returns: whether another process writes the file, by the same locks
 */
gboolean
qs_fd_is_written (int fd)
{
  return is_locked (fd, LOCK_WRITES);
}
