/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define MIB (1024 * 1024)

static QsNewImage
overlay_at (const char *path)
{
  return (QsNewImage){ .path = path,
                       .format = "qcow2",
                       .virtual_size = 5 * MIB,
                       .cluster_size = 65536,
                       .backing = "/srv/base.qcow2",
                       .backing_format = "qcow2",
                       .mode = 0666,
                       .gid = getgid () };
}

static guint
count_files (Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
assert_same_contents (const char *a, const char *b)
{
  g_autofree char *ours = NULL;
  g_autofree char *theirs = NULL;
  gsize our_length;
  gsize their_length;

  g_assert_true (g_file_get_contents (a, &ours, &our_length, NULL));
  g_assert_true (g_file_get_contents (b, &theirs, &their_length, NULL));
  g_assert_cmpmem (ours, our_length, theirs, their_length);
}

static void
test_create (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  g_autofree char *theirs = in_folder (f, "theirs");
  const QsNewImage image = overlay_at (path);
  struct stat info;
  QsFileId id = { 0 };

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (f), ==, 0);
  g_assert_true (qs_worker_link (f->worker, path, &id, &error));
  g_assert_cmpint (lstat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0660);
  g_assert_cmpuint (info.st_dev, ==, id.dev);
  g_assert_cmpuint (info.st_ino, ==, id.ino);
  g_assert_cmpuint (info.st_nlink, ==, 1);
  g_assert_cmpint (id.btime, >, 0);
  run_tool (QEMU_IMG, "create", "-q", "-f", "qcow2", "-u", "-b", "/srv/base.qcow2", "-F", "qcow2",
            theirs, "5M", NULL);
  assert_same_contents (path, theirs);
}

/* a layout that is left to the tool, qed, and both without a backing file */
static void
check_like_tool (Fixture *f, const char *format, guint cluster_size, const char *backing)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("%s-%d", format, backing != NULL);
  g_autofree char *path = in_folder (f, name);
  g_autofree char *theirs = in_folder (f, "theirs");
  g_autofree char *options = g_strdup_printf ("cluster_size=%u", cluster_size);
  QsNewImage image = overlay_at (path);
  QsFileId id;

  image.format = format;
  image.cluster_size = cluster_size;
  image.virtual_size = 1024 * MIB;
  image.backing = backing;
  image.backing_format = backing != NULL ? "qcow2" : NULL;
  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_no_error (error);
  g_assert_true (qs_worker_link (f->worker, path, &id, &error));
  if (backing != NULL)
    run_tool (QEMU_IMG, "create", "-q", "-f", format, "-u", "-o", options, "-b", backing, "-F",
              "qcow2", theirs, "1G", NULL);
  else
    run_tool (QEMU_IMG, "create", "-q", "-f", format, "-o", options, theirs, "1G", NULL);
  assert_same_contents (path, theirs);
}

static void
test_create_like_tool (Fixture *f, gconstpointer data)
{
  check_like_tool (f, "qcow2", 512, "/srv/a,b c=d");
  check_like_tool (f, "qed", 65536, "/srv/a,b c=d");
  check_like_tool (f, "qed", 65536, NULL);
  check_like_tool (f, "qcow2", 65536, NULL);
}

/* what the guest sees through an overlay of mode no-backing-file is in the chain that is given */
static void
check_view (Fixture *f, const char *format, const char *backing)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *base = in_folder (f, "base");
  g_autofree char *path = in_folder (f, "over");
  g_autofree char *seen = in_folder (f, "seen");
  g_autofree char *chain = g_strdup_printf (
      "json:{\"driver\":\"%s\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"},"
      "\"backing\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}}",
      format, path, base);
  QsNewImage image = overlay_at (path);
  QsFileId id;

  image.format = format;
  image.virtual_size = MIB;
  image.backing = backing;
  image.backing_format = backing != NULL ? "raw" : NULL;
  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_no_error (error);
  g_assert_true (qs_worker_link (f->worker, path, &id, &error));
  run_tool (QEMU_IMG, "check", "-q", "-f", format, path, NULL);
  run_tool (QEMU_IMG, "convert", "-O", "raw", chain, seen, NULL);
  assert_same_contents (seen, base);
  g_assert_cmpint (g_remove (path) | g_remove (seen), ==, 0);
}

static void
test_create_view (Fixture *f, gconstpointer data)
{
  g_autofree char *base = in_folder (f, "base");
  g_autofree char *text = g_strnfill (MIB, 'g');

  write_file (base, text);
  check_view (f, "qcow2", base);
  check_view (f, "qcow2", NULL);
  check_view (f, "qed", base);
  check_view (f, "qed", NULL);
}

static void
test_create_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  QsNewImage image = overlay_at (path);
  QsFileId id;

  image.format = "raw";
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "qcow2 or qed");
  image = overlay_at (path);
  image.backing_format = NULL;
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_INVALID_ARGUMENT, "format");
  image = overlay_at (path);
  image.backing = "json:{}";
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "local file");
  image = overlay_at (path);
  image.cluster_size = 1000;
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "1000");
  g_assert_cmpuint (count_files (f), ==, 0);
}

static void
test_forget (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  const QsNewImage image = overlay_at (path);
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_true (qs_worker_forget (f->worker, &error));
  assert_refused (qs_worker_link (f->worker, path, &id, &error), error, QS_ERROR_FAILED,
                  "not made by this worker");
  g_assert_cmpuint (count_files (f), ==, 0);
}

static int
make_full (const char *path, const char *model)
{
  write_file (path, "precious");
  return 0;
}

static int
make_hard_link (const char *path, const char *model)
{
  return link (model, path);
}

static int
make_link (const char *path, const char *model)
{
  return symlink (model, path);
}

static int
make_dangling_link (const char *path, const char *model)
{
  return symlink ("nowhere", path);
}

static int
make_fifo (const char *path, const char *model)
{
  return mkfifo (path, 0600);
}

static int
make_folder (const char *path, const char *model)
{
  return g_mkdir (path, 0700);
}

static int (*const makers[]) (const char *path, const char *model) = {
  make_full, make_hard_link, make_link, make_dangling_link, make_fifo, make_folder,
};

typedef enum
{
  BEFORE_CREATE,
  BEFORE_LINK,
} When;

/* whatever has the name stays as it is */
static void
check_existing_target (Fixture *f, guint maker, When when)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model = in_folder (f, "model");
  g_autofree char *name = g_strdup_printf ("%u-%d", maker, when);
  g_autofree char *path = in_folder (f, name);
  const QsNewImage image = overlay_at (path);
  struct stat before;
  struct stat after;
  QsFileId id = { 0 };
  gboolean ok;

  if (when == BEFORE_LINK)
    g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_cmpint (makers[maker](path, model), ==, 0);
  g_assert_cmpint (lstat (path, &before), ==, 0);
  ok = when == BEFORE_LINK ? qs_worker_link (f->worker, path, &id, &error)
                           : qs_worker_create_image (f->worker, &image, &id, &error);
  assert_refused (ok, error, QS_ERROR_CONFIG_UNSUPPORTED, path);
  g_assert_cmpint (lstat (path, &after), ==, 0);
  g_assert_cmpuint (before.st_ino, ==, after.st_ino);
  g_assert_cmpmem (&before.st_mtim, sizeof before.st_mtim, &after.st_mtim, sizeof after.st_mtim);
  g_assert_cmpmem (&before.st_ctim, sizeof before.st_ctim, &after.st_ctim, sizeof after.st_ctim);
}

static void
test_existing_targets (Fixture *f, gconstpointer data)
{
  g_autofree char *model = in_folder (f, "model");
  g_autofree char *nowhere = in_folder (f, "nowhere");

  write_file (model, "precious");
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      check_existing_target (f, i, BEFORE_CREATE);
      check_existing_target (f, i, BEFORE_LINK);
    }
  assert_contents (model, "precious");
  assert_absent (nowhere);
  g_assert_cmpuint (count_files (f), ==, 1 + 2 * G_N_ELEMENTS (makers));
}

static void
test_no_folder (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = in_folder (f, "shut");
  g_autofree char *inside = in_folder (f, "shut/new");
  g_autofree char *gone = in_folder (f, "gone/new");
  QsNewImage image = overlay_at (inside);
  QsFileId id;

  g_assert_cmpint (g_mkdir (folder, 0500), ==, 0);
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, inside);
  image.path = gone;
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "does not exist");
}

static void
test_unlink (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "file");
  g_autofree char *other = in_folder (f, "other");
  QsFileId id;
  QsFileId other_id;

  write_file (path, "mine");
  write_file (other, "another's");
  id = identify (f, path);
  other_id = identify (f, other);
  assert_refused (qs_worker_unlink (f->worker, other, &id, &error), error, QS_ERROR_IMAGE_FAILED,
                  "left alone");
  assert_contents (other, "another's");
  g_assert_true (qs_worker_unlink (f->worker, path, &id, &error));
  assert_absent (path);
  g_assert_true (qs_worker_unlink (f->worker, path, &id, &error));
  g_assert_true (qs_worker_unlink (f->worker, "/nonexistent/file", &id, &error));
  g_assert_cmpint (link (other, path), ==, 0);
  assert_refused (qs_worker_unlink (f->worker, other, &other_id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "2 names");
  assert_contents (other, "another's");
}

static void
test_identify (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "file");
  g_autofree char *link_path = in_folder (f, "link");
  struct stat info;
  gboolean exists = TRUE;
  QsFileId id;

  g_assert_true (qs_worker_identify (f->worker, path, &id, &exists, &error));
  g_assert_false (exists);
  write_file (path, "x");
  g_assert_cmpint (symlink (path, link_path), ==, 0);
  g_assert_cmpint (lstat (path, &info), ==, 0);
  id = identify (f, path);
  g_assert_cmpuint (id.ino, ==, info.st_ino);
  g_assert_cmpuint (id.dev, ==, info.st_dev);
  id = identify (f, link_path);
  g_assert_cmpuint (id.ino, !=, info.st_ino);
}

static void
test_copy (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *from = in_folder (f, "template");
  g_autofree char *to = in_folder (f, "copy");
  g_autofree char *gone = in_folder (f, "gone");
  g_autofree char *text = g_strnfill (200000, 'v');
  const QsFileCopy copy = { .from = from, .to = to };
  const QsFileCopy of_nothing = { .from = gone, .to = to };
  struct stat info;
  QsFileId id;

  write_file (from, text);
  assert_refused (qs_worker_copy_file (f->worker, &of_nothing, &id, &error), error,
                  QS_ERROR_IMAGE_FAILED, gone);
  g_clear_error (&error);
  g_assert_true (qs_worker_copy_file (f->worker, &copy, &id, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (f), ==, 1);
  g_assert_true (qs_worker_link (f->worker, to, &id, &error));
  assert_contents (to, text);
  g_assert_cmpint (lstat (to, &info), ==, 0);
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0600);
  g_assert_cmpuint (info.st_ino, ==, id.ino);
  write_file (from, "changed");
  assert_refused (qs_worker_copy_file (f->worker, &copy, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, to);
  assert_contents (to, text);
}

static void
test_create_raw (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) refusal = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "raw");
  g_autofree char *zeros = g_malloc0 (MIB);
  g_autofree char *found = NULL;
  QsNewImage image = overlay_at (path);
  gsize length = 0;
  QsFileId id;

  image.format = "raw";
  image.virtual_size = MIB;
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &refusal), refusal,
                  QS_ERROR_CONFIG_UNSUPPORTED, path);
  image.backing = NULL;
  image.backing_format = NULL;
  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_true (qs_worker_link (f->worker, path, &id, &error));
  g_assert_true (g_file_get_contents (path, &found, &length, &error));
  g_assert_cmpmem (found, length, zeros, MIB);
}

/* as a program of QEMU that writes the file does */
static int
hold_lock (const char *path)
{
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 101, .l_len = 1 };
  int fd = open (path, O_RDWR | O_CLOEXEC);

  g_assert_no_errno (fcntl (fd, F_OFD_SETLK, &lock));
  return fd;
}

/* of exactly one file, which nobody writes to, with the rights that were asked for */
static void
test_copy_of_one (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) swapped = NULL;
  g_autoptr (GError) used = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *from = in_folder (f, "vars");
  g_autofree char *to = in_folder (f, "copy");
  QsFileId source;
  QsFileCopy copy = { .from = from, .to = to, .source = &source, .mode = 0640, .gid = getgid () };
  struct stat info;
  QsFileId id;
  int lock;

  write_file (from, "variables");
  source = identify (f, from);
  source.ino++;
  assert_refused (qs_worker_copy_file (f->worker, &copy, &id, &swapped), swapped,
                  QS_ERROR_IMAGE_FAILED, from);
  source.ino--;
  lock = hold_lock (from);
  assert_refused (qs_worker_copy_file (f->worker, &copy, &id, &used), used,
                  QS_ERROR_CONFIG_UNSUPPORTED, from);
  close (lock);
  g_assert_true (qs_worker_copy_file (f->worker, &copy, &id, &error));
  g_assert_true (qs_worker_link (f->worker, to, &id, &error));
  assert_contents (to, "variables");
  g_assert_cmpint (lstat (to, &info), ==, 0);
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpuint (count_files (f), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-files/create", test_create);
  add_worker_test ("/worker-files/create-like-tool", test_create_like_tool);
  add_worker_test ("/worker-files/create-view", test_create_view);
  add_worker_test ("/worker-files/create-raw", test_create_raw);
  add_worker_test ("/worker-files/create-refused", test_create_refused);
  add_worker_test ("/worker-files/forget", test_forget);
  add_worker_test ("/worker-files/existing-targets", test_existing_targets);
  add_worker_test ("/worker-files/no-folder", test_no_folder);
  add_worker_test ("/worker-files/unlink", test_unlink);
  add_worker_test ("/worker-files/identify", test_identify);
  add_worker_test ("/worker-files/copy", test_copy);
  add_worker_test ("/worker-files/copy-of-one", test_copy_of_one);
  return g_test_run ();
}
