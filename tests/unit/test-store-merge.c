/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"
#include "store-fixture.h"

/* what becomes of the records when one file is merged into another */

#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

#define MERGE(path, into, format)                                                                  \
  "('file-merge', {'path': <'" path "'>, 'into': <'" into "'>, 'format': <'" format "'>})"

static void
add_file (QsChangeList *list, const char *path, const char *backing, guint64 ino)
{
  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s",
                  *backing != '\0' ? "qcow2" : "raw", "role", "s", "disk", "backing", "s", backing,
                  "ours", "b", TRUE, "dev", "t", (guint64)1, "ino", "t", ino, "btime", "x",
                  (gint64)5, NULL);
}

static void
add_row (QsChangeList *list, const char *uuid, const char *target, const char *path,
         const char *tag)
{
  qs_changes_add (list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", uuid, "target", "s", target, "path",
                  "s", path, "tag", "s", tag, NULL);
}

/* /g stands on /f, /h and the domain's own file on /g; another domain has files of the same names */
static void
fill (StoreFixture *fixture)
{
  QsChangeList list;

  store_fixture_open (fixture);
  apply_now (fixture->store, UUID, make_domain_put ("vm", UUID, 1000));
  apply_now (fixture->store, OTHER, make_domain_put ("other", OTHER, 1000));
  qs_changes_init (&list);
  add_file (&list, "/f", "", 1);
  add_file (&list, "/g", "/f", 2);
  add_file (&list, "/h", "/g", 3);
  add_file (&list, "/a", "/g", 4);
  add_file (&list, "/t", "/f", 5);
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  add_row (&list, "s-1", "vda", "/g", "");
  add_row (&list, "s-1", "vdb", "/t", "inside");
  add_row (&list, "s-2", "vda", "/h", "");
  qs_changes_add (&list, QS_CHANGE_TIP, "uuid", "s", "s-2", "target", "s", "vda", "path", "s", "/g",
                  NULL);
  qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", "vda", "path", "s", "/a", "format", "s",
                  "qcow2", "stem", "s", "disk", NULL);
  apply_now (fixture->store, UUID, qs_changes_end (&list));
  apply_now (fixture->store, OTHER,
             g_variant_new_parsed ("[('file-put', {'path': <'/h'>, 'format': <'qcow2'>, 'role': "
                                   "<'disk'>, 'backing': <'/g'>, 'ours': <true>, 'dev': <uint64 "
                                   "1>, 'ino': <uint64 3>})]"));
}

static void
assert_files (StoreFixture *fixture, const char *domain, const char *expected)
{
  g_autofree char *files = describe_files (fixture->store, domain);

  g_assert_cmpstr (files, ==, expected);
}

#define LINE(path, format, role, backing, ino, state, tags, active)                                \
  path " " format " " role " backing " backing " ours 1 1:" ino " 5 state of [" state              \
       "] tags " tags " active of " active " mode 0"
#define NO_TAGS "[] of []"
#define TAGGED "[inside] of [s-1]"
#define OTHER_FILE                                                                                 \
  "/h qcow2 disk backing /g ours 1 1:3 0 state of [] tags [] of [] active of (null) mode 0\n"

static void
test_users (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[" MERGE ("/g", "/f", "raw") "]"));
  store_reopen (&fixture);
  assert_files (
      &fixture, UUID,
      LINE ("/f", "raw", "disk", "(null)", "1", "s-1", NO_TAGS, "(null)") " tip of [s-2]\n" LINE (
          "/g", "qcow2", "disk", "/f", "2", "", NO_TAGS,
          "(null)") "\n" LINE ("/h", "qcow2", "disk", "/f", "3", "s-2", NO_TAGS,
                               "(null)") "\n" LINE ("/a", "qcow2", "disk", "/f", "4", "", NO_TAGS,
                                                    "vda") "\n" LINE ("/t", "qcow2", "disk", "/f",
                                                                      "5", "", TAGGED,
                                                                      "(null)") "\n");
  assert_files (&fixture, OTHER, OTHER_FILE);
  /* nobody needs its record any more */
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('file-tombstone', {'path': <'/g'>})]"));
  apply_now (fixture.store, UUID, g_variant_new_parsed ("[('file-forget', {'path': <'/g'>})]"));
}

/* the disk of a guest */
static void
test_active (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDomain) domain = NULL;
  const QsActive *active;

  fill (&fixture);
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[" MERGE ("/a", "/unheard", "raw") ", ('file-tombstone', "
                                                                       "{'path': <'/a'>})]"));
  store_reopen (&fixture);
  domain = load_domain (fixture.store, UUID);
  g_assert_cmpuint (domain->actives->len, ==, 1);
  active = qs_domain_find_active (domain, "vda");
  g_assert_cmpstr (active->path, ==, "/unheard");
  g_assert_cmpstr (active->format, ==, "raw");
  g_assert_cmpstr (active->stem, ==, "disk");
}

static const struct
{
  const char *changes;
  const char *message;
} refused[] = {
  { "[" MERGE ("/t", "/f", "raw") "]",
    "‘/t’ cannot be merged into ‘/f’: it holds the snapshot ‘inside’" },
  { "[" MERGE ("/f", "/g", "qcow2") "]", "‘/f’ cannot be merged into ‘/g’, which stands on it" },
  { "[" MERGE ("/g", "/g", "qcow2") "]", "‘/g’ cannot be merged into ‘/g’" },
  { "[" MERGE ("/g", "", "qcow2") "]", "‘/g’ cannot be merged into ‘’" },
  { "[" MERGE ("/g", "/f", "") "]", "‘/g’ cannot be merged into ‘/f’" },
};

static void
test_refused (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *before = NULL;

  fill (&fixture);
  before = describe_files (fixture.store, UUID);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (refused[i].changes));
      g_autoptr (GError) error = NULL;

      g_assert_false (qs_store_apply (fixture.store, UUID, changes, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
      g_assert_cmpstr (error->message, ==, refused[i].message);
    }
  assert_files (&fixture, UUID, before);
}

static const QsFile *
find_file (const GPtrArray *files, const char *path)
{
  for (guint i = 0; i < files->len; i++)
    if (g_str_equal (((QsFile *)g_ptr_array_index (files, i))->path, path))
      return g_ptr_array_index (files, i);
  g_assert_not_reached ();
}

static void
test_backing (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) files = NULL;

  fill (&fixture);
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[('file-backing', {'path': <'/g'>, 'backing': <''>}), "
                                   "('file-backing', {'path': <'/h'>, 'backing': <'/f'>})]"));
  store_reopen (&fixture);
  files = qs_store_get_files (fixture.store, UUID, NULL);
  g_assert_null (find_file (files, "/g")->backing);
  g_assert_cmpstr (find_file (files, "/h")->backing, ==, "/f");
  g_assert_cmpstr (find_file (files, "/a")->backing, ==, "/g");
  assert_files (&fixture, OTHER, OTHER_FILE);
}

static const QsFile *
put_again (StoreFixture *fixture, GPtrArray **files, const char *path, guint64 ino)
{
  QsChangeList list;

  qs_changes_init (&list);
  add_file (&list, path, "/f", ino);
  apply_now (fixture->store, UUID, qs_changes_end (&list));
  g_clear_pointer (files, g_ptr_array_unref);
  *files = qs_store_get_files (fixture->store, UUID, NULL);
  return find_file (*files, path);
}

/* a layer is a disk's, and stays one for as long as it is the same file */
static void
test_layer (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) files = NULL;
  const QsFile *file;

  fill (&fixture);
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[('file-role', {'path': <'/f'>, 'role': <'layer'>}), "
                                   "('file-role', {'path': <'/g'>, 'role': <'layer'>})]"));
  store_reopen (&fixture);
  file = put_again (&fixture, &files, "/f", 1);
  g_assert_cmpstr (file->role, ==, "layer");
  g_assert_true (qs_file_is_disk (file));
  g_assert_true (qs_file_is_layer (file));
  /* a snapshot lies in that one */
  g_assert_cmpstr (find_file (files, "/g")->role, ==, "layer");
  g_assert_false (qs_file_is_layer (find_file (files, "/g")));
  g_assert_false (qs_file_is_layer (find_file (files, "/h")));
  file = put_again (&fixture, &files, "/f", 99);
  g_assert_cmpstr (file->role, ==, "disk");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-merge/users", test_users);
  g_test_add_func ("/store-merge/active", test_active);
  g_test_add_func ("/store-merge/refused", test_refused);
  g_test_add_func ("/store-merge/backing", test_backing);
  g_test_add_func ("/store-merge/layer", test_layer);
  return g_test_run ();
}
