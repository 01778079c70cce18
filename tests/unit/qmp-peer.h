/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-qmp.h"

/**
 * Peer:
 *
 * The other end of a QMP connection: a thread that runs a script against a socket.
 */
typedef struct Peer Peer;
typedef void (*PeerScript) (Peer *peer, gpointer data);

struct Peer
{
  int fd;
  GThread *thread;
  PeerScript script;
  gpointer data;
  GString *input;
  char *id;   /* of the command read last */
  int passed; /* descriptor that came last, or -1 */
};

/* the caller's end of the socket comes back in @fd; the script's end is closed when it returns */
Peer *peer_new (PeerScript script, gpointer data, int *fd);
void peer_free (Peer *peer); /* waits for the script */

gboolean peer_send (Peer *peer, const char *text);  /* FALSE: nobody is there any more */
JsonNode *peer_read (Peer *peer);                   /* a command; NULL at the end */
int peer_read_fd (Peer *peer, JsonNode **command);  /* what came with it, or -1 */
void peer_answer (Peer *peer, const char *content); /* {content, "id": of the command} */
void peer_greet (Peer *peer);                       /* greeting and negotiation */

/* listener that writes down what it hears */
typedef struct
{
  GAsyncQueue *names; /* of char; "(end)" at the end, "(free)" when it is destroyed */
  gint n;
  gint lost;
} Heard;

Heard *heard_new (void);
void heard_free (Heard *heard);
void heard_event (const char *name, JsonObject *data, gboolean lost, gpointer heard);
void heard_destroy (gpointer heard);
void heard_expect (Heard *heard, const char *name); /* the next one is @name */
void heard_skip_to (Heard *heard, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Peer, peer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Heard, heard_free)
