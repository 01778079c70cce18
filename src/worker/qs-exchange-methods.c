/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* methods on the names of an image: a snapshot takes the old file's name over and leaves the file
   under another one. No file may lose its last name here */

typedef enum
{
  FOUND_NOTHING,
  FOUND_OTHER,
  FOUND_IT,
  FOUND_ERROR,
} Found;

/* what the name means now; a symbolic link, FIFO, folder … is never what was recorded */
static Found
look (const QsPlace *place, guint64 dev, guint64 ino, struct stat *info, GError **error)
{
  if (!qs_place_stat (place, info))
    {
      if (errno == ENOENT)
        return FOUND_NOTHING;
      qs_fail_errno (error, place->path, "look at");
      return FOUND_ERROR;
    }
  return S_ISREG (info->st_mode) && info->st_dev == dev && info->st_ino == ino ? FOUND_IT
                                                                               : FOUND_OTHER;
}

static gboolean
fail_changed (const QsPlace *place, Found found, GError **error)
{
  if (found == FOUND_NOTHING)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "‘%s’ is missing", place->path);
  if (found == FOUND_OTHER)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "‘%s’ is no longer the file that was recorded; it is left alone", place->path);
  return FALSE;
}

static gboolean
is_there (const QsPlace *place, guint64 dev, guint64 ino, struct stat *info, GError **error)
{
  Found found = look (place, dev, ino, info, error);

  return found == FOUND_IT || fail_changed (place, found, error);
}

/* two entries of one folder; the same entry by two paths is no second name */
static gboolean
are_beside (const QsPlace *a, const QsPlace *b, GError **error)
{
  struct stat info[2];

  if (fstat (a->folder, &info[0]) != 0 || fstat (b->folder, &info[1]) != 0)
    return qs_fail_errno (error, a->path, "look at the folder of");
  if (info[0].st_dev == info[1].st_dev && info[0].st_ino == info[1].st_ino
      && !g_str_equal (a->name, b->name))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ and ‘%s’ are not two names in one folder", a->path, b->path);
  return FALSE;
}

static gboolean
find_pair (const QsWork *work, const char *const *paths, QsPlace **places, GError **error)
{
  g_autoptr (QsPlace) first = qs_place_existing (work, paths[0], error);
  g_autoptr (QsPlace) second = first != NULL ? qs_place_existing (work, paths[1], error) : NULL;

  if (second == NULL || !are_beside (first, second, error))
    return FALSE;
  places[0] = g_steal_pointer (&first);
  places[1] = g_steal_pointer (&second);
  return TRUE;
}

/* by descriptor, so that the new name is that of the file that was looked at */
static int
open_regular (const QsPlace *place, int flags, guint64 dev, guint64 ino, GError **error)
{
  g_auto (QsFd) fd = -1;
  struct stat info;

  if (!is_there (place, dev, ino, &info, error))
    return -1;
  fd = openat (place->folder, place->name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &info) != 0)
    {
      qs_fail_errno (error, place->path, "open");
      return -1;
    }
  if (S_ISREG (info.st_mode) && info.st_dev == dev && info.st_ino == ino)
    return g_steal_fd (&fd);
  fail_changed (place, FOUND_OTHER, error);
  return -1;
}

static gboolean
fail_link (const QsPlace *from, const QsPlace *to, GError **error)
{
  if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK && errno != EXDEV)
    return qs_fail_errno (error, to->path, "create");
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "‘%s’ cannot get the second name ‘%s’: %s; its file system must have hard links and "
               "its owner be the domain's",
               from->path, to->path, g_strerror (errno));
  return FALSE;
}

static gboolean
link_file (const QsPlace *from, const QsPlace *to, guint64 dev, guint64 ino, GError **error)
{
  struct stat info;
  g_autofree char *link = NULL;
  g_auto (QsFd) fd = open_regular (from, O_PATH, dev, ino, error);
  Found found;

  if (fd < 0)
    return FALSE;
  found = look (to, dev, ino, &info, error);
  link = qs_fd_link (fd);
  if (found == FOUND_ERROR)
    return FALSE;
  if (found == FOUND_OTHER)
    errno = EEXIST;
  if (found == FOUND_OTHER
      || (found == FOUND_NOTHING
          && linkat (AT_FDCWD, link, to->folder, to->name, AT_SYMLINK_FOLLOW) != 0))
    return fail_link (from, to, error);
  return qs_place_sync (to, error);
}

static gboolean
unlink_name (const QsPlace *name, const QsPlace *keep, guint64 dev, guint64 ino, GError **error)
{
  struct stat info;
  Found found = look (name, dev, ino, &info, error);

  if (found == FOUND_NOTHING)
    return qs_place_sync (name, error);
  if (found != FOUND_IT)
    return fail_changed (name, found, error);
  if (!is_there (keep, dev, ino, &info, error))
    return FALSE;
  if (unlinkat (name->folder, name->name, 0) != 0)
    return qs_fail_errno (error, name->path, "delete");
  return qs_place_sync (keep, error);
}

typedef gboolean (*PairFunc) (const QsPlace *first, const QsPlace *second, guint64 dev, guint64 ino,
                              GError **error);

/* on two names, of which one is or becomes that of the file dev:ino */
static GVariant *
handle_pair (QsWork *work, GVariant *arguments, PairFunc func, GError **error)
{
  QsPlace *places[2] = { NULL, NULL };
  g_autoptr (QsPlace) first = NULL;
  g_autoptr (QsPlace) second = NULL;
  const char *paths[2];
  guint64 dev;
  guint64 ino;

  g_variant_get (arguments, "(&s&stt)", &paths[0], &paths[1], &dev, &ino);
  if (!find_pair (work, paths, places, error))
    return NULL;
  first = places[0];
  second = places[1];
  return func (first, second, dev, ino, error) ? qs_work_done () : NULL;
}

static GVariant *
handle_link_file (QsWork *work, GVariant *arguments, GError **error)
{
  return handle_pair (work, arguments, link_file, error);
}

static GVariant *
handle_unlink_name (QsWork *work, GVariant *arguments, GError **error)
{
  return handle_pair (work, arguments, unlink_name, error);
}

typedef struct
{
  guint64 dev;
  guint64 ino;
} Id;

/* TRUE: nothing is left to do but to make it durable, or the names are as they have to be */
static gboolean
may_exchange (const QsPlace *from, const QsPlace *over, const Id *ids, gboolean *done,
              GError **error)
{
  struct stat infos[2];
  Found moved = look (from, ids[0].dev, ids[0].ino, &infos[0], error);
  Found there = FOUND_ERROR;

  if (moved == FOUND_ERROR)
    return FALSE;
  *done =
      moved == FOUND_NOTHING && look (over, ids[0].dev, ids[0].ino, &infos[1], NULL) == FOUND_IT;
  if (*done)
    return TRUE;
  there = look (over, ids[1].dev, ids[1].ino, &infos[1], error);
  if (moved != FOUND_IT || there != FOUND_IT)
    return there != FOUND_ERROR
           && fail_changed (moved != FOUND_IT ? from : over, moved != FOUND_IT ? moved : there,
                            error);
  if (infos[1].st_nlink > 1)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ has no other name any more: it would be lost; it is left alone", over->path);
  return FALSE;
}

static GVariant *
handle_exchange (QsWork *work, GVariant *arguments, GError **error)
{
  QsPlace *places[2] = { NULL, NULL };
  g_autoptr (QsPlace) from = NULL;
  g_autoptr (QsPlace) over = NULL;
  const char *paths[2];
  Id ids[2];
  gboolean done;

  g_variant_get (arguments, "(&s&s(tt)(tt))", &paths[0], &paths[1], &ids[0].dev, &ids[0].ino,
                 &ids[1].dev, &ids[1].ino);
  if (!find_pair (work, paths, places, error))
    return NULL;
  from = places[0];
  over = places[1];
  if (!may_exchange (from, over, ids, &done, error))
    return NULL;
  if (!done && renameat (from->folder, from->name, over->folder, over->name) != 0)
    {
      qs_fail_errno (error, over->path, "replace");
      return NULL;
    }
  return qs_place_sync (over, error) ? qs_work_done () : NULL;
}

static gboolean
set_mode (int fd, const QsPlace *place, guint32 mode, guint32 *before, GError **error)
{
  struct stat info;

  if (fstat (fd, &info) != 0)
    return qs_fail_errno (error, place->path, "look at");
  if (info.st_uid != geteuid ())
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "the mode of ‘%s’ cannot be changed: it belongs to uid %u, not to the domain's "
                   "owner",
                   place->path, (guint)info.st_uid);
      return FALSE;
    }
  *before = info.st_mode & 07777;
  if (fchmod (fd, mode) != 0 || fsync (fd) != 0)
    return qs_fail_errno (error, place->path, "set the mode of");
  return TRUE;
}

static GVariant *
handle_set_mode (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  guint64 dev;
  guint64 ino;
  guint32 mode;
  guint32 before = 0;

  g_variant_get (arguments, "(&sttu)", &path, &dev, &ino, &mode);
  if (mode & ~07777u)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "%o is not the mode of a file",
                   mode);
      return NULL;
    }
  place = qs_place_existing (work, path, error);
  fd = place != NULL ? open_regular (place, O_RDONLY, dev, ino, error) : -1;
  if (fd < 0 || !set_mode (fd, place, mode, &before, error))
    return NULL;
  return g_variant_new ("(u)", before);
}

static const QsMethod methods[] = {
  { "link-file", "(sstt)", handle_link_file },
  { "unlink-name", "(sstt)", handle_unlink_name },
  { "exchange", "(ss(tt)(tt))", handle_exchange },
  { "set-mode", "(sttu)", handle_set_mode },
};

const QsMethod *
qs_find_exchange_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
