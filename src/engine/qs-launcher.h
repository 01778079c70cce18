/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-worker.h"

/**
 * QsLauncher:
 *
 * Starts QEMU so that it outlives the daemon: as a transient systemd service where systemd runs,
 * else as a detached child of a launch worker. Any thread may use it.
 */
typedef struct QsLauncher QsLauncher;

/**
 * QsLaunch:
 * @id: names the process: letters, digits, - and _; a later one may have it when this has ended
 * @argv: begins with an absolute path; listens on @socket, which lies in qs_launcher_folder()
 * @devices: (nullable): block devices that it opens, besides /dev/kvm
 * @started: (nullable): called when the process is there and before it listens, to write down who
 *   it is; FALSE: it is killed
 * @log: (out) (optional): a descriptor for qs_launcher_read_log(), to be closed by the caller, if the
 *   process was started
 */
typedef struct
{
  guint32 uid;
  const char *id;
  const char *const *argv;
  const char *socket;
  const char *const *devices;
  gboolean (*started) (const QsProcess *process, gpointer user_data, GError **error);
  gpointer user_data;
  int *log;
} QsLaunch;

/**
 * qs_launcher_new:
 * @runtime_folder: where folders for sockets are made if systemd does not make them
 */
QsLauncher *qs_launcher_new (QsWorkerPool *pool, gboolean system_mode, const char *runtime_folder);
void qs_launcher_free (QsLauncher *launcher);

/**
 * qs_launcher_folder:
 *
 * Returns: the owner's 0700 folder for the sockets of the QEMU process @id. Without systemd it is
 *   made here; with it, it is there while the process runs
 */
char *qs_launcher_folder (QsLauncher *launcher, QsWorker *worker, const char *id, GError **error);

/* removes that folder after the end of the process, if systemd does not */
gboolean qs_launcher_clear (QsLauncher *launcher, QsWorker *worker, const QsProcess *process,
                            GError **error);

/* returns when it listens; if it ended before, what it said on stderr is in the error */
QsProcess *qs_launcher_start (QsLauncher *launcher, QsWorker *worker, const QsLaunch *launch,
                              GError **error);

/**
 * qs_launcher_read_log:
 *
 * Returns: what a process says on stderr while it starts, and what it says then as far as there is
 *   room: the end of it, fit to be shown
 */
char *qs_launcher_read_log (int log);

/**
 * qs_launcher_kill_lost:
 *
 * Ends every process of @uid that was started to listen on @socket: after a crash that has kept its
 * identity from us.
 */
gboolean qs_launcher_kill_lost (QsLauncher *launcher, guint32 uid, const char *socket,
                                GError **error);

/**
 * qs_launcher_end_unknown:
 *
 * Ends whatever was started, or is being started, as @id after a crash that has kept its identity
 * from us: a unit by its name, and any process by the socket that it was to listen on. Its folder
 * goes too.
 */
gboolean qs_launcher_end_unknown (QsLauncher *launcher, QsWorker *worker, guint32 uid,
                                  const char *id, GError **error);

/* SIGTERM, then SIGKILL, to exactly this process; TRUE if it has ended */
gboolean qs_launcher_kill (QsLauncher *launcher, const QsProcess *process, GError **error);

gboolean qs_process_is_alive (const QsProcess *process);

/* RAM and swap that it has; 0: this may not be known */
guint64 qs_process_memory_bytes (const QsProcess *process);

/* TRUE: it has ended */
gboolean qs_process_wait (const QsProcess *process, guint seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsLauncher, qs_launcher_free)
