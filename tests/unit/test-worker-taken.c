/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define MIB (1024 * 1024)

/* overlays in the caller's own empty file; and what another process has in use */

typedef struct
{
  const char *format;
  const char *backing;
} Kind;

static const Kind kinds[] = {
  { "qcow2", "/srv/base.qcow2" },
  { "qcow2", NULL },
  { "qed", "/srv/base.qcow2" },
  { "qed", NULL },
};

/* @taken: the empty file that is made at @path, with a mode of its own */
static QsNewImage
empty_at (Fixture *f, const Kind *kind, const char *path, QsFileId *taken)
{
  write_file (path, "");
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  *taken = identify (f, path);
  return (QsNewImage){ .path = path,
                       .format = kind->format,
                       .virtual_size = 5 * MIB,
                       .cluster_size = 65536,
                       .backing = kind->backing,
                       .backing_format = kind->backing != NULL ? "qcow2" : NULL,
                       .mode = 0600,
                       .gid = getgid (),
                       .taken = taken };
}

static void
assert_wiped (Fixture *f, const QsNewImage *image, gboolean expected)
{
  g_autoptr (GError) error = NULL;
  gboolean wiped = !expected;

  g_assert_true (qs_worker_wipe_image (f->worker, image, &wiped, &error));
  g_assert_no_error (error);
  g_assert_cmpint (wiped, ==, expected);
}

static void
create (Fixture *f, const QsNewImage *image)
{
  g_autoptr (GError) error = NULL;
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, image, &id, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (id.ino, ==, image->taken->ino);
  g_assert_true (qs_worker_link (f->worker, image->path, &id, &error));
  g_assert_true (qs_worker_forget (f->worker, &error));
}

/* it keeps its identity, mode and owner, and is empty again in the end */
static void
test_empty_file (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = in_folder (f, "empty");
      g_autoptr (QsImage) image = NULL;
      QsFileId taken;
      QsFileId id;
      const QsNewImage wish = empty_at (f, &kinds[i], path, &taken);

      create (f, &wish);
      g_assert_true (qs_worker_inspect_image (f->worker, path, kinds[i].format, &image, &error));
      g_assert_cmpuint (image->mode, ==, 0644);
      g_assert_cmpuint (image->ino, ==, taken.ino);
      g_assert_cmpuint (image->virtual_size, ==, 5 * MIB);
      g_assert_cmpstr (image->backing_name, ==, kinds[i].backing);
      assert_wiped (f, &wish, TRUE);
      assert_contents (path, "");

      g_assert_true (qs_worker_create_image (f->worker, &wish, &id, &error));
      g_assert_true (qs_worker_forget (f->worker, &error));
      assert_contents (path, "");
      g_assert_cmpuint (identify (f, path).ino, ==, taken.ino);
    }
}

static void
test_empty_file_changed (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "empty");
  g_autofree char *other = in_folder (f, "other");
  QsFileId taken;
  QsFileId id;
  const QsNewImage wish = empty_at (f, &kinds[0], path, &taken);

  g_assert_cmpint (link (path, other), ==, 0);
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "2 names");
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (symlink (other, path), ==, 0);
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "regular file");
  g_assert_cmpint (unlink (path), ==, 0);
  write_file (path, "");
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "no longer");
  write_file (path, "now it is precious");
  taken = identify (f, path);
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "no longer");
  assert_wiped (f, &wish, FALSE);
  assert_contents (path, "now it is precious");
  assert_contents (other, "");
}

/* the bytes of such an image are not known beforehand */
static void
test_small_clusters (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "empty");
  QsFileId taken;
  QsFileId id;
  QsNewImage wish = empty_at (f, &kinds[0], path, &taken);

  wish.cluster_size = 512;
  wish.virtual_size = 1024 * MIB;
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "new file");
  assert_contents (path, "");
  assert_wiped (f, &wish, FALSE);
}

static void
put_byte (const char *path, off_t offset, char byte)
{
  int fd = open (path, O_WRONLY);

  g_assert_cmpint (pwrite (fd, &byte, 1, offset), ==, 1);
  close (fd);
}

/* wherever anything else stands, a guest may have written it */
static void
test_wipe_written (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      const off_t places[] = { 30, 2000, 65536 + 7, 3 * 65536 + 8 * 5, 5 * 65536, 100 * 65536 };
      g_autofree char *path = in_folder (f, "empty");
      QsFileId taken;
      const QsNewImage wish = empty_at (f, &kinds[i], path, &taken);

      for (guint k = 0; k < G_N_ELEMENTS (places); k++)
        {
          struct stat info;

          create (f, &wish);
          put_byte (path, places[k], 0x55);
          assert_wiped (f, &wish, FALSE);
          g_assert_cmpint (lstat (path, &info), ==, 0);
          g_assert_cmpint (info.st_size, >, places[k]);
          g_assert_cmpint (truncate (path, 0), ==, 0);
        }
    }
}

/* a real guest's writes, and a process that was killed before all was written */
static void
test_wipe_used (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "empty");
  QsFileId taken;
  const QsNewImage wish = empty_at (f, &kinds[1], path, &taken);

  create (f, &wish);
  run_qemu_io (path, "read 0 64k");
  assert_wiped (f, &wish, TRUE);
  create (f, &wish);
  run_qemu_io (path, "write 0 1");
  assert_wiped (f, &wish, FALSE);
  g_assert_cmpint (truncate (path, 0), ==, 0);
  create (f, &wish);
  g_assert_cmpint (truncate (path, 50), ==, 0);
  assert_wiped (f, &wish, TRUE);
  assert_contents (path, "");
}

static void
test_wipe_other (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "empty");
  g_autofree char *other = in_folder (f, "other");
  g_autofree char *text = NULL;
  gsize length = 0;
  QsFileId taken;
  QsNewImage wish = empty_at (f, &kinds[0], path, &taken);

  create (f, &wish);
  g_assert_true (g_file_get_contents (path, &text, &length, NULL));
  g_assert_true (g_file_set_contents (other, text, length, NULL));
  g_assert_cmpint (rename (other, path), ==, 0);
  assert_wiped (f, &wish, FALSE);
  g_assert_cmpint (unlink (path), ==, 0);
  assert_wiped (f, &wish, FALSE);
  wish.path = "/nonexistent/folder/file";
  assert_wiped (f, &wish, FALSE);
}

static void
assert_in_use (Fixture *f, const char *path, const char *format, gboolean expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsTarget) target = NULL;
  g_autoptr (QsImage) image = NULL;

  g_assert_true (qs_worker_check_target (f->worker, path, &target, &error));
  g_assert_no_error (target->error);
  g_assert_cmpint (target->in_use, ==, expected);
  g_assert_true (qs_worker_inspect_image (f->worker, path, format, &image, &error));
  g_assert_cmpint (image->in_use, ==, expected);
}

static void
test_in_use (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "empty");
  GSubprocess *process;
  gboolean wiped = FALSE;
  QsFileId taken;
  QsFileId id;
  const QsNewImage wish = empty_at (f, &kinds[1], path, &taken);

  process = open_in_qemu (path, "raw");
  assert_in_use (f, path, "raw", TRUE);
  assert_refused (qs_worker_create_image (f->worker, &wish, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "in use");
  close_in_qemu (process);
  assert_in_use (f, path, "raw", FALSE);
  assert_contents (path, "");

  create (f, &wish);
  process = open_in_qemu (path, "qcow2");
  assert_in_use (f, path, "qcow2", TRUE);
  assert_refused (qs_worker_wipe_image (f->worker, &wish, &wiped, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "in use");
  close_in_qemu (process);
  assert_in_use (f, path, "qcow2", FALSE);
  assert_wiped (f, &wish, TRUE);
}

/* one byte of QEMU's locks, taken by this process */
static void
test_in_use_bytes (Fixture *f, gconstpointer data)
{
  static const struct
  {
    off_t byte;
    gboolean in_use;
  } cases[] = { { 100, FALSE }, { 101, TRUE }, { 102, FALSE }, { 103, FALSE },
                { 200, FALSE }, { 201, TRUE }, { 203, FALSE } };
  g_autofree char *path = in_folder (f, "image");

  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", path, "1M", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      struct flock lock = {
        .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = cases[i].byte, .l_len = 1
      };
      int fd = open (path, O_RDONLY);

      g_test_message ("%d", (int)cases[i].byte);
      g_assert_cmpint (fcntl (fd, F_OFD_SETLK, &lock), ==, 0);
      assert_in_use (f, path, "qcow2", cases[i].in_use);
      close (fd);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-taken/empty-file", test_empty_file);
  add_worker_test ("/worker-taken/empty-file-changed", test_empty_file_changed);
  add_worker_test ("/worker-taken/small-clusters", test_small_clusters);
  add_worker_test ("/worker-taken/wipe-written", test_wipe_written);
  add_worker_test ("/worker-taken/wipe-used", test_wipe_used);
  add_worker_test ("/worker-taken/wipe-other", test_wipe_other);
  add_worker_test ("/worker-taken/in-use", test_in_use);
  add_worker_test ("/worker-taken/in-use-bytes", test_in_use_bytes);
  return g_test_run ();
}
