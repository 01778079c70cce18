/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-fd.h"
#include "qs-work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* what the two children report; the pipe closes by itself when the program has been executed */
typedef struct
{
  gint32 pid;
  gint32 error;
} Report;

typedef struct
{
  const char *const *argv;
  int log;
  int report;
} Launch;

static const char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };

static void
reset_signals (void)
{
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    signal (number, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

static gboolean
set_stdio (const Launch *launch)
{
  int null = open ("/dev/null", O_RDWR);

  return null >= 0 && dup2 (null, STDIN_FILENO) >= 0 && dup2 (null, STDOUT_FILENO) >= 0
         && dup2 (launch->log >= 0 ? launch->log : null, STDERR_FILENO) >= 0;
}

static void
send_report (int fd, gint32 pid, gint32 number)
{
  const Report report = { pid, number };

  if (write (fd, &report, sizeof report) != sizeof report)
    _exit (127);
}

static void
run_program (const Launch *launch)
{
  reset_signals ();
  if (set_stdio (launch) && close_range (3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
    execve (launch->argv[0], (char **)launch->argv, (char **)environment);
  send_report (launch->report, 0, errno);
  _exit (127);
}

/* its parent is gone when the program starts, and it leads no session: nothing that ends takes it
   along */
static void
detach (const Launch *launch)
{
  pid_t pid;

  setsid ();
  pid = fork ();
  if (pid == 0)
    run_program (launch);
  send_report (launch->report, MAX (pid, 0), pid < 0 ? errno : 0);
  _exit (0);
}

static gboolean
read_reports (int fd, Report *result)
{
  Report report;
  ssize_t n;

  while ((n = read (fd, &report, sizeof report)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n != sizeof report)
        return FALSE;
      result->pid = MAX (result->pid, report.pid);
      result->error = MAX (result->error, report.error);
    }
  return result->pid > 0 || result->error > 0;
}

static GVariant *
launch_program (const Launch *launch, int pipe_end, GError **error)
{
  Report result = { 0, 0 };
  gboolean complete;
  pid_t pid = fork ();

  if (pid == 0)
    detach (launch);
  close (launch->report);
  complete = pid > 0 && read_reports (pipe_end, &result);
  if (pid > 0)
    waitpid (pid, NULL, 0);
  if (complete && result.error == 0)
    return g_variant_new ("(x)", (gint64)result.pid);
  g_set_error (error, QS_ERROR,
               result.error == ENOENT || result.error == EACCES ? QS_ERROR_CONFIG_UNSUPPORTED
                                                                : QS_ERROR_FAILED,
               "cannot start ‘%s’: %s", launch->argv[0],
               g_strerror (result.error != 0 ? result.error : ECHILD));
  return NULL;
}

static GVariant *
handle_launch (QsWork *work, GVariant *arguments, GError **error)
{
  g_autofree const char **argv = NULL;
  Launch launch = { .log = -1 };
  g_auto (QsFd) end = -1;
  int ends[2];

  g_variant_get (arguments, "(^a&s)", &argv);
  if (argv[0] == NULL || argv[0][0] != '/')
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "a program is started by its absolute path only");
      return NULL;
    }
  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot make a pipe: %s", g_strerror (errno));
      return NULL;
    }
  end = ends[0];
  launch.argv = argv;
  launch.report = ends[1];
  if (work->in_fds->len > 0)
    launch.log = g_array_index (work->in_fds, int, 0);
  return launch_program (&launch, end, error);
}

static const QsMethod methods[] = {
  { "launch", "(as)", handle_launch },
};

const QsMethod *
qs_find_launch_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
