/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* what a process tries behind the filter; returns 0 if it came through, else errno */
typedef int (*Attempt) (void);

static int
outcome (long result)
{
  return result < 0 ? errno : 0;
}

static int
inet_socket (void)
{
  return outcome (socket (AF_INET, SOCK_STREAM, 0));
}

static int
inet6_socket (void)
{
  return outcome (socket (AF_INET6, SOCK_DGRAM, 0));
}

static int
netlink_socket (void)
{
  return outcome (socket (AF_NETLINK, SOCK_RAW, 0));
}

static int
unix_socket (void)
{
  return outcome (socket (AF_UNIX, SOCK_STREAM, 0));
}

static int
trace (void)
{
  return outcome (ptrace (PTRACE_TRACEME, 0, NULL, NULL));
}

static int
new_namespace (void)
{
  return outcome (unshare (CLONE_NEWUSER));
}

static int
clone_namespace (void)
{
  return outcome (syscall (SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0));
}

static int
mount_something (void)
{
  return outcome (mount ("none", "/proc", "proc", 0, NULL));
}

static int
use_keyring (void)
{
  return outcome (syscall (SYS_keyctl, 0, -3, 1, 0, 0));
}

static int
use_bpf (void)
{
  return outcome (syscall (SYS_bpf, 0, NULL, 0));
}

static int
use_io_uring (void)
{
  return outcome (syscall (SYS_io_uring_setup, 1, NULL));
}

static int
type_for_others (void)
{
  return outcome (ioctl (STDIN_FILENO, TIOCSTI, "x"));
}

static int
other_program (void)
{
  char *argv[] = { "true", NULL };

  return outcome (execve ("/bin/true", argv, argv + 1));
}

static int
other_program_by_fd (void)
{
  char *argv[] = { "true", NULL };

  return outcome (syscall (SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0));
}

static int
tool (void)
{
  char *argv[] = { "qemu-img", "--version", NULL };

  if (freopen ("/dev/null", "w", stdout) == NULL)
    return EIO;
  return outcome (execve (qs_tool_path, argv, argv + 2));
}

static int
new_process (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  return outcome (pid);
}

static const struct
{
  const char *name;
  Attempt attempt;
  int result;
} attempts[] = {
  { "inet", inet_socket, EPERM },
  { "inet6", inet6_socket, EPERM },
  { "netlink", netlink_socket, EPERM },
  { "unix", unix_socket, 0 },
  { "ptrace", trace, EPERM },
  { "unshare", new_namespace, EPERM },
  { "clone", clone_namespace, EPERM },
  { "mount", mount_something, EPERM },
  { "keyctl", use_keyring, EPERM },
  { "bpf", use_bpf, EPERM },
  { "io_uring", use_io_uring, EPERM },
  { "TIOCSTI", type_for_others, EPERM },
  { "execve", other_program, EPERM },
  { "execveat", other_program_by_fd, EPERM },
  { "qemu-img", tool, 0 },
  { "fork", new_process, 0 },
};

static int
run_filtered (Attempt attempt, gboolean is_tool)
{
  int status = -1;
  pid_t pid = fork ();

  if (pid == 0)
    {
      if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !qs_filter_load (NULL)
          || (is_tool && !qs_filter_load_processes (NULL)))
        _exit (255);
      _exit (attempt ());
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
test_attempts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (attempts); i++)
    {
      g_test_message ("%s", attempts[i].name);
      g_assert_cmpint (run_filtered (attempts[i].attempt, FALSE), ==, attempts[i].result);
    }
}

static void
test_tool_has_no_children (void)
{
  g_assert_cmpint (run_filtered (new_process, TRUE), ==, EPERM);
  g_assert_cmpint (run_filtered (tool, TRUE), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/filter/attempts", test_attempts);
  g_test_add_func ("/filter/tool-has-no-children", test_tool_has_no_children);
  return g_test_run ();
}
