/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define QEMU_IO "/usr/bin/qemu-io"

#define PIECES 24576

/* bottom.raw <- base.qcow2, in large clusters <- top.qcow2 */
typedef struct
{
  char *bottom;
  char *base;
  char *top;
} Chain;

static void
chain_clear (Chain *chain)
{
  g_free (chain->bottom);
  g_free (chain->base);
  g_free (chain->top);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

static void
make_chain (Fixture *f, Chain *chain)
{
  *chain = (Chain){ in_folder (f, "bottom.raw"), in_folder (f, "base.qcow2"),
                    in_folder (f, "top.qcow2") };
  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", chain->bottom, "16M", NULL);
  run_tool (QEMU_IO, "-f", "raw", "-c", "write -q -P 3 0 8M", chain->bottom, NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", "-F", "raw", "-b",
            chain->bottom, chain->base, NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", chain->base, chain->top,
            NULL);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 7 1M 64k", "-c", "write -q -z 5M 64k",
            chain->top, NULL);
}

static GVariant *
file_row (Fixture *f, const char *path, const char *format)
{
  QsFileId id = identify (f, path);

  return g_variant_new ("(sstt)", path, format, id.dev, id.ino);
}

static GVariant *
chain_rows (Fixture *f, const Chain *chain)
{
  GVariantBuilder rows;

  g_variant_builder_init (&rows, G_VARIANT_TYPE (QS_WORKER_FILES));
  g_variant_builder_add_value (&rows, file_row (f, chain->top, "qcow2"));
  g_variant_builder_add_value (&rows, file_row (f, chain->base, "qcow2"));
  g_variant_builder_add_value (&rows, file_row (f, chain->bottom, "raw"));
  return g_variant_builder_end (&rows);
}

static GVariant *
one_row (Fixture *f, const char *path)
{
  GVariant *row = file_row (f, path, "qcow2");

  return g_variant_new_array (NULL, &row, 1);
}

static GVariant *
two_rows (Fixture *f, const char *first, const char *second)
{
  GVariant *rows[] = { file_row (f, first, "qcow2"), file_row (f, second, "qcow2") };

  return g_variant_new_array (NULL, rows, 2);
}

/* qemu-io's exit code does not tell a wrong pattern: its words do */
static void
assert_reads (const char *path, const char *command)
{
  g_autofree char *text = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL,
                        QEMU_IO, "-r", "-f", "qcow2", "-c", command, path, NULL);

  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "read "));
  g_assert_null (strstr (text, "Pattern verification failed"));
}

/* what is below the base fills up its large cluster */
static void
test_commit (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GError) error = NULL;

  make_chain (f, &chain);
  for (guint i = 0; i < 2; i++)
    {
      qs_worker_commit (f->worker, chain_rows (f, &chain), NULL, &error);
      g_assert_no_error (error);
      assert_reads (chain.base, "read -P 7 1M 64k");
      assert_reads (chain.base, "read -P 3 1088k 960k");
      assert_reads (chain.base, "read -P 3 0 1M");
      assert_reads (chain.base, "read -P 0 5M 64k");
      /* the merged file is not touched */
      assert_reads (chain.top, "read -P 7 1M 64k");
      run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", chain.base, NULL);
      run_tool (QEMU_IMG, "check", "-q", "-f", "qcow2", chain.top, NULL);
    }
}

static void
test_commit_refused (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GVariant) rows = NULL;
  g_autofree char *aside = NULL;
  g_autoptr (GError) error = NULL;
  GSubprocess *other;

  make_chain (f, &chain);
  rows = g_variant_ref_sink (chain_rows (f, &chain));
  assert_refused (qs_worker_commit (f->worker, one_row (f, chain.top), NULL, &error), error,
                  QS_ERROR_INVALID_ARGUMENT, "no chain");
  other = open_in_qemu (chain.base, "qcow2");
  assert_refused (qs_worker_commit (f->worker, rows, NULL, &error), error,
                  QS_ERROR_OPERATION_INVALID, "another program");
  close_in_qemu (other);
  /* another file of the same name */
  aside = in_folder (f, "aside.qcow2");
  g_assert_cmpint (g_rename (chain.base, aside), ==, 0);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", chain.base, "16M", NULL);
  assert_refused (qs_worker_commit (f->worker, rows, NULL, &error), error, QS_ERROR_IMAGE_FAILED,
                  "no longer the file");
}

static void
test_set_backing (Fixture *f, gconstpointer data)
{
  static const char *const refused[] = { "nbd:localhost:1", "json:{}", "-x" };
  g_auto (Chain) chain = { 0 };
  g_autoptr (GError) error = NULL;

  make_chain (f, &chain);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 9 3M 64k", chain.base, NULL);
  qs_worker_set_backing (f->worker, one_row (f, chain.top), "bottom.raw", "raw", &error);
  g_assert_no_error (error);
  assert_reads (chain.top, "read -P 3 3M 64k");
  assert_reads (chain.top, "read -P 7 1M 64k");
  qs_worker_set_backing (f->worker, one_row (f, chain.top), chain.base, "qcow2", &error);
  g_assert_no_error (error);
  assert_reads (chain.top, "read -P 9 3M 64k");
  qs_worker_set_backing (f->worker, one_row (f, chain.top), "", "", &error);
  g_assert_no_error (error);
  assert_reads (chain.top, "read -P 0 3M 64k");
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    assert_refused (
        qs_worker_set_backing (f->worker, one_row (f, chain.top), refused[i], "raw", &error), error,
        QS_ERROR_INVALID_ARGUMENT, refused[i]);
}

static gboolean
covers (Fixture *f, GVariant *rows)
{
  g_autoptr (GError) error = NULL;
  gboolean result = FALSE;

  qs_worker_covers (f->worker, rows, &result, &error);
  g_assert_no_error (error);
  return result;
}

/* also while a program has them open */
static void
test_covers (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GError) error = NULL;
  GSubprocess *other;

  make_chain (f, &chain);
  g_assert_false (covers (f, two_rows (f, chain.base, chain.top)));
  qs_worker_commit (f->worker, chain_rows (f, &chain), NULL, &error);
  g_assert_no_error (error);
  other = open_in_qemu (chain.base, "qcow2");
  g_assert_true (covers (f, two_rows (f, chain.base, chain.top)));
  g_assert_false (covers (f, two_rows (f, chain.top, chain.base)));
  close_in_qemu (other);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 1 15M 64k", chain.top, NULL);
  g_assert_false (covers (f, two_rows (f, chain.base, chain.top)));
}

/* zeros that hide data below: a table without them shows these again */
static void
test_covers_zeros (Fixture *f, gconstpointer data)
{
  g_autofree char *base = in_folder (f, "base.qcow2");
  g_autofree char *top = in_folder (f, "top.qcow2");

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", base, "16M", NULL);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 7 5M 32k", base, NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top, NULL);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -z 5M 128k", top, NULL);
  g_assert_false (covers (f, two_rows (f, base, top)));
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -z 5M 128k", base, NULL);
  g_assert_true (covers (f, two_rows (f, base, top)));
  /* nothing is below the bottom */
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -z 8M 128k", base, NULL);
  g_assert_true (covers (f, two_rows (f, top, base)));
}

/* each second sector is written */
static void
write_pieces (const char *path)
{
  g_autofree char *data = g_malloc0 (PIECES * 1024);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < PIECES; i++)
    memset (data + i * 1024, 1, 512);
  g_file_set_contents (path, data, PIECES * 1024, &error);
  g_assert_no_error (error);
}

/* more pieces than one answer of the tool may name */
static void
test_covers_fragments (Fixture *f, gconstpointer data)
{
  g_autofree char *raw = in_folder (f, "some.raw");
  g_autofree char *some = in_folder (f, "some.qcow2");
  g_autofree char *all = in_folder (f, "all.qcow2");
  g_autofree char *one = in_folder (f, "one.qcow2");

  write_pieces (raw);
  run_tool (QEMU_IMG, "convert", "-t", "unsafe", "-S", "512", "-f", "raw", "-O", "qcow2", "-o",
            "cluster_size=512", raw, some, NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", all, "24M", NULL);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 1 0 24M", all, NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", one, "24M", NULL);
  run_tool (QEMU_IO, "-f", "qcow2", "-c", "write -q -P 1 0 24512k", one, NULL);
  g_assert_true (covers (f, two_rows (f, all, some)));
  g_assert_false (covers (f, two_rows (f, one, some)));
}

static void
test_leaks (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = { 0 };
  g_autoptr (GError) error = NULL;
  QsFileId id;

  make_chain (f, &chain);
  id = identify (f, chain.top);
  qs_worker_repair_leaks (f->worker, one_row (f, chain.top), &error);
  g_assert_no_error (error);
  qs_worker_sync (f->worker, chain.top, &id, &error);
  g_assert_no_error (error);
  id.ino++;
  assert_refused (qs_worker_sync (f->worker, chain.top, &id, &error), error, QS_ERROR_IMAGE_FAILED,
                  "no longer the file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-merge/commit", test_commit);
  add_worker_test ("/worker-merge/commit-refused", test_commit_refused);
  add_worker_test ("/worker-merge/set-backing", test_set_backing);
  add_worker_test ("/worker-merge/covers", test_covers);
  add_worker_test ("/worker-merge/covers-zeros", test_covers_zeros);
  add_worker_test ("/worker-merge/covers-fragments", test_covers_fragments);
  add_worker_test ("/worker-merge/leaks", test_leaks);
  return g_test_run ();
}
