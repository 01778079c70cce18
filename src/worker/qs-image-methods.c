/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
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

/* how the walk ended stands beside the files that it found */
static GVariant *
handle_inspect_chain (QsWork *work, GVariant *arguments, GError **error)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_autoptr (GError) failure = NULL;
  GVariantBuilder builder;
  const char *path;
  const char *format;

  g_variant_get (arguments, "(&s&s)", &path, &format);
  qs_image_file_walk (work, path, format, images, &failure);
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
  struct statvfs space;

  if (fstatvfs (place->folder, &space) == 0)
    target->free_bytes =
        (guint64)space.f_frsize * (geteuid () == 0 ? space.f_bfree : space.f_bavail);
  if (faccessat (place->folder, ".", W_OK | X_OK, AT_EACCESS) != 0)
    qs_fail_errno (&target->error, place->path, "create");
}

static void
check_existing (const QsPlace *place, QsTarget *target)
{
  struct stat info;

  if (!qs_place_stat (place, &info))
    {
      if (errno != ENOENT && target->error == NULL)
        qs_fail_errno (&target->error, place->path, "look at");
      return;
    }
  target->type = target_type (&info);
  target->dev = info.st_dev;
  target->ino = info.st_ino;
  if (target->type == QS_TARGET_EMPTY && target->error == NULL
      && faccessat (place->folder, place->name, R_OK | W_OK, AT_EACCESS) != 0)
    qs_fail_errno (&target->error, place->path, "write");
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
    {
      check_folder (place, target);
      check_existing (place, target);
    }
  return g_variant_new ("(@" QS_WIRE_TARGET ")", qs_wire_target_to_variant (target));
}

static const QsMethod methods[] = {
  { "inspect-image", "(ss)", handle_inspect_image },
  { "inspect-chain", "(ss)", handle_inspect_chain },
  { "check-target", "(s)", handle_check_target },
};

const QsMethod *
qs_find_image_method (const char *name)
{
  return qs_method_lookup (methods, G_N_ELEMENTS (methods), name);
}
