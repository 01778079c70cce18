/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-auto-fd.h"

#include <sys/stat.h>

gssize qs_fd_read_at (int fd, guint64 offset, guint8 *data, gsize length);
gboolean qs_fd_write_at (int fd, guint64 offset, const guint8 *data, gsize length);
gboolean qs_fd_zero (int fd, guint64 length);
gboolean qs_fd_size (int fd, const struct stat *info, guint64 *size);
guint64 qs_fd_diskseq (int fd);
gboolean qs_fd_in_use (int fd);
gboolean qs_fd_is_written (int fd);
