/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"
#include "store-fixture.h"

/* what is looked up one by one, however many snapshots there are */

#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"
#define FIRST "aaaaaaaa-0000-4000-8000-000000000001"
#define SECOND "aaaaaaaa-0000-4000-8000-000000000002"
#define THIRD "aaaaaaaa-0000-4000-8000-000000000003"

static void
add_file (QsChangeList *list, const char *path, const char *backing)
{
  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role", "s",
                  "disk", "backing", "s", backing, "ours", "b", TRUE, "dev", "t", (guint64)1, "ino",
                  "t", (guint64)2, "btime", "x", (gint64)3, NULL);
}

static void
add_tag (QsChangeList *list, const char *uuid, const char *path, const char *tag)
{
  qs_changes_add (list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", uuid, "target", "s", "vda", "path",
                  "s", path, "tag", "s", tag, NULL);
}

static void
fill (StoreFixture *fixture)
{
  QsChangeList list;

  store_fixture_open (fixture);
  apply_now (fixture->store, UUID, make_domain_put ("vm", UUID, 1000));
  apply_now (fixture->store, OTHER, make_domain_put ("other", OTHER, 1000));
  qs_changes_init (&list);
  add_file (&list, "/a", "");
  add_file (&list, "/b", "/a");
  add_file (&list, "/c", "/b");
  add_file (&list, "/else", "");
  add_snapshot (&list, FIRST, "s1", "");
  add_snapshot (&list, SECOND, "s2", FIRST);
  add_snapshot (&list, THIRD, "s3", SECOND);
  add_tag (&list, FIRST, "/a", "t");
  add_tag (&list, SECOND, "/b", "t");
  add_tag (&list, THIRD, "/c", "");
  apply_now (fixture->store, UUID, qs_changes_end (&list));
}

/* (transfer full): paths, with what they stand on */
static char *
describe (GPtrArray *files)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);

      g_string_append_printf (text, "%s<%s ", file->path, file->backing ?: "");
      g_assert_cmpuint (file->ino, ==, 2);
      g_assert_true (file->ours);
    }
  g_ptr_array_unref (files);
  return g_string_free (text, FALSE);
}

static void
test_chain (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *whole = NULL;
  g_autofree char *part = NULL;
  g_autofree char *unknown = NULL;
  g_autofree char *foreign = NULL;

  fill (&fixture);
  whole = describe (qs_store_get_chain (fixture.store, UUID, "/c", NULL));
  g_assert_cmpstr (whole, ==, "/c</b /b</a /a< ");
  part = describe (qs_store_get_chain (fixture.store, UUID, "/b", NULL));
  g_assert_cmpstr (part, ==, "/b</a /a< ");
  unknown = describe (qs_store_get_chain (fixture.store, UUID, "/x", NULL));
  g_assert_cmpstr (unknown, ==, "");
  foreign = describe (qs_store_get_chain (fixture.store, OTHER, "/c", NULL));
  g_assert_cmpstr (foreign, ==, "");
}

static void
test_files (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_autofree char *found = NULL;

  fill (&fixture);
  g_ptr_array_add (paths, (gpointer) "/else");
  g_ptr_array_add (paths, (gpointer) "/x");
  g_ptr_array_add (paths, (gpointer) "/b");
  found = describe (qs_store_find_files (fixture.store, UUID, paths, NULL));
  g_assert_cmpstr (found, ==, "/else< /b</a ");
}

static void
assert_tag (QsStore *store, const char *domain, const char *path, const char *tag,
            const char *expected)
{
  g_autofree char *snapshot = NULL;

  g_assert_true (qs_store_find_tag (store, domain, path, tag, &snapshot, NULL));
  g_assert_cmpstr (snapshot, ==, expected);
}

/* the same tag may be in several files; a state file has none */
static void
test_tag (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  assert_tag (fixture.store, UUID, "/a", "t", FIRST);
  assert_tag (fixture.store, UUID, "/b", "t", SECOND);
  assert_tag (fixture.store, UUID, "/b", "u", NULL);
  assert_tag (fixture.store, UUID, "/c", "t", NULL);
  assert_tag (fixture.store, UUID, "/c", "", NULL);
  assert_tag (fixture.store, OTHER, "/a", "t", NULL);
}

static gboolean
put_below (QsStore *store, const char *uuid, const char *name, const char *parent, GError **error)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  add_snapshot (&list, uuid, name, parent);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  return qs_store_apply (store, UUID, changes, error);
}

/* one that stays where it is is not walked up from, any other is */
static void
test_parent (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GError) error = NULL;

  fill (&fixture);
  g_assert_true (put_below (fixture.store, SECOND, "s2", FIRST, &error));
  g_assert_true (put_below (fixture.store, THIRD, "s3", FIRST, &error));
  g_assert_true (put_below (fixture.store, THIRD, "s3", SECOND, &error));
  g_assert_no_error (error);
  g_assert_false (put_below (fixture.store, FIRST, "s1", THIRD, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (put_below (fixture.store, SECOND, "s2", SECOND, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-find/chain", test_chain);
  g_test_add_func ("/store-find/files", test_files);
  g_test_add_func ("/store-find/tag", test_tag);
  g_test_add_func ("/store-find/parent", test_parent);
  return g_test_run ();
}
