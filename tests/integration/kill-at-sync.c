/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* preloaded into the daemon: it dies at one of the moments at which its journal becomes durable, so
   that a test can end it between any two steps. The file QS_KILL_FILE, once it is there, says at
   which one, counted from then on, and which other process dies with it: "4 0", "4 12345"; or alone,
   and has ended before the daemon goes on: "4 -12345" */

#define END_MILLISECONDS 10000

static int n_syncs;

/* workers and tools inherit the environment, not the name */
static int
is_daemon (void)
{
  return strcmp (program_invocation_short_name, "snapshotd") == 0;
}

static void
strike_alone (int other)
{
  struct pollfd end = { .fd = (int)syscall (SYS_pidfd_open, other, 0), .events = POLLIN };

  (void)kill (other, SIGKILL);
  (void)poll (&end, 1, END_MILLISECONDS);
  (void)close (end.fd);
}

static void
strike (int also)
{
  if (also < 0)
    {
      strike_alone (-also);
      return;
    }
  /* one that is still ending would be taken for alive by the next daemon */
  if (also > 0)
    strike_alone (also);
  (void)kill (getpid (), SIGKILL);
  for (;;)
    pause ();
}

/* one thread writes the journal, and no other synchronizes anything */
static void
count (void)
{
  const char *path = getenv ("QS_KILL_FILE");
  FILE *file = path != NULL && is_daemon () ? fopen (path, "re") : NULL;
  int at = 0;
  int also = 0;

  if (file == NULL)
    {
      n_syncs = 0;
      return;
    }
  if (fscanf (file, "%d %d", &at, &also) == 2 && ++n_syncs == at)
    strike (also);
  (void)fclose (file);
}

int
fdatasync (int fd)
{
  int (*real) (int) = (int (*) (int))dlsym (RTLD_NEXT, "fdatasync");

  count ();
  return real (fd);
}
