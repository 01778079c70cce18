/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <seccomp.h>
#include <string.h>

/* a file system without O_TMPFILE: here it is the system call that refuses it */

static gboolean
refuse_tmpfile (void)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int result = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EOPNOTSUPP), SCMP_SYS (openat), 1,
                                 SCMP_A2 (SCMP_CMP_MASKED_EQ, O_TMPFILE, O_TMPFILE));

  if (result == 0)
    result = seccomp_load (filter);
  seccomp_release (filter);
  return result == 0;
}

static QsNewImage
overlay_at (const char *path)
{
  return (QsNewImage){ .path = path,
                       .format = "qcow2",
                       .virtual_size = 1024 * 1024,
                       .cluster_size = 65536,
                       .mode = 0600 };
}

static char *
only_file (Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  char *name = g_strdup (g_dir_read_name (dir));

  g_assert_null (g_dir_read_name (dir));
  return name;
}

static void
test_create (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  g_autofree char *hidden = NULL;
  g_autofree char *name = NULL;
  const QsNewImage image = overlay_at (path);
  struct stat info;
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_no_error (error);
  hidden = only_file (f);
  g_assert_true (g_str_has_prefix (hidden, ".snapd-"));
  g_assert_true (qs_worker_link (f->worker, path, &id, &error));
  name = only_file (f);
  g_assert_cmpstr (name, ==, "new");
  g_assert_cmpint (lstat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_ino, ==, id.ino);
}

static void
test_forget (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  g_autofree char *name = NULL;
  const QsNewImage image = overlay_at (path);
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  g_assert_true (qs_worker_forget (f->worker, &error));
  name = only_file (f);
  g_assert_null (name);
}

static void
test_existing (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  const QsNewImage image = overlay_at (path);
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  write_file (path, "precious");
  assert_refused (qs_worker_link (f->worker, path, &id, &error), error, QS_ERROR_CONFIG_UNSUPPORTED,
                  path);
  assert_contents (path, "precious");
}

static void
test_left_over (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, "new");
  g_autofree char *name = NULL;
  g_autofree char *hidden = NULL;
  const QsNewImage image = overlay_at (path);
  QsFileId id;

  g_assert_true (qs_worker_create_image (f->worker, &image, &id, &error));
  name = only_file (f);
  hidden = in_folder (f, name);
  g_assert_true (qs_worker_forget (f->worker, &error));
  write_file (hidden, "another's");
  assert_refused (qs_worker_create_image (f->worker, &image, &id, &error), error,
                  QS_ERROR_CONFIG_UNSUPPORTED, name);
  assert_contents (hidden, "another's");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (refuse_tmpfile ());
  add_worker_test ("/worker-no-tmpfile/create", test_create);
  add_worker_test ("/worker-no-tmpfile/forget", test_forget);
  add_worker_test ("/worker-no-tmpfile/existing", test_existing);
  add_worker_test ("/worker-no-tmpfile/left-over", test_left_over);
  return g_test_run ();
}
