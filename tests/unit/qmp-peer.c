/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE (20 * G_USEC_PER_SEC)

static gpointer
run_script (gpointer data)
{
  Peer *peer = data;

  peer->script (peer, peer->data);
  close (peer->fd);
  return NULL;
}

Peer *
peer_new (PeerScript script, gpointer data, int *fd)
{
  Peer *peer = g_new0 (Peer, 1);
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  peer->fd = ends[0];
  peer->passed = -1;
  peer->script = script;
  peer->data = data;
  peer->input = g_string_new (NULL);
  *fd = ends[1];
  peer->thread = g_thread_new ("peer", run_script, peer);
  return peer;
}

void
peer_free (Peer *peer)
{
  g_thread_join (peer->thread);
  g_string_free (peer->input, TRUE);
  g_free (peer->id);
  g_free (peer);
}

gboolean
peer_send (Peer *peer, const char *text)
{
  gsize left = strlen (text);

  while (left > 0)
    {
      gssize n = send (peer->fd, text, left, MSG_NOSIGNAL);

      if (n <= 0)
        return FALSE;
      text += n;
      left -= n;
    }
  return TRUE;
}

/* keeps a descriptor that comes along */
static gssize
receive (Peer *peer, char *bytes, gsize length)
{
  struct iovec part = { bytes, length };
  union
  {
    char buffer[CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
  } control;
  struct msghdr message = { .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.buffer,
                            .msg_controllen = sizeof control.buffer };
  gssize n = recvmsg (peer->fd, &message, MSG_CMSG_CLOEXEC);

  if (n > 0 && CMSG_FIRSTHDR (&message) != NULL)
    memcpy (&peer->passed, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof (int));
  return n;
}

static char *
read_line (Peer *peer)
{
  char bytes[4096];
  char *newline;

  while ((newline = strchr (peer->input->str, '\n')) == NULL)
    {
      gssize n = receive (peer, bytes, sizeof bytes);

      if (n <= 0)
        return NULL;
      g_string_append_len (peer->input, bytes, n);
    }
  newline = g_strndup (peer->input->str, newline - peer->input->str);
  g_string_erase (peer->input, 0, strlen (newline) + 1);
  return newline;
}

JsonNode *
peer_read (Peer *peer)
{
  g_autofree char *line = read_line (peer);
  JsonNode *node;

  if (line == NULL)
    return NULL;
  node = json_from_string (line, NULL);
  g_assert_nonnull (node);
  g_free (peer->id);
  peer->id = g_strdup (json_object_get_string_member (json_node_get_object (node), "id"));
  return node;
}

int
peer_read_fd (Peer *peer, JsonNode **command)
{
  *command = peer_read (peer);
  return g_steal_fd (&peer->passed);
}

void
peer_answer (Peer *peer, const char *content)
{
  g_autofree char *text = g_strdup_printf ("{%s, \"id\": \"%s\"}\r\n", content, peer->id);

  peer_send (peer, text);
}

void
peer_greet (Peer *peer)
{
  g_autoptr (JsonNode) command = NULL;

  peer_send (peer, "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n");
  command = peer_read (peer);
  g_assert_nonnull (command);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (command), "execute"), ==,
                   "qmp_capabilities");
  peer_answer (peer, "\"return\": {}");
}

Heard *
heard_new (void)
{
  Heard *heard = g_new0 (Heard, 1);

  heard->names = g_async_queue_new_full (g_free);
  return heard;
}

void
heard_free (Heard *heard)
{
  g_async_queue_unref (heard->names);
  g_free (heard);
}

void
heard_event (const char *name, JsonObject *data, gboolean lost, gpointer user_data)
{
  Heard *heard = user_data;

  g_atomic_int_inc (&heard->n);
  g_atomic_int_add (&heard->lost, lost);
  g_async_queue_push (heard->names, g_strdup (name == NULL ? "(end)" : name));
}

void
heard_destroy (gpointer user_data)
{
  Heard *heard = user_data;

  g_async_queue_push (heard->names, g_strdup ("(free)"));
}

void
heard_expect (Heard *heard, const char *name)
{
  g_autofree char *next = g_async_queue_timeout_pop (heard->names, PATIENCE);

  g_assert_cmpstr (next, ==, name);
}

void
heard_skip_to (Heard *heard, const char *name)
{
  while (TRUE)
    {
      g_autofree char *next = g_async_queue_timeout_pop (heard->names, PATIENCE);

      g_assert_nonnull (next);
      if (g_str_equal (next, name))
        return;
    }
}
