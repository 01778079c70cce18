/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-worker-private.h"

#include <sys/stat.h>

/* a pool of real workers of this user, one of them taken, and a folder that is deleted at the end */
typedef struct
{
  QsWorkerPool *pool;
  QsWorker *worker;
  char *folder;
} Fixture;

const char *worker_program (void);
void fixture_set_up (Fixture *f, gconstpointer data);
void fixture_tear_down (Fixture *f, gconstpointer data);

char *in_folder (Fixture *f, const char *name);
void write_file (const char *path, const char *contents);
void assert_contents (const char *path, const char *contents);
void assert_absent (const char *path);
void run_tool (const char *first, ...) G_GNUC_NULL_TERMINATED;

QsFileId identify (Fixture *f, const char *path);

/* one command of qemu-io on a qcow2 image */
void run_qemu_io (const char *path, const char *command);

/* another program that has the image open for writing until its standard input ends */
GSubprocess *open_in_qemu (const char *path, const char *format);
void close_in_qemu (GSubprocess *process);

/* the value of a line of /proc/PID/status, NULL if there is no such process */
char *process_status (gint64 pid, const char *key);
/* waits until a process has ended, at most ten seconds */
void assert_ends (gint64 pid);

#define add_worker_test(path, func)                                                                \
  g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

#define assert_refused(ok, error, code, text)                                                      \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_false (ok);                                                                           \
    g_assert_error (error, QS_ERROR, code);                                                        \
    g_assert_nonnull (strstr ((error)->message, text));                                            \
    g_clear_error (&(error));                                                                      \
  }                                                                                                \
  G_STMT_END
