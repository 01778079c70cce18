/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-image-header.h"
#include "qs-place.h"

QsImage *qs_image_file_inspect (const QsPlace *place, int fd, const char *format,
                                const struct stat *info, GError **error);
QsImage *qs_image_file_look (const QsPlace *place, int fd, const struct stat *info);
char *qs_image_file_resolve (const QsImage *image, GError **error);

gboolean qs_image_file_has_data (const QsPlace *place, int fd, const char *format,
                                 gboolean *has_data, GError **error);

/**
 * QsChainStart:
 * @links: QS_WIRE_LINKS: what is recorded of files whose headers cannot tell it
 */
typedef struct
{
  const char *path;
  const char *format;
  GVariant *links;
} QsChainStart;

gboolean qs_image_file_walk (const QsWork *work, const QsChainStart *start, GPtrArray *images,
                             GError **error);
