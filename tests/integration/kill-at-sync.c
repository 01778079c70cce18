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

/* preloaded into the daemon: it dies at one of the moments at which its journal is written to, so that
   a test can end it between any two steps: when a transaction is in the log, durable or not. The file
   QS_KILL_FILE, once it is there, says at which one, counted from then on, and which other process
   dies with it: "4 0", "4 12345"; or alone, and has ended before the daemon goes on: "4 -12345" */

#define END_MILLISECONDS 10000

/* the log has a page after each header; that of the last one of a transaction has the number of pages
   of the database in its second word */
#define HEADER_BYTES 24

static int n_commits;
static int aimed_at;
static int is_last_page;

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

/* one thread writes the journal, and no other a database */
static void
count (void)
{
  const char *path = getenv ("QS_KILL_FILE");
  FILE *file = path != NULL && is_daemon () ? fopen (path, "re") : NULL;
  int at = 0;
  int also = 0;

  if (file == NULL)
    {
      aimed_at = 0;
      return;
    }
  if (fscanf (file, "%d %d", &at, &also) != 2)
    at = 0;
  (void)fclose (file);
  /* an operation that came to its end does not count for the next one */
  if (at != aimed_at)
    n_commits = 0;
  aimed_at = at;
  if (++n_commits == at)
    strike (also);
}

static int
ends_transaction (const void *data, size_t length)
{
  static const char none[4];

  return length == HEADER_BYTES && memcmp ((const char *)data + 4, none, sizeof none) != 0;
}

/* SQLite knows it by this name */
ssize_t pwrite64 (int fd, const void *data, size_t length, off_t offset);

ssize_t
pwrite64 (int fd, const void *data, size_t length, off_t offset)
{
  ssize_t (*real) (int, const void *, size_t, off_t) =
      (ssize_t (*) (int, const void *, size_t, off_t))dlsym (RTLD_NEXT, "pwrite64");
  ssize_t written = real (fd, data, length, offset);

  if (!is_daemon ())
    return written;
  if (is_last_page)
    count ();
  is_last_page = ends_transaction (data, length);
  return written;
}
