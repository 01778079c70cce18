/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-limits.h"
#include "qs-proc.h"
#include "qs-wire.h"

#include <unistd.h>

static char *
dup_path (const char *path)
{
  return path != NULL && *path == '/' ? g_strdup (path) : NULL;
}

static GPtrArray *
read_files (GVariant *value)
{
  GPtrArray *files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  GVariantIter iter;
  QsOpenFile row = { 0 };

  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "(&sttb)", &row.path, &row.dev, &row.ino, &row.writable))
    g_ptr_array_add (files, qs_open_file_new (*row.path == '/' ? row.path : NULL, row.dev, row.ino,
                                              row.writable));
  return files;
}

static QsProcessFiles *
read_process (GVariant *told)
{
  QsProcessFiles *process = qs_process_files_new ();
  g_autoptr (GVariant) files = NULL;
  const char *exe;
  const char *cwd;

  g_variant_get (told, "(m&sm&sm@a(sttb)bb)", &exe, &cwd, &files, &process->names_backing,
                 &process->ends_at_reset);
  process->exe = dup_path (exe);
  process->cwd = dup_path (cwd);
  process->files = files != NULL ? read_files (files) : NULL;
  return process;
}

/**
 * qs_worker_process_files:
 *
 * What a process of the owner is, and has open, as far as the kernel tells the owner; or this
 * process, if it is the owner's too: it may have rights that no worker has, and a QEMU of root tells
 * nobody else.
 */
QsProcessFiles *
qs_worker_process_files (QsWorker *worker, gint64 pid, GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "process-files", g_variant_new ("(x)", pid), QS_PROC_TYPE, error);
  g_autoptr (QsProcessFiles) process = result != NULL ? read_process (result) : NULL;
  g_autoptr (GVariant) own = NULL;

  if (process == NULL || (process->cwd != NULL && process->files != NULL)
      || worker->uid != getuid ())
    return g_steal_pointer (&process);
  own = qs_proc_read (pid, NULL);
  if (own == NULL)
    return g_steal_pointer (&process);
  g_variant_ref_sink (own);
  return read_process (own);
}

/**
 * qs_worker_watch_folder:
 * @path: of a file in it
 *
 * Returns: an inotify descriptor that tells what appears in the folder; -1 on failure
 */
int
qs_worker_watch_folder (QsWorker *worker, const char *path, GError **error)
{
  g_autoptr (GArray) fds = qs_wire_fds_new ();
  const QsCall request = { .method = "watch-folder",
                           .arguments = g_variant_new ("(s)", path),
                           .reply = "()",
                           .seconds = QS_TOOL_QUERY_SECONDS,
                           .reply_fds = fds };
  g_autoptr (GVariant) result = qs_worker_call (worker, &request, error);

  return result != NULL && fds->len > 0 ? qs_wire_fds_steal (fds, 0) : -1;
}
