/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-agent.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define START_MILLISECONDS 5000
#define NOTIFY_FD 3

struct QsCtlAgent
{
  GSubprocess *process;
};

/* it closes its end when it is registered, or when it ends */
static void
wait_until_closed (int fd)
{
  struct pollfd entry = { .fd = fd, .events = POLLIN };

  poll (&entry, 1, START_MILLISECONDS);
}

/* on a desktop its own agent is to ask; polkit looks for that one only where there is a session,
 * and without one a fallback would never be asked */
static gboolean
has_desktop (void)
{
  return g_getenv ("DISPLAY") != NULL || g_getenv ("WAYLAND_DISPLAY") != NULL;
}

/**
 * qs_ctl_agent_start:
 *
 * Starts the agent, if it is installed; where a desktop has one already, it does nothing.
 *
 * Returns: (nullable) (transfer full): the agent
 */
QsCtlAgent *
qs_ctl_agent_start (void)
{
  g_autofree char *program = g_find_program_in_path ("pkttyagent");
  g_autofree char *notify = g_strdup_printf ("%d", NOTIFY_FD);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  QsCtlAgent *agent;
  int fds[2];

  if (program == NULL || !g_unix_open_pipe (fds, FD_CLOEXEC, NULL))
    return NULL;
  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_INHERIT);
  g_subprocess_launcher_take_fd (launcher, fds[1], NOTIFY_FD);
  agent = g_new0 (QsCtlAgent, 1);
  agent->process = g_subprocess_launcher_spawn (launcher, NULL, program, "--notify-fd", notify,
                                                has_desktop () ? "--fallback" : NULL, NULL);
  g_clear_object (&launcher);
  if (agent->process != NULL)
    wait_until_closed (fds[0]);
  close (fds[0]);
  return agent;
}

void
qs_ctl_agent_stop (QsCtlAgent *agent)
{
  if (agent->process != NULL)
    {
      g_subprocess_send_signal (agent->process, SIGTERM);
      g_subprocess_wait (agent->process, NULL, NULL);
    }
  g_clear_object (&agent->process);
  g_free (agent);
}
