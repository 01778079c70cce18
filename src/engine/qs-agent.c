/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-agent.h"

#include "qs-json-scan.h"
#include "qs-limits.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* no JSON text holds this byte: the agent drops what it has read before it, and sends it before the
   answer to guest-sync-delimited */
#define SENTINEL ((char)0xff)

struct QsAgent
{
  int fd;
  GCancellable *cancellable; /* or NULL */
  gboolean synced;           /* nothing but the answer to the next command can come */
  gsize n_read;              /* bytes in @buffer */
  gsize at;
  char buffer[4096];
};

QsAgent *
qs_agent_new (int fd)
{
  QsAgent *agent = g_new0 (QsAgent, 1);

  agent->fd = fd;
  return agent;
}

void
qs_agent_free (QsAgent *agent)
{
  if (agent == NULL)
    return;
  close (agent->fd);
  g_clear_object (&agent->cancellable);
  g_free (agent);
}

void
qs_agent_set_cancellable (QsAgent *agent, GCancellable *cancellable)
{
  g_set_object (&agent->cancellable, cancellable);
}

static gboolean
fail (GError **error, const char *why)
{
  g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE, why);
  return FALSE;
}

/* until there is something to do, or not any more */
static void
wait_for (QsAgent *agent, short events, gint64 deadline)
{
  gint64 left = MAX (deadline - g_get_monotonic_time (), 0);
  GPollFD fds[] = { { .fd = agent->fd, .events = (gushort)events }, { .fd = -1 } };
  gboolean cancels = g_cancellable_make_pollfd (agent->cancellable, &fds[1]);

  g_poll (fds, cancels ? 2 : 1, (int)(left / 1000) + 1);
  if (cancels)
    g_cancellable_release_fd (agent->cancellable);
}

static gboolean
await (QsAgent *agent, short events, gint64 deadline, GError **error)
{
  wait_for (agent, events, deadline);
  if (g_cancellable_set_error_if_cancelled (agent->cancellable, error))
    return FALSE;
  if (g_get_monotonic_time () < deadline)
    return TRUE;
  return fail (error, "the guest agent does not answer: it, or the guest, hangs, or another "
                      "program is connected to it");
}

static gboolean
send_all (QsAgent *agent, const char *bytes, gsize length, gint64 deadline, GError **error)
{
  while (length > 0)
    {
      gssize n = send (agent->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return fail (error, "the connection to the guest agent has ended");
      if (n < 0 && !await (agent, G_IO_OUT, deadline, error))
        return FALSE;
      bytes += MAX (n, 0);
      length -= (gsize)MAX (n, 0);
    }
  return TRUE;
}

static gboolean
fill (QsAgent *agent, gint64 deadline, GError **error)
{
  agent->at = agent->n_read = 0;
  while (agent->n_read == 0)
    {
      gssize n;

      if (!await (agent, G_IO_IN, deadline, error))
        return FALSE;
      n = recv (agent->fd, agent->buffer, sizeof agent->buffer, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return fail (error, "the connection to the guest agent has ended");
      agent->n_read = (gsize)MAX (n, 0);
    }
  return TRUE;
}

static gboolean
read_byte (QsAgent *agent, char *byte, gint64 deadline, GError **error)
{
  if (agent->at == agent->n_read && !fill (agent, deadline, error))
    return FALSE;
  *byte = agent->buffer[agent->at++];
  return TRUE;
}

static gboolean
read_line (QsAgent *agent, GString *line, gint64 deadline, GError **error)
{
  char byte;

  g_string_truncate (line, 0);
  while (read_byte (agent, &byte, deadline, error))
    {
      if (byte == '\n')
        return TRUE;
      if (line->len == QS_MAX_AGENT_REPLY_BYTES)
        return fail (error, "the guest agent sends an answer that is too long");
      g_string_append_c (line, byte);
    }
  return FALSE;
}

/* the next line behind a sentinel, if it is one that an agent may send */
static gboolean
find_delimited (QsAgent *agent, GString *line, gsize *n_skipped, gint64 deadline, GError **error)
{
  gboolean delimited = FALSE;
  char byte;

  g_string_truncate (line, 0);
  while (read_byte (agent, &byte, deadline, error))
    {
      if (++*n_skipped > QS_MAX_AGENT_SKIPPED_BYTES)
        return fail (error, "the guest agent sends without end what was not asked for");
      if (byte == '\n' && delimited)
        return TRUE;
      if (byte == SENTINEL || line->len == QS_MAX_AGENT_REPLY_BYTES)
        {
          delimited = byte == SENTINEL;
          g_string_truncate (line, 0);
        }
      else if (delimited)
        g_string_append_c (line, byte);
    }
  return FALSE;
}

static JsonObject *
parse (const GString *line, JsonNode **root)
{
  *root = qs_json_parse (line->str, line->len, QS_ERROR_AGENT_UNRESPONSIVE, NULL);
  return *root != NULL && JSON_NODE_HOLDS_OBJECT (*root) ? json_node_get_object (*root) : NULL;
}

static gboolean
is_answer_to (const GString *line, gint64 id)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *answer = parse (line, &root);

  return answer != NULL && qs_json_int64 (answer, "return") == id;
}

/* no other client's, and no earlier one of ours; a double can tell them apart, too */
static gint64
random_id (void)
{
  return 1 + ((gint64)g_random_int () << 20) + (gint64)(g_random_int () >> 12);
}

gboolean
qs_agent_sync (QsAgent *agent, gint64 deadline, GError **error)
{
  gint64 id = random_id ();
  g_autofree char *command = g_strdup_printf ("%c{\"execute\":\"guest-sync-delimited\","
                                              "\"arguments\":{\"id\":%" G_GINT64_FORMAT "}}\n",
                                              SENTINEL, id);
  g_autoptr (GString) line = g_string_new (NULL);
  gsize n_skipped = 0;

  agent->synced = FALSE;
  if (!send_all (agent, command, strlen (command), deadline, error))
    return FALSE;
  while (!agent->synced && find_delimited (agent, line, &n_skipped, deadline, error))
    agent->synced = is_answer_to (line, id);
  return agent->synced;
}

/* @root: (out): holds what is returned */
static JsonObject *
exchange (QsAgent *agent, const char *command, JsonNode **root, gint64 deadline, GError **error)
{
  g_autofree char *text = g_strdup_printf ("{\"execute\":\"%s\"}\n", command);
  g_autoptr (GString) line = g_string_new (NULL);
  JsonObject *answer;

  if (!agent->synced && !qs_agent_sync (agent, deadline, error))
    return NULL;
  agent->synced = FALSE;
  if (!send_all (agent, text, strlen (text), deadline, error)
      || !read_line (agent, line, deadline, error))
    return NULL;
  answer = parse (line, root);
  if (answer != NULL
      && (json_object_has_member (answer, "return") || qs_json_object (answer, "error") != NULL))
    {
      agent->synced = TRUE;
      return answer;
    }
  fail (error, "the guest agent’s answer cannot be understood");
  return NULL;
}

static JsonNode *
execute (QsAgent *agent, const char *command, gint64 deadline, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *answer = exchange (agent, command, &root, deadline, error);
  g_autofree char *why = NULL;

  if (answer == NULL)
    return NULL;
  if (!json_object_has_member (answer, "error"))
    return json_object_dup_member (answer, "return");
  why = qs_json_clean (qs_json_string (qs_json_object (answer, "error"), "desc"));
  g_set_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE, "the guest agent refuses ‘%s’: %s",
               command, why);
  return NULL;
}

gboolean
qs_agent_is_frozen (QsAgent *agent, gboolean *frozen, gint64 deadline, GError **error)
{
  g_autoptr (JsonNode) answer = execute (agent, "guest-fsfreeze-status", deadline, error);
  const char *word;

  if (answer == NULL)
    return FALSE;
  word = json_node_get_value_type (answer) == G_TYPE_STRING ? json_node_get_string (answer) : NULL;
  if (g_strcmp0 (word, "frozen") != 0 && g_strcmp0 (word, "thawed") != 0)
    return fail (error, "the guest agent does not say whether the guest is frozen");
  *frozen = g_str_equal (word, "frozen");
  return TRUE;
}

static gboolean
count (QsAgent *agent, const char *command, gint64 *n, gint64 deadline, GError **error)
{
  g_autoptr (JsonNode) answer = execute (agent, command, deadline, error);

  if (answer == NULL)
    return FALSE;
  if (json_node_get_value_type (answer) != G_TYPE_INT64)
    return fail (error, "the guest agent’s answer cannot be understood");
  *n = json_node_get_int (answer);
  return TRUE;
}

gboolean
qs_agent_freeze (QsAgent *agent, gint64 *n, gint64 deadline, GError **error)
{
  gint64 ignored;

  return count (agent, "guest-fsfreeze-freeze", n != NULL ? n : &ignored, deadline, error);
}

gboolean
qs_agent_thaw (QsAgent *agent, gint64 deadline, GError **error)
{
  gint64 ignored;

  return count (agent, "guest-fsfreeze-thaw", &ignored, deadline, error);
}
