/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"
#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>
#include <unistd.h>

typedef struct
{
  const char *name;
  const char *bytes; /* sent as the answer to a command, then the peer listens on */
  const char *reason;
} Case;

static const Case cases[] = {
  { "garbage", "\001\002\003garbage\n", "it sent what is not a JSON object" },
  { "an empty line", "\r\n", "it sent what is not a JSON object" },
  { "an array", "[1]\n", "it sent what is not a JSON object" },
  { "bad UTF-8", "{\"return\":\"\xff\",\"id\":\"qs-2\"}\n", "it sent what is not a JSON object" },
  { "half a pair", "{\"return\":\"\\ud800\",\"id\":\"qs-2\"}\n",
    "it sent what is not a JSON object" },
  { "a later id", "{\"return\":{},\"id\":\"qs-3\"}\n", "it sent an answer that was not asked for" },
  { "an old id", "{\"return\":{},\"id\":\"qs-1\"}\n", "it sent an answer that was not asked for" },
  { "no id", "{\"error\":{\"desc\":\"JSON parse error\"}}\n",
    "it sent an answer that was not asked for" },
  { "a numeric id", "{\"return\":{},\"id\":2}\n", "it sent an answer that was not asked for" },
  { "a wrong error", "{\"error\":7,\"id\":\"qs-2\"}\n",
    "it sent what is neither an answer nor an event" },
  { "nothing known", "{\"id\":\"qs-2\"}\n", "it sent what is neither an answer nor an event" },
  { "a second greeting", "{\"QMP\":{}}\n", "it sent what is neither an answer nor an event" },
  { "a nameless event", "{\"event\":{}}\n", "it sent an event that is too long or has no name" },
};

static void
script_case (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) command = NULL;

  peer_greet (peer);
  command = peer_read (peer);
  peer_send (peer, data);
  g_assert_null (peer_read (peer));
}

static void
check_dropped (const char *bytes, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  int fd;
  Peer *peer = peer_new (script_case, (gpointer)bytes, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "cont", NULL, 20, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_assert_true (g_str_has_suffix (error->message, reason));
  g_assert_false (qs_qmp_is_open (qmp));
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  qs_qmp_unref (qmp);
  peer_free (peer);
  g_assert_cmpint (g_async_queue_length (heard->names), ==, 0);
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].name);
      check_dropped (cases[i].bytes, cases[i].reason);
    }
}

static void
test_depth_bomb (void)
{
  g_autofree char *deep = g_strnfill (100000, '[');
  g_autofree char *text = g_strdup_printf ("{\"return\": %s\n", deep);

  check_dropped (text, "it sent what is not a JSON object");
}

static void
test_long_event (void)
{
  g_autofree char *fill = g_strnfill (QS_MAX_QMP_EVENT_BYTES, 'x');
  g_autofree char *text = g_strdup_printf ("{\"event\":\"%s\"}\n", fill);

  check_dropped (text, "it sent an event that is too long or has no name");
}

static void
script_half_line (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) command = NULL;

  peer_greet (peer);
  command = peer_read (peer);
  peer_send (peer, "{\"return\": {}, \"id\": \"qs-2\"}");
}

/* an answer without its newline, then the end: not an answer */
static void
test_disconnect (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  int fd;
  Peer *peer = peer_new (script_half_line, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "cont", NULL, 20, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_assert_true (g_str_has_suffix (error->message, "QEMU has closed it"));
  heard_expect (heard, "(end)");
  qs_qmp_unref (qmp);
  heard_expect (heard, "(free)");
  peer_free (peer);
}

static void
script_say (Peer *peer, gpointer data)
{
  if (data != NULL)
    peer_send (peer, data);
  g_assert_null (peer_read (peer));
}

static void
check_greeting (const char *bytes, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  int fd;
  Peer *peer = peer_new (script_say, (gpointer)bytes, &fd);

  g_assert_null (qs_qmp_new (fd, heard_event, heard, heard_destroy, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_cmpstr (error->message, ==, expected);
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  peer_free (peer);
}

static void
test_greeting (void)
{
  gint64 start = g_get_monotonic_time ();

  check_greeting ("{\"event\":\"STOP\"}\n",
                  "there is no QMP greeting on QEMU’s monitor socket: it sent no QMP greeting");
  g_assert_cmpint (g_get_monotonic_time () - start, <, 4 * (gint64)G_USEC_PER_SEC);
  check_greeting (NULL, "there is no QMP greeting on QEMU’s monitor socket: is another program "
                        "connected to it?");
  g_assert_cmpint (g_get_monotonic_time () - start, >=,
                   (gint64)QS_QMP_GREETING_SECONDS * G_USEC_PER_SEC);
}

#define FLOOD 200000

static void
script_flood (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) command = NULL;
  GString *events = g_string_new (NULL);

  peer_greet (peer);
  command = peer_read (peer);
  for (guint i = 0; i < FLOOD / 100; i++)
    g_string_append (events, "{\"event\":\"STOP\"}\n");
  for (guint i = 0; i < 100; i++)
    peer_send (peer, events->str);
  peer_send (peer, "{\"event\":\"RESUME\"}\n");
  peer_answer (peer, "\"return\": {}");
  g_assert_null (peer_read (peer));
  g_string_free (events, TRUE);
}

static void
test_flood (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  int fd;
  Peer *peer = peer_new (script_flood, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  g_assert_true (qs_qmp_run (qmp, "cont", NULL, 60, &error));
  g_assert_no_error (error);
  heard_skip_to (heard, "RESUME");
  g_assert_cmpint (g_atomic_int_get (&heard->lost), >, 0);
  g_assert_cmpint (g_atomic_int_get (&heard->n), <, FLOOD);
  qs_qmp_unref (qmp);
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  peer_free (peer);
}

static void
script_stall (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) first = NULL;
  g_autoptr (JsonNode) second = NULL;
  g_autofree char *late = NULL;

  peer_greet (peer);
  first = peer_read (peer);
  /* nothing until the next command: the first one has been given up by then */
  second = peer_read (peer);
  late = g_strdup_printf ("{\"return\": {\"late\": true}, \"id\": \"%s\"}\n",
                          json_object_get_string_member (json_node_get_object (first), "id"));
  peer_send (peer, late);
  peer_answer (peer, "\"return\": {\"late\": false}");
  for (guint i = 0; i < QS_MAX_QMP_UNANSWERED; i++)
    json_node_unref (peer_read (peer));
  g_assert_null (peer_read (peer));
}

/* QEMU sends the answer to a command of a client that was killed to the next one */
static void
script_belated (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) command = NULL;

  peer_send (peer, "{\"return\": {\"mine\": false}, \"id\": \"qs-00000000-7\"}\n");
  peer_greet (peer);
  command = peer_read (peer);
  peer_answer (peer, "\"return\": {\"mine\": true}");
  g_assert_null (peer_read (peer));
}

static void
test_belated (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer = NULL;
  int fd;
  Peer *peer = peer_new (script_belated, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  answer = qs_qmp_execute (qmp, "query-status", NULL, 20, &error);
  g_assert_no_error (error);
  g_assert_true (json_object_get_boolean_member (json_node_get_object (answer), "mine"));
  qs_qmp_unref (qmp);
  peer_free (peer);
}

static void
test_stall (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) answer = NULL;
  int fd;
  Peer *peer = peer_new (script_stall, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "stop", NULL, 1, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_clear_error (&error);
  answer = qs_qmp_execute (qmp, "query-status", NULL, 20, &error);
  g_assert_no_error (error);
  g_assert_false (json_object_get_boolean_member (json_node_get_object (answer), "late"));
  for (guint i = 0; i <= QS_MAX_QMP_UNANSWERED; i++)
    {
      g_clear_error (&error);
      g_assert_false (qs_qmp_run (qmp, "stop", NULL, i / QS_MAX_QMP_UNANSWERED, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
    }
  g_assert_cmpstr (error->message, ==,
                   "‘stop’ was not sent: QEMU has not answered the last 4 commands");
  g_assert_true (qs_qmp_is_open (qmp));
  qs_qmp_unref (qmp);
  peer_free (peer);
}

static void
script_deaf (Peer *peer, gpointer data)
{
  GAsyncQueue *done = data;

  peer_greet (peer);
  g_async_queue_pop (done);
}

/* a peer that reads nothing: the command does not fit into the socket */
static void
test_deaf (void)
{
  g_autofree char *fill = g_strnfill (8 * 1024 * 1024, 'x');
  g_autoptr (GError) error = NULL;
  GAsyncQueue *done = g_async_queue_new ();
  int fd;
  Peer *peer = peer_new (script_deaf, done, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "stop", g_variant_new_parsed ("{'a': <%s>}", fill), 1, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_assert_cmpstr (error->message, ==, "‘stop’ cannot be sent to QEMU: its monitor takes nothing");
  g_assert_false (qs_qmp_is_open (qmp));
  qs_qmp_unref (qmp);
  g_async_queue_push (done, done);
  peer_free (peer);
  g_async_queue_unref (done);
}

static gsize
resident_bytes (void)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) words = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  words = g_strsplit (text, " ", 3);
  return g_ascii_strtoull (words[1], NULL, 10) * sysconf (_SC_PAGESIZE);
}

/* a line of 1 GiB, in pieces; as the answer to a command */
static void
script_long_answer (Peer *peer, gpointer data)
{
  g_autofree char *piece = g_strnfill (1024 * 1024, ' ');
  gsize *sent = data;
  g_autoptr (JsonNode) command = NULL;

  peer_greet (peer);
  command = peer_read (peer);
  while (*sent < 1024 * 1024 * 1024 && peer_send (peer, piece))
    *sent += strlen (piece);
}

static void
test_long_answer (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  gsize before = resident_bytes ();
  gsize sent = 0;
  int fd;
  Peer *peer = peer_new (script_long_answer, &sent, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "cont", NULL, 60, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  g_assert_true (g_str_has_suffix (error->message, "it sent a line that is too long"));
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  peer_free (peer);
  g_assert_cmpuint (sent, >=, QS_MAX_QMP_LINE_BYTES - 1024 * 1024);
  g_assert_cmpuint (sent, <, 2 * QS_MAX_QMP_LINE_BYTES);
  g_assert_cmpuint (resident_bytes (), <, before + 8 * QS_MAX_QMP_LINE_BYTES);
  qs_qmp_unref (qmp);
}

static void
script_long_line (Peer *peer, gpointer data)
{
  g_autofree char *piece = g_strnfill (QS_MAX_QMP_EVENT_BYTES / 4, ' ');
  gsize *sent = data;

  peer_greet (peer);
  while (*sent < QS_MAX_QMP_LINE_BYTES && peer_send (peer, piece))
    *sent += strlen (piece);
}

/* what no command has asked for may be no longer than an event */
static void
test_long_line (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  gsize sent = 0;
  int fd;
  Peer *peer = peer_new (script_long_line, &sent, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  peer_free (peer);
  g_assert_cmpuint (sent, <, QS_MAX_QMP_LINE_BYTES / 4);
  qs_qmp_unref (qmp);
}

static void
script_endless (Peer *peer, gpointer data)
{
  g_autofree char *piece = g_strdup_printf ("%-65000s\n", "{\"event\":\"STOP\"}");

  peer_greet (peer);
  while (peer_send (peer, piece))
    continue;
}

static void
script_polite (Peer *peer, gpointer data)
{
  peer_greet (peer);
  while (TRUE)
    {
      g_autoptr (JsonNode) command = peer_read (peer);

      if (command == NULL)
        return;
      peer_answer (peer, "\"return\": {}");
    }
}

/* one guest that never stops talking does not keep the others from being heard */
static void
test_fairness (void)
{
  g_autoptr (GError) error = NULL;
  int fd[2];
  Peer *loud = peer_new (script_endless, NULL, &fd[0]);
  Peer *quiet = peer_new (script_polite, NULL, &fd[1]);
  QsQmp *loud_qmp = qs_qmp_new (fd[0], NULL, NULL, NULL, &error);
  QsQmp *qmp;

  g_assert_no_error (error);
  qmp = qs_qmp_new (fd[1], NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 100; i++)
    g_assert_true (qs_qmp_run (qmp, "cont", NULL, 5, &error));
  g_assert_true (qs_qmp_is_open (loud_qmp));
  qs_qmp_unref (loud_qmp);
  qs_qmp_unref (qmp);
  peer_free (loud);
  peer_free (quiet);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qmp-hostile/cases", test_cases);
  g_test_add_func ("/qmp-hostile/depth-bomb", test_depth_bomb);
  g_test_add_func ("/qmp-hostile/long-event", test_long_event);
  g_test_add_func ("/qmp-hostile/disconnect", test_disconnect);
  g_test_add_func ("/qmp-hostile/greeting", test_greeting);
  g_test_add_func ("/qmp-hostile/flood", test_flood);
  g_test_add_func ("/qmp-hostile/stall", test_stall);
  g_test_add_func ("/qmp-hostile/belated", test_belated);
  g_test_add_func ("/qmp-hostile/deaf", test_deaf);
  g_test_add_func ("/qmp-hostile/long-answer", test_long_answer);
  g_test_add_func ("/qmp-hostile/long-line", test_long_line);
  g_test_add_func ("/qmp-hostile/fairness", test_fairness);
  return g_test_run ();
}
