/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-worker.h"

/**
 * QsLauncher:
 *
 * Starts QEMU so that it outlives the daemon: as a transient systemd service where systemd runs,
 * else as a detached child of a launch worker.
 */
typedef struct QsLauncher QsLauncher;

QsLauncher *qs_launcher_new (QsWorkerPool *pool, gboolean system_mode, const char *runtime_folder);
void qs_launcher_free (QsLauncher *launcher);

/**
 * qs_launcher_folder:
 *
 * Makes the owner's 0700 folder for the sockets of one QEMU process.
 */
char *qs_launcher_folder (QsLauncher *launcher, QsWorker *worker, const char *id, GError **error);

/* @argv listens on @socket; returns when it does; stderr's end is in the error if it ended */
QsProcess *qs_launcher_start (QsLauncher *launcher, QsWorker *worker, guint32 uid, const char *id,
                              const char *const *argv, const char *socket, GError **error);
gboolean qs_launcher_kill (QsLauncher *launcher, const QsProcess *process, GError **error);

gboolean qs_process_is_alive (const QsProcess *process);
gboolean qs_process_wait (const QsProcess *process, guint seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsLauncher, qs_launcher_free)
