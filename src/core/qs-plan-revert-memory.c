/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

/* where the memory of a snapshot lies, and whether it is there */

static gboolean
check_state (const char *where, const QsImage *image, const char *name, GError **error)
{
  const QsTag *tag = qs_image_find_tag (image, name);

  if (tag != NULL && qs_image_count_tag (image, name) == 1 && tag->vm_state_size > 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "%s: ‘%s’ does not hold the memory of a guest under the tag ‘%s’ any more", where,
               image->path, name);
  return FALSE;
}

static gboolean
refuse_other (const QsRevert *revert, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "memory: ‘%s’ is not the file that the snapshot was taken with",
               revert->memory->path);
  return FALSE;
}

/* the number of a device may be another one after a reboot; the step that opens it looks closer */
static gboolean
check_record (const QsRevert *revert, const QsTarget *found, GError **error)
{
  const QsFile *record = qs_facts_find_file (revert->facts, revert->memory->path);

  return record == NULL || record->ino == found->ino || refuse_other (revert, error);
}

static gboolean
check_side_car (const QsRevert *revert, GError **error)
{
  const QsDiskFacts *found = qs_facts_find_snapshot_disk (revert->facts, QS_MEMORY_TARGET);
  const QsImage *image;
  const QsFile *record;

  if (found == NULL || found->error != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "memory: ‘%s’: %s", revert->memory->path,
                   found != NULL ? found->error->message : "its file was not looked at");
      return FALSE;
    }
  image = g_ptr_array_index (found->chain, 0);
  record = qs_facts_find_file (revert->facts, revert->memory->path);
  if (record != NULL && !qs_file_is (record, image))
    return refuse_other (revert, error);
  return check_state ("memory", image, revert->memory->tag, error)
         && qs_check_unused (revert->facts, QS_MEMORY_TARGET, image, error);
}

static gboolean
check_stream (const QsRevert *revert, GError **error)
{
  const QsTarget *found = qs_facts_find_target (revert->facts, revert->memory->path);
  const char *why = NULL;

  if (found == NULL || found->type == QS_TARGET_ABSENT)
    why = "is missing";
  else if (found->type == QS_TARGET_EMPTY)
    why = "is empty";
  else if (found->type != QS_TARGET_REGULAR)
    why = "is no regular file";
  if (why == NULL)
    return check_record (revert, found, error);
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "memory: ‘%s’ %s; the disks alone come back with a branch, or by a redefine without "
               "memory",
               revert->memory->path, why);
  return FALSE;
}

/* in which disk: as recorded, or, of a snapshot that somebody else has made, where it is found */
static gboolean
find_in_disk (QsRevert *revert, GError **error)
{
  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);
      const QsTag *tag = disk->tag != NULL ? qs_image_find_tag (disk->image, disk->tag) : NULL;

      if (tag == NULL
          || (revert->def->memory_disk != NULL
                  ? !g_str_equal (revert->def->memory_disk, disk->target)
                  : tag->vm_state_size == 0))
        continue;
      revert->memory_disk = disk->target;
      return check_state (disk->target, disk->image, disk->tag, error);
    }
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "no disk holds the memory of snapshot ‘%s’",
               revert->snapshot->name);
  return FALSE;
}

static const QsSnapshotFile *
find_file (const QsRevert *revert)
{
  const GPtrArray *files = revert->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (g_str_equal (file->target, QS_MEMORY_TARGET))
        return file;
    }
  return NULL;
}

/**
 * qs_revert_find_memory:
 *
 * Finds the memory that is to be loaded, and refuses what cannot be.
 */
gboolean
qs_revert_find_memory (QsRevert *revert, GError **error)
{
  if (revert->snapshot->memory == QS_LOCATION_NO || (revert->request->flags & QS_REVERT_TIP))
    return TRUE;
  revert->memory = find_file (revert);
  if (revert->memory == NULL)
    {
      revert->save = QS_SAVE_IN_DISK;
      return find_in_disk (revert, error);
    }
  revert->save = revert->memory->tag != NULL ? QS_SAVE_IN_FILE : QS_SAVE_STREAM;
  return revert->memory->tag != NULL ? check_side_car (revert, error)
                                     : check_stream (revert, error);
}
