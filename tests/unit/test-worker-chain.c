/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"

#include "worker-fixture.h"

#include <string.h>

#define QEMU_IMG "/usr/bin/qemu-img"

/* chains that the headers tell in part, and the record the rest */

static GPtrArray *
new_record (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
}

static void
record (GPtrArray *files, const char *path, const char *format, const char *backing)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (path);
  file->format = g_strdup (format);
  file->backing = g_strdup (backing);
  g_ptr_array_add (files, file);
}

static void
assert_chain (Fixture *f, const GPtrArray *files, const char *top, const char *format,
              const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = NULL;
  g_autoptr (GString) found = g_string_new (NULL);

  g_assert_true (qs_worker_inspect_chain (f->worker, top, format, files, &images, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (images, i);
      g_autofree char *name = g_path_get_basename (image->path);

      g_string_append_printf (found, "%s%s:%s", i > 0 ? " " : "", name, image->format);
    }
  g_assert_cmpstr (found->str, ==, expected);
}

static void
assert_refused_chain (Fixture *f, const GPtrArray *files, const char *top, gint code,
                      const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = NULL;

  assert_refused (qs_worker_inspect_chain (f->worker, top, "qed", files, &images, &error), error,
                  code, text);
}

typedef struct
{
  char *base; /* raw */
  char *middle;
  char *top;
  GPtrArray *files;
} Chain;

static void
chain_clear (Chain *chain)
{
  g_free (chain->base);
  g_free (chain->middle);
  g_free (chain->top);
  g_ptr_array_unref (chain->files);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

static Chain
new_chain (Fixture *f)
{
  Chain chain = { in_folder (f, "base"), in_folder (f, "middle"), in_folder (f, "top"),
                  new_record () };

  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", chain.base, "1M", NULL);
  return chain;
}

/* mode no-backing-file, in both formats and twice in a row */
static void
test_no_backing (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", chain.middle, "1M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qed", chain.top, "1M", NULL);
  assert_chain (f, NULL, chain.top, "qed", "top:qed");
  record (chain.files, chain.base, "raw", NULL);
  record (chain.files, chain.top, "qed", chain.middle);
  record (chain.files, chain.middle, "qcow2", chain.base);
  assert_chain (f, chain.files, chain.top, "qed", "top:qed middle:qcow2 base:raw");
  assert_chain (f, chain.files, chain.middle, "qcow2", "middle:qcow2 base:raw");
}

/* below a file that names its backing file itself */
static void
test_mixed (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", chain.middle, "1M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", "middle", "-F", "qcow2", chain.top,
            "1M", NULL);
  record (chain.files, chain.base, "raw", NULL);
  record (chain.files, chain.middle, "qcow2", chain.base);
  record (chain.files, chain.top, "qcow2", chain.middle);
  assert_chain (f, chain.files, chain.top, "qcow2", "top:qcow2 middle:qcow2 base:raw");
}

static void
test_qed_format (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", chain.base, "-F", "raw",
            chain.middle, "1M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qed", "-u", "-b", "middle", "-F", "qcow2", chain.top,
            "1M", NULL);
  assert_refused_chain (f, NULL, chain.top, QS_ERROR_CONFIG_UNSUPPORTED, "does not tell");
  record (chain.files, chain.base, "raw", NULL);
  record (chain.files, chain.top, "qed", chain.base);
  /* the header names another file than the record */
  assert_refused_chain (f, chain.files, chain.top, QS_ERROR_CONFIG_UNSUPPORTED, "does not tell");
  g_ptr_array_set_size (chain.files, 0);
  record (chain.files, chain.middle, "qcow2", chain.base);
  record (chain.files, chain.top, "qed", chain.middle);
  assert_chain (f, chain.files, chain.top, "qed", "top:qed middle:qcow2 base:raw");
}

/* what a header tells is what counts */
static void
test_header_wins (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);

  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", chain.middle, "1M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", chain.base, "-F", "raw", chain.top,
            "1M", NULL);
  record (chain.files, chain.base, "raw", chain.middle);
  record (chain.files, chain.middle, "raw", NULL);
  record (chain.files, chain.top, "qcow2", chain.middle);
  assert_chain (f, chain.files, chain.top, "qcow2", "top:qcow2 base:raw");
}

/* to end a chain where the record goes on would be another view of the disk */
static void
test_damaged_record (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);

  run_tool (QEMU_IMG, "create", "-q", "-f", "qed", chain.top, "1M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qed", chain.middle, "1M", NULL);
  record (chain.files, chain.top, "qed", chain.middle);
  assert_refused_chain (f, chain.files, chain.top, QS_ERROR_IMAGE_FAILED, "its format is not");
  record (chain.files, chain.middle, "qed", chain.top);
  assert_refused_chain (f, chain.files, chain.top, QS_ERROR_IMAGE_FAILED, "loop");
  g_ptr_array_set_size (chain.files, 0);
  record (chain.files, chain.top, "qed", "/proc/self/environ");
  record (chain.files, "/proc/self/environ", "raw", NULL);
  assert_refused_chain (f, chain.files, chain.top, QS_ERROR_CONFIG_UNSUPPORTED, "/proc");
  g_ptr_array_set_size (chain.files, 0);
  record (chain.files, chain.top, "qed", "/nonexistent/base");
  record (chain.files, "/nonexistent/base", "raw", NULL);
  assert_refused_chain (f, chain.files, chain.top, QS_ERROR_IMAGE_FAILED, "missing");
}

/* a record of many files and a chain without end */
static void
test_large_record (Fixture *f, gconstpointer data)
{
  g_auto (Chain) chain = new_chain (f);
  g_autofree char *text = NULL;
  gsize length;

  run_tool (QEMU_IMG, "create", "-q", "-f", "qed", "-o", "cluster_size=4096", chain.top, "1M",
            NULL);
  g_assert_true (g_file_get_contents (chain.top, &text, &length, NULL));
  for (guint i = 0; i <= QS_MAX_CHAIN_FILES; i++)
    {
      g_autofree char *name = g_strdup_printf ("%04u", i);
      g_autofree char *next_name = g_strdup_printf ("%04u", i + 1);
      g_autofree char *path = in_folder (f, name);
      g_autofree char *next = in_folder (f, next_name);

      g_assert_true (g_file_set_contents (path, text, length, NULL));
      record (chain.files, path, "qed", next);
    }
  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/of-another-disk-%u", f->folder, i);

      record (chain.files, path, "qcow2", chain.base);
    }
  record (chain.files, chain.top, "qed", chain.base);
  record (chain.files, chain.base, "raw", NULL);
  assert_chain (f, chain.files, chain.top, "qed", "top:qed base:raw");
  assert_refused_chain (f, chain.files, ((QsFile *)chain.files->pdata[0])->path,
                        QS_ERROR_LIMIT_EXCEEDED, "more than 200 files");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-chain/no-backing", test_no_backing);
  add_worker_test ("/worker-chain/mixed", test_mixed);
  add_worker_test ("/worker-chain/qed-format", test_qed_format);
  add_worker_test ("/worker-chain/header-wins", test_header_wins);
  add_worker_test ("/worker-chain/damaged-record", test_damaged_record);
  add_worker_test ("/worker-chain/large-record", test_large_record);
  return g_test_run ();
}
