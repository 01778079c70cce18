/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#define UUID "11111111-2222-3333-4444-555555555555"

static QsFreeze *
make_freeze (const char *domain, guint64 op)
{
  QsFreeze *freeze = g_new0 (QsFreeze, 1);

  freeze->domain = g_strdup (domain);
  freeze->op = op;
  freeze->owner = 1000;
  freeze->process = qs_process_new (4711, G_MAXUINT64, "boot", "/run/agent.sock", "");
  freeze->ours = op == 8;
  freeze->since = 123456789;
  return freeze;
}

static void
put (StoreFixture *fixture, const char *domain, guint64 op)
{
  g_autoptr (QsFreeze) freeze = make_freeze (domain, op);
  g_autoptr (GError) error = NULL;

  qs_store_put_freeze (fixture->store, freeze, &error);
  g_assert_no_error (error);
}

static void
forget (StoreFixture *fixture, const char *domain, guint64 op)
{
  g_autoptr (QsFreeze) freeze = make_freeze (domain, op);
  g_autoptr (GError) error = NULL;

  qs_store_forget_freeze (fixture->store, freeze, &error);
  g_assert_no_error (error);
}

static char *
describe (StoreFixture *fixture)
{
  g_autoptr (GPtrArray) freezes = qs_store_load_freezes (fixture->store, NULL);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < freezes->len; i++)
    {
      const QsFreeze *freeze = g_ptr_array_index (freezes, i);

      g_string_append_printf (
          text, "%s %" G_GUINT64_FORMAT " %u %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s %s ",
          freeze->domain, freeze->op, freeze->owner, freeze->process->pid,
          freeze->process->start_time, freeze->process->boot_id, freeze->process->socket);
      g_string_append_printf (text, "%d %" G_GINT64_FORMAT "; ", freeze->ours, freeze->since);
    }
  return g_string_free (text, FALSE);
}

static void
assert_freezes (StoreFixture *fixture, const char *expected)
{
  g_autofree char *found = describe (fixture);

  g_assert_cmpstr (found, ==, expected);
}

static gboolean
is_pending (StoreFixture *fixture)
{
  g_autofree char *path = store_path (fixture, "pending");

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* the domain need not be known, nor the operation: both may end before the guest is thawed. A domain
   may have another QEMU by then, which is frozen, too */
static void
test_round_trip (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  store_fixture_open (&fixture);
  assert_freezes (&fixture, "");
  g_assert_false (is_pending (&fixture));
  put (&fixture, UUID, 7);
  put (&fixture, "other", 8);
  put (&fixture, UUID, 9);
  g_assert_true (is_pending (&fixture));
  store_reopen (&fixture);
  g_assert_true (is_pending (&fixture));
  assert_freezes (&fixture, UUID
                  " 7 1000 4711 18446744073709551615 boot /run/agent.sock 0 123456789; "
                  "other 8 1000 4711 18446744073709551615 boot /run/agent.sock 1 123456789; " UUID
                  " 9 1000 4711 18446744073709551615 boot /run/agent.sock 0 123456789; ");
}

/* what a later operation owes is not forgotten with the earlier one */
static void
test_forget (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  store_fixture_open (&fixture);
  put (&fixture, "d", 7);
  put (&fixture, "d", 8);
  forget (&fixture, "d", 7);
  assert_freezes (&fixture,
                  "d 8 1000 4711 18446744073709551615 boot /run/agent.sock 1 123456789; ");
  g_assert_true (is_pending (&fixture));
  forget (&fixture, "d", 8);
  assert_freezes (&fixture, "");
  g_assert_false (is_pending (&fixture));
  forget (&fixture, "d", 8);
  store_reopen (&fixture);
  assert_freezes (&fixture, "");
  g_assert_false (is_pending (&fixture));
}

static void
test_snapshot (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDomain) domain = NULL;
  const QsSnapshot *snapshot;
  QsChangeList list;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  qs_changes_init (&list);
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_QUIESCE, "uuid", "s", "s-2", "freeze-time", "t",
                  (guint64)41, "quiesced", "b", TRUE, NULL);
  apply_now (fixture.store, UUID, qs_changes_end (&list));
  store_reopen (&fixture);

  domain = load_domain (fixture.store, UUID);
  snapshot = qs_tree_lookup (domain->tree, "s-1");
  g_assert_cmpuint (snapshot->freeze_time, ==, 0);
  g_assert_false (snapshot->quiesced);
  snapshot = qs_tree_lookup (domain->tree, "s-2");
  g_assert_cmpuint (snapshot->freeze_time, ==, 41);
  g_assert_true (snapshot->quiesced);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  g_test_add_func ("/store-freeze/round-trip", test_round_trip);
  g_test_add_func ("/store-freeze/forget", test_forget);
  g_test_add_func ("/store-freeze/snapshot", test_snapshot);
  return g_test_run ();
}
