/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-unnamed.h"

#include <fcntl.h>

/* files that QEMU writes a stream to, and reads it from */

static gboolean
sync_file (int fd, const QsPlace *place, struct stat *info, GError **error)
{
  return (fsync (fd) == 0 && fstat (fd, info) == 0) || qs_fail_errno (error, place->path, "write");
}

/* empty, without a name, and durable as that: `link` gives it its name */
static GVariant *
handle_create_file (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  const char *path;
  guint32 mode;
  guint32 gid;
  struct stat info;
  int fd;

  g_variant_get (arguments, "(&suu)", &path, &mode, &gid);
  place = qs_place_new (work, path, error);
  fd = place != NULL ? qs_unnamed_open (work, place, error) : -1;
  if (fd < 0)
    return NULL;
  if (qs_unnamed_set_rights (fd, place, mode, gid, error) && sync_file (fd, place, &info, error))
    return g_variant_new ("((ttx))", (guint64)info.st_dev, (guint64)info.st_ino, qs_fd_btime (fd));
  qs_unnamed_drop_last (work);
  return NULL;
}

static int
open_recorded (QsWork *work, GVariant *arguments, QsOpenMode way, struct stat *info, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  guint64 dev;
  guint64 ino;
  gint64 btime;

  g_variant_get (arguments, "(&sttx)", &path, &dev, &ino, &btime);
  place = qs_place_existing (work, path, error);
  fd = place != NULL ? qs_place_open (place, way, info, error) : -1;
  if (fd < 0)
    return -1;
  /* a number is used again once its file has gone, and then means another one */
  if (!S_ISREG (info->st_mode) || (btime != 0 && qs_fd_btime (fd) != btime))
    info->st_ino = 0; /* never what was recorded */
  return qs_place_check_identity (place, info, dev, ino, error) ? g_steal_fd (&fd) : -1;
}

/* nobody but us has written to it, or it is not what it was made for */
static GVariant *
handle_open_stream (QsWork *work, GVariant *arguments, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = open_recorded (work, arguments, QS_OPEN_WRITE, &info, error);
  const char *path;

  g_variant_get_child (arguments, 0, "&s", &path);
  if (fd < 0)
    return NULL;
  if (info.st_size != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "‘%s’ is no longer the empty file that was made; it is left alone", path);
      return NULL;
    }
  qs_work_return_fd (work, g_steal_fd (&fd));
  return qs_work_done ();
}

/* begins to write to the disk what is only in the kernel's memory, and does not wait for it: what the
   kernel cannot do so is left to `sync-stream` */
static GVariant *
handle_flush_stream (QsWork *work, GVariant *arguments, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = open_recorded (work, arguments, QS_OPEN_WRITE, &info, error);

  if (fd < 0)
    return NULL;
  (void)sync_file_range (fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  return qs_work_done ();
}

static GVariant *
handle_empty_stream (QsWork *work, GVariant *arguments, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = open_recorded (work, arguments, QS_OPEN_WRITE, &info, error);
  const char *path;

  g_variant_get_child (arguments, 0, "&s", &path);
  if (fd < 0)
    return NULL;
  if (ftruncate (fd, 0) == 0)
    return qs_work_done ();
  qs_fail_errno (error, path, "empty");
  return NULL;
}

static GVariant *
handle_sync_stream (QsWork *work, GVariant *arguments, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = open_recorded (work, arguments, QS_OPEN_WRITE, &info, error);
  const char *path;

  g_variant_get_child (arguments, 0, "&s", &path);
  if (fd < 0)
    return NULL;
  if (fsync (fd) == 0 && fstat (fd, &info) == 0)
    return g_variant_new ("(t)", (guint64)info.st_size);
  qs_fail_errno (error, path, "write");
  return NULL;
}

/* for a QEMU that loads what is in it; nobody writes to it any more */
static GVariant *
handle_read_stream (QsWork *work, GVariant *arguments, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = open_recorded (work, arguments, QS_OPEN_READ, &info, error);

  if (fd < 0)
    return NULL;
  qs_work_return_fd (work, g_steal_fd (&fd));
  return g_variant_new ("(t)", (guint64)info.st_size);
}

static const QsMethod methods[] = {
  { "create-file", "(suu)", handle_create_file },
  { "open-stream", "(sttx)", handle_open_stream },
  { "read-stream", "(sttx)", handle_read_stream },
  { "flush-stream", "(sttx)", handle_flush_stream },
  { "sync-stream", "(sttx)", handle_sync_stream },
  { "empty-stream", "(sttx)", handle_empty_stream },
};

const QsMethod *
qs_find_stream_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
