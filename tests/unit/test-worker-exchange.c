/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* an image, the overlay made aside, and the name that the image is to have in the end */
typedef struct
{
  char *active;
  char *aside;
  char *state;
  char *other;
  QsFileId old;
  QsFileId overlay;
} Disk;

static void
disk_clear (Disk *disk)
{
  g_free (disk->active);
  g_free (disk->aside);
  g_free (disk->state);
  g_free (disk->other);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Disk, disk_clear)

static Disk
make_disk (Fixture *f)
{
  Disk disk = { .active = in_folder (f, "disk.qcow2"),
                .aside = in_folder (f, ".disk.qcow2.snapd-1"),
                .state = in_folder (f, "disk.before"),
                .other = in_folder (f, "other") };

  write_file (disk.active, "old");
  write_file (disk.aside, "overlay");
  disk.old = identify (f, disk.active);
  disk.overlay = identify (f, disk.aside);
  return disk;
}

static void
assert_is (const char *path, const QsFileId *id, guint n_links)
{
  struct stat info;

  g_assert_no_errno (lstat (path, &info));
  g_assert_cmpuint (info.st_ino, ==, id->ino);
  g_assert_cmpuint (info.st_nlink, ==, n_links);
}

static gboolean
link_state (Fixture *f, const Disk *disk, GError **error)
{
  return qs_worker_link_file (f->worker, disk->active, disk->state, &disk->old, error);
}

static gboolean
exchange (Fixture *f, const Disk *disk, GError **error)
{
  return qs_worker_exchange (f->worker, disk->aside, disk->active, &disk->overlay, &disk->old,
                             error);
}

/* every call twice: the second one is what is done after a crash */
static void
test_switch (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);

  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (link_state (f, &disk, &error));
      g_assert_no_error (error);
      assert_is (disk.active, &disk.old, 2);
      assert_is (disk.state, &disk.old, 2);
    }
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (exchange (f, &disk, &error));
      g_assert_no_error (error);
      assert_is (disk.active, &disk.overlay, 1);
      assert_is (disk.state, &disk.old, 1);
      assert_absent (disk.aside);
    }
  assert_contents (disk.active, "overlay");
  assert_contents (disk.state, "old");
}

static void
test_undo (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);

  g_assert_true (link_state (f, &disk, &error));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (qs_worker_unlink_name (f->worker, disk.state, disk.active, &disk.old, &error));
      g_assert_no_error (error);
      assert_absent (disk.state);
      assert_is (disk.active, &disk.old, 1);
    }
  assert_contents (disk.active, "old");
}

static int
make_full (const char *path)
{
  write_file (path, "precious");
  return 0;
}

static int
make_link (const char *path)
{
  return symlink ("disk.qcow2", path);
}

static int
make_dangling_link (const char *path)
{
  return symlink ("nowhere", path);
}

static int
make_fifo (const char *path)
{
  return mkfifo (path, 0600);
}

static int
make_folder (const char *path)
{
  return g_mkdir (path, 0700);
}

static int (*const makers[]) (const char *path) = {
  make_full, make_link, make_dangling_link, make_fifo, make_folder,
};

/* what stands in the way of the new name stays, and is not taken for it when it is taken back */
static void
test_name_taken (Fixture *f, gconstpointer data)
{
  g_auto (Disk) disk = make_disk (f);

  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      g_autoptr (GError) error = NULL;
      QsFileId taken;

      g_assert_no_errno (makers[i](disk.state));
      taken = identify (f, disk.state);
      assert_refused (link_state (f, &disk, &error), error, QS_ERROR_CONFIG_UNSUPPORTED,
                      disk.state);
      assert_refused (qs_worker_unlink_name (f->worker, disk.state, disk.active, &disk.old, &error),
                      error, QS_ERROR_IMAGE_FAILED, "left alone");
      assert_refused (qs_worker_unlink_name (f->worker, disk.active, disk.state, &disk.old, &error),
                      error, QS_ERROR_IMAGE_FAILED, "left alone");
      g_assert_cmpuint (identify (f, disk.state).ino, ==, taken.ino);
      assert_is (disk.active, &disk.old, 1);
      g_assert_no_errno (g_remove (disk.state));
    }
  assert_contents (disk.active, "old");
}

/* what took the place of the file is neither linked, nor replaced, nor opened, nor changed */
static void
test_file_replaced (Fixture *f, gconstpointer data)
{
  g_auto (Disk) disk = make_disk (f);

  g_assert_no_errno (g_rename (disk.active, disk.other));
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    {
      g_autoptr (GError) error = NULL;
      guint32 before = 0;
      struct stat info[2];

      g_assert_no_errno (makers[i](disk.active));
      g_assert_no_errno (lstat (disk.active, &info[0]));
      assert_refused (link_state (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, "left alone");
      assert_refused (exchange (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, disk.active);
      assert_refused (qs_worker_set_mode (f->worker, disk.active, &disk.old, 0444, &before, &error),
                      error, QS_ERROR_IMAGE_FAILED, "left alone");
      g_assert_no_errno (lstat (disk.active, &info[1]));
      g_assert_cmpuint (info[0].st_ino, ==, info[1].st_ino);
      g_assert_cmpuint (info[0].st_mode, ==, info[1].st_mode);
      g_assert_no_errno (g_remove (disk.active));
    }
  assert_absent (disk.state);
  assert_is (disk.aside, &disk.overlay, 1);
  assert_is (disk.other, &disk.old, 1);
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);
  g_autofree char *inside = in_folder (f, "gone/name");

  assert_refused (qs_worker_link_file (f->worker, disk.active, inside, &disk.old, &error), error,
                  QS_ERROR_IMAGE_FAILED, "folder");
  g_assert_no_errno (g_unlink (disk.active));
  assert_refused (link_state (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, "is missing");
  assert_refused (exchange (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, "is missing");
  assert_contents (disk.aside, "overlay");
  g_assert_no_errno (g_unlink (disk.aside));
  assert_refused (exchange (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, "is missing");
}

/* no call takes a file's last name */
static void
test_last_name (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);
  g_autofree char *folder = g_strdup_printf ("%s-again", f->folder);
  g_autofree char *again = g_build_filename (folder, "disk.qcow2", NULL);

  assert_refused (exchange (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, "no other name");
  assert_refused (qs_worker_unlink_name (f->worker, disk.active, disk.state, &disk.old, &error),
                  error, QS_ERROR_IMAGE_FAILED, "is missing");
  assert_refused (qs_worker_unlink_name (f->worker, disk.active, disk.active, &disk.old, &error),
                  error, QS_ERROR_CONFIG_UNSUPPORTED, "not two names");
  g_assert_no_errno (symlink (f->folder, folder));
  assert_refused (qs_worker_unlink_name (f->worker, disk.active, again, &disk.old, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "not two names");
  g_assert_no_errno (g_unlink (folder));
  assert_contents (disk.active, "old");
  assert_contents (disk.aside, "overlay");
}

/* two names of one file are no exchange: rename() would do nothing and say it did */
static void
test_same_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);

  g_assert_no_errno (g_unlink (disk.active));
  g_assert_no_errno (link (disk.aside, disk.active));
  assert_refused (exchange (f, &disk, &error), error, QS_ERROR_IMAGE_FAILED, disk.active);
  assert_is (disk.aside, &disk.overlay, 2);
}

static void
test_other_folder (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);
  g_autofree char *folder = in_folder (f, "folder");
  g_autofree char *inside = in_folder (f, "folder/disk.before");

  g_assert_no_errno (g_mkdir (folder, 0700));
  assert_refused (qs_worker_link_file (f->worker, disk.active, inside, &disk.old, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "one folder");
  assert_absent (inside);
}

static void
test_read_only_folder (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);

  g_assert_true (link_state (f, &disk, &error));
  g_assert_no_errno (g_chmod (f->folder, 0500));
  assert_refused (exchange (f, &disk, &error), error, QS_ERROR_CONFIG_UNSUPPORTED, "rights");
  assert_refused (qs_worker_unlink_name (f->worker, disk.state, disk.active, &disk.old, &error),
                  error, QS_ERROR_CONFIG_UNSUPPORTED, "rights");
  assert_refused (qs_worker_link_file (f->worker, disk.active, disk.other, &disk.old, &error),
                  error, QS_ERROR_CONFIG_UNSUPPORTED, "rights");
  g_assert_no_errno (g_chmod (f->folder, 0700));
  assert_is (disk.active, &disk.old, 2);
  assert_is (disk.aside, &disk.overlay, 1);
}

static void
test_mode (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_auto (Disk) disk = make_disk (f);
  struct stat info;
  guint32 before = 0;

  g_assert_no_errno (g_chmod (disk.active, 0640));
  g_assert_true (link_state (f, &disk, &error));
  g_assert_true (qs_worker_set_mode (f->worker, disk.active, &disk.old, 0440, &before, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (before, ==, 0640);
  g_assert_no_errno (lstat (disk.state, &info));
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0440);
  g_assert_true (qs_worker_set_mode (f->worker, disk.state, &disk.old, 0640, &before, &error));
  g_assert_cmpuint (before, ==, 0440);
  g_assert_no_errno (lstat (disk.active, &info));
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0640);
  assert_refused (qs_worker_set_mode (f->worker, disk.active, &disk.old, 0100644, &before, &error),
                  error, QS_ERROR_INVALID_ARGUMENT, "100644");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-exchange/switch", test_switch);
  add_worker_test ("/worker-exchange/undo", test_undo);
  add_worker_test ("/worker-exchange/name-taken", test_name_taken);
  add_worker_test ("/worker-exchange/file-replaced", test_file_replaced);
  add_worker_test ("/worker-exchange/missing", test_missing);
  add_worker_test ("/worker-exchange/last-name", test_last_name);
  add_worker_test ("/worker-exchange/same-file", test_same_file);
  add_worker_test ("/worker-exchange/other-folder", test_other_folder);
  add_worker_test ("/worker-exchange/read-only-folder", test_read_only_folder);
  add_worker_test ("/worker-exchange/mode", test_mode);
  return g_test_run ();
}
