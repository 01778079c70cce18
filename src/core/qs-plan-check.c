/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

/* an empty overlay has four clusters and grows at once; below this it is not begun */
#define MIN_FREE_BYTES (4 * 1024 * 1024)

static gboolean
refuse (GError **error, const QsSelected *selected, const char *why)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘%s’: %s",
               selected->disk->target, why);
  return FALSE;
}

static gboolean
check_device (const QsSelected *selected, GError **error)
{
  const QsDiskDef *disk = selected->disk;

  if (selected->active == NULL && disk->source_type != QS_SOURCE_NETWORK)
    return refuse (error, selected, "the drive is empty; leave it out with snapshot='no'");
  if (disk->readonly)
    return refuse (error, selected,
                   "is read-only and cannot be snapshotted; leave it out with snapshot='no'");
  if (disk->device == QS_DEVICE_LUN)
    return refuse (error, selected,
                   "is passed through to the guest; leave it out with snapshot='no'");
  if (disk->transient)
    return refuse (error, selected, "is transient; leave it out with snapshot='no'");
  if (disk->shareable)
    return refuse (error, selected,
                   "is shareable and writable, which a qcow2 overlay is not made for; "
                   "leave it out with snapshot='no'");
  if (disk->source_type != QS_SOURCE_FILE)
    {
      g_set_error (error, QS_ERROR,
                   disk->source_type == QS_SOURCE_BLOCK ? QS_ERROR_OPERATION_UNSUPPORTED
                                                        : QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: snapshots of a disk of type ‘%s’ are not supported; leave it out "
                   "with snapshot='no'",
                   disk->target, qs_enum_to_string (QS_ENUM_SOURCE_TYPE, disk->source_type));
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_request (const QsSelected *selected, GError **error)
{
  const QsSnapshotDisk *request = selected->request;
  gboolean external = selected->choice == QS_LOCATION_EXTERNAL;

  if (request == NULL)
    return TRUE;
  if (!external
      && (request->source_type != QS_SOURCE_NONE || request->mode != QS_DISK_MODE_DEFAULT
          || request->mirror != NULL))
    return refuse (error, selected, "<source>, mode and <mirror> need snapshot='external'");
  if (request->driver != NULL && !g_str_equal (request->driver, "qcow2")
      && !g_str_equal (request->driver, "qed"))
    return refuse (error, selected, "an overlay can be of format qcow2 or qed only");
  if (request->source_type == QS_SOURCE_FILE && request->source == NULL)
    return refuse (error, selected, "the <source> names no file");

  if (g_strcmp0 (request->driver, "qed") == 0 || request->mirror != NULL
      || request->mode == QS_DISK_MODE_EXISTING || request->mode == QS_DISK_MODE_NO_BACKING_FILE
      || (request->source_type != QS_SOURCE_NONE && request->source_type != QS_SOURCE_FILE))
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
          "disk ‘%s’: only new qcow2 files of mode absolute-paths are made by this version; "
          "modes, mirrors, block devices and qed are not supported yet",
          selected->disk->target);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_check_disk_snapshot:
 *
 * Whether a disk can be snapshotted as chosen, as far as its definition tells.
 */
gboolean
qs_check_disk_snapshot (const QsSelected *selected, GError **error)
{
  if (selected->choice == QS_LOCATION_MANUAL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’: snapshot='manual' is not supported yet", selected->disk->target);
      return FALSE;
    }
  if (!check_request (selected, error))
    return FALSE;
  if (selected->choice == QS_LOCATION_NO)
    return TRUE;
  if (!check_device (selected, error))
    return FALSE;
  if (selected->choice == QS_LOCATION_INTERNAL && !g_str_equal (selected->active_format, "qcow2"))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: format %s cannot hold an internal snapshot; choose "
                   "snapshot='external' or 'no'",
                   selected->disk->target, selected->active_format);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_active_image (const QsSelected *selected, const QsFacts *facts, const QsImage *image,
                    GError **error)
{
  const char *target = selected->disk->target;

  /* a running QEMU may hold the dirty bit itself */
  if (image->dirty && facts->state == QS_DOMAIN_SHUTOFF)
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
          "disk ‘%s’: ‘%s’ is marked dirty or corrupt; repair it first with qemu-img check -r all",
          target, image->path);
      return FALSE;
    }
  if (image->encrypted && selected->choice == QS_LOCATION_INTERNAL)
    return refuse (error, selected,
                   "is encrypted and cannot hold an internal snapshot; choose snapshot='external'");
  if (!image->writable)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the owner may not write ‘%s’", target, image->path);
      return FALSE;
    }
  if (selected->choice == QS_LOCATION_INTERNAL && image->tags->len >= QS_MAX_IMAGE_TAGS)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "disk ‘%s’: ‘%s’ holds %u snapshots already", target, image->path,
                   image->tags->len);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_check_disk_image:
 *
 * Returns: (transfer none): the active image of a selected disk, seen and fit for what was chosen
 */
const QsImage *
qs_check_disk_image (const QsSelected *selected, const QsFacts *facts, GError **error)
{
  const QsDiskFacts *disk = qs_facts_find_disk (facts, selected->disk->target);
  const QsImage *image;

  g_return_val_if_fail (disk != NULL, NULL);
  if (disk->error != NULL)
    {
      g_set_error (error, disk->error->domain, disk->error->code, "disk ‘%s’: %s", disk->target,
                   disk->error->message);
      return NULL;
    }
  for (guint i = 0; i < disk->chain->len; i++)
    {
      const QsImage *link = g_ptr_array_index (disk->chain, i);

      for (guint n = 0; n < facts->foreign_images->len; n++)
        if (i == 0 && g_strcmp0 (g_ptr_array_index (facts->foreign_images, n), link->path) == 0)
          {
            refuse (error, selected, "its image is already used by another domain");
            return NULL;
          }
    }
  if (selected->choice == QS_LOCATION_EXTERNAL && disk->chain->len >= QS_MAX_CHAIN_FILES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "disk ‘%s’: its chain has %u files already", disk->target, disk->chain->len);
      return NULL;
    }

  image = g_ptr_array_index (disk->chain, 0);
  return check_active_image (selected, facts, image, error) ? image : NULL;
}

static const char *
describe_obstacle (QsTargetType type)
{
  switch (type)
    {
    case QS_TARGET_ABSENT:
      return NULL;
    case QS_TARGET_EMPTY:
      return "is an empty file; taking it over is not supported yet, remove it";
    case QS_TARGET_REGULAR:
      return "exists already and is not overwritten";
    case QS_TARGET_BLOCK:
    case QS_TARGET_OTHER:
      return "exists and is no regular file";
    }
  g_assert_not_reached ();
}

/**
 * qs_check_target:
 *
 * Whether the overlay of a disk can be made where it shall be.
 */
gboolean
qs_check_target (const QsSelected *selected, const QsFacts *facts, GError **error)
{
  const QsTarget *target = qs_facts_find_target (facts, selected->path);
  const char *obstacle;

  g_return_val_if_fail (target != NULL, FALSE);
  if (target->error != NULL)
    {
      g_set_error (error, target->error->domain, target->error->code, "disk ‘%s’: %s",
                   selected->disk->target, target->error->message);
      return FALSE;
    }
  obstacle = describe_obstacle (target->type);
  if (obstacle == NULL && qs_facts_find_file (facts, selected->path) != NULL)
    obstacle = "is the name of a recorded file";
  if (obstacle != NULL)
    {
      g_set_error (error, QS_ERROR,
                   target->type == QS_TARGET_EMPTY ? QS_ERROR_OPERATION_UNSUPPORTED
                                                   : QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: target ‘%s’ %s", selected->disk->target, selected->path, obstacle);
      return FALSE;
    }
  if (target->free_bytes < MIN_FREE_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
                   "disk ‘%s’: only %" G_GUINT64_FORMAT " bytes are free for ‘%s’",
                   selected->disk->target, target->free_bytes, selected->path);
      return FALSE;
    }
  return TRUE;
}
