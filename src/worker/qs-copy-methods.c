/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-unnamed.h"

/* copies of small files, of firmware variables for instance */

typedef struct
{
  const char *from;
  const char *to;
  guint64 dev; /* these two of @from; 0: of any file */
  guint64 ino;
  guint32 mode; /* 0: the owner's alone */
  guint32 gid;
} Copy;

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

/* what somebody writes while it is read would be copied half */
static gboolean
check_source (const Copy *copy, const QsPlace *source, int fd, const struct stat *info,
              GError **error)
{
  if (!S_ISREG (info->st_mode) || info->st_size > QS_MAX_NVRAM_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "‘%s’ is not a regular file of at most %d bytes", source->path,
                   QS_MAX_NVRAM_BYTES);
      return FALSE;
    }
  return copy->ino == 0
         || (qs_place_check_identity (source, info, copy->dev, copy->ino, error)
             && qs_place_check_unused (source, fd, error));
}

static int
open_source (QsWork *work, const Copy *copy, struct stat *info, GError **error)
{
  g_autoptr (QsPlace) source = qs_place_existing (work, copy->from, error);
  g_auto (QsFd) fd = source != NULL ? qs_place_open (source, QS_OPEN_READ, info, error) : -1;

  return fd >= 0 && check_source (copy, source, fd, info, error) ? g_steal_fd (&fd) : -1;
}

static gboolean
check_unchanged (const Copy *copy, int from, const struct stat *before, GError **error)
{
  struct stat now;

  if (fstat (from, &now) == 0 && now.st_size == before->st_size
      && now.st_mtim.tv_sec == before->st_mtim.tv_sec
      && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "‘%s’ was written to while it was copied; try again when nobody uses it",
               copy->from);
  return FALSE;
}

static gboolean
fill_copy (const Copy *copy, const QsPlace *target, int from, int to, GError **error)
{
  struct stat before;

  if (fstat (from, &before) != 0)
    return qs_fail_errno (error, copy->from, "look at");
  return (copy->mode == 0 || qs_unnamed_set_rights (to, target, copy->mode, copy->gid, error))
         && copy_bytes (from, to, target, error) && check_unchanged (copy, from, &before, error);
}

/* whole, durable and without a name: `link` gives it its name */
static GVariant *
handle_copy_file (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) target = NULL;
  g_auto (QsFd) from = -1;
  struct stat info;
  Copy copy;
  int to;

  g_variant_get (arguments, "(&s&sttuu)", &copy.from, &copy.to, &copy.dev, &copy.ino, &copy.mode,
                 &copy.gid);
  from = open_source (work, &copy, &info, error);
  target = from >= 0 ? qs_place_new (work, copy.to, error) : NULL;
  to = target != NULL ? qs_unnamed_open (work, target, error) : -1;
  if (to < 0)
    return NULL;
  if (fill_copy (&copy, target, from, to, error) && fstat (to, &info) == 0)
    return g_variant_new ("((ttx))", (guint64)info.st_dev, (guint64)info.st_ino, qs_fd_btime (to));
  qs_unnamed_drop_last (work);
  return NULL;
}

static const QsMethod methods[] = {
  { "copy-file", "(ssttuu)", handle_copy_file },
};

const QsMethod *
qs_find_copy_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
