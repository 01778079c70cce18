/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qmp-peer.h"
#include "qs-error.h"
#include "qs-json-scan.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
script_arguments (Peer *peer, gpointer data)
{
  char **got = data;
  g_autoptr (JsonNode) command = NULL;

  peer_greet (peer);
  command = peer_read (peer);
  *got = json_to_string (command, FALSE);
  peer_send (peer, "{\"event\": \"STOP\", \"timestamp\": {}}\r\n");
  peer_answer (peer, "\"return\": {\"status\": \"paused\"}");
}

static void
test_arguments (void)
{
  g_autofree char *got = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  g_autoptr (JsonNode) answer = NULL;
  GVariant *arguments;
  int fd;
  Peer *peer = peer_new (script_arguments, &got, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  arguments = g_variant_new_parsed ("{'backing': <@mv nothing>, 'file': <{'driver': <'file'>,"
                                    " 'on': <true>}>, 'list': <[<1>, <'x'>]>, 'n': <['a', 'b']>}");
  answer = qs_qmp_execute (qmp, "blockdev-add", arguments, 5, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (qs_json_string (json_node_get_object (answer), "status"), ==, "paused");
  peer_free (peer);
  g_assert_true (g_str_has_prefix (got, "{\"execute\":\"blockdev-add\",\"id\":\"qs-"));
  g_assert_cmpstr (strstr (got, "\"arguments\""), ==,
                   "\"arguments\":{\"backing\":null,"
                   "\"file\":{\"driver\":\"file\",\"on\":true},\"list\":[1,\"x\"],"
                   "\"n\":[\"a\",\"b\"]}}");
  heard_expect (heard, "STOP");
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  qs_qmp_unref (qmp);
  g_assert_cmpint (g_async_queue_length (heard->names), ==, 0);
}

static void
script_refuse (Peer *peer, gpointer data)
{
  g_autoptr (JsonNode) command = NULL;

  peer_greet (peer);
  command = peer_read (peer);
  peer_answer (peer, data);
}

static void
check_refusal (const char *content, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsQmp) qmp = NULL;
  g_autoptr (Peer) peer = NULL;
  int fd;

  peer = peer_new (script_refuse, (gpointer)content, &fd);
  qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (qs_qmp_run (qmp, "cont", NULL, 5, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_refusal (void)
{
  check_refusal ("\"error\": {\"class\": \"GenericError\", \"desc\": \"no\\n\\u001b[0mway\"}",
                 "QEMU refuses ‘cont’: no  [0mway");
  check_refusal ("\"error\": {\"desc\": 5}", "QEMU refuses ‘cont’: no reason given");
}

static void
script_echo (Peer *peer, gpointer data)
{
  peer_greet (peer);
  while (TRUE)
    {
      g_autoptr (JsonNode) command = peer_read (peer);
      g_autofree char *content = NULL;

      if (command == NULL)
        return;
      content = g_strdup_printf (
          "\"return\": {\"said\": \"%s\"}",
          json_object_get_string_member (json_node_get_object (command), "execute"));
      peer_answer (peer, content);
    }
}

typedef struct
{
  QsQmp *qmp;
  char *name;
} Talker;

static gpointer
talk (gpointer data)
{
  Talker *talker = data;

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) answer = qs_qmp_execute (talker->qmp, talker->name, NULL, 20, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (qs_json_string (json_node_get_object (answer), "said"), ==, talker->name);
    }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (GError) error = NULL;
  Talker talkers[6];
  GThread *threads[6];
  int fd;
  Peer *peer = peer_new (script_echo, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < 6; i++)
    {
      talkers[i] = (Talker){ qmp, g_strdup_printf ("command-%u", i) };
      threads[i] = g_thread_new ("talker", talk, &talkers[i]);
    }
  for (guint i = 0; i < 6; i++)
    {
      g_thread_join (threads[i]);
      g_free (talkers[i].name);
    }
  qs_qmp_unref (qmp);
  peer_free (peer);
}

static void
test_close (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  int fd;
  Peer *peer = peer_new (script_echo, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);

  g_assert_no_error (error);
  g_assert_true (qs_qmp_is_open (qmp));
  qs_qmp_close (qmp);
  qs_qmp_close (qmp);
  g_assert_false (qs_qmp_is_open (qmp));
  g_assert_false (qs_qmp_run (qmp, "cont", NULL, 5, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_TIMEOUT);
  heard_expect (heard, "(end)");
  heard_expect (heard, "(free)");
  qs_qmp_unref (qmp);
  peer_free (peer);
  g_assert_cmpint (g_async_queue_length (heard->names), ==, 0);
}

/* starts a real program that speaks QMP on descriptor 3 */
static GSubprocess *
start_real (const char *const *argv, int *fd)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GError) error = NULL;
  GSubprocess *process;
  int ends[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  g_subprocess_launcher_take_fd (launcher, ends[1], 3);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  *fd = ends[0];
  return process;
}

static const char *const bare_qemu[] = { "qemu-system-x86_64",
                                         "-machine",
                                         "none",
                                         "-S",
                                         "-display",
                                         "none",
                                         "-nodefaults",
                                         "-chardev",
                                         "socket,id=q,fd=3",
                                         "-mon",
                                         "chardev=q,mode=control",
                                         NULL };

static void
test_real_qemu (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Heard) heard = heard_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (JsonNode) status = NULL;
  g_autoptr (JsonNode) schema = NULL;
  QsQmp *qmp;
  int fd;

  process = start_real (bare_qemu, &fd);
  qmp = qs_qmp_new (fd, heard_event, heard, heard_destroy, &error);
  g_assert_no_error (error);
  status = qs_qmp_execute (qmp, "query-status", NULL, 20, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (qs_json_string (json_node_get_object (status), "status"), ==, "prelaunch");
  schema = qs_qmp_execute (qmp, "query-qmp-schema", NULL, 20, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (schema)), >, 500);
  g_assert_false (qs_qmp_run (qmp, "no-such-command", NULL, 20, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_cmpstr (
      error->message, ==,
      "QEMU refuses ‘no-such-command’: The command no-such-command has not been found");
  g_clear_error (&error);
  g_assert_true (qs_qmp_run (qmp, "quit", NULL, 20, &error));
  heard_expect (heard, "SHUTDOWN");
  heard_expect (heard, "(end)");
  qs_qmp_unref (qmp);
  heard_expect (heard, "(free)");
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
}

static gboolean
create_image (QsQmp *qmp, const char *job, const char *options, GError **error)
{
  g_autoptr (GVariant) parsed = g_variant_parse (G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL);

  return qs_qmp_run_job (
      qmp, "blockdev-create", job,
      g_variant_new_parsed ("{'job-id': <%s>, 'options': <%@a{sv}>}", job, parsed), 20, error);
}

static void
test_real_job (void)
{
  static const char *const argv[] = { "qemu-storage-daemon", "--chardev", "socket,id=q,fd=3",
                                      "--monitor",           "chardev=q", NULL };
  g_autofree char *folder = g_dir_make_tmp ("qmp-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a.raw", NULL);
  g_autofree char *good =
      g_strdup_printf ("{'driver': <'file'>, 'filename': <'%s'>, 'size': <65536>}", path);
  g_autofree char *bad =
      g_strdup_printf ("{'driver': <'file'>, 'filename': <'%s/no/b'>, 'size': <1>}", folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (JsonNode) jobs = NULL;
  GStatBuf info;
  QsQmp *qmp;
  int fd;

  process = start_real (argv, &fd);
  qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (create_image (qmp, "j", good, &error));
  g_assert_no_error (error);
  g_assert_no_errno (g_stat (path, &info));
  g_assert_cmpint (info.st_size, ==, 65536);
  g_assert_false (create_image (qmp, "j", bad, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_nonnull (strstr (error->message, "No such file or directory"));
  g_assert_true (qs_qmp_run (
      qmp, "blockdev-create",
      g_variant_new_parsed ("{'job-id': <'k'>, 'options': <%@a{sv}>}",
                            g_variant_parse (G_VARIANT_TYPE_VARDICT, bad, NULL, NULL, NULL)),
      20, NULL));
  /* whatever came of it; and if there is none any more */
  g_assert_true (qs_qmp_end_job (qmp, "k", 20, &error));
  g_assert_true (qs_qmp_end_job (qmp, "k", 20, &error));
  jobs = qs_qmp_execute (qmp, "query-jobs", NULL, 20, NULL);
  g_assert_cmpuint (json_array_get_length (json_node_get_array (jobs)), ==, 0);
  qs_qmp_run (qmp, "quit", NULL, 20, NULL);
  qs_qmp_unref (qmp);
  g_subprocess_wait (process, NULL, NULL);
  g_assert_no_errno (g_unlink (path));
  g_assert_no_errno (g_rmdir (folder));
}

static void
test_real_fd (void)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (JsonNode) answer = NULL;
  QsQmp *qmp;
  int fd;
  int file = g_file_open_tmp ("qmp-XXXXXX", &path, &error);

  g_assert_no_error (error);
  process = start_real (bare_qemu, &fd);
  qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  answer = qs_qmp_execute_fd (qmp, "add-fd", g_variant_new_parsed ("{'fdset-id': <7>}"), file, 20,
                              &error);
  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (json_node_get_object (answer), "fdset-id"), ==, 7);
  g_assert_true (qs_qmp_run (
      qmp, "blockdev-add",
      g_variant_new_parsed ("{'driver': <'file'>, 'node-name': <'n'>, 'read-only': <false>,"
                            " 'filename': <'/dev/fdset/7'>}"),
      20, &error));
  g_assert_no_error (error);
  g_assert_null (qs_qmp_execute (qmp, "add-fd", NULL, 20, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  qs_qmp_run (qmp, "quit", NULL, 20, NULL);
  qs_qmp_unref (qmp);
  g_subprocess_wait (process, NULL, NULL);
  g_assert_no_errno (close (file));
  g_assert_no_errno (g_unlink (path));
}

/* reads two commands and keeps what came with them */
static void
script_fds (Peer *peer, gpointer data)
{
  int *got = data;

  peer_greet (peer);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (JsonNode) command = NULL;

      got[i] = peer_read_fd (peer, &command);
      g_assert_nonnull (command);
      peer_answer (peer, "\"return\": {}");
    }
}

static void
test_fd (void)
{
  g_autoptr (GError) error = NULL;
  int got[2] = { -1, -1 };
  int ends[2];
  int fd;
  Peer *peer = peer_new (script_fds, got, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);
  g_autoptr (JsonNode) answer = NULL;
  char byte = 0;

  g_assert_no_error (error);
  g_assert_no_errno (pipe (ends));
  answer = qs_qmp_execute_fd (qmp, "add-fd", NULL, ends[1], 5, &error);
  g_assert_no_error (error);
  g_assert_true (qs_qmp_run (qmp, "cont", NULL, 5, &error));
  peer_free (peer);
  g_assert_no_errno (close (ends[1])); /* stayed ours */
  g_assert_cmpint (got[0], >=, 0);
  g_assert_cmpint (got[1], ==, -1);
  g_assert_cmpint (write (got[0], "x", 1), ==, 1);
  g_assert_cmpint (read (ends[0], &byte, 1), ==, 1);
  g_assert_true (byte == 'x');
  g_assert_no_errno (close (got[0]));
  g_assert_no_errno (close (ends[0]));
  qs_qmp_unref (qmp);
}

static const char *const stops[] = {
  "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1000, \"microseconds\": 900000}}\r\n"
  "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 1001, \"microseconds\": 150000}}\r\n",
  /* what makes no sense counts for nothing */
  "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 2000, \"microseconds\": 0}}\r\n"
  "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 3000, \"microseconds\": 0}}\r\n"
  "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 2999, \"microseconds\": 0}}\r\n"
  "{\"event\": \"STOP\"}\r\n"
  "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 3000, \"microseconds\": 0}}\r\n"
  "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 3000, \"microseconds\": -7}}\r\n"
  "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 3000, \"microseconds\": 5}}\r\n",
};

static void
script_stops (Peer *peer, gpointer data)
{
  peer_greet (peer);
  for (guint i = 0; i < G_N_ELEMENTS (stops); i++)
    {
      g_autoptr (JsonNode) command = peer_read (peer);

      g_assert_nonnull (command);
      peer_send (peer, stops[i]);
      peer_answer (peer, "\"return\": {}");
    }
}

/* whoever has the answer to `cont` finds the pause counted */
static void
test_stopped_time (void)
{
  static const guint64 expected[] = { 250000, 250005 };
  static const guint resumes[] = { 1, 5 };
  g_autoptr (GError) error = NULL;
  int fd;
  Peer *peer = peer_new (script_stops, NULL, &fd);
  QsQmp *qmp = qs_qmp_new (fd, NULL, NULL, NULL, &error);
  guint64 before;

  g_assert_no_error (error);
  before = qs_qmp_get_resumes (qmp);
  g_assert_cmpuint (qs_qmp_get_stopped_time (qmp), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (stops); i++)
    {
      g_assert_true (qs_qmp_run (qmp, "cont", NULL, 5, &error));
      g_assert_cmpuint (qs_qmp_get_stopped_time (qmp), ==, expected[i]);
      g_assert_cmpuint (qs_qmp_get_resumes (qmp) - before, ==, resumes[i]);
    }
  qs_qmp_unref (qmp);
  peer_free (peer);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qmp/arguments", test_arguments);
  g_test_add_func ("/qmp/refusal", test_refusal);
  g_test_add_func ("/qmp/fd", test_fd);
  g_test_add_func ("/qmp/stopped-time", test_stopped_time);
  g_test_add_func ("/qmp/threads", test_threads);
  g_test_add_func ("/qmp/close", test_close);
  g_test_add_func ("/qmp/real-qemu", test_real_qemu);
  g_test_add_func ("/qmp/real-job", test_real_job);
  g_test_add_func ("/qmp/real-fd", test_real_fd);
  return g_test_run ();
}
