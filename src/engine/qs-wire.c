/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wire.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union
{
  char buffer[CMSG_SPACE (sizeof (int) * QS_MAX_WORKER_FDS)];
  struct cmsghdr align;
} Control;

static void
clear_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

/**
 * qs_wire_fds_new:
 *
 * Returns: (element-type int): an array that closes what is left in it
 */
GArray *
qs_wire_fds_new (void)
{
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));

  g_array_set_clear_func (fds, (GDestroyNotify)clear_fd);
  return fds;
}

/**
 * qs_wire_fds_steal:
 *
 * Returns: the descriptor, now the caller's; -1 if there is none at @index
 */
int
qs_wire_fds_steal (GArray *fds, guint index)
{
  return index < fds->len ? g_steal_fd (&g_array_index (fds, int, index)) : -1;
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the connection between daemon and worker: %s",
               what);
  return FALSE;
}

static gboolean
fail_errno (GError **error)
{
  gboolean gone = errno == ECONNRESET || errno == EPIPE;

  return fail (error, gone ? "the other side has ended" : g_strerror (errno));
}

/**
 * qs_wire_wait:
 * @deadline: by g_get_monotonic_time(), -1: none
 *
 * Returns: TRUE when one of @events or the end of the connection is there
 */
gboolean
qs_wire_wait (int fd, short events, gint64 deadline, GError **error)
{
  struct pollfd entry = { .fd = fd, .events = events };

  for (;;)
    {
      gint64 left = deadline - g_get_monotonic_time ();
      int n = poll (&entry, 1, deadline < 0 ? -1 : (int)CLAMP (left / 1000 + 1, 0, G_MAXINT));

      if (n > 0)
        return TRUE;
      if (n < 0 && errno != EINTR)
        return fail_errno (error);
      if (deadline >= 0 && g_get_monotonic_time () >= deadline)
        {
          g_set_error_literal (error, QS_ERROR, QS_ERROR_TIMEOUT,
                               "no answer within the time limit");
          return FALSE;
        }
    }
}

static gboolean
send_bytes (int fd, const guint8 *data, gsize length, gint64 deadline, GError **error)
{
  while (length > 0)
    {
      ssize_t n = send (fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n >= 0)
        {
          data += n;
          length -= n;
        }
      else if (errno == EAGAIN || errno == EINTR)
        {
          if (!qs_wire_wait (fd, POLLOUT, deadline, error))
            return FALSE;
        }
      else
        return fail_errno (error);
    }
  return TRUE;
}

/* the descriptors travel with the length, which is short enough to be sent at once */
static gboolean
send_head (int fd, guint32 length, const GArray *fds, gint64 deadline, GError **error)
{
  struct iovec part = { &length, sizeof length };
  Control control = { 0 };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

  if (fds != NULL && fds->len > 0)
    {
      struct cmsghdr *entry;

      message.msg_control = control.buffer;
      message.msg_controllen = CMSG_SPACE (sizeof (int) * fds->len);
      entry = CMSG_FIRSTHDR (&message);
      entry->cmsg_level = SOL_SOCKET;
      entry->cmsg_type = SCM_RIGHTS;
      entry->cmsg_len = CMSG_LEN (sizeof (int) * fds->len);
      memcpy (CMSG_DATA (entry), fds->data, sizeof (int) * fds->len);
    }
  for (;;)
    {
      ssize_t n = sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n == sizeof length)
        return TRUE;
      if (n >= 0 || (errno != EAGAIN && errno != EINTR))
        return n >= 0 ? fail (error, "cut off") : fail_errno (error);
      if (!qs_wire_wait (fd, POLLOUT, deadline, error))
        return FALSE;
    }
}

/**
 * qs_wire_send:
 * @message: floating references are sunk
 * @fds: (nullable) (element-type int): stay the caller's
 */
gboolean
qs_wire_send (int fd, GVariant *message, const GArray *fds, gint64 deadline, GError **error)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (message);
  gsize length = g_variant_get_size (owned);

  if (length > QS_MAX_WORKER_MESSAGE_BYTES || (fds != NULL && fds->len > QS_MAX_WORKER_FDS))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "a message of %" G_GSIZE_FORMAT " bytes to or from the worker is too long",
                   length);
      return FALSE;
    }
  return send_head (fd, length, fds, deadline, error)
         && send_bytes (fd, g_variant_get_data (owned), length, deadline, error);
}

static void
take_fds (struct msghdr *message, GArray *fds)
{
  for (struct cmsghdr *entry = CMSG_FIRSTHDR (message); entry != NULL;
       entry = CMSG_NXTHDR (message, entry))
    if (entry->cmsg_level == SOL_SOCKET && entry->cmsg_type == SCM_RIGHTS)
      g_array_append_vals (fds, CMSG_DATA (entry), (entry->cmsg_len - CMSG_LEN (0)) / sizeof (int));
}

static gboolean
receive_some (int fd, guint8 *data, gsize *length, GArray *fds, GError **error)
{
  struct iovec part = { data, *length };
  Control control;
  struct msghdr message = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.buffer,
                            .msg_controllen = sizeof control.buffer };
  ssize_t n = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

  *length = MAX (n, 0);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR ? TRUE : fail_errno (error);
  take_fds (&message, fds);
  if (n == 0)
    return fail (error, "the other side has ended");
  if (message.msg_flags & MSG_CTRUNC || fds->len > QS_MAX_WORKER_FDS)
    return fail (error, "too many descriptors");
  return TRUE;
}

static gboolean
receive_bytes (int fd, guint8 *data, gsize length, GArray *fds, gint64 deadline, GError **error)
{
  while (length > 0)
    {
      gsize n = length;

      if (!qs_wire_wait (fd, POLLIN, deadline, error) || !receive_some (fd, data, &n, fds, error))
        return FALSE;
      data += n;
      length -= n;
    }
  return TRUE;
}

/**
 * qs_wire_receive:
 * @type: what the message must be
 * @fds: (element-type int): gets the descriptors that came along
 *
 * The sender may have been taken over by what it worked on: the length is held to its limit before
 * memory is taken, and the value is checked to be well-formed.
 */
GVariant *
qs_wire_receive (int fd, const char *type, GArray *fds, gint64 deadline, GError **error)
{
  g_autoptr (GVariant) message = NULL;
  g_autofree guint8 *data = NULL;
  guint32 length;
  gpointer bytes;

  if (!receive_bytes (fd, (guint8 *)&length, sizeof length, fds, deadline, error))
    return NULL;
  if (length > QS_MAX_WORKER_MESSAGE_BYTES)
    {
      fail (error, "a message is too long");
      return NULL;
    }
  data = g_malloc (length);
  if (!receive_bytes (fd, data, length, fds, deadline, error))
    return NULL;

  bytes = g_steal_pointer (&data);
  message = g_variant_ref_sink (
      g_variant_new_from_data (G_VARIANT_TYPE (type), bytes, length, FALSE, g_free, bytes));
  if (g_variant_is_normal_form (message))
    return g_steal_pointer (&message);
  fail (error, "a message is malformed");
  return NULL;
}
