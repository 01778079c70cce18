/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "guest-play.h"

#include "qs-json-scan.h"
#include "qs-process.h"

#include <unistd.h>

static void
play_lines (Peer *peer, gpointer data)
{
  GuestPlay *play = data;

  peer_greet (peer);
  while (TRUE)
    {
      g_autoptr (JsonNode) command = peer_read (peer);
      const char *name =
          command != NULL ? qs_json_string (json_node_get_object (command), "execute") : NULL;

      if (command == NULL)
        return;
      if (g_str_equal (name, "query-uuid"))
        {
          peer_answer (peer, "\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}");
          continue;
        }
      g_assert_cmpstr (name, ==, play->lines[play->n].command);
      peer_answer (peer, play->lines[play->n].answer);
      play->n++;
    }
}

void
guest_play_open (GuestPlay *play, const GuestLine *lines)
{
  g_autoptr (QsProcess) process = qs_process_identify (getpid (), getuid (), "", "");
  const QsGuestIdentity identity = { NULL, NULL, getuid (), process };
  g_autoptr (GError) error = NULL;
  int fd;

  play->lines = lines;
  play->peer = peer_new (play_lines, play, &fd);
  play->guest = qs_guest_new (fd, &identity, NULL, &error);
  g_assert_no_error (error);
}

void
guest_play_clear (GuestPlay *play)
{
  g_clear_pointer (&play->guest, qs_guest_unref);
  g_clear_pointer (&play->peer, peer_free);
  g_assert_null (play->lines[play->n].command);
}
