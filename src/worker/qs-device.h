/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-place.h"
#include "qs-wish.h"

char *qs_device_resolve (const char *path);
int qs_device_open (const QsPlace *place, QsOpenMode mode, struct stat *info, GError **error);
gboolean qs_device_write (int fd, const QsWish *wish, const GPtrArray *chunks, guint64 size,
                          GError **error);
guint64 qs_device_bytes (const QsWish *wish, guint64 size);
