/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#define UUID "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

static void
test_empty (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) domains = NULL;
  g_autoptr (GPtrArray) ops = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *degraded = NULL;

  store_fixture_open (&fixture);
  store_reopen (&fixture);
  domains = qs_store_load_domains (fixture.store, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (domains->len, ==, 0);
  ops = qs_store_load_open_ops (fixture.store, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (ops->len, ==, 0);
  degraded = qs_store_get_degraded (fixture.store);
  g_assert_null (degraded);
}

static void
test_folder (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *folder = NULL;
  g_autofree char *db = NULL;
  g_autoptr (QsStore) store = NULL;
  g_autoptr (GError) error = NULL;
  struct stat info;

  store_fixture_open (&fixture);
  folder = g_build_filename (fixture.folder, "not", "yet", NULL);
  db = g_build_filename (folder, "snapshotd.db", NULL);
  store = qs_store_open (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_stat (folder, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0700);
  g_assert_cmpint (g_stat (db, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 07777, ==, 0600);
  g_clear_pointer (&store, qs_store_free);

  g_assert_cmpint (g_chmod (folder, 0722), ==, 0);
  g_assert_null (qs_store_open (folder, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "writable by it alone"));
}

static void
test_second_instance (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GError) error = NULL;

  store_fixture_open (&fixture);
  g_assert_null (qs_store_open (fixture.folder, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "another snapshotd is using"));
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
}

/* one of every kind, against what it must look like */
static GVariant *
every_kind (void)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s", "running", NULL);
  qs_changes_add (&list, QS_CHANGE_PROCESS, "pid", "x", (gint64)77, "start-time", "t", G_MAXUINT64,
                  "boot-id", "s", "b", "socket", "s", "/run/s", "unit", "s", "u", NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/i/base", "format", "s", "raw", "role",
                  "s", "disk", "ours", "b", FALSE, "dev", "t", G_MAXUINT64, "ino", "t", (guint64)2,
                  "btime", "x", G_MININT64, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/i/over", "format", "s", "qcow2", "role",
                  "s", "disk", "backing", "s", "/i/base", "ours", "b", TRUE, "dev", "t", (guint64)1,
                  "ino", "t", (guint64)3, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/i/gone", "format", "s", "qcow2", "role",
                  "s", "disk", "ours", "b", TRUE, "dev", "t", (guint64)1, "ino", "t", (guint64)4,
                  NULL);
  add_snapshot (&list, "s-1", "first", "");
  add_snapshot (&list, "s-2", "second", "s-1");
  add_snapshot (&list, "s-3", "third", "s-2");
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", "s-1", "target", "s", "vda", "path",
                  "s", "/i/base", "tag", "s", "", NULL);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", "s-3", "target", "s", "vda", "path",
                  "s", "/i/over", "tag", "s", "tag-3", NULL);
  qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", "vda", "path", "s", "/i/over", "format",
                  "s", "qcow2", "stem", "s", "base", NULL);
  qs_changes_add (&list, QS_CHANGE_ATTACHMENT, "socket", "s", "/run/q", "agent", "s", "/run/a",
                  "stable-path", "b", TRUE, "follow", "b", FALSE, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_MODE, "path", "s", "/i/base", "mode", "u", 0640, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_RENAME, "path", "s", "/i/base", "to", "s", "/i/first",
                  NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_TOMBSTONE, "path", "s", "/i/gone", NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_FORGET, "path", "s", "/i/gone", NULL);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_DELETE, "uuid", "s", "s-2", NULL);
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_EDIT, "uuid", "s", "s-3", "name", "s", "drei",
                  "description", "s", "d", "document", "s", "<x/>", NULL);
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", "s-3", NULL);
  qs_changes_add (&list, QS_CHANGE_QUARANTINE, "reason", "s", "why", NULL);
  return qs_changes_end (&list);
}

static void
test_every_kind (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDomain) domain = NULL;
  g_autofree char *text = NULL;
  g_autofree char *files = NULL;
  g_autofree char *document = NULL;
  const char *tail;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  apply_now (fixture.store, UUID, every_kind ());
  store_reopen (&fixture);
  domain = load_domain (fixture.store, UUID);
  text = describe_domain (domain);
  g_assert_true (g_str_has_prefix (text, UUID " ‘d’ " UUID " owner 7 rev 21 running quarantine "
                                              "why\n"));
  tail = strstr (text, "process:");
  g_assert_cmpstr (tail, ==,
                   "process: 77 18446744073709551615 b /run/s ‘u’\n"
                   "attachment: ‘/run/q’ ‘/run/a’ stable 1 hindered 0 follow 0\n"
                   "active: vda /i/over qcow2 base\n"
                   "current: s-3\n"
                   "snapshot: s-1 ‘first’ below ‘’ ‘’ 1700000000000000 rev 7 shutoff external no "
                   "user 0 0, 1 children\n"
                   "snapshot: s-3 ‘drei’ below ‘s-1’ ‘d’ 1700000000000000 rev 9 shutoff external "
                   "no user 0 0, 0 children\n");
  files = describe_files (fixture.store, UUID);
  g_assert_cmpstr (files, ==,
                   "/i/first raw disk backing (null) ours 0 18446744073709551615:2 "
                   "-9223372036854775808 state of [s-1] tags [] of [] active of (null) mode 640\n"
                   "/i/over qcow2 disk backing /i/first ours 1 1:3 0 state of [] tags [tag-3] of "
                   "[s-3] active of vda mode 0\n");
  document = qs_store_get_document (fixture.store, "s-3", NULL);
  g_assert_cmpstr (document, ==, "<x/>");
}

static void
test_snapshot_files (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) files = NULL;
  const QsSnapshotFile *file;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  apply_now (fixture.store, UUID, every_kind ());
  files = qs_store_get_snapshot_files (fixture.store, "s-3", NULL);
  g_assert_cmpuint (files->len, ==, 1);
  file = g_ptr_array_index (files, 0);
  g_assert_cmpstr (file->target, ==, "vda");
  g_assert_cmpstr (file->path, ==, "/i/over");
  g_assert_cmpstr (file->tag, ==, "tag-3");
  g_clear_pointer (&files, g_ptr_array_unref);

  files = qs_store_get_snapshot_files (fixture.store, "s-1", NULL);
  file = g_ptr_array_index (files, 0);
  g_assert_null (file->tag);
}

static void
assert_refused (QsStore *store, const char *domain, const char *changes, QsError code)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (changes));
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_store_apply (store, domain, value, &error));
  g_assert_error (error, QS_ERROR, (int)code);
}

static const struct
{
  const char *changes;
  QsError code;
} refused[] = {
  { "[('current', {'uuid': <'s-9'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('snapshot-delete', {'uuid': <'s-9'>})]", QS_ERROR_NO_SNAPSHOT },
  { "[('snapshot-edit', {'uuid': <'s-1'>, 'name': <'drei'>, 'description': <''>})]",
    QS_ERROR_SNAPSHOT_EXISTS },
  { "[('domain-state', {'state': <'asleep'>})]", QS_ERROR_FAILED },
  { "[('domain-state', {'state': <'paused'>}), ('current', {'uuid': <'s-9'>})]",
    QS_ERROR_NO_SNAPSHOT },
  /* in use as a state file */
  { "[('file-forget', {'path': <'/i/first'>})]", QS_ERROR_FAILED },
  { "[('file-tombstone', {'path': <'/i/over'>})]", QS_ERROR_FAILED },
  { "[('unheard', @a{sv} {})]", QS_ERROR_FAILED },
};

/* what is refused changes nothing, not even the part of the list before it */
static void
test_refused (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsDomain) before = NULL;
  g_autofree char *before_text = NULL;
  g_autofree char *before_files = NULL;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  apply_now (fixture.store, UUID, every_kind ());
  before = load_domain (fixture.store, UUID);
  before_text = describe_domain (before);
  before_files = describe_files (fixture.store, UUID);

  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (QsDomain) after = NULL;
      g_autofree char *after_text = NULL;
      g_autofree char *after_files = NULL;

      assert_refused (fixture.store, UUID, refused[i].changes, refused[i].code);
      after = load_domain (fixture.store, UUID);
      after_text = describe_domain (after);
      after_files = describe_files (fixture.store, UUID);
      g_assert_cmpstr (after_text, ==, before_text);
      g_assert_cmpstr (after_files, ==, before_files);
    }
  assert_refused (fixture.store, OTHER, refused[0].changes, QS_ERROR_NO_DOMAIN);
}

static void
test_domain_exists (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) same_name = g_variant_ref_sink (make_domain_put ("d", OTHER, 7));
  g_autoptr (GVariant) same_uuid = g_variant_ref_sink (make_domain_put ("e", UUID, 7));
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) other = NULL;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  g_assert_false (qs_store_apply (fixture.store, "x", same_name, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS);
  g_clear_error (&error);
  g_assert_false (qs_store_apply (fixture.store, "x", same_uuid, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS);
  apply_now (fixture.store, "x", make_domain_put ("d", UUID, 8));
  other = load_domain (fixture.store, "x");
  g_assert_cmpuint (other->owner, ==, 8);
}

static void
test_domain_delete (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autofree char *files = NULL;
  g_autoptr (GError) error = NULL;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  apply_now (fixture.store, OTHER, make_domain_put ("o", OTHER, 7));
  apply_now (fixture.store, UUID, every_kind ());
  apply_now (fixture.store, UUID,
             g_variant_new_parsed ("[('domain-delete', @a{sv} {}), "
                                   "('file-forget', {'path': <'/i/over'>})]"));
  store_reopen (&fixture);
  g_assert_null (load_domain (fixture.store, UUID));
  g_assert_null (qs_store_get_document (fixture.store, "s-1", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT);
  files = describe_files (fixture.store, UUID);
  g_assert_cmpstr (files, ==, "");
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
}

static void
add_image (GPtrArray *images, const char *path, guint64 dev, guint64 ino)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (path);
  image->dev = dev;
  image->ino = ino;
  g_ptr_array_add (images, image);
}

static void
test_foreign (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_autoptr (GPtrArray) paths = NULL;
  g_autoptr (GPtrArray) own = NULL;
  g_autofree char *name = NULL;
  g_autofree char *none = NULL;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  apply_now (fixture.store, OTHER, make_domain_put ("o", OTHER, 7));
  apply_now (fixture.store, UUID, every_kind ());
  add_image (images, "/elsewhere/link", 1, 3);
  add_image (images, "/elsewhere/other", 1, 5);
  add_image (images, "/elsewhere/unknown", 0, 0);
  add_image (images, "/i/first", 8, 8);

  paths = qs_store_find_foreign (fixture.store, OTHER, images, NULL);
  g_assert_cmpuint (paths->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (paths, 0), ==, "/elsewhere/link");
  g_assert_cmpstr (g_ptr_array_index (paths, 1), ==, "/i/first");
  own = qs_store_find_foreign (fixture.store, UUID, images, NULL);
  g_assert_cmpuint (own->len, ==, 0);

  /* the same by its own domain: under a name that is not the recorded one */
  g_assert_true (
      qs_store_find_other_name (fixture.store, UUID, g_ptr_array_index (images, 0), &name, NULL));
  g_assert_nonnull (name);
  g_assert_true (
      qs_store_find_other_name (fixture.store, UUID, g_ptr_array_index (images, 3), &none, NULL));
  g_assert_null (none);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store/empty", test_empty);
  g_test_add_func ("/store/folder", test_folder);
  g_test_add_func ("/store/second-instance", test_second_instance);
  g_test_add_func ("/store/every-kind", test_every_kind);
  g_test_add_func ("/store/snapshot-files", test_snapshot_files);
  g_test_add_func ("/store/refused", test_refused);
  g_test_add_func ("/store/domain-exists", test_domain_exists);
  g_test_add_func ("/store/domain-delete", test_domain_delete);
  g_test_add_func ("/store/foreign", test_foreign);
  return g_test_run ();
}
