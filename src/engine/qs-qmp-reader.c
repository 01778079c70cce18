/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-qmp-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* events handed out in one turn of the loop, so that no guest keeps the thread for itself */
#define EVENTS_PER_DISPATCH 64
/* wake-ups of waiters that are kept: one would do, but several may wait */
#define MAX_NEWS 16

typedef struct
{
  char *name;
  JsonObject *data; /* or NULL */
} Event;

/* answers to commands of a connection before this one */
#define MAX_BELATED 16

static void
event_free (Event *event)
{
  g_free (event->name);
  g_clear_pointer (&event->data, json_object_unref);
  g_free (event);
}

static gpointer
run_loop (gpointer data)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (data, FALSE);

  g_main_loop_run (loop);
  return NULL;
}

/* one thread for the life of the process */
static GMainContext *
reader_context (void)
{
  static gsize once;
  static GMainContext *context;

  if (g_once_init_enter (&once))
    {
      context = g_main_context_new ();
      g_thread_unref (g_thread_new ("qmp", run_loop, context));
      g_once_init_leave (&once, 1);
    }
  return context;
}

gboolean
qs_qmp_reader_is_current_thread (void)
{
  return g_main_context_is_owner (reader_context ());
}

/* @root: (transfer full): json-glib counts references of objects without atomics, so nothing of an
   answer may stay behind in this thread */
static void
push_answer (QsQmp *qmp, guint number, JsonNode *root)
{
  QsQmpAnswer *answer = g_new0 (QsQmpAnswer, 1);

  answer->number = number;
  answer->root = root;
  g_async_queue_push (qmp->answers, answer);
}

static void
deliver_one (QsQmp *qmp)
{
  Event *event = g_queue_pop_head (&qmp->events);
  gboolean lost = qmp->lost;

  qmp->lost = FALSE;
  if (qmp->on_event != NULL)
    qmp->on_event (event->name, event->data, lost, qmp->user_data);
  event_free (event);
}

static gboolean
on_delivery (gpointer data)
{
  QsQmp *qmp = data;

  for (guint i = 0; i < EVENTS_PER_DISPATCH && qmp->events.length > 0; i++)
    deliver_one (qmp);
  if (qmp->events.length > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&qmp->delivery, g_source_unref);
  return G_SOURCE_REMOVE;
}

static GSource *
attach (GSource *source, QsQmp *qmp, GSourceFunc func)
{
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, g_atomic_rc_box_acquire (qmp), qs_qmp_release);
  g_source_attach (source, reader_context ());
  return source;
}

static void
detach (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
end_connection (QsQmp *qmp, const char *reason)
{
  if (qmp->ended)
    return;
  qmp->ended = TRUE;
  g_atomic_pointer_set (&qmp->reason, g_strdup (reason));
  g_atomic_int_set (&qmp->open, FALSE);
  shutdown (qmp->fd, SHUT_RDWR);
  detach (&qmp->source);
  detach (&qmp->delivery);
  push_answer (qmp, 0, NULL);

  while (qmp->events.length > 0)
    deliver_one (qmp);
  if (qmp->on_event != NULL)
    qmp->on_event (NULL, NULL, qmp->lost, qmp->user_data);
  if (qmp->destroy != NULL)
    qmp->destroy (qmp->user_data);
}

/* microseconds since the epoch; 0: none that can be used */
static gint64
event_time (JsonObject *message)
{
  JsonObject *stamp = qs_json_object (message, "timestamp");
  gint64 seconds = stamp == NULL ? -1 : qs_json_int64 (stamp, "seconds");

  if (seconds <= 0 || seconds > G_MAXINT64 / G_USEC_PER_SEC - 1)
    return 0;
  return seconds * G_USEC_PER_SEC + CLAMP (qs_json_int64 (stamp, "microseconds"), 0, 999999);
}

/* counted as it is read, so that whoever has the answer to `cont` finds the pause counted */
static void
count_stop (QsQmp *qmp, const char *name, JsonObject *message)
{
  gint64 now = event_time (message);

  if (g_str_equal (name, "STOP"))
    qmp->stopped_at = now;
  if (!g_str_equal (name, "RESUME"))
    return;
  g_atomic_int_inc (&qmp->resumes);
  if (qmp->stopped_at > 0 && now > qmp->stopped_at)
    g_atomic_pointer_add (&qmp->stopped, now - qmp->stopped_at);
  qmp->stopped_at = 0;
}

static gboolean
is_news (const char *name)
{
  return g_str_equal (name, "JOB_STATUS_CHANGE") || g_str_equal (name, "MIGRATION");
}

/* the take_ functions return what is wrong with what QEMU sent, or NULL */

static const char *
take_event (QsQmp *qmp, JsonObject *message, gsize length)
{
  const char *name = qs_json_string (message, "event");
  JsonObject *data = qs_json_object (message, "data");
  Event *event;

  if (name == NULL || length > QS_MAX_QMP_EVENT_BYTES)
    return "it sent an event that is too long or has no name";
  event = g_new0 (Event, 1);
  event->name = g_strdup (name);
  event->data = data == NULL ? NULL : json_object_ref (data);
  count_stop (qmp, name, message);
  if (is_news (name) && g_async_queue_length (qmp->news) < MAX_NEWS)
    g_async_queue_push (qmp->news, qmp);

  if (qmp->events.length == QS_MAX_QMP_EVENTS)
    {
      event_free (g_queue_pop_head (&qmp->events));
      qmp->lost = TRUE;
    }
  g_queue_push_tail (&qmp->events, event);
  if (qmp->delivery == NULL)
    qmp->delivery = attach (g_idle_source_new (), qmp, on_delivery);
  return NULL;
}

static gboolean
has_answer (JsonObject *message)
{
  return json_object_has_member (message, "error") ? qs_json_object (message, "error") != NULL
                                                   : json_object_has_member (message, "return");
}

/* QEMU sends the answer to a command whose sender has gone to whoever comes next. Ids differ from
   connection to connection, and it can only come before our first command is answered */
static gboolean
is_belated (QsQmp *qmp, JsonObject *message)
{
  g_autofree char *own = qs_qmp_format_id (qmp, qmp->answered + 1);
  const char *id = qs_json_string (message, "id");

  return qmp->answered == 0 && qmp->belated < MAX_BELATED && id != NULL
         && g_str_has_prefix (id, QS_QMP_ID_PREFIX) && !g_str_equal (id, own);
}

/* commands are answered in order, so there is exactly one id that may come */
static const char *
take_answer (QsQmp *qmp, JsonNode **root)
{
  JsonObject *message = json_node_get_object (*root);
  g_autofree char *expected = qs_qmp_format_id (qmp, qmp->answered + 1);

  if (!has_answer (message))
    return "it sent what is neither an answer nor an event";
  if (is_belated (qmp, message))
    {
      qmp->belated++;
      return NULL;
    }
  if (g_strcmp0 (qs_json_string (message, "id"), expected) != 0
      || qmp->answered == (guint)g_atomic_int_get (&qmp->sent))
    return "it sent an answer that was not asked for";
  push_answer (qmp, ++qmp->answered, g_steal_pointer (root));
  return NULL;
}

static const char *
take_message (QsQmp *qmp, JsonNode **root, gsize length)
{
  JsonObject *message = json_node_get_object (*root);

  if (!qmp->greeted && is_belated (qmp, message))
    {
      qmp->belated++;
      return NULL;
    }
  if (!qmp->greeted)
    {
      if (!json_object_has_member (message, "QMP"))
        return "it sent no QMP greeting";
      qmp->greeted = TRUE;
      push_answer (qmp, 0, g_steal_pointer (root));
      return NULL;
    }
  if (json_object_has_member (message, "event"))
    return take_event (qmp, message, length);
  return take_answer (qmp, root);
}

static const char *
take_line (QsQmp *qmp)
{
  gsize length = qmp->input->len;
  g_autoptr (GByteArray) line = g_steal_pointer (&qmp->input);
  g_autoptr (JsonNode) root =
      qs_json_parse ((const char *)line->data, length, QS_ERROR_MONITOR_FAILED, NULL);

  qmp->input = g_byte_array_new ();
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return "it sent what is not a JSON object";
  return take_message (qmp, &root, length);
}

/* what nobody has asked for is short. Before the first answer there may be belated ones, of any
   length */
static gsize
line_limit (QsQmp *qmp)
{
  gboolean unasked = qmp->answered > 0 && qmp->answered == (guint)g_atomic_int_get (&qmp->sent);

  return unasked ? QS_MAX_QMP_EVENT_BYTES : QS_MAX_QMP_LINE_BYTES;
}

static const char *
take_bytes (QsQmp *qmp, const guint8 *bytes, gsize n)
{
  const char *fault = NULL;

  while (n > 0 && fault == NULL)
    {
      const guint8 *newline = memchr (bytes, '\n', n);
      gsize part = newline == NULL ? n : (gsize)(newline - bytes);

      if (qmp->input->len + part > line_limit (qmp))
        return "it sent a line that is too long";
      g_byte_array_append (qmp->input, bytes, part);
      if (newline == NULL)
        return NULL;
      fault = take_line (qmp);
      bytes += part + 1;
      n -= part + 1;
    }
  return fault;
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer data)
{
  QsQmp *qmp = data;
  guint8 bytes[QS_MAX_QMP_DISPATCH_BYTES];
  gssize n = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);
  const char *fault = NULL;

  if (n > 0)
    fault = take_bytes (qmp, bytes, n);
  else if (n == 0)
    fault = "QEMU has closed it";
  else if (errno != EAGAIN && errno != EINTR)
    fault = g_strerror (errno);
  if (fault != NULL)
    end_connection (qmp, fault);
  return fault == NULL ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
on_stop (gpointer data)
{
  end_connection (data, NULL);
  return G_SOURCE_REMOVE;
}

void
qs_qmp_reader_start (QsQmp *qmp)
{
  qmp->source = g_unix_fd_source_new (qmp->fd, G_IO_IN);
  attach (qmp->source, qmp, G_SOURCE_FUNC (on_readable));
}

/* always later, never from within an event function */
void
qs_qmp_reader_stop (QsQmp *qmp)
{
  g_source_unref (attach (g_idle_source_new (), qmp, on_stop));
}

/* when nobody holds @qmp any more */
void
qs_qmp_reader_clear (QsQmp *qmp)
{
  g_queue_clear_full (&qmp->events, (GDestroyNotify)event_free);
  g_byte_array_unref (qmp->input);
}
