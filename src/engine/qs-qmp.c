/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-qmp-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
qs_qmp_answer_free (QsQmpAnswer *answer)
{
  if (answer == NULL)
    return;
  g_clear_pointer (&answer->root, json_node_unref);
  g_free (answer);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsQmpAnswer, qs_qmp_answer_free)

static void
clear_qmp (gpointer data)
{
  QsQmp *qmp = data;

  qs_qmp_reader_clear (qmp);
  g_async_queue_unref (qmp->turn);
  g_async_queue_unref (qmp->answers);
  g_async_queue_unref (qmp->news);
  g_free (qmp->reason);
  close (qmp->fd);
}

/* the last reference is dropped by users or by the reading thread, whoever is later */
void
qs_qmp_release (gpointer qmp)
{
  g_atomic_rc_box_release_full (qmp, clear_qmp);
}

QsQmp *
qs_qmp_ref (QsQmp *qmp)
{
  g_atomic_int_inc (&qmp->users);
  return g_atomic_rc_box_acquire (qmp);
}

void
qs_qmp_unref (QsQmp *qmp)
{
  if (qmp == NULL)
    return;
  if (g_atomic_int_dec_and_test (&qmp->users))
    qs_qmp_close (qmp);
  qs_qmp_release (qmp);
}

void
qs_qmp_close (QsQmp *qmp)
{
  g_atomic_int_set (&qmp->open, FALSE);
  qs_qmp_reader_stop (qmp);
}

gboolean
qs_qmp_is_open (QsQmp *qmp)
{
  return g_atomic_int_get (&qmp->open);
}

guint64
qs_qmp_get_stopped_time (QsQmp *qmp)
{
  return (guint64)(gsize)g_atomic_pointer_get (&qmp->stopped);
}

guint64
qs_qmp_get_resumes (QsQmp *qmp)
{
  return (guint64)qmp->nonce << 32 | (guint32)g_atomic_int_get (&qmp->resumes);
}

int
qs_qmp_get_fd (QsQmp *qmp)
{
  return qmp->fd;
}

static gboolean
is_open (QsQmp *qmp, const char *command, GError **error)
{
  const char *reason = g_atomic_pointer_get (&qmp->reason);

  if (qs_qmp_is_open (qmp))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               "the connection to QEMU’s monitor has ended before ‘%s’ was answered: %s", command,
               reason == NULL ? "it was closed" : reason);
  return FALSE;
}

static guint64
time_left (gint64 deadline)
{
  return MAX (deadline - g_get_monotonic_time (), 0);
}

/* waits for an answer with @number; those of commands that were given up come before it */
static JsonNode *
wait_answer (QsQmp *qmp, guint number, const char *command, gint64 deadline, GError **error)
{
  while (TRUE)
    {
      g_autoptr (QsQmpAnswer) answer =
          g_async_queue_timeout_pop (qmp->answers, time_left (deadline));

      if (answer == NULL)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                       "QEMU has not answered ‘%s’ in time: what became of it is unknown", command);
          return NULL;
        }
      if (answer->root == NULL)
        {
          g_async_queue_push (qmp->answers, g_steal_pointer (&answer));
          is_open (qmp, command, error);
          return NULL;
        }
      qmp->settled = answer->number;
      if (answer->number == number)
        return g_steal_pointer (&answer->root);
    }
}

/**
 * qs_qmp_format_id:
 *
 * Returns: (transfer full): the id of command @number, which no other connection has
 */
char *
qs_qmp_format_id (const QsQmp *qmp, guint number)
{
  return g_strdup_printf (QS_QMP_ID_PREFIX "%08x-%u", qmp->nonce, number);
}

static char *
format_command (const QsQmp *qmp, const char *command, guint number, GVariant *arguments)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *id = qs_qmp_format_id (qmp, number);
  g_autofree char *text = NULL;
  JsonObject *message = json_object_new ();

  json_object_set_string_member (message, "execute", command);
  json_object_set_string_member (message, "id", id);
  if (arguments != NULL)
    json_object_set_member (message, "arguments", json_gvariant_serialize (arguments));
  json_node_take_object (root, message);
  text = json_to_string (root, FALSE);
  return g_strconcat (text, "\n", NULL);
}

/* a descriptor goes with the first byte; errno as send() leaves it */
static gssize
send_some (QsQmp *qmp, const char *text, gsize length, int fd)
{
  struct iovec part = { (char *)text, length };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  union
  {
    char buffer[CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
  } control = { 0 };

  if (fd >= 0)
    {
      message.msg_control = control.buffer;
      message.msg_controllen = sizeof control.buffer;
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN (sizeof (int));
      memcpy (CMSG_DATA (&control.align), &fd, sizeof (int));
    }
  return sendmsg (qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static gboolean
send_all (QsQmp *qmp, const char *text, int fd, gint64 deadline)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      struct pollfd ready = { .fd = qmp->fd, .events = POLLOUT };
      gssize n = send_some (qmp, text, left, fd);

      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return FALSE;
      if (n < 0 && poll (&ready, 1, time_left (deadline) / 1000) == 0)
        return FALSE;
      if (n > 0)
        fd = -1;
      text += MAX (n, 0);
      left -= MAX (n, 0);
    }
  return TRUE;
}

/* half a command cannot be taken back, so a failure ends the connection */
static gboolean
send_command (QsQmp *qmp, const char *command, GVariant *arguments, int fd, gint64 deadline,
              GError **error)
{
  guint number = g_atomic_int_get (&qmp->sent) + 1;
  g_autofree char *text = NULL;

  if (number - qmp->settled > QS_MAX_QMP_UNANSWERED)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                   "‘%s’ was not sent: QEMU has not answered the last %u commands", command,
                   number - qmp->settled - 1);
      return FALSE;
    }
  text = format_command (qmp, command, number, arguments);
  g_atomic_int_set (&qmp->sent, number);
  if (send_all (qmp, text, fd, deadline))
    return TRUE;
  qs_qmp_close (qmp);
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               "‘%s’ cannot be sent to QEMU: its monitor takes nothing", command);
  return FALSE;
}

static JsonNode *
unpack (JsonNode *root, const char *command, GError **error)
{
  JsonObject *message = json_node_get_object (root);
  g_autofree char *text = NULL;

  if (!json_object_has_member (message, "error"))
    return json_object_dup_member (message, "return");
  text = qs_json_clean (qs_json_string (qs_json_object (message, "error"), "desc"));
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "QEMU refuses ‘%s’: %s", command, text);
  return NULL;
}

static JsonNode *
exchange (QsQmp *qmp, const char *command, GVariant *arguments, int fd, gint64 deadline,
          GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  QsQmpAnswer *late;

  while (qs_qmp_is_open (qmp) && (late = g_async_queue_try_pop (qmp->answers)) != NULL)
    {
      if (late->root == NULL)
        {
          g_async_queue_push (qmp->answers, late);
          break;
        }
      qmp->settled = late->number;
      qs_qmp_answer_free (late);
    }
  if (!is_open (qmp, command, error)
      || !send_command (qmp, command, arguments, fd, deadline, error))
    return NULL;
  root = wait_answer (qmp, g_atomic_int_get (&qmp->sent), command, deadline, error);
  return root == NULL ? NULL : unpack (root, command, error);
}

JsonNode *
qs_qmp_execute_fd (QsQmp *qmp, const char *command, GVariant *arguments, int fd, guint seconds,
                   GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
  g_autoptr (GVariant) sunk = arguments == NULL ? NULL : g_variant_ref_sink (arguments);
  JsonNode *result;

  g_return_val_if_fail (!qs_qmp_reader_is_current_thread (), NULL);
  if (g_async_queue_timeout_pop (qmp->turn, time_left (deadline)) == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
                   "‘%s’ was not sent: QEMU is busy with an earlier command", command);
      return NULL;
    }
  result = exchange (qmp, command, sunk, fd, deadline, error);
  g_async_queue_push (qmp->turn, qmp);
  return result;
}

JsonNode *
qs_qmp_execute (QsQmp *qmp, const char *command, GVariant *arguments, guint seconds, GError **error)
{
  return qs_qmp_execute_fd (qmp, command, arguments, -1, seconds, error);
}

/* for commands whose answer says nothing */
gboolean
qs_qmp_run (QsQmp *qmp, const char *command, GVariant *arguments, guint seconds, GError **error)
{
  g_autoptr (JsonNode) answer = qs_qmp_execute (qmp, command, arguments, seconds, error);

  return answer != NULL;
}

static gboolean
negotiate (QsQmp *qmp, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)QS_QMP_GREETING_SECONDS * G_USEC_PER_SEC;
  g_autoptr (JsonNode) greeting = wait_answer (qmp, 0, "greeting", deadline, NULL);
  const char *reason = g_atomic_pointer_get (&qmp->reason);

  if (greeting == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                   "there is no QMP greeting on QEMU’s monitor socket: %s",
                   reason == NULL ? "is another program connected to it?" : reason);
      return FALSE;
    }
  return qs_qmp_run (qmp, "qmp_capabilities", NULL, QS_QMP_COMMAND_SECONDS, error);
}

QsQmp *
qs_qmp_new (int fd, QsQmpEventFunc on_event, gpointer user_data, GDestroyNotify destroy,
            GError **error)
{
  QsQmp *box = g_atomic_rc_box_new0 (QsQmp);
  g_autoptr (QsQmp) qmp = box;

  qmp->fd = fd;
  qmp->nonce = g_random_int ();
  qmp->users = 1;
  qmp->open = TRUE;
  qmp->turn = g_async_queue_new ();
  qmp->answers = g_async_queue_new_full ((GDestroyNotify)qs_qmp_answer_free);
  qmp->news = g_async_queue_new ();
  qmp->input = g_byte_array_new ();
  qmp->on_event = on_event;
  qmp->user_data = user_data;
  qmp->destroy = destroy;
  g_async_queue_push (qmp->turn, qmp);
  qs_qmp_reader_start (qmp);
  return negotiate (qmp, error) ? g_steal_pointer (&qmp) : NULL;
}
