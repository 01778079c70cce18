/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"

/**
 * qs_process_identify:
 *
 * Returns: (nullable): the identity of the process that has @pid now; NULL if none is alive, or if it
 *   is not @uid's: then a recycled pid
 */
QsProcess *qs_process_identify (gint64 pid, guint32 uid, const char *socket, const char *unit);

/**
 * qs_process_find:
 *
 * Returns: (element-type QsProcess): the processes of @uid that have @text in an argument
 */
GPtrArray *qs_process_find (guint32 uid, const char *text);

/**
 * qs_process_open:
 *
 * Returns: a pidfd of exactly this process, to signal it and to wait for it; -1: it has ended
 */
int qs_process_open (const QsProcess *process);

/* TRUE: the process of @pidfd has ended within @milliseconds */
gboolean qs_pidfd_wait (int pidfd, int milliseconds);
gboolean qs_pidfd_signal (int pidfd, int number);
