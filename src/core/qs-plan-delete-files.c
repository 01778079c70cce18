/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-merge.h"
#include "qs-users.h"

/**
 * qs_delete_keep_file:
 *
 * It stays, and that is said.
 */
void
qs_delete_keep_file (QsDelete *delete, const QsFile *file, const char *why)
{
  g_strv_builder_add (delete->kept, file->path);
  qs_plan_note (delete->plan, "‘%s’ stays: %s", file->path, why);
}

/* (transfer full) (nullable): whose definition names the file by now */
static char *
find_user (const QsDelete *delete, const QsFile *file)
{
  if (qs_users_is_here (delete->facts, file->path))
    return g_strdup_printf ("domain ‘%s’", delete->domain->name);
  return qs_users_describe (delete->facts, file->path);
}

/**
 * qs_delete_keep_used:
 *
 * Whether the definition of a domain names a file that nobody else is recorded to use: then it stays,
 * and is no recorded one any more.
 */
gboolean
qs_delete_keep_used (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  g_autofree char *user = find_user (delete, file);
  g_autofree char *why = g_strconcat (user != NULL ? user : "", " uses it", NULL);

  if (user == NULL)
    return FALSE;
  qs_delete_keep_file (delete, file, why);
  qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
  return TRUE;
}

/**
 * qs_delete_unlink_file:
 *
 * Nobody needs it: it goes once that is on record.
 */
void
qs_delete_unlink_file (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  g_ptr_array_add (delete->unlinked, (gpointer)file);
  g_ptr_array_insert (delete->gone, 0, file->path);
  g_strv_builder_add (delete->removed, file->path);
  qs_changes_add (changes, QS_CHANGE_FILE_TOMBSTONE, "path", "s", file->path, NULL);
}

/* branches share a file with memory: the last one that uses it takes it along */
static void
settle_file (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  if (qs_file_has_other_users (file, delete->snapshot->uuid))
    {
      qs_delete_keep_file (delete, file, "another snapshot uses it, too");
      return;
    }
  if (delete->metadata_only || !file->ours)
    {
      qs_delete_keep_file (
          delete, file, file->ours ? "only the record was to be deleted" : "it was not made here");
      qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
      return;
    }
  if (!qs_delete_keep_used (delete, file, changes))
    qs_delete_unlink_file (delete, file, changes);
}

/* an overlay that waited as the tip of the snapshot, and that nothing else is recorded to need, is a
   file like any other from now on: its name may be used again when somebody has removed it */
static gboolean
is_lone_tip (const QsDelete *delete, const QsFile *file)
{
  const char *const leaving[] = { delete->snapshot->uuid, NULL };
  const QsFileBook book = { delete->facts->files, leaving, NULL, NULL };
  QsFileFate fate;

  if (!delete->metadata_only || !qs_file_is_tip (file)
      || qs_file_has_other_users (file, delete->snapshot->uuid))
    return FALSE;
  fate = qs_file_book_fate (&book, file);
  return fate == QS_FILE_UNLINK || fate == QS_FILE_LEAVE;
}

/**
 * qs_delete_settle_files:
 *
 * Files that are no disk's, and with METADATA_ONLY tips that nothing else is recorded to need.
 */
void
qs_delete_settle_files (QsDelete *delete, QsChangeList *changes)
{
  for (guint i = 0; i < delete->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->facts->files, i);

      if ((!qs_file_is_disk (file) && qs_file_is_of (file, delete->snapshot->uuid))
          || is_lone_tip (delete, file))
        settle_file (delete, file, changes);
    }
}
