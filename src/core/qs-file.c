/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-facts.h"
#include "qs-mirror.h"

/* a file as the records have it */

/**
 * qs_file_new:
 *
 * One that nobody uses.
 */
QsFile *
qs_file_new (const char *path, const char *format)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = g_strdup (path);
  file->format = g_strdup (format);
  file->state_of = g_ptr_array_new_with_free_func (g_free);
  file->tags = g_ptr_array_new_with_free_func (g_free);
  file->tag_of = g_ptr_array_new_with_free_func (g_free);
  file->tip_of = g_ptr_array_new_with_free_func (g_free);
  return file;
}

void
qs_file_free (QsFile *file)
{
  if (file == NULL)
    return;
  g_free (file->path);
  g_free (file->format);
  g_free (file->role);
  g_free (file->backing);
  g_free (file->active_of);
  g_free (file->as_yet);
  g_clear_pointer (&file->state_of, g_ptr_array_unref);
  g_clear_pointer (&file->tags, g_ptr_array_unref);
  g_clear_pointer (&file->tag_of, g_ptr_array_unref);
  g_clear_pointer (&file->tip_of, g_ptr_array_unref);
  g_free (file);
}

/**
 * qs_file_is:
 *
 * Whether @image is the recorded file. Numbers of devices may change with a reboot, and that of an
 * inode is given to another file after it; an inode with its time of birth tells.
 */
gboolean
qs_file_is (const QsFile *file, const QsImage *image)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  if (file->ino != ino)
    return FALSE;
  if (image->rdev == 0 && file->btime != 0 && image->btime != 0)
    return file->btime == image->btime;
  return file->dev == dev;
}

/**
 * qs_file_is_disk:
 *
 * Whether it is, or was, an image of a disk: not the memory of a guest, nor its firmware variables.
 */
gboolean
qs_file_is_disk (const QsFile *file)
{
  return g_strcmp0 (file->role, "memory") != 0 && g_strcmp0 (file->role, "nvram") != 0;
}

/* @uuids: (nullable) */
static gboolean
has_any (const GPtrArray *uuids)
{
  return uuids != NULL && uuids->len > 0;
}

/**
 * qs_file_is_tip:
 *
 * Whether a snapshot has its later changes in the file.
 */
gboolean
qs_file_is_tip (const QsFile *file)
{
  return has_any (file->tip_of);
}

/**
 * qs_file_is_layer:
 *
 * Whether it is left of a disk below others until it can be merged: no snapshot stands for it any
 * more. One that got a user again is none, whatever its role was.
 */
gboolean
qs_file_is_layer (const QsFile *file)
{
  return g_strcmp0 (file->role, "layer") == 0 && file->active_of == NULL
         && !has_any (file->state_of) && !has_any (file->tag_of) && !has_any (file->tip_of);
}

/**
 * qs_file_is_mirror:
 *
 * Whether it is a second file of a disk, live or not, which nothing stands on.
 */
gboolean
qs_file_is_mirror (const QsFile *file)
{
  return g_strcmp0 (file->role, QS_MIRROR_ROLE) == 0;
}

/* @uuids: (nullable) */
static gboolean
has_uuid (const GPtrArray *uuids, const char *uuid, gboolean other)
{
  for (guint i = 0; uuids != NULL && i < uuids->len; i++)
    if (g_str_equal (g_ptr_array_index (uuids, i), uuid) != other)
      return TRUE;
  return FALSE;
}

/**
 * qs_file_is_of:
 * @snapshot: uuid
 *
 * Whether the snapshot lies in the file.
 */
gboolean
qs_file_is_of (const QsFile *file, const char *snapshot)
{
  return has_uuid (file->state_of, snapshot, FALSE) || has_uuid (file->tag_of, snapshot, FALSE);
}

/**
 * qs_file_has_other_users:
 *
 * Whether another snapshot lies in the file, too, or has its later changes there.
 */
gboolean
qs_file_has_other_users (const QsFile *file, const char *snapshot)
{
  return has_uuid (file->state_of, snapshot, TRUE) || has_uuid (file->tag_of, snapshot, TRUE)
         || has_uuid (file->tip_of, snapshot, TRUE);
}

gboolean
qs_snapshot_file_is_disk (const QsSnapshotFile *file)
{
  return *file->target != '@';
}

void
qs_snapshot_file_free (QsSnapshotFile *file)
{
  if (file == NULL)
    return;
  g_free (file->target);
  g_free (file->path);
  g_free (file->format);
  g_free (file->tag);
  g_free (file);
}

QsTip *
qs_tip_new (const char *snapshot, const char *target, const char *path)
{
  QsTip *tip = g_new0 (QsTip, 1);

  tip->snapshot = g_strdup (snapshot);
  tip->target = g_strdup (target);
  tip->path = g_strdup (path);
  return tip;
}

void
qs_tip_free (QsTip *tip)
{
  if (tip == NULL)
    return;
  g_free (tip->snapshot);
  g_free (tip->target);
  g_free (tip->path);
  g_free (tip);
}
