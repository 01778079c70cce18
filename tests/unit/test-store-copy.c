/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-store-private.h"
#include "store-fixture.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define UUID "11111111-2222-3333-4444-555555555555"
#define COPY "domain/" UUID ".json"

static void
fill (QsStore *store)
{
  QsChangeList list;

  apply_now (store, UUID, make_domain_put ("d", UUID, 7));
  qs_changes_init (&list);
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", "s-2", "target", "s", "vda", "path",
                  "s", "/i/base", "tag", "s", "", NULL);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_QUIESCE, "uuid", "s", "s-2", "freeze-time", "t",
                  (guint64)12, "quiesced", "b", TRUE, NULL);
  apply_now (store, UUID, qs_changes_end (&list));
}

static char *
read_file (const StoreFixture *fixture, const char *name)
{
  g_autofree char *path = store_path (fixture, name);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static JsonObject *
get_row (JsonObject *content, const char *table, guint index)
{
  return json_array_get_object_element (json_object_get_array_member (content, table), index);
}

/* of the text between the member's name and the end of the whole */
static char *
sum_content (const char *text)
{
  g_auto (GStrv) halves = g_strsplit (text, "\"content\":", 2);

  g_assert_cmpuint (g_strv_length (halves), ==, 2);
  g_assert_true (g_str_has_suffix (halves[1], "}\n"));
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)halves[1],
                                      strlen (halves[1]) - strlen ("}\n"));
}

static void
test_content (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = NULL;
  g_autofree char *sum = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *root, *content;

  store_fixture_open (&fixture);
  fill (fixture.store);
  g_clear_pointer (&fixture.store, qs_store_free);
  text = read_file (&fixture, COPY);
  g_assert_true (json_parser_load_from_data (parser, text, -1, &error));
  root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpint (json_object_get_int_member (root, "seqno"), ==, 5);

  sum = sum_content (text);
  g_assert_cmpstr (json_object_get_string_member (root, "sha256"), ==, sum);

  content = json_object_get_object_member (root, "content");
  g_assert_cmpstr (json_object_get_string_member (get_row (content, "domain", 0), "name"), ==, "d");
  g_assert_cmpstr (json_object_get_string_member (get_row (content, "snapshot", 1), "parent"), ==,
                   "s-1");
  g_assert_cmpstr (json_object_get_string_member (get_row (content, "document", 1), "document"), ==,
                   "<domainsnapshot><name>two</name></domainsnapshot>");
  g_assert_cmpstr (json_object_get_string_member (get_row (content, "snap_file", 0), "path"), ==,
                   "/i/base");
  g_assert_cmpint (json_object_get_int_member (get_row (content, "quiesce", 0), "freeze_time"), ==,
                   12);
  g_assert_false (json_object_has_member (get_row (content, "file", 0), "hash"));
}

static void
test_deleted (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *path = NULL;

  store_fixture_open (&fixture);
  path = store_path (&fixture, COPY);
  fill (fixture.store);
  store_reopen (&fixture);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('domain-delete', @a{sv} {})]"));
  store_reopen (&fixture);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
put_file (const StoreFixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = store_path (fixture, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* after a crash the copies agree again, leftovers of ours go and nothing else */
static void
test_looked_at (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autofree char *leftover = NULL;
  g_autofree char *other = NULL;
  g_autoptr (QsDb) db = NULL;
  g_autoptr (QsUpkeep) upkeep = NULL;

  store_fixture_open (&fixture);
  fill (fixture.store);
  g_clear_pointer (&fixture.store, qs_store_free);
  before = read_file (&fixture, COPY);
  put_file (&fixture, COPY, "{\"format\":1,\"seqno\":3,\"sha256\":\"old\"}");
  put_file (&fixture, COPY ".A1b2C3", "half");
  put_file (&fixture, "domain/note.txt", "of somebody");

  db = qs_db_open (fixture.folder, NULL);
  upkeep = qs_upkeep_new (db);
  qs_upkeep_run (upkeep, g_get_monotonic_time () + 30 * G_USEC_PER_SEC);
  g_clear_pointer (&upkeep, qs_upkeep_free);
  after = read_file (&fixture, COPY);
  g_assert_cmpstr (after, ==, before);
  leftover = read_file (&fixture, COPY ".A1b2C3");
  g_assert_null (leftover);
  other = read_file (&fixture, "domain/note.txt");
  g_assert_cmpstr (other, ==, "of somebody");
}

static guint
count_backups (const StoreFixture *fixture)
{
  g_autofree char *path = store_path (fixture, "backup");
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
put_back (const StoreFixture *fixture, const char *backup)
{
  g_autofree char *from = store_path (fixture, backup);
  g_autofree char *to = store_path (fixture, "snapshotd.db");

  g_assert_cmpint (g_rename (from, to), ==, 0);
}

static void
test_backup (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDb) db = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) domain = NULL;
  g_autoptr (QsDomain) found = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *text = NULL;

  store_fixture_open (&fixture);
  fill (fixture.store);
  domain = load_domain (fixture.store, UUID);
  expected = describe_domain (domain);
  g_clear_pointer (&fixture.store, qs_store_free);

  db = qs_db_open (fixture.folder, NULL);
  for (int day = 1; day <= 9; day++)
    {
      g_autoptr (GDateTime) now = g_date_time_new_utc (2030, 1, day, 12, 0, 0);

      g_assert_false (qs_db_is_backed_up (db, now));
      qs_db_back_up (db, now, &error);
      g_assert_no_error (error);
      g_assert_true (qs_db_is_backed_up (db, now));
    }
  g_clear_pointer (&db, qs_db_free);
  g_assert_cmpuint (count_backups (&fixture), ==, 7);

  put_back (&fixture, "backup/2030-01-03.db");
  store_reopen (&fixture);
  found = load_domain (fixture.store, UUID);
  text = describe_domain (found);
  g_assert_cmpstr (text, ==, expected);
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('current', {'uuid': <'s-2'>})]"));
}

/* the first one of a day comes by itself */
static void
test_daily (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDb) db = NULL;
  g_autoptr (QsUpkeep) upkeep = NULL;
  gint64 later = g_get_monotonic_time () + 90 * G_USEC_PER_SEC;

  store_fixture_open (&fixture);
  g_clear_pointer (&fixture.store, qs_store_free);
  db = qs_db_open (fixture.folder, NULL);
  upkeep = qs_upkeep_new (db);
  qs_upkeep_run (upkeep, later - 60 * G_USEC_PER_SEC);
  g_assert_cmpuint (count_backups (&fixture), ==, 0);
  qs_upkeep_run (upkeep, later);
  g_assert_cmpuint (count_backups (&fixture), ==, 1);
  g_assert_cmpint (qs_upkeep_get_due (upkeep), >, later);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-copy/content", test_content);
  g_test_add_func ("/store-copy/deleted", test_deleted);
  g_test_add_func ("/store-copy/looked-at", test_looked_at);
  g_test_add_func ("/store-copy/backup", test_backup);
  g_test_add_func ("/store-copy/daily", test_daily);
  return g_test_run ();
}
