/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"

/* one disk, on the way to its overlay */
typedef struct
{
  QsCreate *create;
  QsPlan *plan;
  const QsSelected *selected;
  const QsTarget *target;
  const QsImage *active;
  guint64 size; /* as the guest sees it */
} File;

static void
add_image (const File *file, const QsTarget *taken)
{
  const QsSelected *selected = file->selected;
  const char *name = selected->disk->target;
  const QsOverlay overlay = {
    .target = name,
    .path = qs_create_file_path (file->create, selected),
    .base = qs_create_is_exchanged (file->create, selected) ? selected->path : selected->active,
    .base_format = selected->active_format,
    .base_image = file->active,
    .virtual_size = file->size,
    .owner = file->create->domain->owner,
    .format = selected->format,
    .no_backing = selected->mode == QS_DISK_MODE_NO_BACKING_FILE,
    .taken = taken,
  };

  g_hash_table_insert (file->create->steps, (gpointer)name,
                       GUINT_TO_POINTER (file->plan->steps->len));
  qs_planning_image_create (file->plan, &overlay);
}

static gboolean
make_file (const File *file, GError **error)
{
  add_image (file, NULL);
  return TRUE;
}

static gboolean
take_file (const File *file, GError **error)
{
  add_image (file, file->target);
  return TRUE;
}

/* more than the guest's data may come to be in it; a volume can grow while it is in use */
static gboolean
take_device (const File *file, GError **error)
{
  const char *name = file->selected->disk->target;

  add_image (file, file->target);
  qs_plan_note (file->plan, "disk ‘%s’: what ‘%s’ held before is overwritten", name,
                file->selected->path);
  if (file->target->size < file->size)
    qs_plan_note (file->plan,
                  "disk ‘%s’: ‘%s’ is smaller than the disk; enlarge it before the guest has "
                  "written %" G_GUINT64_FORMAT " bytes",
                  name, file->selected->path, file->target->size);
  return TRUE;
}

/* it is not written, not even its header; what it holds is the caller's business */
static gboolean
reuse_file (const File *file, GError **error)
{
  const QsSelected *selected = file->selected;
  const QsDiskFacts *reused =
      qs_check_reused (selected, file->create->facts, file->active, file->size, error);

  if (reused != NULL && reused->has_data)
    qs_plan_note (file->plan,
                  "disk ‘%s’: ‘%s’ holds data already, which the guest sees once it is on it",
                  selected->disk->target, selected->path);
  return reused != NULL;
}

typedef gboolean (*AddFile) (const File *file, GError **error);

/* where the file of an overlay comes from, by the mode and by what is there; the rest is refused */
static const AddFile ways[QS_DISK_MODE_NO_BACKING_FILE + 1][QS_TARGET_OTHER + 1] = {
  [QS_DISK_MODE_ABSOLUTE_PATHS] = { make_file, take_file, NULL, take_device, NULL },
  [QS_DISK_MODE_EXISTING] = { NULL, NULL, reuse_file, reuse_file, NULL },
  [QS_DISK_MODE_NO_BACKING_FILE] = { make_file, take_file, NULL, take_device, NULL },
};

/* only the record would tell what the file stands on, and whoever starts this QEMU does not read it */
static gboolean
check_told (const QsCreate *create, const QsSelected *selected, GError **error)
{
  if (selected->mode != QS_DISK_MODE_NO_BACKING_FILE || create->domain->attachment == NULL)
    return TRUE;
  g_set_error (
      error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
      "disk ‘%s’: mode no-backing-file needs a domain that is started here; a QEMU that is "
      "started with such a file by others shows the guest zeros in place of its data",
      selected->disk->target);
  return FALSE;
}

/**
 * qs_create_add_overlay:
 * @base: what it stands on, the file that @selected calls active
 * @size: of the disk, as the guest sees it
 *
 * Adds what it takes for the overlay of a disk to be there.
 */
gboolean
qs_create_add_overlay (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                       const QsImage *base, guint64 size, GError **error)
{
  File file = { create, plan, selected, NULL, base, size };
  AddFile add;

  if (!check_told (create, selected, error) || !qs_check_target (selected, create->facts, error))
    return FALSE;
  file.target = qs_facts_find_target (create->facts, selected->path);
  add = ways[selected->mode][file.target->type];
  g_return_val_if_fail (add != NULL, FALSE);
  return add (&file, error);
}

/**
 * qs_create_add_file:
 *
 * Adds the overlay on the file that a disk uses now.
 */
gboolean
qs_create_add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);
  const QsImage *active = qs_check_disk_image (selected, create->facts, error);

  return active != NULL
         && qs_create_add_overlay (create, plan, selected, active,
                                   node != NULL ? node->virtual_size : active->virtual_size, error);
}
