/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-candidate-private.h"

#include "qs-main-call.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  QsCandidate *candidate;
  int fd;
} Door;

static void
set_door (gpointer data)
{
  const Door *door = data;

  door->candidate->door = door->fd;
  if (door->candidate->engine->leaving && door->fd >= 0)
    shutdown (door->fd, SHUT_RDWR);
}

/**
 * qs_candidate_open_door:
 * @fd: the connection on which a QEMU is about to be asked
 *
 * Until qs_candidate_close_door() qs_engine_end_visits() can end that connection, whoever waits for
 * an answer on it. Where no descriptor is left there is no door, and time alone ends it.
 */
void
qs_candidate_open_door (QsCandidate *candidate, int fd)
{
  Door door = { candidate, fcntl (fd, F_DUPFD_CLOEXEC, 0) };

  qs_main_call (set_door, &door);
}

void
qs_candidate_close_door (QsCandidate *candidate)
{
  Door door = { candidate, -1 };
  int fd = candidate->door;

  qs_main_call (set_door, &door);
  if (fd >= 0)
    close (fd);
}

void
qs_engine_end_visits (QsEngine *engine)
{
  engine->leaving = TRUE;
  for (guint i = 0; i < engine->candidates->len; i++)
    {
      const QsCandidate *candidate = g_ptr_array_index (engine->candidates, i);

      if (candidate->door >= 0)
        shutdown (candidate->door, SHUT_RDWR);
    }
}
