/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-merge.h"

/* what the disks stand on by the headers of their files, where nothing of it is recorded: a disk that
   no snapshot was ever taken of may stand on files of another one */

static gboolean
is_file (const QsFile *file, const QsImage *image)
{
  return g_str_equal (image->path, file->path) || (file->ino != 0 && qs_file_is (file, image));
}

static gboolean
is_recorded_on (const QsFacts *facts, const QsImage *image, const QsFile *below)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (g_strcmp0 (file->backing, below->path) == 0 && is_file (file, image))
        return TRUE;
    }
  return FALSE;
}

/* @target: (nullable): of the disk whose own file it may be */
static gboolean
needs (const QsFacts *facts, const QsDiskFacts *disk, const QsFile *file, const char *target)
{
  for (guint i = 0; i < disk->chain->len; i++)
    {
      if (!is_file (file, g_ptr_array_index (disk->chain, i)))
        continue;
      if (i == 0 ? g_strcmp0 (disk->target, target) != 0
                 : !is_recorded_on (facts, g_ptr_array_index (disk->chain, i - 1), file))
        return TRUE;
    }
  return disk->error != NULL;
}

/**
 * qs_merging_find_standing:
 * @target: (nullable): of the disk that may have the file as its own
 *
 * Returns: (nullable) (transfer none): the target of a disk that stands on @file without being recorded
 *   to do so, or that may: it cannot be seen
 */
const char *
qs_merging_find_standing (const QsFacts *facts, const QsFile *file, const char *target)
{
  const GPtrArray *disks = facts->disks;

  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (disks, i);

      if (needs (facts, disk, file, target))
        return disk->target;
    }
  return NULL;
}
