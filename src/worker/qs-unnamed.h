/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-place.h"
#include "qs-wish.h"

/**
 * QsUnnamed:
 *
 * A file that was made and has no name yet, or only one for the time being on a file system
 * without O_TMPFILE; or the caller's own empty file or block device (@taken), which has its name.
 * What is not linked in the end vanishes, or is empty again.
 */
typedef struct
{
  int fd;
  guint64 dev;
  guint64 ino;
  gboolean taken;
  guint64 device_bytes; /* to be made zeros again: those of a block device that were written */
  char *name;           /* (nullable): for the time being */
  int folder;           /* of @name, or -1 */
} QsUnnamed;

int qs_unnamed_open (QsWork *work, const QsPlace *place, GError **error);
int qs_unnamed_take (QsWork *work, const QsPlace *place, const QsTaken *taken, GError **error);
gboolean qs_unnamed_set_rights (int fd, const QsPlace *place, guint32 mode, guint32 gid,
                                GError **error);
void qs_unnamed_drop_last (QsWork *work);
void qs_unnamed_note_device (QsWork *work, guint64 bytes);
gboolean qs_unnamed_link (QsWork *work, const QsPlace *place, guint64 dev, guint64 ino,
                          GError **error);
