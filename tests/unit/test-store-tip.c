/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"
#include "store-fixture.h"

/* the later changes that a snapshot keeps while the domain is elsewhere */

#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

static void
add_overlay (QsChangeList *list, const char *path)
{
  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role", "s",
                  "disk", "backing", "s", "/base", "ours", "b", TRUE, "dev", "t", (guint64)1, "ino",
                  "t", (guint64)2, "btime", "x", (gint64)3, NULL);
}

static void
add_tip (QsChangeList *list, const char *uuid, const char *target, const char *path)
{
  qs_changes_add (list, QS_CHANGE_TIP, "uuid", "s", uuid, "target", "s", target, "path", "s", path,
                  NULL);
}

static void
fill (StoreFixture *fixture)
{
  QsChangeList list;

  store_fixture_open (fixture);
  apply_now (fixture->store, UUID, make_domain_put ("vm", UUID, 1000));
  apply_now (fixture->store, OTHER, make_domain_put ("other", OTHER, 1000));
  qs_changes_init (&list);
  add_overlay (&list, "/a");
  add_overlay (&list, "/b");
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  add_tip (&list, "s-1", "vda", "/a");
  add_tip (&list, "s-1", "vdb", "/b");
  add_tip (&list, "s-2", "vda", "/c");
  apply_now (fixture->store, UUID, qs_changes_end (&list));
}

/* (transfer full): with the tips that the files and the tree know of, which are the same */
static char *
describe (StoreFixture *fixture)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GPtrArray) tips = qs_store_get_tips (fixture->store, UUID, NULL);
  g_autoptr (GPtrArray) files = qs_store_get_files (fixture->store, UUID, NULL);
  g_autoptr (QsDomain) domain = load_domain (fixture->store, UUID);
  guint n_users = 0;

  for (guint i = 0; i < files->len; i++)
    n_users += ((QsFile *)g_ptr_array_index (files, i))->tip_of->len;
  g_assert_cmpuint (n_users, ==, tips->len);
  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      g_assert_true (qs_tree_lookup (domain->tree, tip->snapshot)->has_tip);
      g_string_append_printf (text, "%s:%s:%s ", tip->snapshot, tip->target, tip->path);
    }
  return g_string_free (text, FALSE);
}

static void
assert_tips (StoreFixture *fixture, const char *expected)
{
  g_autofree char *text = describe (fixture);

  g_assert_cmpstr (text, ==, expected);
}

static gboolean
has_tip (StoreFixture *fixture, const char *uuid)
{
  g_autoptr (QsDomain) domain = load_domain (fixture->store, UUID);

  return qs_tree_lookup (domain->tree, uuid)->has_tip;
}

static void
test_put (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) foreign = NULL;
  g_autofree char *files = NULL;

  fill (&fixture);
  assert_tips (&fixture, "s-1:vda:/a s-1:vdb:/b s-2:vda:/c ");
  store_reopen (&fixture);
  assert_tips (&fixture, "s-1:vda:/a s-1:vdb:/b s-2:vda:/c ");
  files = describe_files (fixture.store, UUID);
  g_assert_nonnull (g_strrstr (files,
                               "/a qcow2 disk backing /base ours 1 1:2 3 state of [] tags [] "
                               "of [] active of (null) mode 0 tip of [s-1]\n"));
  g_assert_nonnull (g_strrstr (files, "/c "));
  foreign = qs_store_get_tips (fixture.store, OTHER, NULL);
  g_assert_cmpuint (foreign->len, ==, 0);
}

/* one for each disk, the later one counts */
static void
test_replace (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_now (
      fixture.store, UUID,
      g_variant_new_parsed ("[('tip', {'uuid': <'s-1'>, 'target': <'vda'>, 'path': <'/c'>})]"));
  assert_tips (&fixture, "s-1:vda:/c s-1:vdb:/b s-2:vda:/c ");
}

static void
test_rename (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[('file-rename', {'path': <'/a'>, 'to': <'/new'>})]"));
  assert_tips (&fixture, "s-1:vda:/new s-1:vdb:/b s-2:vda:/c ");
}

static void
test_forget (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('tip-forget', {'uuid': <'s-1'>})]"));
  assert_tips (&fixture, "s-2:vda:/c ");
  g_assert_false (has_tip (&fixture, "s-1"));
  g_assert_true (has_tip (&fixture, "s-2"));
  /* again: nothing is there to be forgotten */
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('tip-forget', {'uuid': <'s-1'>})]"));
}

static void
test_delete (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[('snapshot-delete', {'uuid': <'s-1'>}), "
                                   "('file-tombstone', {'path': <'/a'>})]"));
  assert_tips (&fixture, "s-2:vda:/c ");
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('domain-delete', @a{sv} {})]"));
}

/* the record of a file outlives no tip */
static void
test_needed (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) changes =
      g_variant_ref_sink (g_variant_new_parsed ("[('file-tombstone', {'path': <'/a'>})]"));
  g_autoptr (GError) error = NULL;

  fill (&fixture);
  g_assert_false (qs_store_apply (fixture.store, UUID, changes, &error));
  g_assert_nonnull (error);
  assert_tips (&fixture, "s-1:vda:/a s-1:vdb:/b s-2:vda:/c ");
}

static void
test_refused (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  static const char *const lists[] = {
    "[('tip', {'uuid': <'s-9'>, 'target': <'vda'>, 'path': <'/a'>})]",
    "[('tip-forget', {'uuid': <'s-9'>})]",
  };

  fill (&fixture);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (lists[i]));
      g_autoptr (GError) error = NULL;

      g_assert_false (qs_store_apply (fixture.store, UUID, changes, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT);
      g_clear_error (&error);
      /* nor is it another domain's */
      g_assert_false (qs_store_apply (fixture.store, OTHER, changes, &error));
    }
  assert_tips (&fixture, "s-1:vda:/a s-1:vdb:/b s-2:vda:/c ");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-tip/put", test_put);
  g_test_add_func ("/store-tip/replace", test_replace);
  g_test_add_func ("/store-tip/rename", test_rename);
  g_test_add_func ("/store-tip/forget", test_forget);
  g_test_add_func ("/store-tip/delete", test_delete);
  g_test_add_func ("/store-tip/needed", test_needed);
  g_test_add_func ("/store-tip/refused", test_refused);
  return g_test_run ();
}
