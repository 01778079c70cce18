/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-qcow2.h"

#define QS_WISH_ARGUMENTS "(sstubmsmsuu(tttt))"

/**
 * QsTaken:
 *
 * The caller's own empty file, or block device (@rdev is not 0), as it was found.
 */
typedef struct
{
  guint64 dev;
  guint64 ino;
  guint64 rdev;
  guint64 diskseq;
} QsTaken;

/**
 * QsWish:
 *
 * An image to be made, as a request describes it; strings are the request's.
 */
typedef struct
{
  const char *path;
  const char *format;
  QsQcow2Layout layout;
  guint32 mode;
  guint32 gid;
  QsTaken taken; /* an ino of 0: a new file */
} QsWish;

void qs_wish_unpack (GVariant *arguments, QsWish *wish);
gboolean qs_wish_check (const QsWish *wish, GError **error);
GPtrArray *qs_wish_build (const QsWish *wish, guint64 *size, GError **error);
gboolean qs_wish_is_there (const QsWish *wish, int fd, guint64 length, gboolean *is_there,
                           GError **error);
