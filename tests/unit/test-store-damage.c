/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

#define UUID "11111111-2222-3333-4444-555555555555"
#define N_SNAPSHOTS 40

static void
fill (QsStore *store)
{
  QsChangeList list;

  apply_now (store, UUID, make_domain_put ("d", UUID, 7));
  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/i/base", "format", "s", "raw", "role",
                  "s", "disk", "ours", "b", FALSE, "dev", "t", (guint64)1, "ino", "t", (guint64)2,
                  NULL);
  qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", "vda", "path", "s", "/i/base", "format",
                  "s", "raw", NULL);
  for (guint i = 0; i < N_SNAPSHOTS; i++)
    {
      g_autofree char *uuid = g_strdup_printf ("s-%u", i);

      add_snapshot (&list, uuid, uuid, "");
      qs_changes_add (&list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", uuid, "target", "s", "vda",
                      "path", "s", "/i/base", "tag", "s", uuid, NULL);
    }
  apply_now (store, UUID, qs_changes_end (&list));
}

/* a closed store with something in it, and the bytes of its database */
static GBytes *
make_database (StoreFixture *fixture)
{
  g_autofree char *path = NULL;
  char *bytes;
  gsize length;

  store_fixture_open (fixture);
  fill (fixture->store);
  g_clear_pointer (&fixture->store, qs_store_free);
  path = store_path (fixture, "snapshotd.db");
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  return g_bytes_new_take (bytes, length);
}

static void
put_database (const StoreFixture *fixture, const char *bytes, gsize length)
{
  g_autofree char *path = store_path (fixture, "snapshotd.db");
  g_autofree char *wal = store_path (fixture, "snapshotd.db-wal");

  g_unlink (wal);
  /* anew: GLib does not shorten a file that is there */
  g_unlink (path);
  g_assert_true (g_file_set_contents (path, bytes, (gssize)length, NULL));
}

static void
assert_untouched (const StoreFixture *fixture, const char *bytes, gsize length)
{
  g_autofree char *path = store_path (fixture, "snapshotd.db");
  g_autofree char *found = NULL;
  gsize found_length;

  g_assert_true (g_file_get_contents (path, &found, &found_length, NULL));
  g_assert_cmpmem (found, found_length, bytes, length);
}

static void
assert_refused (const StoreFixture *fixture, const char *bytes, gsize length, const char *message)
{
  g_autoptr (GError) error = NULL;

  put_database (fixture, bytes, length);
  g_assert_null (qs_store_open (fixture->folder, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  if (strstr (error->message, message) == NULL)
    g_error ("‘%s’ does not say ‘%s’", error->message, message);
  assert_untouched (fixture, bytes, length);
}

static void
test_truncated (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GBytes) bytes = make_database (&fixture);
  gsize length;
  const char *data = g_bytes_get_data (bytes, &length);

  assert_refused (&fixture, data, 0, "this is no SQLite database");
  assert_refused (&fixture, data, 99, "this is no SQLite database");
  for (gsize cut = 100; cut < length; cut += 2048)
    assert_refused (&fixture, data, cut, "left as it is: ");
  assert_refused (&fixture, data, length - 1, "left as it is: ");
}

static void
test_foreign (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GBytes) bytes = make_database (&fixture);
  gsize length;
  g_autofree char *data = g_memdup2 (g_bytes_get_data (bytes, &length), g_bytes_get_size (bytes));
  g_autofree char *text = g_strnfill (20000, 'x');

  memset (data + 68, 0, 4);
  assert_refused (&fixture, data, length, "belongs to another program");
  assert_refused (&fixture, text, 20000, "this is no SQLite database");
}

static void
run_sql (const StoreFixture *fixture, const char *sql)
{
  g_autofree char *path = store_path (fixture, "snapshotd.db");
  sqlite3 *sqlite = NULL;

  g_assert_cmpint (sqlite3_open (path, &sqlite), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (sqlite, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_close (sqlite), ==, SQLITE_OK);
}

/* foreign hands, or a later version: each is a statement and what is said of the database then */
static const struct
{
  const char *sql;
  const char *message;
} changed[] = {
  { "UPDATE meta SET value = '99' WHERE key = 'schema'", "written by a newer snapshotd" },
  { "UPDATE meta SET value = 'x' WHERE key = 'schema'", "it has no schema version" },
  { "DELETE FROM meta", "it has no schema version" },
  { "DROP TABLE meta", "it is damaged" },
  { "DROP TRIGGER file_added", "its schema was changed" },
  { "UPDATE domain SET hash = hash + 1", "a row of ‘domain’" },
  { "UPDATE snapshot SET hash = hash - 1 WHERE uuid = 's-7'", "a row of ‘snapshot’" },
};

static void
test_changed (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GBytes) bytes = make_database (&fixture);
  g_autofree char *path = store_path (&fixture, "snapshotd.db");

  for (guint i = 0; i < G_N_ELEMENTS (changed); i++)
    {
      g_autofree char *data = NULL;
      gsize length;

      put_database (&fixture, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
      run_sql (&fixture, changed[i].sql);
      g_assert_true (g_file_get_contents (path, &data, &length, NULL));
      assert_refused (&fixture, data, length, changed[i].message);
    }
}

/* a database that is gone is not replaced by an empty one */
static void
test_missing (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GBytes) bytes = make_database (&fixture);
  g_autofree char *path = store_path (&fixture, "snapshotd.db");
  g_autofree char *pending = store_path (&fixture, "pending");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_true (g_file_set_contents (pending, "", 0, NULL));
  g_assert_null (qs_store_open (fixture.folder, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  g_assert_nonnull (strstr (error->message, "is missing although"));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static char *
describe_documents (QsStore *store)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < N_SNAPSHOTS; i++)
    {
      g_autofree char *uuid = g_strdup_printf ("s-%u", i);
      g_autoptr (GError) error = NULL;
      g_autofree char *document = qs_store_get_document (store, uuid, &error);

      if (document == NULL)
        g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
      g_string_append_printf (text, "%s\n", document != NULL ? document : "damaged");
    }
  return g_string_free (text, FALSE);
}

static char *
describe_all (QsStore *store)
{
  g_autoptr (QsDomain) domain = load_domain (store, UUID);
  g_autofree char *text = describe_domain (domain);
  g_autofree char *files = describe_files (store, UUID);

  return g_strconcat (text, files, NULL);
}

static guint
assert_same_documents (const char *expected, QsStore *store)
{
  g_autofree char *found = describe_documents (store);
  g_auto (GStrv) expected_lines = g_strsplit (expected, "\n", -1);
  g_auto (GStrv) lines = g_strsplit (found, "\n", -1);
  guint n_damaged = 0;

  for (guint i = 0; i < N_SNAPSHOTS; i++)
    if (g_str_equal (lines[i], "damaged"))
      n_damaged++;
    else
      g_assert_cmpstr (lines[i], ==, expected_lines[i]);
  return n_damaged;
}

/* one flipped bit, anywhere: the database is refused and left alone, or says what it always said */
static void
test_flipped (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GBytes) bytes = make_database (&fixture);
  gsize length;
  g_autofree char *data = g_memdup2 (g_bytes_get_data (bytes, &length), g_bytes_get_size (bytes));
  g_autofree char *expected = NULL;
  g_autofree char *documents = NULL;
  guint n_refused = 0, n_harmless = 0, n_documents = 0;

  store_reopen (&fixture);
  expected = describe_all (fixture.store);
  documents = describe_documents (fixture.store);
  g_clear_pointer (&fixture.store, qs_store_free);

  for (gsize at = 0; at < length; at += 211)
    {
      const char bit = (char)(1 << (at % 8));

      data[at] ^= bit;
      put_database (&fixture, data, length);
      fixture.store = qs_store_open (fixture.folder, NULL);
      if (fixture.store != NULL)
        {
          g_autofree char *found = describe_all (fixture.store);

          g_assert_cmpstr (found, ==, expected);
          n_documents += assert_same_documents (documents, fixture.store);
          n_harmless++;
        }
      else
        {
          assert_untouched (&fixture, data, length);
          n_refused++;
        }
      g_clear_pointer (&fixture.store, qs_store_free);
      data[at] ^= bit;
    }
  g_test_message ("%u refused, %u harmless, %u documents refused", n_refused, n_harmless,
                  n_documents);
  g_assert_cmpuint (n_refused, >, 10);
  g_assert_cmpuint (n_documents, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-damage/truncated", test_truncated);
  g_test_add_func ("/store-damage/foreign", test_foreign);
  g_test_add_func ("/store-damage/changed", test_changed);
  g_test_add_func ("/store-damage/missing", test_missing);
  g_test_add_func ("/store-damage/flipped", test_flipped);
  return g_test_run ();
}
