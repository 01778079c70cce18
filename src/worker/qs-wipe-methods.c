/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-device.h"
#include "qs-place.h"
#include "qs-wish.h"

#include <errno.h>

/* dev of a file, and all of a device's node but this, may be others after a reboot; the contents
   decide */
static gboolean
is_taken (const QsWish *wish, const struct stat *info)
{
  if (wish->taken.rdev != 0)
    return S_ISBLK (info->st_mode) && info->st_rdev == wish->taken.rdev;
  return S_ISREG (info->st_mode) && info->st_ino == wish->taken.ino;
}

/* how much has to be looked at: all of a file; of a device what the overlay takes, if it has that */
static gboolean
get_length (int fd, const QsWish *wish, const struct stat *info, guint64 *length, GError **error)
{
  g_autoptr (GPtrArray) chunks = NULL;
  guint64 size = 0;

  if (!qs_fd_size (fd, info, length))
    return qs_fail_errno (error, wish->path, "get the size of");
  if (wish->taken.rdev == 0)
    return TRUE;
  chunks = qs_wish_build (wish, &size, error);
  if (chunks != NULL)
    *length = MIN (*length, qs_device_bytes (wish, size));
  return chunks != NULL;
}

/* @length stays 0 if the overlay is not there, or nothing at all */
static gboolean
find_overlay (int fd, const QsWish *wish, const struct stat *info, guint64 *length, GError **error)
{
  gboolean is_there = FALSE;
  guint64 bytes = 0;

  if (!is_taken (wish, info))
    return TRUE;
  if (!get_length (fd, wish, info, &bytes, error)
      || !qs_wish_is_there (wish, fd, bytes, &is_there, error))
    return FALSE;
  *length = is_there ? bytes : 0;
  return TRUE;
}

/* without a claim: also what was refused to be written can be looked at, and stays as it is */
static gboolean
look (const QsPlace *place, const QsWish *wish, guint64 *length, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_auto (QsFd) fd = -1;
  struct stat info;

  if (!qs_place_stat (place, &info))
    return errno == ENOENT || qs_fail_errno (error, place->path, "look at");
  fd = qs_place_open (place, QS_OPEN_READ, &info, &failure);
  if (fd >= 0)
    return find_overlay (fd, wish, &info, length, error);
  if (g_error_matches (failure, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* looks once more, for it has the file for itself only now */
static gboolean
wipe (const QsPlace *place, const QsWish *wish, guint64 *length, GError **error)
{
  gboolean is_device = wish->taken.rdev != 0;
  g_auto (QsFd) fd = -1;
  struct stat info;

  *length = 0;
  fd = is_device ? qs_device_open (place, QS_OPEN_WRITE, &info, error)
                 : qs_place_open (place, QS_OPEN_WRITE, &info, error);
  if (fd < 0 || !qs_place_check_unused (place, fd, error)
      || !find_overlay (fd, wish, &info, length, error))
    return FALSE;
  if (*length == 0)
    return TRUE;
  if (is_device ? qs_fd_zero (fd, *length) : ftruncate (fd, 0) == 0 && fsync (fd) == 0)
    return TRUE;
  return qs_fail_errno (error, wish->path, "empty");
}

/* a wish that cannot be fulfilled was not */
static gboolean
can_be_there (const QsWish *wish)
{
  guint64 size = 0;
  g_autoptr (GPtrArray) chunks =
      qs_wish_check (wish, NULL) ? qs_wish_build (wish, &size, NULL) : NULL;

  return chunks != NULL && wish->taken.ino != 0;
}

/* takes back what was written to the caller's own empty file or block device, if it is nothing but
   that; whatever else is there stays as it is, which is no failure */
static GVariant *
handle_wipe_image (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_autoptr (GError) refusal = NULL;
  QsWish wish = { 0 };
  guint64 length = 0;

  qs_wish_unpack (arguments, &wish);
  if (can_be_there (&wish))
    place = qs_place_new (work, wish.path, &refusal);
  if (place == NULL)
    return g_variant_new ("(b)", FALSE);
  if (!look (place, &wish, &length, error) || (length > 0 && !wipe (place, &wish, &length, error)))
    return NULL;
  return g_variant_new ("(b)", length > 0);
}

static const QsMethod methods[] = {
  { "wipe-image", QS_WISH_ARGUMENTS, handle_wipe_image },
};

const QsMethod *
qs_find_wipe_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
