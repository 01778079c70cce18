/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

/**
 * qs_revert_active_path:
 *
 * Returns: (transfer none) (nullable): the file that a disk is on now
 */
const char *
qs_revert_active_path (const QsRevert *revert, const char *target)
{
  const QsActive *active = qs_domain_find_active (revert->domain, target);
  const QsDiskDef *disk = qs_domain_def_find_disk (revert->domain->def, target);

  if (active != NULL)
    return active->path;
  return disk != NULL ? disk->source : NULL;
}

/**
 * qs_revert_active_image:
 *
 * Returns: (transfer none) (nullable): the same, as it was seen
 */
const QsImage *
qs_revert_active_image (const QsRevert *revert, const char *target)
{
  const QsDiskFacts *disk = qs_facts_find_disk (revert->facts, target);

  return disk != NULL && disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;
}

/**
 * qs_revert_moves:
 *
 * Whether the disk has another file after the revert.
 */
gboolean
qs_revert_moves (const QsRevert *revert, const QsRevertDisk *disk)
{
  return disk->kind == QS_REVERT_DISK_FRESH
         || g_strcmp0 (qs_revert_active_path (revert, disk->target), disk->path) != 0;
}

/**
 * qs_revert_find_disk:
 *
 * Returns: (transfer none) (nullable): what becomes of disk @target; NULL: nothing
 */
const QsRevertDisk *
qs_revert_find_disk (const QsRevert *revert, const char *target)
{
  for (guint i = 0; i < revert->disks->len; i++)
    if (g_str_equal (qs_revert_disk (revert, i)->target, target))
      return qs_revert_disk (revert, i);
  return NULL;
}

/**
 * qs_revert_uncovered:
 *
 * Returns: (transfer none) (nullable): a disk that the guest writes to and the revert leaves as it is
 */
const QsDiskDef *
qs_revert_uncovered (const QsRevert *revert)
{
  const GPtrArray *disks = qs_domain_get_def (revert->domain)->disks;

  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (disks, i);

      if (disk->source != NULL && !disk->readonly
          && qs_revert_find_disk (revert, disk->target) == NULL)
        return disk;
    }
  return NULL;
}

/* it was a file that could be used when the snapshot was taken */
static gint
altered_code (const GError *why)
{
  return g_error_matches (why, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED) ? QS_ERROR_IMAGE_FAILED
                                                                      : why->code;
}

static gboolean
see (QsRevertDisk *disk, const QsDiskFacts *facts, GError **error)
{
  if (facts == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "disk ‘%s’: its file is not recorded",
                 disk->target);
  else if (facts->error != NULL)
    g_set_error (error, facts->error->domain, altered_code (facts->error), "disk ‘%s’: %s",
                 disk->target, facts->error->message);
  else
    {
      disk->facts = facts;
      disk->image = g_ptr_array_index (facts->chain, 0);
      disk->format = disk->image->format;
      return TRUE;
    }
  return FALSE;
}

static gboolean
add_tip (QsRevert *revert, const char *target, const char *path, GError **error)
{
  QsRevertDisk disk = { .kind = QS_REVERT_DISK_TIP, .target = target, .path = path };
  const QsDiskFacts *facts = qs_facts_find_tip_disk (revert->facts, target);

  if (!see (&disk, facts, error))
    return FALSE;
  g_array_append_val (revert->disks, disk);
  return TRUE;
}

static gboolean
collect_tip (QsRevert *revert, GError **error)
{
  const GPtrArray *tips = revert->facts->tips;

  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);

      if (g_str_equal (tip->snapshot, revert->holder->uuid)
          && !add_tip (revert, tip->target, tip->path, error))
        return FALSE;
    }
  if (revert->disks->len > 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "the files with the later changes of snapshot ‘%s’ are not recorded",
               revert->holder->name);
  return FALSE;
}

static gboolean
collect_disk (QsRevert *revert, const QsSnapshotFile *file, GError **error)
{
  const char *tip = revert->onto_tip
                        ? qs_revert_find_tip (revert->facts, revert->snapshot->uuid, file->target)
                        : NULL;
  QsRevertDisk disk = {
    .kind = file->tag != NULL ? QS_REVERT_DISK_TAG : QS_REVERT_DISK_FRESH,
    .target = file->target,
    .path = file->path,
    .tag = file->tag,
  };

  if (tip != NULL)
    return add_tip (revert, file->target, tip, error);
  if (!see (&disk, qs_facts_find_snapshot_disk (revert->facts, file->target), error))
    return FALSE;
  g_array_append_val (revert->disks, disk);
  return TRUE;
}

/**
 * qs_revert_collect_disks:
 *
 * Settles what each disk goes to.
 */
gboolean
qs_revert_collect_disks (QsRevert *revert, GError **error)
{
  const GPtrArray *files = revert->facts->snapshot_files;

  if (qs_revert_is_there (revert))
    return TRUE;
  if (revert->request->flags & QS_REVERT_TIP)
    return collect_tip (revert, error);
  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (qs_snapshot_file_is_disk (file) && !collect_disk (revert, file, error))
        return FALSE;
    }
  return TRUE;
}
