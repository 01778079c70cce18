/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-device.h"
#include "qs-image-file.h"
#include "qs-wire-types.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

static GVariant *
handle_inspect_image (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_autoptr (QsImage) image = NULL;
  g_auto (QsFd) fd = -1;
  const char *path;
  const char *format;
  struct stat info;

  g_variant_get (arguments, "(&s&s)", &path, &format);
  place = qs_place_existing (work, path, error);
  if (place == NULL)
    return NULL;
  fd = qs_place_open (place, QS_OPEN_READ, &info, error);
  if (fd >= 0)
    image = qs_image_file_inspect (place, fd, format, &info, error);
  return image != NULL ? g_variant_new ("(@" QS_WIRE_IMAGE ")", qs_wire_image_to_variant (image))
                       : NULL;
}

static GVariant *
handle_has_data (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsPlace) place = NULL;
  g_auto (QsFd) fd = -1;
  gboolean has_data = FALSE;
  const char *path;
  const char *format;
  struct stat info;

  g_variant_get (arguments, "(&s&s)", &path, &format);
  place = qs_place_existing (work, path, error);
  if (place == NULL)
    return NULL;
  fd = qs_place_open (place, QS_OPEN_READ, &info, error);
  if (fd < 0 || !qs_image_file_has_data (place, fd, format, &has_data, error))
    return NULL;
  return g_variant_new ("(b)", has_data);
}

/* how the walk ended stands beside the files that it found */
static GVariant *
handle_inspect_chain (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_autoptr (GVariant) links = NULL;
  g_autoptr (GError) failure = NULL;
  GVariantBuilder builder;
  const char *path;
  const char *format;

  g_variant_get (arguments, "(&s&s@" QS_WIRE_LINKS ")", &path, &format, &links);
  qs_image_file_walk (work, &(QsChainStart){ path, format, links }, images, &failure);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a" QS_WIRE_IMAGE));
  for (guint i = 0; i < images->len; i++)
    g_variant_builder_add_value (&builder,
                                 qs_wire_image_to_variant (g_ptr_array_index (images, i)));
  return g_variant_new ("(a" QS_WIRE_IMAGE "ss)", &builder,
                        failure != NULL ? qs_error_get_name (failure->code) : "",
                        failure != NULL ? failure->message : "");
}

static QsTargetType
target_type (const struct stat *info)
{
  if (S_ISREG (info->st_mode))
    return info->st_size == 0 ? QS_TARGET_EMPTY : QS_TARGET_REGULAR;
  return S_ISBLK (info->st_mode) ? QS_TARGET_BLOCK : QS_TARGET_OTHER;
}

static void
check_folder (const QsPlace *place, QsTarget *target)
{
  if (faccessat (place->folder, ".", W_OK | X_OK, AT_EACCESS) != 0)
    qs_fail_errno (&target->error, place->path, "create");
}

static void
get_free_bytes (const QsPlace *place, QsTarget *target)
{
  struct statvfs space;

  if (fstatvfs (place->folder, &space) == 0)
    target->free_bytes =
        (guint64)space.f_frsize * (geteuid () == 0 ? space.f_bfree : space.f_bavail);
}

static void
check_device (const QsPlace *place, QsTarget *target)
{
  struct stat info;
  g_auto (QsFd) fd = qs_device_open (place, QS_OPEN_READ, &info, &target->error);

  if (fd < 0)
    return;
  if (!qs_fd_size (fd, &info, &target->size))
    qs_fail_errno (&target->error, place->path, "get the size of");
  target->rdev = info.st_rdev;
  target->diskseq = qs_fd_diskseq (fd);
  target->in_use = qs_fd_in_use (fd);
}

static void
check_file (const QsPlace *place, QsTarget *target)
{
  struct stat info;
  g_auto (QsFd) fd = qs_place_open (place, QS_OPEN_READ, &info, &target->error);

  if (fd < 0)
    return;
  target->size = info.st_size;
  target->in_use = qs_fd_in_use (fd);
}

/* the rights of its folder do not matter to a file that exists */
static void
check_existing (const QsPlace *place, const struct stat *info, QsTarget *target)
{
  target->type = target_type (info);
  target->dev = info->st_dev;
  target->ino = info->st_ino;
  if (target->type == QS_TARGET_OTHER)
    return;
  if (faccessat (place->folder, place->name, R_OK | W_OK, AT_EACCESS) != 0)
    qs_fail_errno (&target->error, place->path, "write");
  else if (target->type == QS_TARGET_BLOCK)
    check_device (place, target);
  else
    check_file (place, target);
}

static void
check_place (const QsPlace *place, QsTarget *target)
{
  struct stat info;

  get_free_bytes (place, target);
  if (qs_place_stat (place, &info))
    check_existing (place, &info, target);
  else if (errno == ENOENT)
    check_folder (place, target);
  else
    qs_fail_errno (&target->error, place->path, "look at");
}

static GVariant *
handle_check_target (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (QsTarget) target = NULL;
  g_autoptr (QsPlace) place = NULL;
  const char *path;

  g_variant_get (arguments, "(&s)", &path);
  target = qs_target_new (path);
  place = qs_place_new (work, path, &target->error);
  if (place != NULL)
    check_place (place, target);
  return g_variant_new ("(@" QS_WIRE_TARGET ")", qs_wire_target_to_variant (target));
}

static const QsMethod methods[] = {
  { "inspect-image", "(ss)", handle_inspect_image },
  { "has-data", "(ss)", handle_has_data },
  { "inspect-chain", "(ss" QS_WIRE_LINKS ")", handle_inspect_chain },
  { "check-target", "(s)", handle_check_target },
};

const QsMethod *
qs_find_image_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
