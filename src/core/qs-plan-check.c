/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

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
  /* what a disk uses now is a file or block device, whatever its definition began with */
  if (disk->source_type != QS_SOURCE_FILE && disk->source_type != QS_SOURCE_BLOCK)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: snapshots of a disk of type ‘%s’ are not supported; leave it out "
                   "with snapshot='no'",
                   disk->target, qs_enum_to_string (QS_ENUM_SOURCE_TYPE, disk->source_type));
      return FALSE;
    }
  return TRUE;
}

static gboolean
is_qed (const QsSelected *selected)
{
  return g_strcmp0 (selected->request->driver, "qed") == 0;
}

static gboolean
is_no_external (const QsSelected *selected)
{
  const QsSnapshotDisk *request = selected->request;

  return selected->choice != QS_LOCATION_EXTERNAL
         && (request->source_type != QS_SOURCE_NONE || request->mode != QS_DISK_MODE_DEFAULT
             || request->mirror != NULL);
}

static gboolean
is_strange_driver (const QsSelected *selected)
{
  const char *driver = selected->request->driver;

  return driver != NULL && !g_str_equal (driver, "qcow2") && !g_str_equal (driver, "qed");
}

static gboolean
is_strange_type (const QsSelected *selected)
{
  QsSourceType type = selected->request->source_type;

  return type != QS_SOURCE_NONE && type != QS_SOURCE_FILE && type != QS_SOURCE_BLOCK;
}

static gboolean
is_unnamed (const QsSelected *selected)
{
  return selected->request->source_type != QS_SOURCE_NONE && selected->request->source == NULL;
}

static gboolean
is_misplaced_device (const QsSelected *selected)
{
  return selected->request->source_type == QS_SOURCE_BLOCK
         && !qs_path_is_device (selected->request->source);
}

static gboolean
is_misnamed_device (const QsSelected *selected)
{
  return selected->request->source_type == QS_SOURCE_FILE
         && qs_path_is_device (selected->request->source);
}

static gboolean
is_cached_qed (const QsSelected *selected)
{
  return selected->request->has_metadata_cache && is_qed (selected);
}

static gboolean
is_qed_device (const QsSelected *selected)
{
  return selected->request->source_type == QS_SOURCE_BLOCK && is_qed (selected);
}

/* what cannot be asked of any disk; an earlier row answers for what a later one takes for granted */
static const struct
{
  gboolean (*is) (const QsSelected *selected);
  QsError code;
  const char *why;
} refusals[] = {
  { is_no_external, QS_ERROR_CONFIG_UNSUPPORTED,
    "<source>, mode and <mirror> need snapshot='external'" },
  { is_strange_driver, QS_ERROR_CONFIG_UNSUPPORTED,
    "an overlay can be of format qcow2 or qed only" },
  { is_strange_type, QS_ERROR_CONFIG_UNSUPPORTED,
    "an overlay can be a file or a block device only; give <source file=>, or type='block' and "
    "<source dev=>" },
  { is_unnamed, QS_ERROR_CONFIG_UNSUPPORTED,
    "the <source> names nothing; give its file, with type='block' its dev" },
  { is_misplaced_device, QS_ERROR_CONFIG_UNSUPPORTED,
    "a target of type='block' must lie below /dev" },
  { is_misnamed_device, QS_ERROR_CONFIG_UNSUPPORTED,
    "what lies below /dev is no file; give type='block' and <source dev=>" },
  { is_cached_qed, QS_ERROR_CONFIG_UNSUPPORTED, "<metadata_cache> is for qcow2 only" },
  { is_qed_device, QS_ERROR_CONFIG_UNSUPPORTED,
    "QEMU has qed in files only; use driver type qcow2 on a block device" },
};

static gboolean
check_request (const QsSelected *selected, GError **error)
{
  for (guint i = 0; selected->request != NULL && i < G_N_ELEMENTS (refusals); i++)
    if (refusals[i].is (selected))
      {
        g_set_error (error, QS_ERROR, refusals[i].code, "disk ‘%s’: %s", selected->disk->target,
                     refusals[i].why);
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
  if (!check_request (selected, error))
    return FALSE;
  /* whatever kind of storage it is: the caller copies it */
  if (selected->choice == QS_LOCATION_NO || selected->choice == QS_LOCATION_MANUAL)
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

/**
 * qs_check_manual:
 * @state: of the guest
 *
 * Storage that the caller copies himself must stand still from before the snapshot until he is done.
 */
gboolean
qs_check_manual (const QsSelection *selection, QsDomainState state, GError **error)
{
  if (state == QS_DOMAIN_SHUTOFF || state == QS_DOMAIN_PAUSED)
    return TRUE;
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice != QS_LOCATION_MANUAL)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’: with snapshot='manual' you copy its storage yourself, and the guest "
                   "is %s; suspend it first, take the snapshot, copy the storage, then resume it",
                   selected->disk->target, qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state));
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
 * qs_check_unused:
 *
 * While the guest is off nobody else may write an image that is worked on, nor rely on it.
 */
gboolean
qs_check_unused (const QsFacts *facts, const char *target, const QsImage *image, GError **error)
{
  if (facts->state != QS_DOMAIN_SHUTOFF || !image->in_use)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: ‘%s’ is in use by another program, although the domain is shut off; end "
               "that program, or attach it if it is the domain’s QEMU",
               target, image->path);
  return FALSE;
}

/**
 * qs_check_one_name:
 *
 * The worker writes no tag into a file with other names; after the commit it would be too late to be
 * told so.
 */
gboolean
qs_check_one_name (const QsFacts *facts, const char *target, const QsImage *image, GError **error)
{
  if (facts->state != QS_DOMAIN_SHUTOFF || image->n_links <= 1 || image->rdev != 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: ‘%s’ has %u names; a file with another name is not written: remove the "
               "other names first",
               target, image->path, image->n_links);
  return FALSE;
}

/* a file that snapshots lie in must be the one they were taken with; any other that somebody has put
   there, a copy brought back for instance, is what the disk is on now */
gboolean
qs_check_recorded (const QsDiskFacts *disk, const QsFacts *facts, GError **error)
{
  for (guint i = 0; i < disk->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (disk->chain, i);
      const QsFile *file = qs_facts_find_file (facts, image->path);

      if (file == NULL || file->ino == 0 || qs_file_is (file, image)
          || (file->state_of->len == 0 && file->tag_of->len == 0))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                   "disk ‘%s’: ‘%s’ is not the file that snapshots were taken with; bring that one "
                   "back, or delete them with METADATA_ONLY",
                   disk->target, image->path);
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
  if (!qs_check_recorded (disk, facts, error))
    return NULL;
  return qs_check_unused (facts, disk->target, image, error)
                 && check_active_image (selected, facts, image, error)
             ? image
             : NULL;
}
