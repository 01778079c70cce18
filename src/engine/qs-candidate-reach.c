/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-candidate-private.h"

#include "qs-error.h"
#include "qs-name.h"
#include "qs-process.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static gboolean
fail_user (GError **error, guint32 uid, guint32 owner)
{
  g_set_error (error, QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
               "the QEMU at this socket runs as uid %u, not as uid %u; a QEMU is attached for the "
               "user it runs as, who can be named with option ‘owner’",
               uid, owner);
  return FALSE;
}

/* the kernel remembers who called listen */
static gboolean
identify (QsCandidate *candidate, int fd, GError **error)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "the descriptor is not connected to a monitor: %s", g_strerror (errno));
      return FALSE;
    }
  if (peer.uid != candidate->owner)
    return fail_user (error, peer.uid, candidate->owner);
  candidate->process = qs_process_identify (peer.pid, peer.uid, candidate->socket, "");
  if (candidate->process != NULL)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                       "the process that made the monitor’s socket has ended; QEMU must make it "
                       "itself (-qmp unix:PATH,server=on,wait=off)");
  return FALSE;
}

static gboolean
is_unix_stream (int fd)
{
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof domain;

  if (getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0)
    return FALSE;
  length = sizeof type;
  return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && domain == AF_UNIX
         && type == SOCK_STREAM;
}

/* "": it has none */
static char *
peer_path (int fd)
{
  struct sockaddr_un address = { 0 };
  socklen_t length = sizeof address;
  g_autofree char *path = NULL;

  if (getpeername (fd, (struct sockaddr *)&address, &length) != 0
      || length <= G_STRUCT_OFFSET (struct sockaddr_un, sun_path))
    return g_strdup ("");
  path = g_strndup (address.sun_path, length - G_STRUCT_OFFSET (struct sockaddr_un, sun_path));
  return qs_path_check (path, FALSE, NULL) ? g_steal_pointer (&path) : g_strdup ("");
}

/* the path that the connection was made by leads there only if it leads the owner there, too */
static void
check_way (QsCandidate *candidate, QsWorker *worker)
{
  int fd = *candidate->socket != '\0' ? qs_worker_connect (worker, candidate->socket, NULL) : -1;
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0
      && peer.pid == candidate->process->pid)
    {
      close (fd);
      return;
    }
  if (fd >= 0)
    close (fd);
  g_free (candidate->socket);
  candidate->socket = g_strdup ("");
  g_free (candidate->process->socket);
  candidate->process->socket = g_strdup ("");
}

/* a connection and whose it is; -1 on failure */
static int
reach_fd (QsCandidate *candidate, QsWorker *worker, int fd, GError **error)
{
  if (!is_unix_stream (fd))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "the descriptor is no UNIX stream socket");
      close (fd);
      return -1;
    }
  candidate->socket = peer_path (fd);
  if (!identify (candidate, fd, error))
    {
      close (fd);
      return -1;
    }
  check_way (candidate, worker);
  return fd;
}

static int
reach_path (QsCandidate *candidate, QsWorker *worker, const char *socket, GError **error)
{
  int fd;

  candidate->socket = g_strdup (socket);
  fd = qs_worker_connect (worker, socket, error);
  if (fd >= 0 && !identify (candidate, fd, error))
    {
      close (fd);
      return -1;
    }
  return fd;
}

/**
 * qs_candidate_reach:
 *
 * Returns: a connection to a QEMU of the owner, whose process is known then; -1 on failure
 */
int
qs_candidate_reach (QsCandidate *candidate, QsWorker *worker, const QsVisit *visit, GError **error)
{
  return visit->fd >= 0 ? reach_fd (candidate, worker, visit->fd, error)
                        : reach_path (candidate, worker, visit->socket, error);
}
