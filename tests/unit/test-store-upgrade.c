/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"
#include "store-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* stores as earlier versions have written them, in tests/data/store */

static GBytes *
read_store (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "store", name, NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInputStream) raw = g_file_read (file, NULL, &error);
  g_autoptr (GZlibDecompressor) unzip = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();

  g_assert_no_error (error);
  stream = g_converter_input_stream_new (G_INPUT_STREAM (raw), G_CONVERTER (unzip));
  g_output_stream_splice (memory, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
  g_assert_no_error (error);
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static void
put_store (StoreFixture *fixture, const char *name)
{
  g_autoptr (GBytes) bytes = read_store (name);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  store_fixture_open (fixture);
  g_clear_pointer (&fixture->store, qs_store_free);
  path = store_path (fixture, "snapshotd.db");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_file_set_contents_full (path, g_bytes_get_data (bytes, NULL), (gssize)g_bytes_get_size (bytes),
                            G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
  fixture->store = qs_store_open (fixture->folder, &error);
  g_assert_no_error (error);
}

static void
attach (QsStore *store, const char *domain)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_ATTACHMENT, "socket", "s", "/run/q", "agent", "s", "",
                  "stable-path", "b", TRUE, "follow", "b", TRUE, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_MODE, "path", "s", "/images/vm/disk0.qcow2", "mode", "u",
                  0644, NULL);
  apply_now (store, domain, qs_changes_end (&list));
}

/* one domain with an internal and, below it, an external snapshot of two disks */
static void
test_version_1 (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) domains = NULL;
  g_autoptr (QsDomain) after = NULL;
  g_autofree char *before = NULL;
  g_autofree char *kept = NULL;
  QsDomain *domain;

  put_store (&fixture, "version-1.db.gz");
  domains = qs_store_load_domains (fixture.store, NULL);
  g_assert_cmpuint (domains->len, ==, 1);
  domain = g_ptr_array_index (domains, 0);
  g_assert_cmpstr (domain->name, ==, "vm");
  g_assert_null (domain->attachment);
  g_assert_cmpuint (qs_tree_size (domain->tree), ==, 2);
  g_assert_cmpstr (qs_tree_get_current (domain->tree)->name, ==, "second");
  g_assert_cmpstr (qs_domain_find_active (domain, "vdb")->path, ==, "/images/vm/disk1.second");
  before = describe_files (fixture.store, domain->id);
  g_assert_nonnull (strstr (before, "/images/vm/disk0.qcow2 qcow2 disk"));

  /* what it was can be had again, and what it has become can be written to */
  kept = store_path (&fixture, "pre-migrate-1.db");
  g_assert_true (g_file_test (kept, G_FILE_TEST_IS_REGULAR));
  attach (fixture.store, domain->id);
  store_reopen (&fixture);
  after = load_domain (fixture.store, domain->id);
  g_assert_cmpstr (after->attachment->socket, ==, "/run/q");
  g_assert_cmpuint (qs_tree_size (after->tree), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  g_test_add_func ("/store-upgrade/version-1", test_version_1);
  return g_test_run ();
}
