/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define QEMU_IO "/usr/bin/qemu-io"

static char *
make_image (Fixture *f)
{
  char *path = in_folder (f, "disk.qcow2");

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", path, "4M", NULL);
  return path;
}

static QsTagChange
change_of (Fixture *f, QsToolVerb verb, const char *path, const char *tag)
{
  g_autoptr (GError) error = NULL;
  QsTagChange change = { .verb = verb, .path = path, .tag = tag };
  gboolean exists;

  g_assert_true (qs_worker_identify (f->worker, path, &change.id, &exists, &error));
  g_assert_true (exists);
  return change;
}

static gboolean
change_tag (Fixture *f, QsToolVerb verb, const char *path, const char *tag, GError **error)
{
  const QsTagChange change = change_of (f, verb, path, tag);

  return qs_worker_snapshot (f->worker, &change, NULL, error);
}

static void
assert_changes (Fixture *f, QsToolVerb verb, const char *path, const char *tag)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = change_tag (f, verb, path, tag, &error);

  g_assert_no_error (error);
  g_assert_true (ok);
}

static guint
count_tags (Fixture *f, const char *path, const char *tag)
{
  g_autoptr (QsImage) image = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_worker_inspect_image (f->worker, path, "qcow2", &image, &error));
  g_assert_no_error (error);
  return qs_image_count_tag (image, tag);
}

static void
write_pattern (const char *path, guint pattern)
{
  g_autofree char *command = g_strdup_printf ("write -q -P %u 1M 64k", pattern);

  run_tool (QEMU_IO, "-f", "qcow2", "-c", command, path, NULL);
}

/* qemu-io's exit code does not tell a wrong pattern: its words do */
static void
assert_pattern (const char *path, guint pattern)
{
  g_autofree char *command = g_strdup_printf ("read -P %u 1M 64k", pattern);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *text = NULL;

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE,
                              NULL, QEMU_IO, "-r", "-f", "qcow2", "-c", command, path, NULL);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "read 65536/65536"));
  g_assert_null (strstr (text, "Pattern verification failed"));
}

static void
test_round_trip (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);

  write_pattern (path, 17);
  assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
  write_pattern (path, 42);
  assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-two");
  write_pattern (path, 43);
  assert_changes (f, QS_TOOL_SNAPSHOT_APPLY, path, "s-one");
  assert_pattern (path, 17);
  assert_changes (f, QS_TOOL_SNAPSHOT_APPLY, path, "s-two");
  assert_pattern (path, 42);
  assert_changes (f, QS_TOOL_SNAPSHOT_DELETE, path, "s-one");
  g_assert_cmpuint (count_tags (f, path, "s-one"), ==, 0);
  g_assert_cmpuint (count_tags (f, path, "s-two"), ==, 1);
  run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", path, NULL);
}

static void
test_tags_not_unique (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GError) error = NULL;

  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_APPLY, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "s-one");
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_DELETE, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "s-one");
  assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "s-one");
  run_tool (QEMU_IMG, "snapshot", "-c", "s-one", path, NULL);
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_DELETE, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "2 snapshots");
  g_assert_cmpuint (count_tags (f, path, "s-one"), ==, 2);
}

/* qemu-img would look for an id first: another snapshot's */
static void
test_tag_is_an_id (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GError) error = NULL;

  run_tool (QEMU_IMG, "snapshot", "-c", "other", path, NULL);
  run_tool (QEMU_IMG, "snapshot", "-c", "1", path, NULL);
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_APPLY, path, "1", &error), error,
                  QS_ERROR_OPERATION_INVALID, "1 with it as id");
}

static void
test_odd_tags (Fixture *f, gconstpointer data)
{
  static const char *const tags[] = { "-l", "--help", "a b,c=d", "ü'\"$(id)" };
  g_autofree char *path = make_image (f);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    {
      assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, tags[i]);
      assert_changes (f, QS_TOOL_SNAPSHOT_DELETE, path, tags[i]);
    }
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "", &error), error,
                  QS_ERROR_INVALID_ARGUMENT, "tag");
}

/* the backing file is neither there nor anything that may be opened; it is not looked for */
static void
test_backing_not_opened (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "top");

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", "/nonexistent/base", "-F", "raw",
            path, "4M", NULL);
  assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
  assert_changes (f, QS_TOOL_SNAPSHOT_APPLY, path, "s-one");
  assert_changes (f, QS_TOOL_SNAPSHOT_DELETE, path, "s-one");
}

/* another program, which has the image open for writing as long as its input is */
static GSubprocess *
open_elsewhere (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autofree char *line = NULL;
  GSubprocess *process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                        QEMU_IO, "-f", "qcow2", path, NULL);

  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (g_subprocess_get_stdin_pipe (process), "length\n", 7,
                                            NULL, NULL, NULL));
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (lines), FALSE);
  line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  g_assert_nonnull (strstr (line, "4 MiB"));
  return process;
}

static void
test_locked (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GSubprocess) other = open_elsewhere (path);
  g_autoptr (GError) error = NULL;

  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "another program has the image open");
  g_assert_cmpuint (count_tags (f, path, "s-one"), ==, 0);
  g_output_stream_close (g_subprocess_get_stdin_pipe (other), NULL, NULL);
  g_assert_true (g_subprocess_wait (other, NULL, NULL));
  assert_changes (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
}

static void
test_refused_files (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autofree char *other = in_folder (f, "other");
  g_autoptr (GError) error = NULL;
  QsTagChange change = change_of (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");

  g_assert_cmpint (link (path, other), ==, 0);
  assert_refused (qs_worker_snapshot (f->worker, &change, NULL, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "2 names");
  g_assert_cmpint (unlink (other), ==, 0);
  change.id.ino++;
  assert_refused (qs_worker_snapshot (f->worker, &change, NULL, &error), error,
                  QS_ERROR_IMAGE_FAILED, "left alone");
  g_assert_cmpuint (count_tags (f, path, "s-one"), ==, 0);
}

static void
patch_byte (const char *path, gsize offset, char value)
{
  g_autofree char *bytes = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  bytes[offset] = value;
  g_assert_true (g_file_set_contents (path, bytes, length, NULL));
}

static void
test_dirty (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autofree char *before = NULL;
  g_autoptr (GError) error = NULL;

  patch_byte (path, 79, 2);
  g_assert_true (g_file_get_contents (path, &before, NULL, NULL));
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_OPERATION_INVALID, "qemu-img check -r");
  patch_byte (path, 79, 4);
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "another file");
  patch_byte (path, 79, 0);
  patch_byte (path, 35, 1);
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "encrypted");
}

/* passes the gate, which does not look into the tables; the tool says what it thinks of it */
static void
test_tool_fails (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GError) error = NULL;

  patch_byte (path, 65536 + 6, 2); /* offset of the refcount block */
  assert_refused (change_tag (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one", &error), error,
                  QS_ERROR_IMAGE_FAILED, path);
}

static void
test_repair (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GError) error = NULL;
  QsTagChange change;
  g_autoptr (QsImage) image = NULL;

  write_pattern (path, 5);
  patch_byte (path, 79, 1);              /* dirty */
  patch_byte (path, 2 * 65536 + 101, 1); /* a leaked cluster */
  change = change_of (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
  g_assert_true (qs_worker_repair (f->worker, path, &change.id, &error));
  g_assert_no_error (error);
  run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", path, NULL);
  g_assert_true (qs_worker_inspect_image (f->worker, path, "qcow2", &image, &error));
  g_assert_false (image->dirty);
  assert_pattern (path, 5);

  patch_byte (path, 79, 4);
  change = change_of (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one");
  assert_refused (qs_worker_repair (f->worker, path, &change.id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "another file");
}

typedef struct
{
  QsWorker *worker;
  QsTagChange change;
  GCancellable *cancellable;
} Cancelled;

static gpointer
snapshot_in_thread (gpointer data)
{
  Cancelled *call = data;
  GError *error = NULL;

  g_assert_false (qs_worker_snapshot (call->worker, &call->change, call->cancellable, &error));
  return error;
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_autofree char *path = make_image (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Cancelled call = { f->worker, change_of (f, QS_TOOL_SNAPSHOT_CREATE, path, "s-one"),
                     cancellable };
  GPid pid = f->worker->pid;
  GThread *thread;

  kill (pid, SIGSTOP);
  thread = g_thread_new ("caller", snapshot_in_thread, &call);
  g_cancellable_cancel (cancellable);
  kill (pid, SIGCONT);
  error = g_thread_join (thread);
  assert_refused (FALSE, error, QS_ERROR_CANCELLED, "cancelled");

  qs_worker_release (f->worker);
  f->worker = qs_worker_pool_acquire (f->pool, getuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_tags (f, path, "s-one"), ==, 0);
  run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", path, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-snapshot/round-trip", test_round_trip);
  add_worker_test ("/worker-snapshot/tags-not-unique", test_tags_not_unique);
  add_worker_test ("/worker-snapshot/tag-is-an-id", test_tag_is_an_id);
  add_worker_test ("/worker-snapshot/odd-tags", test_odd_tags);
  add_worker_test ("/worker-snapshot/backing-not-opened", test_backing_not_opened);
  add_worker_test ("/worker-snapshot/locked", test_locked);
  add_worker_test ("/worker-snapshot/refused-files", test_refused_files);
  add_worker_test ("/worker-snapshot/dirty", test_dirty);
  add_worker_test ("/worker-snapshot/tool-fails", test_tool_fails);
  add_worker_test ("/worker-snapshot/repair", test_repair);
  add_worker_test ("/worker-snapshot/cancel", test_cancel);
  return g_test_run ();
}
