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
  int fd;

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
  fd = openat (place->folder, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0)
    qs_work_close_late (work, fd);
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

static const QsMethod methods[] = {
  { "forget", "()", handle_forget },
  { "link", "(stt)", handle_link },
  { "unlink", "(stt)", handle_unlink },
  { "identify", "(s)", handle_identify },
};

const QsMethod *
qs_find_file_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
