/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
test_reuse (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsWorker) second = qs_worker_pool_acquire (f->pool, getuid (), &error);
  GPid pid = f->worker->pid;

  g_assert_no_error (error);
  g_assert_cmpint (second->pid, !=, pid);
  qs_worker_release (f->worker);
  f->worker = qs_worker_pool_acquire (f->pool, getuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpint (f->worker->pid, ==, pid);
}

static void
test_jail (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *key;
    const char *value;
  } lines[] = {
    { "CapPrm", "0000000000000000" },
    { "CapEff", "0000000000000000" },
    { "CapInh", "0000000000000000" },
    { "CapAmb", "0000000000000000" },
    { "NoNewPrivs", "1" },
    { "Seccomp", "2" },
    { "Threads", "1" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree char *value = process_status (f->worker->pid, lines[i].key);

      g_assert_cmpstr (value, ==, lines[i].value);
    }
}

static void
test_other_user (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  assert_refused (qs_worker_pool_acquire (f->pool, getuid () + 1, &error) != NULL, error,
                  QS_ERROR_NOT_AUTHORIZED, "own user only");
}

static void
test_refused_owners (void)
{
  static const guint32 uids[] = { G_MAXUINT32, 65534, 61184, 65519 };
  QsWorkerPool *pool = qs_worker_pool_new (worker_program (), TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (uids); i++)
    {
      g_autoptr (GError) error = NULL;

      assert_refused (qs_worker_pool_acquire (pool, uids[i], &error) != NULL, error,
                      QS_ERROR_CONFIG_UNSUPPORTED, "cannot own a domain");
    }
  qs_worker_pool_free (pool);
}

static void
test_no_program (void)
{
  g_autoptr (GError) error = NULL;
  QsWorkerPool *pool = qs_worker_pool_new ("/nonexistent/snapshotd-worker", FALSE);

  assert_refused (qs_worker_pool_acquire (pool, getuid (), &error) != NULL, error, QS_ERROR_FAILED,
                  "cannot start a worker");
  qs_worker_pool_free (pool);
}

/* a program that is not a worker: its end is seen, nothing waits for ever */
static void
test_wrong_program (void)
{
  g_autoptr (GError) error = NULL;
  QsWorkerPool *pool = qs_worker_pool_new ("/bin/false", FALSE);

  assert_refused (qs_worker_pool_acquire (pool, getuid (), &error) != NULL, error, QS_ERROR_FAILED,
                  "did not start");
  qs_worker_pool_free (pool);
}

static gpointer
identify_in_thread (gpointer data)
{
  Fixture *f = data;
  GError *error = NULL;
  QsFileId id;
  gboolean exists;

  g_assert_false (qs_worker_identify (f->worker, "/etc/passwd", &id, &exists, &error));
  return error;
}

static void
test_killed_during_call (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GPid pid = f->worker->pid;
  GThread *thread;

  kill (pid, SIGSTOP);
  thread = g_thread_new ("caller", identify_in_thread, f);
  kill (pid, SIGKILL);
  error = g_thread_join (thread);
  assert_refused (FALSE, error, QS_ERROR_FAILED, "has ended");
  qs_worker_release (f->worker);
  f->worker = qs_worker_pool_acquire (f->pool, getuid (), &error);
  g_assert_no_error (error);
  g_assert_cmpint (f->worker->pid, !=, pid);
  g_assert_true (qs_worker_forget (f->worker, &error));
}

static void
test_killed_while_idle (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GPid pid = f->worker->pid;

  qs_worker_release (f->worker);
  kill (pid, SIGKILL);
  assert_ends (pid);
  f->worker = qs_worker_pool_acquire (f->pool, getuid (), &error);
  g_assert_no_error (error);
  g_assert_true (qs_worker_forget (f->worker, &error));
}

static void
test_time_out (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const QsCall call = {
    .method = "forget", .arguments = g_variant_new ("()"), .reply = "()", .seconds = 1
  };

  kill (f->worker->pid, SIGSTOP);
  assert_refused (qs_worker_call (f->worker, &call, &error) != NULL, error, QS_ERROR_TIMEOUT,
                  "forget");
  assert_ends (f->worker->pid);
  assert_refused (qs_worker_forget (f->worker, &error), error, QS_ERROR_FAILED, "has ended");
}

static void
test_unknown_method (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  const QsCall unknown = {
    .method = "launch", .arguments = g_variant_new ("()"), .reply = "()", .seconds = 5
  };
  const QsCall wrong = {
    .method = "identify", .arguments = g_variant_new ("(u)", 1), .reply = "()", .seconds = 5
  };

  assert_refused (qs_worker_call (f->worker, &unknown, &error) != NULL, error, QS_ERROR_FAILED,
                  "no method");
  assert_refused (qs_worker_call (f->worker, &wrong, &error) != NULL, error, QS_ERROR_FAILED,
                  "no method");
  g_assert_true (qs_worker_forget (f->worker, &error));
}

static int
listen_at (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fd, 5), ==, 0);
  return fd;
}

static void
test_connect (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "monitor");
  char buffer[6] = "";
  int listener = listen_at (path);
  int ours = qs_worker_connect (f->worker, path, &error);
  int theirs = accept (listener, NULL, NULL);

  g_assert_no_error (error);
  g_assert_cmpint (write (theirs, "hello", 5), ==, 5);
  g_assert_cmpint (read (ours, buffer, 5), ==, 5);
  g_assert_cmpstr (buffer, ==, "hello");
  g_assert_cmpint (fcntl (ours, F_GETFD), ==, FD_CLOEXEC);
  close (ours);
  close (theirs);
  close (listener);
}

/* one that lets nobody in at the moment listens, too, and nobody waits for it */
static void
test_look (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "monitor");
  int listener = listen_at (path);
  gint64 begun = g_get_monotonic_time ();

  for (guint i = 0; i < 20; i++)
    {
      g_assert_true (qs_worker_look (f->worker, path, &error));
      g_assert_no_error (error);
    }
  g_assert_cmpint (g_get_monotonic_time () - begun, <, 3 * G_USEC_PER_SEC);
  close (listener);
  assert_refused (qs_worker_look (f->worker, path, &error), error, QS_ERROR_MONITOR_FAILED,
                  "refused");
  g_assert_no_errno (unlink (path));
  assert_refused (qs_worker_look (f->worker, path, &error), error, QS_ERROR_MONITOR_FAILED, path);
  write_file (path, "x");
  assert_refused (qs_worker_look (f->worker, path, &error), error, QS_ERROR_MONITOR_FAILED,
                  "not a socket");
}

static void
test_connect_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "monitor");
  g_autofree char *link_path = in_folder (f, "link");
  g_autofree char *file = in_folder (f, "file");
  g_autofree char *absent = in_folder (f, "absent");
  int listener = listen_at (path);

  write_file (file, "x");
  g_assert_cmpint (symlink (path, link_path), ==, 0);
  assert_refused (qs_worker_connect (f->worker, link_path, &error) >= 0, error,
                  QS_ERROR_MONITOR_FAILED, "not a socket");
  assert_refused (qs_worker_connect (f->worker, file, &error) >= 0, error, QS_ERROR_MONITOR_FAILED,
                  "not a socket");
  assert_refused (qs_worker_connect (f->worker, absent, &error) >= 0, error,
                  QS_ERROR_MONITOR_FAILED, absent);
  close (listener);
  assert_refused (qs_worker_connect (f->worker, path, &error) >= 0, error, QS_ERROR_MONITOR_FAILED,
                  "refused");
}

static void
test_runtime (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = qs_worker_make_runtime (f->worker, f->folder, "vm1", &error);
  g_autofree char *again = NULL;
  g_autofree char *file = NULL;
  struct stat info;

  g_assert_no_error (error);
  g_assert_cmpint (lstat (folder, &info), ==, 0);
  g_assert_cmpuint (info.st_mode, ==, S_IFDIR | 0700);
  again = qs_worker_make_runtime (f->worker, f->folder, "vm1", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again, ==, folder);
  file = g_build_filename (folder, "qmp.sock", NULL);
  close (listen_at (file));
  g_assert_true (qs_worker_clear_runtime (f->worker, folder, &error));
  assert_absent (folder);
  g_assert_true (qs_worker_clear_runtime (f->worker, folder, &error));
}

static void
test_runtime_refused (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "link", "open", "a/b", ".." };
  g_autoptr (GError) error = NULL;
  g_autofree char *real = in_folder (f, "real");
  g_autofree char *link_path = in_folder (f, "link");
  g_autofree char *open_folder = in_folder (f, "open");
  g_autofree char *file = g_build_filename (open_folder, "file", NULL);

  g_assert_cmpint (g_mkdir (real, 0700) | symlink (real, link_path), ==, 0);
  g_assert_cmpint (g_mkdir (open_folder, 0700) | g_chmod (open_folder, 0750), ==, 0);
  write_file (file, "kept");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    assert_refused (qs_worker_make_runtime (f->worker, f->folder, names[i], &error) != NULL, error,
                    QS_ERROR_CONFIG_UNSUPPORTED, names[i]);
  assert_refused (qs_worker_clear_runtime (f->worker, open_folder, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "owner alone");
  assert_refused (qs_worker_clear_runtime (f->worker, link_path, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "owner alone");
  assert_contents (file, "kept");
}

static void
test_launch (Fixture *f, gconstpointer data)
{
  const char *argv[] = { "/bin/sleep", "100", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *group = NULL;
  g_autofree char *filter = NULL;
  g_autofree char *capabilities = NULL;
  QsWorkerPool *pool = qs_worker_pool_new (worker_program (), FALSE);
  gint64 pid = 0;

  g_assert_true (qs_worker_pool_launch (pool, getuid (), argv, -1, &pid, &error));
  g_assert_no_error (error);
  qs_worker_pool_free (pool);

  g_assert_cmpint (getsid (pid), !=, getsid (0));
  filter = process_status (pid, "Seccomp");
  g_assert_cmpstr (filter, ==, "0");
  capabilities = process_status (pid, "CapEff");
  g_assert_cmpstr (capabilities, ==, "0000000000000000");
  group = process_status (pid, "PPid");
  g_assert_cmpint (g_ascii_strtoll (group, NULL, 10), !=, getpid ());
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
}

static void
test_launch_descriptors (Fixture *f, gconstpointer data)
{
  const char *argv[] = { "/bin/sh", "-c", "exec ls /proc/self/fd /proc/self/environ >&2", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "log");
  int log = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  gint64 pid = 0;

  g_assert_true (qs_worker_pool_launch (f->pool, getuid (), argv, log, &pid, &error));
  close (log);
  assert_ends (pid);
  /* 3 is the folder that ls lists */
  assert_contents (path, "/proc/self/environ\n\n/proc/self/fd:\n0\n1\n2\n3\n");
}

static void
test_launch_fails (Fixture *f, gconstpointer data)
{
  const char *absent[] = { "/nonexistent/qemu", NULL };
  const char *relative[] = { "sleep", "1", NULL };
  g_autoptr (GError) error = NULL;
  gint64 pid = 7;

  assert_refused (qs_worker_pool_launch (f->pool, getuid (), absent, -1, &pid, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "/nonexistent/qemu");
  assert_refused (qs_worker_pool_launch (f->pool, getuid (), relative, -1, &pid, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "absolute");
  g_assert_cmpint (pid, ==, 7);
}

/* this program again, as a daemon that has a worker and does nothing */
static int
hold_worker (void)
{
  QsWorkerPool *pool = qs_worker_pool_new (worker_program (), FALSE);
  QsWorker *worker = qs_worker_pool_acquire (pool, getuid (), NULL);

  g_print ("%d\n", worker->pid);
  for (;;)
    pause ();
  return 0;
}

/* a worker that is in the middle of something ends with the daemon, too */
static void
test_daemon_killed (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autofree char *line = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autoptr (GSubprocess) daemon =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, self, "--hold-worker", NULL);
  gint64 pid;

  g_assert_no_error (error);
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (daemon));
  line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_no_error (error);
  pid = g_ascii_strtoll (line, NULL, 10);
  g_assert_cmpint (pid, >, 1);
  kill (pid, SIGSTOP);
  g_subprocess_force_exit (daemon);
  assert_ends (pid);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && g_str_equal (argv[1], "--hold-worker"))
    return hold_worker ();
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-pool/reuse", test_reuse);
  add_worker_test ("/worker-pool/jail", test_jail);
  add_worker_test ("/worker-pool/other-user", test_other_user);
  g_test_add_func ("/worker-pool/refused-owners", test_refused_owners);
  g_test_add_func ("/worker-pool/no-program", test_no_program);
  g_test_add_func ("/worker-pool/wrong-program", test_wrong_program);
  add_worker_test ("/worker-pool/killed-during-call", test_killed_during_call);
  add_worker_test ("/worker-pool/killed-while-idle", test_killed_while_idle);
  g_test_add_func ("/worker-pool/daemon-killed", test_daemon_killed);
  add_worker_test ("/worker-pool/time-out", test_time_out);
  add_worker_test ("/worker-pool/unknown-method", test_unknown_method);
  add_worker_test ("/worker-pool/connect", test_connect);
  add_worker_test ("/worker-pool/look", test_look);
  add_worker_test ("/worker-pool/connect-refused", test_connect_refused);
  add_worker_test ("/worker-pool/runtime", test_runtime);
  add_worker_test ("/worker-pool/runtime-refused", test_runtime_refused);
  add_worker_test ("/worker-pool/launch", test_launch);
  add_worker_test ("/worker-pool/launch-descriptors", test_launch_descriptors);
  add_worker_test ("/worker-pool/launch-fails", test_launch_fails);
  return g_test_run ();
}
