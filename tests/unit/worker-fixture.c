/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "worker-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *
worker_program (void)
{
  const char *program = g_getenv ("SNAPSHOTD_WORKER");

  g_assert_nonnull (program);
  return program;
}

void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("snapshotd-XXXXXX", &error);
  g_assert_no_error (error);
  f->pool = qs_worker_pool_new (worker_program (), FALSE);
  f->worker = qs_worker_pool_acquire (f->pool, getuid (), &error);
  g_assert_no_error (error);
}

static void
delete_tree (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK) && g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_assert_cmpint (g_chmod (path, 0700), ==, 0);
      dir = g_dir_open (path, 0, NULL);
    }
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      delete_tree (child);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}

void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  qs_worker_release (f->worker);
  qs_worker_pool_free (f->pool);
  delete_tree (f->folder);
  g_free (f->folder);
}

char *
in_folder (Fixture *f, const char *name)
{
  return g_build_filename (f->folder, name, NULL);
}

void
write_file (const char *path, const char *contents)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
}

void
assert_contents (const char *path, const char *contents)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *found = NULL;
  gsize length;

  g_file_get_contents (path, &found, &length, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (found, length, contents, strlen (contents));
}

void
assert_absent (const char *path)
{
  struct stat info;

  g_assert_cmpint (lstat (path, &info), ==, -1);
  g_assert_cmpint (errno, ==, ENOENT);
}

void
run_tool (const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  va_list words;

  va_start (words, first);
  for (const char *word = first; word != NULL; word = va_arg (words, const char *))
    g_ptr_array_add (argv, (gpointer)word);
  va_end (words);
  g_ptr_array_add (argv, NULL);
  process = g_subprocess_newv ((const char *const *)argv->pdata, G_SUBPROCESS_FLAGS_NONE, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

QsFileId
identify (Fixture *f, const char *path)
{
  g_autoptr (GError) error = NULL;
  QsFileId id = { 0 };
  gboolean exists = FALSE;

  g_assert_true (qs_worker_identify (f->worker, path, &id, &exists, &error));
  g_assert_no_error (error);
  g_assert_true (exists);
  return id;
}

void
run_qemu_io (const char *path, const char *command)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, "/usr/bin/qemu-io", "-f",
                        "qcow2", "-c", command, path, NULL);

  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

GSubprocess *
open_in_qemu (const char *path, const char *format)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                        "/usr/bin/qemu-io", "-f", format, path, NULL);
  static const char command[] = "length\n";
  char answer[64];

  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (g_subprocess_get_stdin_pipe (process), command,
                                            strlen (command), NULL, NULL, &error));
  /* it answers only when the image is open */
  g_assert_cmpint (g_input_stream_read (g_subprocess_get_stdout_pipe (process), answer,
                                        sizeof answer, NULL, &error),
                   >, 0);
  g_assert_no_error (error);
  return process;
}

void
close_in_qemu (GSubprocess *process)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_close (g_subprocess_get_stdin_pipe (process), NULL, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (process);
}

char *
process_status (gint64 pid, const char *key)
{
  g_autofree char *path = g_strdup_printf ("/proc/%" G_GINT64_FORMAT "/status", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  gsize length = strlen (key);

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (strncmp (lines[i], key, length) == 0 && lines[i][length] == ':')
      return g_strstrip (g_strdup (lines[i] + length + 1));
  return NULL;
}

void
assert_ends (gint64 pid)
{
  struct pollfd entry = { .fd = syscall (SYS_pidfd_open, (pid_t)pid, 0), .events = POLLIN };

  if (entry.fd < 0)
    return;
  g_assert_cmpint (poll (&entry, 1, 10000), ==, 1);
  close (entry.fd);
}
