/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"
#include "qs-agent.h"
#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MSEC 1000
#define SOON (150 * MSEC)
#define PATIENCE (20 * G_USEC_PER_SEC)

static gint64
in (gint64 microseconds)
{
  return g_get_monotonic_time () + microseconds;
}

/* (nullable): the next line; the agent drops what comes before the sentinel */
static char *
hear (Peer *peer)
{
  g_autoptr (GString) line = g_string_new (NULL);
  char byte;

  while (recv (peer->fd, &byte, 1, 0) == 1)
    if (byte == '\n')
      return g_string_free (g_steal_pointer (&line), FALSE);
    else if (byte == (char)0xff)
      g_string_truncate (line, 0);
    else
      g_string_append_c (line, byte);
  return NULL;
}

static void
say (Peer *peer, const char *bytes, gsize length)
{
  while (length > 0)
    {
      gssize n = send (peer->fd, bytes, length, MSG_NOSIGNAL);

      if (n <= 0)
        return;
      bytes += n;
      length -= (gsize)n;
    }
}

/* FALSE: it was not a request to synchronize, or the other end has gone */
static gboolean
answer_sync (Peer *peer, const char *before)
{
  g_autofree char *line = hear (peer);
  g_autoptr (JsonNode) command = line != NULL ? json_from_string (line, NULL) : NULL;
  g_autofree char *text = NULL;
  JsonObject *object;

  if (command == NULL)
    return FALSE;
  object = json_node_get_object (command);
  g_assert_cmpstr (json_object_get_string_member (object, "execute"), ==, "guest-sync-delimited");
  object = json_object_get_object_member (object, "arguments");
  text = g_strdup_printf ("%s\xff{\"return\": %" G_GINT64_FORMAT "}\n", before,
                          json_object_get_int_member (object, "id"));
  say (peer, text, strlen (text));
  return TRUE;
}

static void
expect (Peer *peer, const char *command)
{
  g_autofree char *line = hear (peer);
  g_autofree char *expected = g_strdup_printf ("{\"execute\":\"%s\"}", command);

  g_assert_cmpstr (line, ==, expected);
}

static void
wait_end (Peer *peer)
{
  g_autofree char *line = hear (peer);

  g_assert_null (line);
}

typedef struct
{
  Peer *peer;
  QsAgent *agent;
} Bench;

static Bench *
bench_new (PeerScript script, gpointer data)
{
  Bench *bench = g_new0 (Bench, 1);
  int fd;

  bench->peer = peer_new (script, data, &fd);
  bench->agent = qs_agent_new (fd);
  return bench;
}

static void
bench_free (Bench *bench)
{
  qs_agent_free (bench->agent);
  peer_free (bench->peer);
  g_free (bench);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bench, bench_free)

/* one request to synchronize is enough for as long as everything is answered */
static void
script_good (Peer *peer, gpointer data)
{
  g_assert_true (answer_sync (peer, ""));
  expect (peer, "guest-fsfreeze-status");
  peer_send (peer, "{\"return\": \"thawed\"}\n");
  expect (peer, "guest-fsfreeze-freeze");
  peer_send (peer, "{\"return\": 3}\n");
  expect (peer, "guest-fsfreeze-status");
  peer_send (peer, "{\"return\": \"frozen\"}\r\n");
  expect (peer, "guest-fsfreeze-thaw");
  peer_send (peer, "{\"return\": 3}\n");
  wait_end (peer);
}

static void
test_good (void)
{
  g_autoptr (Bench) bench = bench_new (script_good, NULL);
  g_autoptr (GError) error = NULL;
  gboolean frozen = TRUE;
  gint64 n = 0;

  qs_agent_is_frozen (bench->agent, &frozen, in (PATIENCE), &error);
  g_assert_no_error (error);
  g_assert_false (frozen);
  qs_agent_freeze (bench->agent, &n, in (PATIENCE), &error);
  g_assert_no_error (error);
  g_assert_cmpint (n, ==, 3);
  qs_agent_is_frozen (bench->agent, &frozen, in (PATIENCE), &error);
  g_assert_no_error (error);
  g_assert_true (frozen);
  g_assert_true (qs_agent_thaw (bench->agent, in (PATIENCE), &error));
  g_assert_no_error (error);
}

/* what the agent may have to say before: answers to others, halves of them, other synchronizations,
   a bomb, what is no text */
static void
script_late (Peer *peer, gpointer data)
{
  g_autofree char *bomb = g_strnfill (200 * 1024, '[');
  g_autofree char *before =
      g_strconcat ("{\"return\": 17}\n{\"ret\xff{\"return\": 5}\n\xff\xff", bomb,
                   "\n\xff{\"return\": {}}\n\xff{\"return\": 1.5}\n\xff"
                   "7\n\xff\n\xff\xfe\xfd\n\xff{\"error\": {\"desc\": \"\"}}\n{",
                   NULL);

  g_assert_true (answer_sync (peer, before));
  expect (peer, "guest-fsfreeze-status");
  peer_send (peer, "{\"return\": \"frozen\"}\n");
  wait_end (peer);
}

static void
test_late_answers (void)
{
  g_autoptr (Bench) bench = bench_new (script_late, NULL);
  g_autoptr (GError) error = NULL;
  gboolean frozen = FALSE;

  qs_agent_is_frozen (bench->agent, &frozen, in (PATIENCE), &error);
  g_assert_no_error (error);
  g_assert_true (frozen);
}

/* hears, and never answers */
static void
script_deaf (Peer *peer, gpointer data)
{
  while (TRUE)
    {
      g_autofree char *line = hear (peer);

      if (line == NULL)
        return;
    }
}

/* answers to what nobody asked, for ever but slowly */
static void
script_trickle (Peer *peer, gpointer data)
{
  while (peer_send (peer, "\xff{\"return\": 0}\n"))
    g_usleep (10 * MSEC);
}

/* one byte of an answer that has no end at a time */
static void
script_endless (Peer *peer, gpointer data)
{
  g_assert_true (answer_sync (peer, ""));
  while (peer_send (peer, " "))
    g_usleep (10 * MSEC);
}

static void
check_times_out (PeerScript script)
{
  g_autoptr (Bench) bench = bench_new (script, NULL);
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();
  gboolean frozen;

  g_assert_false (qs_agent_is_frozen (bench->agent, &frozen, in (SOON), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
  g_assert_true (g_str_has_prefix (error->message, "the guest agent does not answer"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, SOON);
  g_assert_cmpint (g_get_monotonic_time () - start, <, PATIENCE);
}

static void
test_time (void)
{
  check_times_out (script_deaf);
  check_times_out (script_trickle);
  check_times_out (script_endless);
}

/* the other end reads nothing: a full socket is no reason to wait longer */
static void
test_full_socket (void)
{
  int ends[2];
  int size = 1;
  char filler[65536] = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsAgent) agent = NULL;
  gboolean frozen;

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  g_assert_no_errno (setsockopt (ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
  while (send (ends[0], filler, sizeof filler, MSG_DONTWAIT) > 0)
    continue;
  while (send (ends[0], filler, 1, MSG_DONTWAIT) > 0)
    continue;
  agent = qs_agent_new (ends[0]);
  g_assert_false (qs_agent_is_frozen (agent, &frozen, in (SOON), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
  close (ends[1]);
}

static void
script_flood (Peer *peer, gpointer data)
{
  while (peer_send (peer, data))
    continue;
}

static void
check_flood (const char *text)
{
  g_autoptr (GString) much = g_string_new (NULL);
  g_autoptr (Bench) bench = NULL;
  g_autoptr (GError) error = NULL;

  while (much->len < 64 * 1024)
    g_string_append (much, text);
  bench = bench_new (script_flood, much->str);
  g_assert_false (qs_agent_sync (bench->agent, in (PATIENCE), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
  g_assert_cmpstr (error->message, ==, "the guest agent sends without end what was not asked for");
}

static void
test_flood (void)
{
  check_flood ("[");
  check_flood ("\xff");
  check_flood ("\n");
  check_flood ("\xff{\"return\": 0}\n");
  check_flood ("{\"return\": \"frozen\"}\n");
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (20 * MSEC);
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_cancel (void)
{
  g_autoptr (Bench) bench = bench_new (script_deaf, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);

  qs_agent_set_cancellable (bench->agent, cancellable);
  g_assert_false (qs_agent_sync (bench->agent, in (PATIENCE), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
}

typedef struct
{
  const char *bytes; /* instead of an answer */
  const char *reason;
} Case;

#define NONSENSE "the guest agent’s answer cannot be understood"

static const Case cases[] = {
  { "\n", NONSENSE },
  { "7\n", NONSENSE },
  { "[\"frozen\"]\n", NONSENSE },
  { "{}\n", NONSENSE },
  { "{\"error\": \"frozen\"}\n", NONSENSE },
  { "{\"return\": \"frozen\"\n", NONSENSE },
  { "{\"return\": \"\\ud800\"}\n", NONSENSE },
  { "{\"return\": \"\xc3\"}\n", NONSENSE },
  { "\xff{\"return\": \"frozen\"}\n", NONSENSE },
  { "{\"return\": /* */ \"frozen\"}\n", NONSENSE },
  { "{\"return\": {}}\n", "the guest agent does not say whether the guest is frozen" },
  { "{\"return\": null}\n", "the guest agent does not say whether the guest is frozen" },
  { "{\"return\": 0}\n", "the guest agent does not say whether the guest is frozen" },
  { "{\"return\": \"frozen \"}\n", "the guest agent does not say whether the guest is frozen" },
  { "{\"return\": \"frozen\", \"error\": {\"desc\": \"a\\u001b[31mb\\n\"}}\n",
    "the guest agent refuses ‘guest-fsfreeze-status’: a [31mb " },
  { "{\"error\": {}}\n", "the guest agent refuses ‘guest-fsfreeze-status’: no reason given" },
  { "{\"return\"", "the connection to the guest agent has ended" },
  { "", "the connection to the guest agent has ended" },
};

static void
script_case (Peer *peer, gpointer data)
{
  g_assert_true (answer_sync (peer, ""));
  expect (peer, "guest-fsfreeze-status");
  peer_send (peer, data);
}

static void
check_refused (const char *bytes, const char *reason)
{
  g_autoptr (Bench) bench = bench_new (script_case, (gpointer)bytes);
  g_autoptr (GError) error = NULL;
  gboolean frozen;

  g_assert_false (qs_agent_is_frozen (bench->agent, &frozen, in (PATIENCE), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
  g_assert_cmpstr (error->message, ==, reason);
}

static void
test_cases (void)
{
  g_autofree char *open = g_strnfill (200 * 1024, '[');
  g_autofree char *deep = g_strnfill (QS_MAX_AGENT_REPLY_BYTES - 1, '[');
  g_autofree char *line = g_strconcat (deep, "\n", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_refused (cases[i].bytes, cases[i].reason);
  check_refused (open, "the guest agent sends an answer that is too long");
  check_refused (line, NONSENSE);
}

/* after nonsense, and after a refusal, the same connection can be used on */
static void
script_again (Peer *peer, gpointer data)
{
  g_assert_true (answer_sync (peer, ""));
  expect (peer, "guest-fsfreeze-freeze");
  peer_send (peer, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"hook failed\"}}\n");
  expect (peer, "guest-fsfreeze-freeze");
  peer_send (peer, "{\"return\": true}\n");
  expect (peer, "guest-fsfreeze-thaw");
  peer_send (peer, "nonsense\n{\"return\": 3}\n");
  g_assert_true (answer_sync (peer, "{\"return\": 4}\n"));
  expect (peer, "guest-fsfreeze-thaw");
  peer_send (peer, "{\"return\": 2}\n");
  wait_end (peer);
}

static void
test_again (void)
{
  g_autoptr (Bench) bench = bench_new (script_again, NULL);
  g_autoptr (GError) error = NULL;
  gint64 n = -1;

  g_assert_false (qs_agent_freeze (bench->agent, &n, in (PATIENCE), &error));
  g_assert_cmpstr (error->message, ==,
                   "the guest agent refuses ‘guest-fsfreeze-freeze’: hook failed");
  g_clear_error (&error);
  g_assert_false (qs_agent_freeze (bench->agent, &n, in (PATIENCE), &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE);
  g_assert_cmpint (n, ==, -1);
  g_clear_error (&error);
  g_assert_false (qs_agent_thaw (bench->agent, in (PATIENCE), &error));
  g_assert_cmpstr (error->message, ==, NONSENSE);
  g_clear_error (&error);
  g_assert_true (qs_agent_thaw (bench->agent, in (PATIENCE), &error));
  g_assert_no_error (error);
}

/* nobody else's answer can be taken for ours */
static void
script_wrong_id (Peer *peer, gpointer data)
{
  g_autofree char *line = hear (peer);

  g_assert_nonnull (line);
  peer_send (peer, "\xff{\"return\": 0}\n\xff{\"return\": \"frozen\"}\n\xff{}\n");
  wait_end (peer);
}

static void
test_wrong_id (void)
{
  check_times_out (script_wrong_id);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/agent/good", test_good);
  g_test_add_func ("/agent/late-answers", test_late_answers);
  g_test_add_func ("/agent/time", test_time);
  g_test_add_func ("/agent/full-socket", test_full_socket);
  g_test_add_func ("/agent/flood", test_flood);
  g_test_add_func ("/agent/cancel", test_cancel);
  g_test_add_func ("/agent/cases", test_cases);
  g_test_add_func ("/agent/again", test_again);
  g_test_add_func ("/agent/wrong-id", test_wrong_id);
  return g_test_run ();
}
