/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-real-world.h"

/* the filter node on the first file: what it stands on tells which file is the first */
#define QS_STORAGE_FILTER "t"

/**
 * qs_storage_argv:
 * @files: QS_WORKER_FILES, each of which stands on the next
 *
 * Returns: the command line of a qemu-storage-daemon that has them open, and listens on @socket when
 *   it has
 */
GStrv qs_storage_argv (GVariant *files, const char *socket);

/**
 * qs_storage_find:
 * @step: number of the `storage-daemon`
 * @guest: (out) (transfer full): the connection to its process; NULL: that has ended, or was never
 *   started
 */
gboolean qs_storage_find (QsStepCall *call, guint64 step, QsGuest **guest, GError **error);
gboolean qs_storage_meet (QsStepCall *call, const QsProcess *process, GError **error);
void qs_storage_forget (QsRealWorld *world);

/**
 * qs_storage_check:
 * @files: QS_WORKER_FILES
 *
 * Whether the process has open what the names of @files lead to now: it opens them by their names, and
 * again when a job writes to them.
 */
gboolean qs_storage_check (QsStepCall *call, const QsProcess *process, GVariant *files,
                           GError **error);

/* all that node "n@index" of @n was made with, for `blockdev-reopen`; @below: number of the node that
   it stands on, @n: none. Floating */
GVariant *qs_storage_reopen (const char *format, guint index, guint below, guint n,
                             gboolean read_only);
