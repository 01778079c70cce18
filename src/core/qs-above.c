/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-facts.h"
#include "qs-limits.h"

/* what stands on the files of a snapshot, and what stands on that: whom a merge of one of them
   concerns */

/* (transfer full) (element-type utf8): the files of the snapshot, its tips, and layers */
static GHashTable *
find_lowest (const QsFacts *facts, const char *snapshot)
{
  GHashTable *paths = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, i);

      if (qs_snapshot_file_is_disk (row))
        g_hash_table_add (paths, row->path);
    }
  for (guint i = 0; i < facts->tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (facts->tips, i);

      if (g_strcmp0 (tip->snapshot, snapshot) == 0)
        g_hash_table_add (paths, tip->path);
    }
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (qs_file_is_layer (file))
        g_hash_table_add (paths, file->path);
    }
  return paths;
}

/* @above: (element-type QsFile): the files that stand directly on one of @below are added to it, once
   @found: (element-type utf8): the paths of all of these */
static gboolean
add_next (const QsFacts *facts, GHashTable *below, GPtrArray *above, GHashTable *found,
          GError **error)
{
  for (guint i = 0; i < facts->files->len; i++)
    {
      QsFile *file = g_ptr_array_index (facts->files, i);

      if (file->backing == NULL || !qs_file_is_disk (file)
          || !g_hash_table_contains (below, file->backing))
        continue;
      g_hash_table_add (found, file->path);
      if (!g_ptr_array_find (above, file, NULL))
        g_ptr_array_add (above, file);
      if (above->len <= QS_MAX_FILES_ABOVE)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "more than %d files stand on those of the snapshot, ‘%s’ among them; delete "
                   "snapshots that were taken after it first",
                   QS_MAX_FILES_ABOVE, file->path);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_facts_list_above:
 * @facts: with the recorded files, and the rows of the snapshot
 * @snapshot: uuid
 *
 * Returns: (transfer container) (element-type QsFile): the disks' files that by the records stand on
 *   one of the snapshot, on one of its tips or on a layer, and those that stand directly on them.
 *   NULL if they are too many
 */
GPtrArray *
qs_facts_list_above (const QsFacts *facts, const char *snapshot, GError **error)
{
  g_autoptr (GHashTable) lowest = find_lowest (facts, snapshot);
  g_autoptr (GHashTable) first = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) second = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) above = g_ptr_array_new ();

  if (!add_next (facts, lowest, above, first, error)
      || !add_next (facts, first, above, second, error))
    return NULL;
  return g_steal_pointer (&above);
}
