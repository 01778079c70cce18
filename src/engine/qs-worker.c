/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire-types.h"
#include "qs-wire.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/**
 * qs_worker_kill:
 *
 * Ends the process and whatever tool it runs, which is tied to it.
 */
void
qs_worker_kill (QsWorker *worker)
{
  worker->broken = TRUE;
  if (worker->process >= 0)
    syscall (SYS_pidfd_send_signal, worker->process, SIGKILL, NULL, 0);
}

static gint64
seconds_from_now (guint seconds)
{
  return g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
}

/* the worker, waiting for its tool, sees the end of what is sent to it, ends the tool and answers */
static gboolean
wait_for_reply (QsWorker *worker, const QsCall *call, gint64 *deadline, GError **error)
{
  struct pollfd entries[2] = { { .fd = worker->socket, .events = POLLIN } };
  GPollFD cancel = { .fd = -1 };
  gboolean armed =
      call->cancellable != NULL && g_cancellable_make_pollfd (call->cancellable, &cancel);

  while (armed)
    {
      gint64 left = *deadline - g_get_monotonic_time ();

      entries[1] = (struct pollfd){ .fd = cancel.fd, .events = POLLIN };
      if (poll (entries, 2, CLAMP (left / 1000 + 1, 0, G_MAXINT)) > 0 && entries[0].revents == 0
          && entries[1].revents != 0)
        {
          shutdown (worker->socket, SHUT_WR);
          *deadline = seconds_from_now (QS_TOOL_TERM_SECONDS + QS_CALL_SECONDS);
          worker->broken = TRUE;
          break;
        }
      if (entries[0].revents != 0 || g_get_monotonic_time () >= *deadline)
        break;
    }
  if (armed)
    g_cancellable_release_fd (call->cancellable);
  return qs_wire_wait (worker->socket, POLLIN, *deadline, error);
}

static GVariant *
receive_reply (QsWorker *worker, const QsCall *call, GError **error)
{
  g_autoptr (GArray) no_fds = qs_wire_fds_new ();
  GArray *fds = call->reply_fds != NULL ? call->reply_fds : no_fds;
  gint64 end = seconds_from_now (MAX (call->seconds, call->total_seconds));

  for (;;)
    {
      gint64 deadline = MIN (seconds_from_now (call->seconds), end);
      g_autoptr (GVariant) reply = NULL;
      const char *word;

      if (!wait_for_reply (worker, call, &deadline, error))
        return NULL;
      reply = qs_wire_receive (worker->socket, QS_WIRE_REPLY, fds, deadline, error);
      if (reply == NULL)
        return NULL;
      g_variant_get_child (reply, 0, "&s", &word);
      if (!g_str_equal (word, QS_WIRE_PROGRESS))
        return g_steal_pointer (&reply);
    }
}

/* TRUE: the call was done; FALSE with @error: it failed, and the worker is as good as before */
static gboolean
unpack_reply (QsWorker *worker, const QsCall *call, GVariant *reply, GVariant **result,
              GError **error)
{
  const char *name;
  const char *text;
  g_autoptr (GVariant) value = NULL;

  g_variant_get (reply, "(&s&sv)", &name, &text, &value);
  if (!g_str_equal (name, QS_WIRE_DONE))
    {
      g_propagate_error (error, qs_wire_error_new (name, text));
      return FALSE;
    }
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (call->reply)))
    {
      worker->broken = TRUE;
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the worker's answer to ‘%s’ is malformed",
                   call->method);
      return FALSE;
    }
  *result = g_steal_pointer (&value);
  return TRUE;
}

/**
 * qs_worker_greet:
 *
 * Waits until a new worker has become who it is to be.
 */
gboolean
qs_worker_greet (QsWorker *worker, GError **error)
{
  const QsCall call = { .method = "start", .reply = "()", .seconds = QS_CALL_SECONDS };
  g_autoptr (GVariant) reply = receive_reply (worker, &call, error);
  g_autoptr (GVariant) result = NULL;

  if (reply != NULL && unpack_reply (worker, &call, reply, &result, error))
    return TRUE;
  qs_worker_kill (worker);
  g_prefix_error (error, "the worker for uid %u did not start: ", worker->uid);
  return FALSE;
}

/**
 * qs_worker_call:
 *
 * Returns: the result; NULL with the worker's error, or with TIMEOUT or FAILED if the worker is
 *   gone now: what the call did is then not known
 */
GVariant *
qs_worker_call (QsWorker *worker, const QsCall *call, GError **error)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (call->arguments);
  g_autoptr (GVariant) reply = NULL;
  GVariant *result = NULL;

  if (worker->broken)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
                   "the worker for uid %u has ended during an earlier call", worker->uid);
      return NULL;
    }
  if (g_cancellable_set_error_if_cancelled (call->cancellable, error))
    {
      qs_error_fold (error);
      return NULL;
    }
  if (qs_wire_send (worker->socket, g_variant_new (QS_WIRE_REQUEST, call->method, arguments),
                    call->fds, seconds_from_now (call->seconds), error))
    reply = receive_reply (worker, call, error);
  if (reply == NULL)
    {
      qs_worker_kill (worker);
      g_prefix_error (error, "the worker for uid %u, at ‘%s’: ", worker->uid, call->method);
      return NULL;
    }
  return unpack_reply (worker, call, reply, &result, error) ? result : NULL;
}

/**
 * qs_worker_query:
 *
 * A call that takes seconds at most.
 */
GVariant *
qs_worker_query (QsWorker *worker, const char *method, GVariant *arguments, const char *reply,
                 GError **error)
{
  const QsCall call = { .method = method,
                        .arguments = arguments,
                        .reply = reply,
                        .seconds = QS_TOOL_QUERY_SECONDS + QS_CALL_SECONDS };

  return qs_worker_call (worker, &call, error);
}

/**
 * qs_worker_do:
 *
 * The same, of a method that has no result.
 */
gboolean
qs_worker_do (QsWorker *worker, const char *method, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (worker, method, arguments, "()", error);

  return result != NULL;
}

gboolean
qs_worker_is_broken (QsWorker *worker)
{
  return worker->broken;
}
