/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"

#include "worker-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define MIB (1024 * 1024)

static const QsImage *
image_at (GPtrArray *images, guint n)
{
  g_assert_cmpuint (n, <, images->len);
  return g_ptr_array_index (images, n);
}

static void
make_overlay (const char *path, const char *backing, const char *format)
{
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", backing, "-F", format, path, "1M",
            NULL);
}

static void
test_inspect (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsImage) image = NULL;
  g_autofree char *path = in_folder (f, "a.qcow2");
  struct stat info;
  const QsTag *tag;

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-o", "cluster_size=16k,extended_l2=on", path,
            "7M", NULL);
  run_tool (QEMU_IMG, "snapshot", "-c", "s-1", path, NULL);
  run_tool (QEMU_IMG, "snapshot", "-c", "s-2", path, NULL);
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_true (qs_worker_inspect_image (f->worker, path, "qcow2", &image, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (image->path, ==, path);
  g_assert_cmpstr (image->format, ==, "qcow2");
  g_assert_cmpuint (image->dev, ==, info.st_dev);
  g_assert_cmpuint (image->ino, ==, info.st_ino);
  g_assert_cmpuint (image->size, ==, info.st_size);
  g_assert_cmpuint (image->allocated, ==, info.st_blocks * 512);
  g_assert_cmpuint (image->virtual_size, ==, 7 * MIB);
  g_assert_cmpuint (image->cluster_size, ==, 16384);
  g_assert_cmpuint (image->mode, ==, info.st_mode & 07777);
  g_assert_cmpuint (image->uid, ==, getuid ());
  g_assert_cmpuint (image->n_links, ==, 1);
  g_assert_true (image->writable && image->linkable && image->extended_l2);
  g_assert_false (image->dirty || image->encrypted);
  g_assert_cmpint (image->btime, >, G_GINT64_CONSTANT (1500000000000000000));
  g_assert_null (image->backing_name);
  g_assert_cmpuint (image->tags->len, ==, 2);
  tag = g_ptr_array_index (image->tags, 1);
  g_assert_cmpstr (tag->name, ==, "s-2");
  g_assert_cmpstr (tag->id, ==, "2");
}

static gboolean
has_data (Fixture *f, const char *path, const char *format)
{
  g_autoptr (GError) error = NULL;
  gboolean answer = FALSE;

  g_assert_true (qs_worker_has_data (f->worker, path, format, &answer, &error));
  g_assert_no_error (error);
  return answer;
}

/* a new overlay, and one that was written to at its very end */
static void
test_has_data (Fixture *f, gconstpointer data)
{
  static const char *const formats[] = { "qcow2", "qed" };

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autofree char *path = in_folder (f, formats[i]);

      run_tool (QEMU_IMG, "create", "-q", "-f", formats[i], path, "20G", NULL);
      g_assert_false (has_data (f, path, formats[i]));
      run_tool ("/usr/bin/qemu-io", "-f", formats[i], "-c", "write -q 20479M 512", path, NULL);
      g_assert_true (has_data (f, path, formats[i]));
    }
}

static void
test_inspect_raw (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsImage) image = NULL;
  g_autofree char *path = in_folder (f, "a.raw");

  /* a guest has written a qcow2 header into its raw disk: never looked at */
  make_overlay (path, "/etc/passwd", "raw");
  g_assert_cmpint (g_chmod (path, 0400), ==, 0);
  g_assert_true (qs_worker_inspect_image (f->worker, path, "raw", &image, &error));
  g_assert_null (image->backing_name);
  g_assert_cmpuint (image->virtual_size, ==, (image->size + 511) / 512 * 512);
  g_assert_false (image->writable);
}

static void
test_inspect_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *absent = in_folder (f, "absent");
  g_autofree char *folder = in_folder (f, "folder");
  g_autofree char *fifo = in_folder (f, "fifo");
  g_autofree char *file = in_folder (f, "file");
  g_autofree char *link_path = in_folder (f, "link");
  const struct
  {
    const char *path;
    QsError code;
    const char *text;
  } cases[] = {
    { absent, QS_ERROR_IMAGE_FAILED, "No such file" },
    { folder, QS_ERROR_CONFIG_UNSUPPORTED, "regular file" },
    { fifo, QS_ERROR_CONFIG_UNSUPPORTED, "regular file" },
    { link_path, QS_ERROR_CONFIG_UNSUPPORTED, "regular file" },
    { file, QS_ERROR_IMAGE_FAILED, "not a qcow2 file" },
    { "/proc/self/exe", QS_ERROR_CONFIG_UNSUPPORTED, "/proc" },
    { "relative", QS_ERROR_CONFIG_UNSUPPORTED, "absolute" },
    { "/etc/../etc/passwd", QS_ERROR_CONFIG_UNSUPPORTED, ".." },
    { "/etc/passwd/", QS_ERROR_CONFIG_UNSUPPORTED, "folder" },
    { "/nonexistent/a", QS_ERROR_IMAGE_FAILED, "missing" },
  };

  g_assert_cmpint (g_mkdir (folder, 0700) | mkfifo (fifo, 0600), ==, 0);
  write_file (file, "x");
  g_assert_cmpint (symlink (file, link_path), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      QsImage *image = NULL;

      g_test_message ("%s", cases[i].path);
      g_assert_false (qs_worker_inspect_image (f->worker, cases[i].path, "qcow2", &image, &error));
      g_assert_cmpint (error->code, ==, cases[i].code);
      g_assert_nonnull (strstr (error->message, cases[i].text));
      g_assert_null (image);
      g_clear_error (&error);
    }
}

static void
test_chain (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = NULL;
  g_autofree char *base = in_folder (f, "base.raw");
  g_autofree char *middle = in_folder (f, "middle.qcow2");
  g_autofree char *top = in_folder (f, "top.qcow2");

  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", base, "1M", NULL);
  make_overlay (middle, "base.raw", "raw");
  make_overlay (top, middle, "qcow2");
  g_assert_true (qs_worker_inspect_chain (f->worker, top, "qcow2", NULL, &images, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (images->len, ==, 3);
  g_assert_cmpstr (image_at (images, 0)->path, ==, top);
  g_assert_cmpstr (image_at (images, 1)->path, ==, middle);
  g_assert_cmpstr (image_at (images, 1)->backing_name, ==, "base.raw");
  g_assert_cmpstr (image_at (images, 2)->path, ==, base);
  g_assert_cmpstr (image_at (images, 2)->format, ==, "raw");
  g_assert_null (image_at (images, 2)->backing_name);
}

/* `..` behind a symbolic link leads where the kernel says, not where the text says */
static void
test_chain_dots (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = NULL;
  g_autofree char *deep = in_folder (f, "deep");
  g_autofree char *in_deep = g_build_filename (deep, "images", NULL);
  g_autofree char *link_path = in_folder (f, "link");
  g_autofree char *base = g_build_filename (deep, "base", NULL);
  g_autofree char *wrong = in_folder (f, "base");
  g_autofree char *top = g_build_filename (link_path, "top", NULL);

  g_assert_cmpint (g_mkdir (deep, 0700) | g_mkdir (in_deep, 0700), ==, 0);
  g_assert_cmpint (symlink (in_deep, link_path), ==, 0);
  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", base, "2M", NULL);
  run_tool (QEMU_IMG, "create", "-q", "-f", "raw", wrong, "3M", NULL);
  make_overlay (top, "../base", "raw");
  g_assert_true (qs_worker_inspect_chain (f->worker, top, "qcow2", NULL, &images, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (image_at (images, 1)->virtual_size, ==, 2 * MIB);
  g_assert_cmpstr (image_at (images, 1)->path, ==, base);
}

static void
assert_chain_fails (Fixture *f, const char *path, guint n_images, QsError code, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) images = NULL;

  g_assert_false (qs_worker_inspect_chain (f->worker, path, "qcow2", NULL, &images, &error));
  g_test_message ("%s", error->message);
  g_assert_cmpint (error->code, ==, code);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_cmpuint (images->len, ==, n_images);
}

static void
test_chain_loop (Fixture *f, gconstpointer data)
{
  g_autofree char *a = in_folder (f, "a");
  g_autofree char *b = in_folder (f, "b");

  make_overlay (a, "b", "qcow2");
  make_overlay (b, "a", "qcow2");
  assert_chain_fails (f, a, 2, QS_ERROR_IMAGE_FAILED, "loop");
  make_overlay (b, "./b", "qcow2");
  assert_chain_fails (f, b, 1, QS_ERROR_IMAGE_FAILED, "loop");
}

static void
test_chain_depth (Fixture *f, gconstpointer data)
{
  g_autofree char *first = in_folder (f, "0000");
  g_autofree char *model = NULL;
  gsize length;

  make_overlay (first, "0001", "qcow2");
  g_assert_true (g_file_get_contents (first, &model, &length, NULL));
  for (guint i = 1; i <= QS_MAX_CHAIN_FILES; i++)
    {
      g_autofree char *name = g_strdup_printf ("%04u", i);
      g_autofree char *next = g_strdup_printf ("%04u", i + 1);
      g_autofree char *path = in_folder (f, name);

      memcpy (model + 528, next, 4);
      g_assert_true (g_file_set_contents (path, model, length, NULL));
    }
  assert_chain_fails (f, first, QS_MAX_CHAIN_FILES, QS_ERROR_LIMIT_EXCEEDED, "more than 200 files");
}

static void
test_chain_refused (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *backing;
    const char *format;
    guint n_images;
    QsError code;
    const char *text;
  } cases[] = {
    { "json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}", "raw", 0,
      QS_ERROR_CONFIG_UNSUPPORTED, "local file" },
    { "nbd://127.0.0.1:1/x", "raw", 0, QS_ERROR_CONFIG_UNSUPPORTED, "local file" },
    { "fat:rw:/etc", "raw", 0, QS_ERROR_CONFIG_UNSUPPORTED, "local file" },
    { "/etc/passwd", "vmdk", 0, QS_ERROR_CONFIG_UNSUPPORTED, "format" },
    { "/proc/self/environ", "raw", 1, QS_ERROR_CONFIG_UNSUPPORTED, "/proc" },
    { "gone", "qcow2", 1, QS_ERROR_IMAGE_FAILED, "No such file" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = in_folder (f, "top");

      make_overlay (path, cases[i].backing, cases[i].format);
      assert_chain_fails (f, path, cases[i].n_images, cases[i].code, cases[i].text);
    }
}

static void
test_chain_no_format (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "top");
  g_autofree char *bytes = NULL;
  gsize length;

  make_overlay (path, "base", "raw");
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  bytes[112] = 0x55; /* the extension is of an unknown type now */
  g_assert_true (g_file_set_contents (path, bytes, length, NULL));
  assert_chain_fails (f, path, 1, QS_ERROR_CONFIG_UNSUPPORTED, "does not tell the format");
}

static void
assert_target (Fixture *f, const char *name, QsTargetType type, gint code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsTarget) target = NULL;
  g_autofree char *path = in_folder (f, name);
  struct stat info = { 0 };

  g_test_message ("%s", name);
  g_assert_true (qs_worker_check_target (f->worker, path, &target, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (target->path, ==, path);
  g_assert_cmpint (target->type, ==, type);
  g_assert_cmpint (target->error != NULL ? target->error->code : -1, ==, code);
  if (code >= 0)
    return;
  g_assert_cmpuint (target->free_bytes, >, 0);
  g_assert_cmpint (lstat (path, &info), ==, type == QS_TARGET_ABSENT ? -1 : 0);
  g_assert_cmpuint (target->ino, ==, info.st_ino);
}

static void
test_targets (Fixture *f, gconstpointer data)
{
  static const char *const folders[] = { "folder", "shut" };
  g_autofree char *fifo = in_folder (f, "fifo");
  g_autofree char *empty = in_folder (f, "empty");
  g_autofree char *full = in_folder (f, "full");
  g_autofree char *link_path = in_folder (f, "link");
  g_autofree char *locked = in_folder (f, "locked");

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = in_folder (f, folders[i]);

      g_assert_cmpint (g_mkdir (path, i == 0 ? 0700 : 0500), ==, 0);
    }
  g_assert_cmpint (mkfifo (fifo, 0600) | symlink ("nowhere", link_path), ==, 0);
  write_file (empty, "");
  write_file (full, "x");
  write_file (locked, "");
  g_assert_cmpint (g_chmod (locked, 0400), ==, 0);
  assert_target (f, "absent", QS_TARGET_ABSENT, -1);
  assert_target (f, "empty", QS_TARGET_EMPTY, -1);
  assert_target (f, "full", QS_TARGET_REGULAR, -1);
  assert_target (f, "folder", QS_TARGET_OTHER, -1);
  assert_target (f, "fifo", QS_TARGET_OTHER, -1);
  assert_target (f, "link", QS_TARGET_OTHER, -1);
  assert_target (f, "locked", QS_TARGET_EMPTY, QS_ERROR_CONFIG_UNSUPPORTED);
  assert_target (f, "shut/new", QS_TARGET_ABSENT, QS_ERROR_CONFIG_UNSUPPORTED);
  assert_target (f, "gone/new", QS_TARGET_ABSENT, QS_ERROR_CONFIG_UNSUPPORTED);
  assert_target (f, "full/new", QS_TARGET_ABSENT, QS_ERROR_CONFIG_UNSUPPORTED);
  assert_target (f, "a\nb", QS_TARGET_ABSENT, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_self_test (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_worker_self_test (f->worker, &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-images/inspect", test_inspect);
  add_worker_test ("/worker-images/has-data", test_has_data);
  add_worker_test ("/worker-images/inspect-raw", test_inspect_raw);
  add_worker_test ("/worker-images/inspect-refused", test_inspect_refused);
  add_worker_test ("/worker-images/chain", test_chain);
  add_worker_test ("/worker-images/chain-dots", test_chain_dots);
  add_worker_test ("/worker-images/chain-loop", test_chain_loop);
  add_worker_test ("/worker-images/chain-depth", test_chain_depth);
  add_worker_test ("/worker-images/chain-refused", test_chain_refused);
  add_worker_test ("/worker-images/chain-no-format", test_chain_no_format);
  add_worker_test ("/worker-images/targets", test_targets);
  add_worker_test ("/worker-images/self-test", test_self_test);
  return g_test_run ();
}
