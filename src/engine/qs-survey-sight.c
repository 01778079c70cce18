/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-survey-private.h"

#include "qs-limits.h"

/* all that is recorded of a domain, laid beside what there is */

typedef struct
{
  QsSurvey *survey;
  GHashTable *seen;    /* of char: paths that were looked at */
  GHashTable *folders; /* of char */
} Sights;

static gboolean
is_full (const Sights *sights)
{
  return sights->survey->facts->sights->len >= QS_MAX_SIGHTS;
}

/* @format: (nullable) */
static gboolean
add_sight (Sights *sights, const char *path, const char *format, GError **error)
{
  QsFacts *facts = sights->survey->facts;
  QsSight *sight;

  if (g_hash_table_contains (sights->seen, path))
    return TRUE;
  facts->sights_cut = facts->sights_cut || is_full (sights);
  if (is_full (sights))
    return TRUE;
  g_hash_table_add (sights->seen, g_strdup (path));
  sight = qs_worker_sight (sights->survey->worker, path, format != NULL ? format : "", error);
  if (sight != NULL)
    g_ptr_array_add (facts->sights, sight);
  return sight != NULL;
}

/* what a mirror is to stand on one day need not be there yet */
static void
forget_below (const Sights *sights, const char *path)
{
  const GPtrArray *all = sights->survey->facts->sights;
  QsSight *last = all->len > 0 ? g_ptr_array_index (all, all->len - 1) : NULL;

  if (last != NULL && g_str_equal (last->path, path))
    g_clear_pointer (&last->below, g_free);
}

static gboolean
add_recorded (Sights *sights, GError **error)
{
  const GPtrArray *files = sights->survey->facts->files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);

      if (!add_sight (sights, file->path, file->format, error))
        return FALSE;
      if (qs_file_is_mirror (file))
        forget_below (sights, file->path);
    }
  return TRUE;
}

/* what the disks are on need not be recorded before the first snapshot */
static gboolean
add_disks (Sights *sights, GError **error)
{
  const QsDomain *domain = sights->survey->domain;

  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (domain->def->disks, i);
      const char *path = qs_domain_disk_path (domain, disk);

      if (path != NULL && *path == '/'
          && !add_sight (sights, path, qs_domain_disk_format (domain, disk), error))
        return FALSE;
    }
  return TRUE;
}

/* the list grows while it is gone through; every path comes once */
static gboolean
add_below (Sights *sights, GError **error)
{
  const GPtrArray *all = sights->survey->facts->sights;

  for (guint i = 0; i < all->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (all, i);

      if (sight->below != NULL
          && !add_sight (sights, sight->below, sight->image->backing_format, error))
        return FALSE;
    }
  return TRUE;
}

static void
collect_folders (Sights *sights)
{
  const GPtrArray *all = sights->survey->facts->sights;

  for (guint i = 0; i < all->len; i++)
    {
      const QsSight *sight = g_ptr_array_index (all, i);

      if (sight->image == NULL || sight->image->rdev == 0)
        g_hash_table_add (sights->folders, g_path_get_dirname (sight->path));
    }
}

static gboolean
list_folder (Sights *sights, const char *folder, GError **error)
{
  QsFacts *facts = sights->survey->facts;
  gboolean all = TRUE;
  g_autoptr (GPtrArray) found =
      qs_worker_sight_folder (sights->survey->worker, folder, &all, error);

  if (found == NULL)
    return FALSE;
  facts->sights_cut = facts->sights_cut || !all;
  while (found->len > 0)
    {
      g_autoptr (QsSight) stray = g_ptr_array_steal_index_fast (found, found->len - 1);

      if (!g_hash_table_contains (sights->seen, stray->path))
        g_ptr_array_add (facts->strays, g_steal_pointer (&stray));
    }
  return TRUE;
}

static gboolean
add_strays (Sights *sights, GError **error)
{
  GHashTableIter iter;
  gpointer folder;
  guint n = 0;

  collect_folders (sights);
  g_hash_table_iter_init (&iter, sights->folders);
  while (g_hash_table_iter_next (&iter, &folder, NULL))
    {
      sights->survey->facts->sights_cut |= ++n > QS_MAX_FOLDERS;
      if (n <= QS_MAX_FOLDERS && !list_folder (sights, folder, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
qs_survey_sights (QsSurvey *survey, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) folders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Sights sights = { survey, seen, folders };

  if (!survey->questions->sights)
    return TRUE;
  if (survey->worker == NULL)
    survey->worker = qs_worker_pool_acquire (survey->engine->workers, survey->domain->owner, error);
  return survey->worker != NULL && add_recorded (&sights, error) && add_disks (&sights, error)
         && add_below (&sights, error) && add_strays (&sights, error);
}
