/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-launcher.h"
#include "real-qemu.h"

#include <string.h>
#include <unistd.h>

#define PATIENCE (20 * (gint64)G_USEC_PER_SEC)

static void
check_refused (const RealQemu *qemu, const QsGuestIdentity *identity, const char *why)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_guest_new (real_qemu_connect (qemu), identity, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_true (g_str_has_suffix (error->message, why));
}

static void
test_identity (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsProcess) other = qs_process_copy (qemu->process);
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;
  QsGuestIdentity identity = real_qemu_identity (qemu);

  identity.owner = getuid () + 1;
  check_refused (qemu, &identity, "it belongs to another user");
  identity = real_qemu_identity (qemu);
  identity.uuid = "00000000-0000-0000-0000-000000000001";
  check_refused (qemu, &identity, "it has another uuid");
  identity = real_qemu_identity (qemu);
  identity.process = other;
  other->start_time++;
  check_refused (qemu, &identity, "the recorded process has ended");
  other->pid = getpid ();
  check_refused (qemu, &identity, "it is another process");

  guest = real_qemu_guest (qemu, NULL);
  g_assert_true (qs_guest_check (guest, &error));
  g_assert_cmpstr (qs_guest_get_domain (guest), ==, "1");
}

static void
test_nodes (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_autoptr (GPtrArray) nodes = NULL;
  g_autoptr (GError) error = NULL;

  qs_guest_nodes (guest, qemu->domain, &nodes, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nodes->len, ==, REAL_DISKS);
  for (guint i = 0; i < nodes->len; i++)
    {
      const QsNode *node = g_ptr_array_index (nodes, i);
      const QsDiskDef *disk = g_ptr_array_index (qemu->def->disks, i);
      g_autofree char *name = g_strconcat ("snapd-", disk->target, NULL);

      g_assert_cmpstr (node->target, ==, disk->target);
      g_assert_cmpstr (node->node_name, ==, name);
      g_assert_cmpstr (node->path, ==, disk->source);
      g_assert_cmpstr (node->format, ==, "qcow2");
      g_assert_cmpuint (node->virtual_size, ==, 64 * 1024 * 1024);
      g_assert_false (node->direct);
      g_assert_cmpint (node->no_flush, ==, i == 1);
      g_assert_cmpstr (node->detect_zeroes, ==, "off");
      g_assert_true (g_str_has_prefix (node->device, "/machine/peripheral/disk-vd"));
    }
}

static void
test_commands_and_jobs (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (QsGuest) guest = real_qemu_guest (qemu, NULL);
  g_auto (GStrv) commands = NULL;
  g_auto (GStrv) again = NULL;
  g_auto (GStrv) none = NULL;
  g_auto (GStrv) jobs = NULL;
  g_autoptr (GError) error = NULL;
  const char *const expected[] = { "theirs", NULL };

  qs_guest_commands (guest, &commands, &error);
  g_assert_no_error (error);
  g_assert_true (g_strv_contains ((const char *const *)commands, "transaction"));
  g_assert_false (g_strv_contains ((const char *const *)commands, "x-unheard"));

  qs_guest_block_jobs (guest, &none, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (none), ==, 0);
  real_qemu_do (qemu, "blockdev-add",
                "{'driver': <'null-co'>, 'node-name': <'n1'>, 'size': <67108864>}");
  real_qemu_do (qemu, "blockdev-add",
                "{'driver': <'null-co'>, 'node-name': <'n2'>, 'size': <67108864>}");
  real_qemu_do (qemu, "blockdev-mirror",
                "{'job-id': <'theirs'>, 'device': <'snapd-vda'>, 'target': <'n1'>,"
                " 'sync': <'full'>}");
  real_qemu_do (qemu, "blockdev-mirror",
                "{'job-id': <'snapd-ours'>, 'device': <'snapd-vdb'>, 'target': <'n2'>,"
                " 'sync': <'full'>}");
  qs_guest_block_jobs (guest, &jobs, &error);
  g_assert_no_error (error);
  g_assert_cmpstrv (jobs, expected);

  /* what it can is known from then on, without asking */
  qs_guest_close (guest);
  qs_guest_commands (guest, &again, &error);
  g_assert_no_error (error);
  g_assert_cmpstrv (again, commands);
}

static void
on_notify (gpointer user_data)
{
  g_async_queue_push (user_data, user_data);
}

static void
on_destroy (gpointer user_data)
{
  g_async_queue_push (user_data, user_data);
  g_async_queue_unref (user_data);
}

static QsGuestNews
wait_news (QsGuest *guest, GAsyncQueue *bell)
{
  QsGuestNews news = { 0 };

  g_assert_nonnull (g_async_queue_timeout_pop (bell, PATIENCE));
  g_assert_true (qs_guest_take_news (guest, &news));
  return news;
}

static void
check_state (QsGuest *guest, QsDomainState expected, const char *expected_word)
{
  g_autofree char *word = NULL;
  g_autoptr (GError) error = NULL;
  QsDomainState state = QS_DOMAIN_CRASHED;

  g_assert_true (qs_guest_query_state (guest, &state, &word, &error));
  g_assert_cmpint (state, ==, expected);
  g_assert_cmpstr (word, ==, expected_word);
}

static void
test_news (void)
{
  g_autoptr (RealQemu) qemu = real_qemu_new ();
  g_autoptr (GAsyncQueue) bell = g_async_queue_new ();
  QsGuestListener listener = { on_notify, g_async_queue_ref (bell), on_destroy };
  QsGuest *guest = real_qemu_guest (qemu, &listener);
  QsGuestNews news;

  g_assert_false (qs_guest_take_news (guest, &news));
  check_state (guest, QS_DOMAIN_PAUSED, "prelaunch");
  real_qemu_do (qemu, "cont", "{}");
  news = wait_news (guest, bell);
  g_assert_true (news.has_state);
  g_assert_cmpint (news.state, ==, QS_DOMAIN_RUNNING);
  check_state (guest, QS_DOMAIN_RUNNING, "running");

  real_qemu_do (qemu, "system_reset", "{}");
  news = wait_news (guest, bell);
  g_assert_true (news.ask);
  g_assert_false (news.has_state);

  /* two changes before anybody looks are one call */
  real_qemu_do (qemu, "stop", "{}");
  real_qemu_do (qemu, "cont", "{}");
  real_qemu_do (qemu, "stop", "{}");
  check_state (guest, QS_DOMAIN_PAUSED, "paused");
  do
    news = wait_news (guest, bell);
  while (news.state != QS_DOMAIN_PAUSED);
  g_assert_false (news.gone);

  real_qemu_do (qemu, "quit", "{}");
  do
    news = wait_news (guest, bell);
  while (!news.gone);
  g_assert_false (qs_guest_is_open (guest));
  g_assert_true (qs_process_wait (qemu->process, 20));
  g_assert_nonnull (g_async_queue_timeout_pop (bell, PATIENCE)); /* destroyed */
  qs_guest_unref (guest);
}

static void
test_words (void)
{
  g_assert_cmpint (qs_guest_state_from_word ("running"), ==, QS_DOMAIN_RUNNING);
  g_assert_cmpint (qs_guest_state_from_word ("suspended"), ==, QS_DOMAIN_PMSUSPENDED);
  g_assert_cmpint (qs_guest_state_from_word ("guest-panicked"), ==, QS_DOMAIN_CRASHED);
  g_assert_cmpint (qs_guest_state_from_word ("io-error"), ==, QS_DOMAIN_PAUSED);
  g_assert_cmpint (qs_guest_state_from_word ("unheard of"), ==, QS_DOMAIN_PAUSED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guest/identity", test_identity);
  g_test_add_func ("/guest/nodes", test_nodes);
  g_test_add_func ("/guest/commands-and-jobs", test_commands_and_jobs);
  g_test_add_func ("/guest/news", test_news);
  g_test_add_func ("/guest/words", test_words);
  return g_test_run ();
}
