/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-image-header.h"
#include "qs-place.h"

QsImage *qs_image_file_inspect (const QsPlace *place, int fd, const char *format,
                                const struct stat *info, GError **error);
gboolean qs_image_file_walk (const QsWork *work, const char *path, const char *format,
                             GPtrArray *images, GError **error);
