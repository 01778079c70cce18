/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-tool.h"

#include "qs-fd.h"
#include "qs-identity.h"
#include "qs-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MIB (1024 * 1024)
#define MAX_WORDS 24

/* malloc arenas of threads would use up the address space; nothing may need a temporary file */
static const char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", "MALLOC_ARENA_MAX=1",
                                           "TMPDIR=/nonexistent", NULL };

typedef struct
{
  QsToolClass class;
  int resource;
  rlim_t value;
} Limit;

static const Limit limits[] = {
  { QS_TOOL_QUERY, RLIMIT_AS, 1024L * MIB },  { QS_TOOL_QUERY, RLIMIT_CPU, 10 },
  { QS_TOOL_QUERY, RLIMIT_FSIZE, 64L * MIB }, { QS_TOOL_QUERY, RLIMIT_NOFILE, 128 },
  { QS_TOOL_CHANGE, RLIMIT_AS, 2048L * MIB }, { QS_TOOL_CHANGE, RLIMIT_NOFILE, 1024 },
};

/**
 * Run:
 *
 * A running tool, seen from the worker.
 */
typedef struct
{
  const QsWork *work;
  const QsTool *tool;
  pid_t pid;
  QsFd process; /* pidfd */
  QsFd out;
  QsFd err;
  gsize out_bytes;
  GString *err_text;
  char *io; /* its I/O counters when last looked at */
  gint64 deadline;
  gint64 next_look;
  QsError stopped; /* why it was told to end; QS_ERROR_FAILED: it was not */
} Run;

static gint64
in_seconds (guint seconds)
{
  return g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
}

static void
set_limits (QsToolClass class)
{
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      const struct rlimit limit = { limits[i].value, limits[i].value };

      if (limits[i].class == class && setrlimit (limits[i].resource, &limit) != 0)
        _exit (126);
    }
}

static gboolean
hand_down (const QsTool *tool)
{
  gboolean ok = close_range (3, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && fcntl (tool->fd, F_SETFD, 0) == 0;

  for (guint i = 0; ok && tool->more != NULL && i < tool->more->len; i++)
    ok = fcntl (g_array_index (tool->more, int, i), F_SETFD, 0) == 0;
  return ok;
}

/* the filter knows the program by this very address; limits come last, for they also hold here */
static void
execute (const QsTool *tool, int out, int err, pid_t parent)
{
  const char *argv[MAX_WORDS] = { "qemu-img" };
  int null = open ("/dev/null", O_RDONLY);

  for (guint i = 0; tool->argv[i] != NULL && i + 2 < MAX_WORDS; i++)
    argv[i + 1] = tool->argv[i];
  setsid ();
  if (prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid () != parent || null < 0
      || dup2 (null, STDIN_FILENO) < 0 || dup2 (out, STDOUT_FILENO) < 0
      || dup2 (err, STDERR_FILENO) < 0 || !hand_down (tool) || !qs_filter_load_processes (NULL))
    _exit (126);
  set_limits (tool->class);
  execve (qs_tool_path, (char **)argv, (char **)environment);
  _exit (127);
}

static gboolean
start (Run *run, GError **error)
{
  int out[2] = { -1, -1 };
  int err[2] = { -1, -1 };
  pid_t parent = getpid ();

  if (pipe2 (out, O_CLOEXEC) == 0 && pipe2 (err, O_CLOEXEC) == 0)
    run->pid = fork ();
  if (run->pid == 0)
    execute (run->tool, out[1], err[1], parent);
  run->out = out[0];
  run->err = err[0];
  qs_fd_clear (&out[1]);
  qs_fd_clear (&err[1]);
  if (run->pid > 0)
    run->process = syscall (SYS_pidfd_open, run->pid, 0);
  if (run->pid > 0 && run->process >= 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot start qemu-img: %s", g_strerror (errno));
  return FALSE;
}

/* asks it to end; the next deadline kills it */
static void
stop (Run *run, QsError why)
{
  kill (run->pid, run->stopped == QS_ERROR_FAILED ? SIGTERM : SIGKILL);
  if (run->stopped == QS_ERROR_FAILED)
    run->stopped = why;
  run->deadline = in_seconds (QS_TOOL_TERM_SECONDS);
}

/* FALSE at the end of the stream */
static gboolean
drain (Run *run, QsFd *fd)
{
  char buffer[4096];
  ssize_t n = read (*fd, buffer, sizeof buffer);

  if (n <= 0)
    {
      qs_fd_clear (fd);
      return FALSE;
    }
  if (fd == &run->err)
    g_string_append_len (run->err_text, buffer,
                         MIN ((gsize)n, QS_MAX_TOOL_STDERR_BYTES - run->err_text->len));
  else if ((run->out_bytes += n) <= QS_MAX_TOOL_STDOUT_BYTES && run->tool->out != NULL)
    g_string_append_len (run->tool->out, buffer, n);
  else if (run->out_bytes > QS_MAX_TOOL_STDOUT_BYTES && run->stopped == QS_ERROR_FAILED)
    stop (run, QS_ERROR_LIMIT_EXCEEDED);
  return TRUE;
}

/* that it gets on is seen from its I/O counters; the daemon is told, whose time limit starts anew */
static void
look_for_progress (Run *run)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/io", (int)run->pid);
  g_autofree char *io = NULL;

  run->next_look = in_seconds (QS_TOOL_PROGRESS_SECONDS);
  if (run->tool->class != QS_TOOL_CHANGE || run->stopped != QS_ERROR_FAILED
      || !g_file_get_contents (path, &io, NULL, NULL) || g_strcmp0 (io, run->io) == 0)
    return;
  g_free (run->io);
  run->io = g_steal_pointer (&io);
  run->deadline = in_seconds (QS_TOOL_WORK_SECONDS);
  if (!qs_wire_send (run->work->socket,
                     g_variant_new (QS_WIRE_REPLY, QS_WIRE_PROGRESS, "", g_variant_new ("()")),
                     NULL, in_seconds (QS_CALL_SECONDS), NULL))
    stop (run, QS_ERROR_CANCELLED);
}

/* nothing is due from the daemon while it waits: a sign from there is the end of its interest */
static void
supervise (Run *run)
{
  while (run->process >= 0)
    {
      struct pollfd entries[] = {
        { .fd = run->process, .events = POLLIN },
        { .fd = run->out, .events = POLLIN },
        { .fd = run->err, .events = POLLIN },
        { .fd = run->stopped == QS_ERROR_FAILED ? run->work->socket : -1, .events = POLLIN },
      };
      gint64 left = MIN (run->deadline, run->next_look) - g_get_monotonic_time ();

      poll (entries, G_N_ELEMENTS (entries), CLAMP (left / 1000 + 1, 0, G_MAXINT));
      if (entries[1].revents != 0)
        drain (run, &run->out);
      if (entries[2].revents != 0)
        drain (run, &run->err);
      if (entries[3].revents != 0)
        stop (run, QS_ERROR_CANCELLED);
      if (g_get_monotonic_time () >= run->next_look)
        look_for_progress (run);
      if (g_get_monotonic_time () >= run->deadline)
        stop (run, QS_ERROR_TIMEOUT);
      if (entries[0].revents != 0)
        qs_fd_clear (&run->process);
    }
}

static void
replace (GString *text, const char *find, const char *with)
{
  g_string_replace (text, find, with, 0);
}

/* the tool's words, with the name of the file in place of the descriptor's */
static char *
tidy_text (const Run *run)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", run->tool->fd);
  g_autofree char *spec = qs_tool_qcow2_spec (run->tool->fd);
  g_autofree char *valid = g_utf8_make_valid (run->err_text->str, run->err_text->len);
  GString *text = g_string_new (g_strstrip (valid));

  replace (text, spec, run->tool->path);
  replace (text, link, run->tool->path);
  replace (text, "qemu-img: ", "");
  for (gsize i = 0; i < text->len; i++)
    if (g_ascii_iscntrl (text->str[i]))
      text->str[i] = ' ';
  return g_string_free (text, FALSE);
}

static gboolean
fail_stopped (const Run *run, GError **error)
{
  static const struct
  {
    QsError code;
    const char *text;
  } reasons[] = {
    { QS_ERROR_TIMEOUT, "was ended: it did not get on any more" },
    { QS_ERROR_CANCELLED, "was cancelled" },
    { QS_ERROR_LIMIT_EXCEEDED, "was ended: it wrote too much" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (reasons[i].code == run->stopped)
      g_set_error (error, QS_ERROR, run->stopped, "qemu-img %s of ‘%s’ %s", run->tool->argv[0],
                   run->tool->path, reasons[i].text);
  return FALSE;
}

static gboolean
judge (const Run *run, int status, GError **error)
{
  g_autofree char *text = tidy_text (run);
  QsError code = QS_ERROR_IMAGE_FAILED;
  const char *hint = "";

  if (run->stopped != QS_ERROR_FAILED)
    return fail_stopped (run, error);
  if (WIFEXITED (status) && WEXITSTATUS (status) < 32
      && ((run->tool->answers | 1) & (1u << WEXITSTATUS (status))) != 0)
    return TRUE;
  if (WIFEXITED (status) && WEXITSTATUS (status) >= 126)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "‘%s’ cannot be started; install qemu-utils", qs_tool_path);
      return FALSE;
    }
  if (strstr (text, "No space left") != NULL || strstr (text, "Disk quota exceeded") != NULL)
    code = QS_ERROR_NO_SPACE;
  /* qemu-img has not begun then: whoever asks may go back */
  if (strstr (text, "lock") != NULL && strstr (text, "Failed to get") != NULL)
    {
      code = QS_ERROR_OPERATION_INVALID;
      hint = "; another program has the image open";
    }
  g_set_error (error, QS_ERROR, code, "qemu-img %s of ‘%s’ failed: %s%s", run->tool->argv[0],
               run->tool->path, text[0] != '\0' ? text : "it was killed", hint);
  return FALSE;
}

static void
run_clear (Run *run)
{
  qs_fd_clear (&run->process);
  qs_fd_clear (&run->out);
  qs_fd_clear (&run->err);
  g_string_free (run->err_text, TRUE);
  g_free (run->io);
}

/**
 * qs_tool_run:
 *
 * Runs qemu-img to its end, within its limits.
 */
gboolean
qs_tool_run (const QsWork *work, const QsTool *tool, GError **error)
{
  Run run = { .work = work, .tool = tool, .pid = -1, .process = -1, .out = -1, .err = -1 };
  int status = 0;
  gboolean ok;

  run.err_text = g_string_new (NULL);
  run.stopped = QS_ERROR_FAILED;
  run.deadline =
      in_seconds (tool->class == QS_TOOL_QUERY ? QS_TOOL_QUERY_SECONDS : QS_TOOL_WORK_SECONDS);
  run.next_look = in_seconds (QS_TOOL_PROGRESS_SECONDS);
  ok = start (&run, error);
  if (ok)
    {
      supervise (&run);
      while (run.err >= 0 && drain (&run, &run.err))
        continue;
      while (run.out >= 0 && drain (&run, &run.out))
        continue;
    }
  if (run.pid > 0)
    waitpid (run.pid, &status, 0);
  ok = ok && judge (&run, status, error);
  run_clear (&run);
  return ok;
}

/**
 * qs_tool_qcow2_spec:
 *
 * Returns: how qemu-img is told to open the qcow2 file of @fd and no other: without the backing
 *   file, which may be locked, and without any name that the file or its owner chose
 */
char *
qs_tool_qcow2_spec (int fd)
{
  struct stat info;
  gboolean is_device = fstat (fd, &info) == 0 && S_ISBLK (info.st_mode);

  return g_strdup_printf ("json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":"
                          "{\"driver\":\"%s\",\"filename\":\"/proc/self/fd/%d\"}}",
                          is_device ? "host_device" : "file", fd);
}
