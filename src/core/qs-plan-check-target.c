/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-users.h"

/* what is at the path of an overlay, and where its file comes from */

/* an empty overlay has four clusters and grows at once; below this it is not begun */
#define MIN_FREE_BYTES (4 * 1024 * 1024)

#define N_TYPES (QS_TARGET_OTHER + 1)
#define N_MODES (QS_DISK_MODE_NO_BACKING_FILE + 1)

/* @why NULL: may be used */
typedef struct
{
  QsError code;
  const char *why;
} Obstacle;

static const Obstacle not_overwritten = {
  QS_ERROR_CONFIG_UNSUPPORTED,
  "exists already and is not overwritten; choose another name, or use what it holds with mode "
  "‘existing’"
};
static const Obstacle no_file = { QS_ERROR_CONFIG_UNSUPPORTED,
                                  "exists and is neither a regular file nor a block device; "
                                  "symbolic links are not followed" };
static const Obstacle in_the_way = { QS_ERROR_CONFIG_UNSUPPORTED,
                                     "exists already and is not overwritten" };
static const Obstacle missing = { QS_ERROR_CONFIG_UNSUPPORTED,
                                  "does not exist; make the overlay first, or leave out REUSE_EXT "
                                  "and mode ‘existing’" };
static const Obstacle no_overlay = { QS_ERROR_IMAGE_FAILED,
                                     "is empty; make the overlay first, or leave out REUSE_EXT and "
                                     "mode ‘existing’" };

/* a name that the service has chosen itself is in DEFAULT: nobody has lent what is there */
static const Obstacle *const obstacles[N_MODES][N_TYPES] = {
  [QS_DISK_MODE_DEFAULT] = { NULL, &in_the_way, &in_the_way, &in_the_way, &in_the_way },
  [QS_DISK_MODE_ABSOLUTE_PATHS] = { NULL, NULL, &not_overwritten, NULL, &no_file },
  [QS_DISK_MODE_EXISTING] = { &missing, &no_overlay, NULL, NULL, &no_file },
  [QS_DISK_MODE_NO_BACKING_FILE] = { NULL, NULL, &not_overwritten, NULL, &no_file },
};

static gboolean
refuse (GError **error, const QsSelected *selected, QsError code, const char *why)
{
  g_set_error (error, QS_ERROR, code, "disk ‘%s’: target ‘%s’ %s", selected->disk->target,
               selected->path, why);
  return FALSE;
}

static gboolean
check_type (const QsSelected *selected, const QsTarget *target, GError **error)
{
  const Obstacle *obstacle = obstacles[selected->mode][target->type];

  if (obstacle != NULL)
    return refuse (error, selected, obstacle->code, obstacle->why);
  if (selected->is_device && target->type != QS_TARGET_BLOCK)
    return refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED,
                   "is no block device, as type='block' says");
  if (!selected->is_device && target->type == QS_TARGET_BLOCK)
    return refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED,
                   "is a block device; give type='block' and <source dev=>");
  return TRUE;
}

static gboolean
is_in_chains (const QsFacts *facts, const QsImage *seen)
{
  for (guint i = 0; i < facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, i);

      for (guint n = 0; n < disk->chain->len; n++)
        if (qs_image_is_same (seen, g_ptr_array_index (disk->chain, n)))
          return TRUE;
    }
  return FALSE;
}

static gboolean
is_in_records (const QsFacts *facts, const QsImage *seen)
{
  guint64 dev, ino;

  qs_image_identity (seen, &dev, &ino);
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (file->ino == ino && file->dev == dev)
        return TRUE;
    }
  return FALSE;
}

/**
 * qs_check_target_known:
 *
 * No image that is known is ever written over, nor made its own backing file.
 *
 * Returns: (nullable): what is known of a path where a file shall be
 */
const char *
qs_check_target_known (const QsFacts *facts, const QsTarget *target)
{
  const QsImage seen = { .dev = target->dev, .ino = target->ino, .rdev = target->rdev };
  g_autofree char *user = qs_users_describe (facts, target->path);

  if (qs_facts_find_file (facts, target->path) != NULL)
    return "is the name of a recorded file";
  if (user != NULL)
    return "is already used by another domain";
  if (target->type != QS_TARGET_ABSENT
      && (is_in_chains (facts, &seen) || is_in_records (facts, &seen)))
    return "is an image that this domain uses already";
  return NULL;
}

static gboolean
check_room (const QsSelected *selected, const QsTarget *target, GError **error)
{
  gboolean is_device = target->type == QS_TARGET_BLOCK;
  guint64 room = is_device ? target->size : target->free_bytes;

  if (selected->mode == QS_DISK_MODE_EXISTING || room >= MIN_FREE_BYTES)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SPACE,
               "disk ‘%s’: only %" G_GUINT64_FORMAT " bytes are %s ‘%s’", selected->disk->target,
               room, is_device ? "on the device" : "free for", selected->path);
  return FALSE;
}

/**
 * qs_check_target:
 *
 * Whether the overlay of a disk can be where it shall be, as far as its name and type tell.
 */
gboolean
qs_check_target (const QsSelected *selected, const QsFacts *facts, GError **error)
{
  const QsTarget *target = qs_facts_find_target (facts, selected->path);
  const char *known = qs_check_target_known (facts, target);

  g_return_val_if_fail (target != NULL, FALSE);
  if (target->error != NULL)
    {
      g_set_error (error, target->error->domain, target->error->code, "disk ‘%s’: target: %s",
                   selected->disk->target, target->error->message);
      return FALSE;
    }
  if (!check_type (selected, target, error))
    return FALSE;
  if (known != NULL)
    return refuse (error, selected, QS_ERROR_CONFIG_UNSUPPORTED, known);
  if (target->in_use)
    return refuse (error, selected,
                   selected->mode == QS_DISK_MODE_EXISTING ? QS_ERROR_IMAGE_FAILED
                                                           : QS_ERROR_CONFIG_UNSUPPORTED,
                   "is in use by another program");
  return check_room (selected, target, error);
}

/* of an overlay that the caller has made; NULL: it says of itself that it stands on @active */
static const char *
find_fault (const QsImage *overlay, const QsImage *below, const QsImage *active)
{
  if (overlay->backing_name == NULL)
    return "names no backing file, so that the guest's data would be lost at its next start; write "
           "the name with qemu-img rebase -u";
  if (below == NULL || !qs_image_is_same (below, active))
    return "has another backing file than the one it is to stand on; write the name with qemu-img "
           "rebase -u";
  if (g_strcmp0 (below->format, active->format) != 0)
    return "gives its backing file another format than it has; write it with qemu-img rebase -u";
  if (overlay->dirty)
    return "is marked dirty or corrupt; repair it first with qemu-img check -r all";
  if (overlay->n_links > 1)
    return "has more than one name; a file with another name is not written";
  if (overlay->in_use)
    return "is in use by another program";
  return NULL;
}

static gboolean
check_size (const QsSelected *selected, const QsImage *overlay, guint64 size, GError **error)
{
  if (overlay->virtual_size == size)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "disk ‘%s’: target ‘%s’ has a virtual size of %" G_GUINT64_FORMAT
               " bytes, and the disk one of %" G_GUINT64_FORMAT "; make it of the same size",
               selected->disk->target, selected->path, overlay->virtual_size, size);
  return FALSE;
}

/**
 * qs_check_reused:
 * @active: what it must stand on
 * @size: of the disk, as the guest sees it
 *
 * Whether an overlay that the caller has made can be used as it is. QEMU takes any, and looks at
 * nothing in it.
 *
 * Returns: (transfer none): what was found; NULL with the refusal
 */
const QsDiskFacts *
qs_check_reused (const QsSelected *selected, const QsFacts *facts, const QsImage *active,
                 guint64 size, GError **error)
{
  const QsDiskFacts *reused = qs_facts_find_reused (facts, selected->path);
  const QsImage *overlay = NULL;
  const QsImage *below = NULL;
  const char *fault;

  g_return_val_if_fail (reused != NULL, NULL);
  if (reused->chain->len > 0)
    overlay = g_ptr_array_index (reused->chain, 0);
  if (reused->chain->len > 1)
    below = g_ptr_array_index (reused->chain, 1);
  if (reused->error != NULL && (overlay == NULL || overlay->backing_name != NULL))
    {
      g_set_error (error, reused->error->domain, reused->error->code, "disk ‘%s’: target ‘%s’: %s",
                   selected->disk->target, selected->path, reused->error->message);
      return NULL;
    }
  fault = find_fault (overlay, below, active);
  if (fault != NULL)
    {
      refuse (error, selected, QS_ERROR_IMAGE_FAILED, fault);
      return NULL;
    }
  return check_size (selected, overlay, size, error) ? reused : NULL;
}
