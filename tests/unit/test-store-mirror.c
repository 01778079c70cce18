/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"
#include "store-fixture.h"

/* second files of disks, which go with their snapshots */

#define UUID "11111111-2222-3333-4444-555555555555"

static void
add_file (QsChangeList *list, const char *path)
{
  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", path, "format", "s", "qcow2", "role", "s",
                  QS_MIRROR_ROLE, "backing", "s", "", "ours", "b", TRUE, "dev", "t", (guint64)1,
                  "ino", "t", (guint64)2, "btime", "x", (gint64)3, NULL);
}

static void
add_mirror (QsChangeList *list, const char *snapshot, const char *target, const char *path)
{
  qs_changes_add (list, QS_CHANGE_MIRROR, "target", "s", target, "path", "s", path, "format", "s",
                  "qcow2", "snapshot", "s", snapshot, "job", "s", "job-1", "node", "s", "node-1",
                  NULL);
}

static void
fill (StoreFixture *fixture)
{
  QsChangeList list;

  store_fixture_open (fixture);
  apply_now (fixture->store, UUID, make_domain_put ("vm", UUID, 1000));
  qs_changes_init (&list);
  add_file (&list, "/a");
  add_file (&list, "/b");
  add_snapshot (&list, "s-1", "one", "");
  add_snapshot (&list, "s-2", "two", "s-1");
  add_mirror (&list, "s-1", "vda", "/a");
  add_mirror (&list, "s-2", "vdb", "/b");
  apply_now (fixture->store, UUID, qs_changes_end (&list));
}

static void
assert_mirrors (StoreFixture *fixture, const char *expected)
{
  g_autoptr (QsDomain) domain = load_domain (fixture->store, UUID);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      g_string_append_printf (text, "%s:%s:%s:%s:%s:%s ", mirror->snapshot, mirror->target,
                              mirror->path, mirror->job, mirror->node,
                              mirror->reason != NULL ? mirror->reason : qs_mirror_state (mirror));
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static gboolean
knows_file (StoreFixture *fixture, const char *path)
{
  g_autofree char *files = describe_files (fixture->store, UUID);
  g_autofree char *line = g_strconcat (path, " qcow2 mirror ", NULL);

  return g_strrstr (files, line) != NULL;
}

static void
apply_text (StoreFixture *fixture, const char *text)
{
  apply_now (fixture->store, UUID, g_variant_new_parsed (text));
}

#define BOTH "s-1:vda:/a:job-1:node-1:active s-2:vdb:/b:job-1:node-1:active "

static void
test_put (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  assert_mirrors (&fixture, BOTH);
  store_reopen (&fixture);
  assert_mirrors (&fixture, BOTH);
  g_assert_true (knows_file (&fixture, "/a"));
}

/* the first reason counts, and does not bring back to life */
static void
test_drop (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_text (&fixture, "[('mirror-drop', {'path': <'/a'>, 'reason': <'full'>})]");
  apply_text (&fixture, "[('mirror-drop', {'path': <'/a'>, 'reason': <'gone'>}), "
                        "('mirror-drop', {'path': <'/unheard'>, 'reason': <'gone'>})]");
  store_reopen (&fixture);
  assert_mirrors (&fixture, "s-1:vda:/a:job-1:node-1:full s-2:vdb:/b:job-1:node-1:active ");
}

static void
test_forget (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_text (&fixture, "[('mirror-forget', {'path': <'/a'>}), "
                        "('file-tombstone', {'path': <'/a'>})]");
  assert_mirrors (&fixture, "s-2:vdb:/b:job-1:node-1:active ");
  g_assert_false (knows_file (&fixture, "/a"));
  apply_text (&fixture, "[('domain-delete', @a{sv} {})]");
}

/* whoever deletes the snapshot need not know of it */
static void
test_snapshot_goes (void)
{
  g_auto (StoreFixture) fixture = { 0 };

  fill (&fixture);
  apply_text (&fixture, "[('snapshot-delete', {'uuid': <'s-1'>})]");
  assert_mirrors (&fixture, "s-2:vdb:/b:job-1:node-1:active ");
  g_assert_false (knows_file (&fixture, "/a"));
  g_assert_true (knows_file (&fixture, "/b"));
}

/* the record of a file outlives no mirror, and a mirror is some snapshot's */
static void
test_refused (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  static const char *const lists[] = {
    "[('file-tombstone', {'path': <'/a'>})]",
    "[('mirror', {'target': <'vda'>, 'path': <'/a'>, 'format': <'qcow2'>, 'snapshot': <'s-9'>,"
    " 'job': <''>, 'node': <''>})]",
    "[('mirror', {'target': <'vda'>, 'path': <'/c'>, 'format': <'qcow2'>, 'snapshot': <'s-1'>,"
    " 'job': <''>, 'node': <''>})]",
  };

  fill (&fixture);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (lists[i]));
      g_autoptr (GError) error = NULL;

      g_assert_false (qs_store_apply (fixture.store, UUID, changes, &error));
      g_assert_nonnull (error);
    }
  assert_mirrors (&fixture, BOTH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-mirror/put", test_put);
  g_test_add_func ("/store-mirror/drop", test_drop);
  g_test_add_func ("/store-mirror/forget", test_forget);
  g_test_add_func ("/store-mirror/snapshot-goes", test_snapshot_goes);
  g_test_add_func ("/store-mirror/refused", test_refused);
  return g_test_run ();
}
