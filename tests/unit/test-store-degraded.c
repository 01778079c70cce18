/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-store-private.h"
#include "store-fixture.h"

#include <signal.h>
#include <sys/resource.h>

#define UUID "11111111-2222-3333-4444-555555555555"

static void
set_file_limit (rlim_t bytes)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static GVariant *
make_snapshot (guint n)
{
  g_autofree char *name = g_strdup_printf ("s-%u", n);
  QsChangeList list;

  qs_changes_init (&list);
  add_snapshot (&list, name, name, "");
  return g_variant_ref_sink (qs_changes_end (&list));
}

/* puts snapshots until one fails; returns how many are there */
static guint
put_until_failure (QsStore *store, GError **error)
{
  for (guint n = 0; n < 100000; n++)
    {
      g_autoptr (GVariant) changes = make_snapshot (n);

      if (!qs_store_apply (store, UUID, changes, error))
        return n;
    }
  g_assert_not_reached ();
}

static void
assert_reads_go_on (QsStore *store, guint n_snapshots)
{
  g_autoptr (QsDomain) domain = load_domain (store, UUID);
  g_autofree char *document = qs_store_get_document (store, "s-0", NULL);

  g_assert_cmpuint (qs_tree_size (domain->tree), ==, n_snapshots);
  g_assert_cmpstr (document, ==, "<domainsnapshot><name>s-0</name></domainsnapshot>");
}

/* the file system takes no more: what was written stays, nothing half is in it */
static void
test_write_fails (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) changes = make_snapshot (100000);
  g_autoptr (GError) error = NULL;
  g_autofree char *degraded = NULL;
  guint n_snapshots;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  set_file_limit (1024 * 1024);
  n_snapshots = put_until_failure (fixture.store, &error);
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  g_assert_cmpuint (n_snapshots, >, 0);
  degraded = qs_store_get_degraded (fixture.store);
  g_assert_nonnull (degraded);
  assert_reads_go_on (fixture.store, n_snapshots);

  /* a write that failed once is not trusted again before a new start has looked at the file */
  set_file_limit (RLIM_INFINITY);
  g_clear_error (&error);
  g_assert_false (qs_store_apply (fixture.store, UUID, changes, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  assert_reads_go_on (fixture.store, n_snapshots);

  store_reopen (&fixture);
  assert_reads_go_on (fixture.store, n_snapshots);
  apply_now (fixture.store, UUID, changes);
  assert_reads_go_on (fixture.store, n_snapshots + 1);
}

static gboolean
apply_snapshot (QsDb *db, gpointer data, GError **error)
{
  return qs_db_apply (db, UUID, data, error);
}

static gboolean
put_domain (QsDb *db, gpointer data, GError **error)
{
  g_autoptr (GVariant) changes = g_variant_ref_sink (make_domain_put ("d", UUID, 7));

  return qs_db_apply (db, UUID, changes, error);
}

/* a full disk may be emptied again: each write tries */
static void
test_full (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDb) db = NULL;
  g_autoptr (GError) error = NULL;
  guint n = 0;

  store_fixture_open (&fixture);
  g_clear_pointer (&fixture.store, qs_store_free);
  db = qs_db_open (fixture.folder, &error);
  g_assert_no_error (error);
  g_assert_true (qs_db_transact (db, put_domain, NULL, NULL));

  g_assert_true (qs_db_exec (db->sqlite, "PRAGMA max_page_count = 60", &error));
  while (error == NULL)
    {
      g_autoptr (GVariant) changes = make_snapshot (n++);

      qs_db_transact (db, apply_snapshot, changes, &error);
    }
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  g_assert_nonnull (db->degraded);
  g_assert_false (db->is_lost);
  g_clear_error (&error);

  g_assert_true (qs_db_exec (db->sqlite, "PRAGMA max_page_count = 100000", &error));
  g_autoptr (GVariant) changes = make_snapshot (n - 1);
  g_assert_true (qs_db_transact (db, apply_snapshot, changes, &error));
  g_assert_no_error (error);
  g_assert_null (db->degraded);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* beyond the limit a write fails with EFBIG, then */
  signal (SIGXFSZ, SIG_IGN);
  g_test_add_func ("/store-degraded/write-fails", test_write_fails);
  g_test_add_func ("/store-degraded/full", test_full);
  return g_test_run ();
}
