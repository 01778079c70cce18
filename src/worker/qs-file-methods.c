/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-unnamed.h"

#include <errno.h>
#include <fcntl.h>

/* dev, ino, btime of a file, as every method gives them */
static GVariant *
make_id (const struct stat *info, gint64 btime)
{
  return g_variant_new ("(ttx)", (guint64)info->st_dev, (guint64)info->st_ino, btime);
}

static GVariant *
handle_forget (QsWork *work, GVariant *arguments, GError **error)
{
  g_array_set_size (work->unnamed, 0);
  return qs_work_done ();
}

static GVariant *
handle_link (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  const char *path;
  guint64 dev;
  guint64 ino;

  g_variant_get (arguments, "(&stt)", &path, &dev, &ino);
  place = qs_place_new (work, path, error);
  return place != NULL && qs_unnamed_link (work, place, dev, ino, error) ? qs_work_done () : NULL;
}

/* by name, for there is no other way; a file exchanged in between is one of the owner's own */
static GVariant *
handle_unlink (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  const char *path;
  struct stat info;
  guint64 dev;
  guint64 ino;
  gboolean missing = FALSE;

  g_variant_get (arguments, "(&stt)", &path, &dev, &ino);
  place = qs_place_find (work, path, &missing, error);
  if (place == NULL)
    return missing ? qs_work_done () : NULL;
  if (!qs_place_stat (place, &info))
    {
      if (errno == ENOENT)
        return qs_work_done ();
      qs_fail_errno (error, path, "look at");
      return NULL;
    }
  if (!S_ISREG (info.st_mode))
    info.st_ino = 0; /* never what was recorded */
  if (!qs_place_check_identity (place, &info, dev, ino, error)
      || !qs_place_check_type (place, QS_OPEN_WRITE, &info, error))
    return NULL;
  if (unlinkat (place->folder, place->name, 0) != 0)
    {
      qs_fail_errno (error, path, "delete");
      return NULL;
    }
  return qs_place_sync (place, error) ? qs_work_done () : NULL;
}

static GVariant *
handle_identify (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  struct stat info = { 0 };
  gboolean missing = FALSE;

  g_variant_get (arguments, "(&s)", &path);
  place = qs_place_find (work, path, &missing, error);
  if (place == NULL)
    return missing ? g_variant_new ("(b@(ttx))", FALSE, make_id (&info, 0)) : NULL;
  fd = openat (place->folder, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return g_variant_new ("(b@(ttx))", FALSE, make_id (&info, 0));
  if (fd >= 0 && fstat (fd, &info) == 0)
    return g_variant_new ("(b@(ttx))", TRUE, make_id (&info, qs_fd_btime (fd)));
  qs_fail_errno (error, path, "look at");
  return NULL;
}

static gboolean
copy_bytes (int from, int to, const QsPlace *target, GError **error)
{
  g_autofree char *buffer = g_malloc (65536);
  ssize_t n;

  while ((n = read (from, buffer, 65536)) > 0)
    for (ssize_t done = 0, some = 0; done < n; done += some)
      if ((some = write (to, buffer + done, n - done)) < 0)
        return qs_fail_errno (error, target->path, "write");
  if (n < 0 || fsync (to) != 0)
    return qs_fail_errno (error, target->path, "write");
  return TRUE;
}

static int
open_source (const QsPlace *source, GError **error)
{
  struct stat info;
  g_auto (QsFd) fd = qs_place_open (source, QS_OPEN_READ, &info, error);

  if (fd < 0)
    return -1;
  if (S_ISREG (info.st_mode) && info.st_size <= QS_MAX_NVRAM_BYTES)
    return g_steal_fd (&fd);
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ is not a regular file of at most %d bytes", source->path, QS_MAX_NVRAM_BYTES);
  return -1;
}

/* the copy has its name only when it is whole */
static GVariant *
handle_copy_file (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) source = NULL;
  g_autoptr (QsPlace) target = NULL;
  g_auto (QsFd) from = -1;
  struct stat info;
  const char *paths[2];
  gint64 btime;
  int to;

  g_variant_get (arguments, "(&s&s)", &paths[0], &paths[1]);
  source = qs_place_existing (work, paths[0], error);
  target = source != NULL ? qs_place_new (work, paths[1], error) : NULL;
  if (target == NULL)
    return NULL;
  from = open_source (source, error);
  to = from >= 0 ? qs_unnamed_open (work, target, error) : -1;
  if (to < 0 || !copy_bytes (from, to, target, error))
    return NULL;
  if (fstat (to, &info) != 0)
    {
      qs_fail_errno (error, paths[1], "look at");
      return NULL;
    }
  btime = qs_fd_btime (to);
  if (!qs_unnamed_link (work, target, info.st_dev, info.st_ino, error))
    return NULL;
  return g_variant_new ("(@(ttx))", make_id (&info, btime));
}

static const QsMethod methods[] = {
  { "forget", "()", handle_forget },         { "link", "(stt)", handle_link },
  { "unlink", "(stt)", handle_unlink },      { "identify", "(s)", handle_identify },
  { "copy-file", "(ss)", handle_copy_file },
};

const QsMethod *
qs_find_file_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
