/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-fd.h"
#include "qs-work.h"

#include <sys/stat.h>

/**
 * QsPlace:
 *
 * A path that a caller named: its folder, opened once, and the name in it. All that follows goes
 * through the descriptor, so that a folder exchanged meanwhile changes nothing.
 */
typedef struct
{
  char *path;
  char *name; /* one component */
  int folder; /* O_PATH */
} QsPlace;

typedef enum
{
  QS_OPEN_READ,
  QS_OPEN_WRITE, /* also one that will be deleted: has no other name */
} QsOpenMode;

QsPlace *qs_place_find (const QsWork *work, const char *path, gboolean *missing, GError **error);
QsPlace *qs_place_new (const QsWork *work, const char *path, GError **error);
QsPlace *qs_place_existing (const QsWork *work, const char *path, GError **error);
void qs_place_free (QsPlace *place);

gboolean qs_place_stat (const QsPlace *place, struct stat *info);
int qs_place_open (const QsPlace *place, QsOpenMode mode, struct stat *info, GError **error);
gboolean qs_place_check_type (const QsPlace *place, QsOpenMode mode, const struct stat *info,
                              GError **error);
gboolean qs_place_check_identity (const QsPlace *place, const struct stat *info, guint64 dev,
                                  guint64 ino, GError **error);
gboolean qs_place_check_unused (const QsPlace *place, int fd, GError **error);
gboolean qs_place_sync (const QsPlace *place, GError **error);

int qs_open_folder (const char *folder);
gboolean qs_fail_errno (GError **error, const char *path, const char *what);
gint64 qs_fd_btime (int fd);
char *qs_fd_link (int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPlace, qs_place_free)
