/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "attach-fixture.h"
#include "qs-error.h"
#include "qs-flags.h"

#include "worker-fixture.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define ONE_DISK "-uuid " BENCH_UUID " -name one -drive file=a.qcow2,if=virtio,format=qcow2"

static void
test_first (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = bench_path (bench, "a.qcow2");
  const QsDiskDef *disk;
  const QsActive *active;
  QsDomain *domain;

  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->name, ==, "one");
  g_assert_cmpstr (domain->uuid, ==, BENCH_UUID);
  g_assert_cmpint (domain->state, ==, QS_DOMAIN_PAUSED);
  g_assert_true (domain->connected);
  g_assert_cmpstr (domain->attachment->socket, ==, bench->socket);
  g_assert_true (domain->attachment->follow);
  disk = qs_domain_def_find_disk (domain->def, "vda");
  g_assert_cmpstr (disk->source, ==, path);
  g_assert_cmpstr (disk->format, ==, "qcow2");
  active = qs_domain_find_active (domain, "vda");
  g_assert_cmpstr (active->path, ==, path);
  g_assert_null (qs_domain_find_active (domain, "hda"));
}

#define EXTERNAL(name)                                                                             \
  "<domainsnapshot><name>" name "</name><memory snapshot='no'/></domainsnapshot>"

static QsDomain *
attach_one (Bench *bench)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  return domain;
}

static void
take (Bench *bench, const char *xml)
{
  g_autoptr (GError) error = NULL;

  bench_snapshot (bench, BENCH_UUID, xml, QS_CREATE_DISK_ONLY, &error);
  g_assert_no_error (error);
}

static gboolean
is_connected (Bench *bench, gconstpointer data)
{
  return bench_domain (bench, BENCH_UUID)->connected == GPOINTER_TO_INT (data);
}

static gboolean
has_appeared (Bench *bench, gconstpointer data)
{
  return bench->appeared->len >= GPOINTER_TO_UINT (data);
}

static void
start_again (Bench *bench, const char *image)
{
  g_autofree char *words = g_strdup_printf (
      "-uuid " BENCH_UUID " -name one -drive file=%s,if=virtio,format=qcow2", image);

  bench_end_qemu (bench);
  bench_wait (bench, is_connected, GINT_TO_POINTER (FALSE));
  bench_start_qemu (bench, words);
}

/* the next QEMU of the start script is noticed, and is the same domain */
static void
test_follow (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autofree char *active = bench_path (bench, "a.s1");
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  attach_one (bench);
  take (bench, EXTERNAL ("s1"));
  g_assert_cmpstr (qs_domain_find_active (bench_domain (bench, BENCH_UUID), "vda")->path, ==,
                   active);
  start_again (bench, "a.s1");
  bench_wait (bench, has_appeared, GUINT_TO_POINTER (1));
  g_assert_cmpstr (bench->appeared->pdata[0], ==, BENCH_UUID);

  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (bench->domains), ==, 1);
  g_assert_null (domain->quarantine_reason);
  g_assert_true (domain->connected);
  take (bench, EXTERNAL ("s2"));
}

/* a guest on a state file spoils what was written since */
static void
test_state_file (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (QsRequest) repair = qs_request_new (QS_VERB_REPAIR, 0);
  g_autofree char *state_file = bench_path (bench, "a.qcow2");
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  attach_one (bench);
  take (bench, EXTERNAL ("s1"));
  /* a QEMU with more rights than its owner needs no write bits */
  g_assert_no_errno (g_chmod (state_file, 0600));
  start_again (bench, "a.qcow2");
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (domain->quarantine_reason, "state file of snapshot ‘s1’"));
  g_assert_nonnull (strstr (domain->quarantine_reason, "a.s1’ (qcow2)"));
  g_assert_false (bench_snapshot (bench, BENCH_UUID, EXTERNAL ("s2"), 0, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_clear_error (&error);

  repair->options = g_variant_ref_sink (g_variant_new_parsed ("{'accept': <true>}"));
  g_assert_false (bench_do (bench, BENCH_UUID, repair, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_assert_nonnull (strstr (error->message, "end it and start QEMU with"));
  g_clear_error (&error);
  start_again (bench, "a.s1");
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_nonnull (domain->quarantine_reason);
  g_assert_true (bench_do (bench, BENCH_UUID, repair, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (bench_domain (bench, BENCH_UUID)->quarantine_reason);
}

static void
test_detach (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;

  attach_one (bench);
  g_assert_true (bench_detach (bench, BENCH_UUID, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (bench->domains), ==, 0);

  g_assert_nonnull (bench_attach (bench, &visit, &error));
  take (bench, EXTERNAL ("s1"));
  g_assert_true (bench_detach (bench, BENCH_UUID, &error));
  g_assert_no_error (error);
  g_assert_false (bench_domain (bench, BENCH_UUID)->connected);
  g_assert_cmpint (bench_domain (bench, BENCH_UUID)->state, ==, QS_DOMAIN_SHUTOFF);
  g_assert_false (bench_domain (bench, BENCH_UUID)->attachment->follow);
  g_assert_true (bench_attach (bench, &visit, &error)->connected);
  g_assert_no_error (error);
}

/* the name in the start script stays, and so does the domain */
static void
test_stable (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autofree char *path = bench_path (bench, "a.qcow2");
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  visit.stable_path = TRUE;
  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  g_assert_nonnull (bench_attach (bench, &visit, &error));
  take (bench, EXTERNAL ("s1"));
  g_assert_cmpstr (qs_domain_find_active (bench_domain (bench, BENCH_UUID), "vda")->path, ==, path);

  /* the same QEMU, by a descriptor of ours in its hands */
  g_assert_true (bench_detach (bench, BENCH_UUID, &error));
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->quarantine_reason, ==, NULL);
  g_assert_cmpstr (qs_domain_def_find_disk (domain->def, "vda")->source, ==, path);
  take (bench, EXTERNAL ("s2"));

  start_again (bench, "a.qcow2");
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->quarantine_reason, ==, NULL);
  take (bench, EXTERNAL ("s3"));
}

/* the service comes back while QEMU goes on, and while another one took its place */
static void
test_restart (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (QsCandidate) candidate = NULL;
  g_autoptr (GError) error = NULL;

  attach_one (bench);
  bench_restart (bench);
  bench_wait (bench, is_connected, GINT_TO_POINTER (TRUE));
  g_assert_cmpint (bench_domain (bench, BENCH_UUID)->state, ==, QS_DOMAIN_PAUSED);
  candidate = bench_discover (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_true (qs_candidate_is_connected (candidate));
  g_assert_cmpstr (qs_candidate_get_domain (candidate), ==, BENCH_UUID);
  g_clear_pointer (&candidate, qs_candidate_free);

  bench_stop (bench);
  bench_end_qemu (bench);
  bench_start_qemu (bench, ONE_DISK);
  bench_start (bench);
  bench_wait (bench, has_appeared, GUINT_TO_POINTER (1));
  g_assert_false (bench_domain (bench, BENCH_UUID)->connected);
  g_assert_true (bench_attach (bench, &visit, &error)->connected);
}

static int
connect_to (Bench *bench)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (bench->socket);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, &error);

  g_assert_no_error (error);
  return dup (g_socket_get_fd (g_socket_connection_get_socket (connection)));
}

/* the path of a connection that was handed over is known if it leads there */
static void
test_descriptor (Bench *bench, gconstpointer data)
{
  g_autofree char *hidden = bench_path (bench, "hidden");
  g_autoptr (GError) error = NULL;
  QsVisit visit = bench_visit (bench);
  QsDomain *domain;

  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  visit.socket = NULL;
  visit.fd = connect_to (bench);
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->attachment->socket, ==, bench->socket);
  g_assert_true (domain->attachment->follow);
  g_assert_true (bench_detach (bench, BENCH_UUID, &error));

  visit.fd = connect_to (bench);
  g_assert_no_errno (rename (bench->socket, hidden));
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->attachment->socket, ==, "");
  g_assert_false (domain->attachment->follow);
  take (bench, EXTERNAL ("s1"));
  bench_restart (bench);
  g_assert_false (bench_domain (bench, BENCH_UUID)->connected);
  g_assert_false (bench_snapshot (bench, BENCH_UUID, EXTERNAL ("s2"), 0, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (strstr (error->message, "attach it again"));
}

static void
test_occupied (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;
  int client;

  bench_start_qemu (bench, "-nodefaults");
  client = connect_to (bench);
  g_assert_null (bench_discover (bench, &visit, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_nonnull (
      strstr (error->message, "a second monitor (-qmp unix:PATH,server=on,wait=off)"));
  close (client);
}

/* a QEMU with rights that its user's programs do not have is looked at by the service itself */
static void
test_privileged (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autofree char *path = bench_path (bench, "a.qcow2");
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  if (getuid () != 0)
    {
      g_test_skip ("only root's QEMU has such rights");
      return;
    }
  bench->privileged = TRUE;
  visit.stable_path = TRUE;
  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, "-uuid " BENCH_UUID " -drive file=a.qcow2,if=virtio,format=qcow2");
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->name, ==, "qemu-0d7f2a9c");
  g_assert_cmpstr (qs_domain_find_active (domain, "vda")->path, ==, path);
  take (bench, EXTERNAL ("s1"));

  g_assert_true (bench_detach (bench, BENCH_UUID, &error));
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->quarantine_reason, ==, NULL);
  take (bench, EXTERNAL ("s2"));
}

static void
test_names (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  bench_start_qemu (bench, "-nodefaults");
  visit.name = "a/b";
  g_assert_null (bench_attach (bench, &visit, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  visit.name = "mine";
  visit.uuid = BENCH_UUID;
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->name, ==, "mine");
  g_assert_cmpstr (domain->uuid, ==, BENCH_UUID);

  /* its next one, which has no uuid, is told by its socket */
  bench_end_qemu (bench);
  bench_wait (bench, is_connected, GINT_TO_POINTER (FALSE));
  bench_start_qemu (bench, "-nodefaults -name other");
  visit = bench_visit (bench);
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (bench->domains), ==, 1);
  g_assert_cmpstr (domain->name, ==, "mine");
}

/* the next QEMU has the settings of the last one, but for what is said */
static void
test_settings (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autofree char *agent = bench_path (bench, "agent.sock");
  g_autoptr (GError) error = NULL;
  const QsDomain *domain;

  visit.agent = agent;
  bench_make_image (bench, "a.qcow2", NULL);
  bench_start_qemu (bench, ONE_DISK);
  g_assert_nonnull (bench_attach (bench, &visit, &error));
  start_again (bench, "a.qcow2");
  visit = (QsVisit){ .socket = bench->socket, .fd = -1, .owner = getuid () };
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->attachment->agent, ==, agent);
  g_assert_false (domain->attachment->stable_path);

  start_again (bench, "a.qcow2");
  visit.has_stable_path = visit.stable_path = TRUE;
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->attachment->agent, ==, agent);
  g_assert_true (domain->attachment->stable_path);
}

/* where no snapshot holds on to an image, the script may name another one */
static void
test_other_image (Bench *bench, gconstpointer data)
{
  QsVisit visit = bench_visit (bench);
  g_autofree char *path = bench_path (bench, "b.qcow2");
  g_autoptr (GError) error = NULL;
  QsDomain *domain;

  attach_one (bench);
  bench_make_image (bench, "b.qcow2", NULL);
  start_again (bench, "b.qcow2");
  domain = bench_attach (bench, &visit, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (domain->quarantine_reason, ==, NULL);
  g_assert_cmpstr (qs_domain_find_active (domain, "vda")->path, ==, path);
  take (bench, EXTERNAL ("s1"));
}

static gboolean
qemu_has_ended (Bench *bench, gconstpointer data)
{
  return bench_domain (bench, BENCH_UUID)->state == QS_DOMAIN_SHUTOFF;
}

/* what lies beside the socket is not the service's */
static void
test_destroy (Bench *bench, gconstpointer data)
{
  g_autoptr (QsRequest) destroy = qs_request_new (QS_VERB_DESTROY, 0);
  g_autofree char *path = bench_path (bench, "a.qcow2");
  g_autoptr (GError) error = NULL;

  attach_one (bench);
  g_assert_true (bench_do (bench, BENCH_UUID, destroy, NULL, &error));
  g_assert_no_error (error);
  bench_wait (bench, qemu_has_ended, NULL);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_bench_test ("/attach/first", test_first);
  add_bench_test ("/attach/follow", test_follow);
  add_bench_test ("/attach/state-file", test_state_file);
  add_bench_test ("/attach/detach", test_detach);
  add_bench_test ("/attach/stable", test_stable);
  add_bench_test ("/attach/restart", test_restart);
  add_bench_test ("/attach/descriptor", test_descriptor);
  add_bench_test ("/attach/occupied", test_occupied);
  add_bench_test ("/attach/privileged", test_privileged);
  add_bench_test ("/attach/names", test_names);
  add_bench_test ("/attach/other-image", test_other_image);
  add_bench_test ("/attach/settings", test_settings);
  add_bench_test ("/attach/destroy", test_destroy);
  return g_test_run ();
}
