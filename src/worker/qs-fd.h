/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

/* a descriptor that is closed at the end of its scope; GLib 2.74 has none */
typedef int QsFd;

static inline void
qs_fd_clear (QsFd *fd)
{
  if (*fd >= 0)
    close (g_steal_fd (fd));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsFd, qs_fd_clear)

gssize qs_fd_read_at (int fd, guint64 offset, guint8 *data, gsize length);
gboolean qs_fd_write_at (int fd, guint64 offset, const guint8 *data, gsize length);
gboolean qs_fd_zero (int fd, guint64 length);
gboolean qs_fd_size (int fd, const struct stat *info, guint64 *size);
guint64 qs_fd_diskseq (int fd);
gboolean qs_fd_in_use (int fd);
