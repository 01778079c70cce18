/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

#include "worker-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* the file that the memory of a guest goes to */

static QsFileId
make_file (Fixture *f, const char *path, guint32 mode)
{
  g_autoptr (GError) error = NULL;
  QsFileId id = { 0 };

  qs_worker_create_file (f->worker, path, mode, getgid (), &id, &error);
  g_assert_no_error (error);
  assert_absent (path);
  qs_worker_link (f->worker, path, &id, &error);
  g_assert_no_error (error);
  return id;
}

static void
test_create (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  QsFileId id = make_file (f, path, 0666);
  struct stat info;

  g_assert_cmpint (lstat (path, &info), ==, 0);
  /* never the world's */
  g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0660);
  g_assert_cmpuint (info.st_ino, ==, id.ino);
  g_assert_cmpint (info.st_size, ==, 0);
  g_assert_true (qs_worker_unlink (f->worker, path, &id, NULL));
  assert_absent (path);
}

/* whatever has the name stays what it is */
static void
test_taken (Fixture *f, gconstpointer data)
{
  g_autofree char *file = in_folder (f, "file");
  g_autofree char *empty = in_folder (f, "empty");
  g_autofree char *dangling = in_folder (f, "link");
  g_autofree char *fifo = in_folder (f, "fifo");
  const char *const paths[] = { file, empty, dangling, fifo };
  g_autoptr (GError) error = NULL;
  QsFileId id = { 0 };
  struct stat info;

  write_file (file, "dear data");
  write_file (empty, "");
  g_assert_cmpint (symlink ("nowhere", dangling), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    assert_refused (qs_worker_create_file (f->worker, paths[i], 0600, getgid (), &id, &error),
                    error, QS_ERROR_CONFIG_UNSUPPORTED, "File exists");
  assert_contents (file, "dear data");
  assert_contents (empty, "");
  g_assert_cmpint (lstat (dangling, &info), ==, 0);
  g_assert_true (S_ISLNK (info.st_mode));
  g_assert_cmpint (lstat (fifo, &info), ==, 0);
  g_assert_true (S_ISFIFO (info.st_mode));
}

/* somebody takes the name while the file has none yet */
static void
test_taken_late (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  g_autoptr (GError) error = NULL;
  QsFileId id = { 0 };

  g_assert_true (qs_worker_create_file (f->worker, path, 0600, getgid (), &id, &error));
  write_file (path, "dear data");
  assert_refused (qs_worker_link (f->worker, path, &id, &error), error, QS_ERROR_CONFIG_UNSUPPORTED,
                  "File exists");
  assert_contents (path, "dear data");
}

static void
write_stream (Fixture *f, const char *path, const QsFileId *id, const char *text)
{
  g_autoptr (GError) error = NULL;
  int fd = qs_worker_open_stream (f->worker, path, id, &error);

  g_assert_no_error (error);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  g_assert_no_errno (close (fd));
}

static void
test_stream (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  QsFileId id = make_file (f, path, 0600);
  g_autoptr (GError) error = NULL;
  guint64 size = 0;

  write_stream (f, path, &id, "what counts");
  assert_contents (path, "what counts");
  /* whoever has written it: never again */
  assert_refused (qs_worker_open_stream (f->worker, path, &id, &error) >= 0, error,
                  QS_ERROR_IMAGE_FAILED, "no longer the empty file");
  assert_contents (path, "what counts");
  g_assert_true (qs_worker_flush_stream (f->worker, path, &id, &error));
  g_assert_true (qs_worker_sync_stream (f->worker, path, &id, &size, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (size, ==, strlen ("what counts"));
}

/* from its beginning, for reading alone */
static void
test_read (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  g_autofree char *other = in_folder (f, "other");
  QsFileId id = make_file (f, path, 0600);
  g_autoptr (GError) error = NULL;
  char bytes[20] = "";
  guint64 size = 0;
  int fd;

  write_stream (f, path, &id, "what counts");
  fd = qs_worker_read_stream (f->worker, path, &id, &size, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (size, ==, strlen ("what counts"));
  g_assert_cmpint (read (fd, bytes, sizeof bytes - 1), ==, (gssize)size);
  g_assert_cmpstr (bytes, ==, "what counts");
  g_assert_cmpint (write (fd, bytes, 1), ==, -1);
  g_assert_no_errno (close (fd));

  g_assert_no_errno (g_rename (path, other));
  assert_refused (qs_worker_read_stream (f->worker, path, &id, &size, &error) >= 0, error,
                  QS_ERROR_IMAGE_FAILED, "No such file");
  write_file (path, "what counts");
  assert_refused (qs_worker_read_stream (f->worker, path, &id, &size, &error) >= 0, error,
                  QS_ERROR_IMAGE_FAILED, "no longer the file");
}

/* its room is free again; no other file loses anything */
static void
test_empty (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  g_autoptr (GError) error = NULL;
  QsFileId id = make_file (f, path, 0600);
  QsFileId next;

  write_stream (f, path, &id, "what is not wanted");
  next = id;
  next.ino++;
  assert_refused (qs_worker_empty_stream (f->worker, path, &next, &error), error,
                  QS_ERROR_IMAGE_FAILED, "no longer the file");
  assert_contents (path, "what is not wanted");
  g_assert_true (qs_worker_empty_stream (f->worker, path, &id, &error));
  g_assert_no_error (error);
  assert_contents (path, "");
}

/* another file has the name, or a link leads to it: nothing of it is lost */
static void
test_other (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  g_autofree char *other = in_folder (f, "other");
  g_autoptr (GError) error = NULL;
  QsFileId id = make_file (f, path, 0600);
  guint64 size = 0;

  g_assert_cmpint (g_rename (path, other), ==, 0);
  write_file (path, "");
  assert_refused (qs_worker_open_stream (f->worker, path, &id, &error) >= 0, error,
                  QS_ERROR_IMAGE_FAILED, "no longer the file");
  assert_refused (qs_worker_sync_stream (f->worker, path, &id, &size, &error), error,
                  QS_ERROR_IMAGE_FAILED, "no longer the file");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (symlink (other, path), ==, 0);
  assert_refused (qs_worker_open_stream (f->worker, path, &id, &error) >= 0, error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (link (other, path), ==, 0);
  assert_refused (qs_worker_open_stream (f->worker, path, &id, &error) >= 0, error,
                  QS_ERROR_CONFIG_UNSUPPORTED, "2 names");
}

/* the number of a file that has gone is given to the next one */
static void
test_same_number (Fixture *f, gconstpointer data)
{
  g_autofree char *path = in_folder (f, "memory");
  g_autoptr (GError) error = NULL;
  QsFileId id = make_file (f, path, 0600);
  QsFileId next;

  g_assert_cmpint (g_unlink (path), ==, 0);
  write_file (path, "");
  next = identify (f, path);
  next.btime = id.btime;
  assert_refused (qs_worker_open_stream (f->worker, path, &next, &error) >= 0, error,
                  QS_ERROR_IMAGE_FAILED, "no longer the file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_worker_test ("/worker-stream/create", test_create);
  add_worker_test ("/worker-stream/taken", test_taken);
  add_worker_test ("/worker-stream/taken-late", test_taken_late);
  add_worker_test ("/worker-stream/stream", test_stream);
  add_worker_test ("/worker-stream/read", test_read);
  add_worker_test ("/worker-stream/empty", test_empty);
  add_worker_test ("/worker-stream/other", test_other);
  add_worker_test ("/worker-stream/same-number", test_same_number);
  return g_test_run ();
}
