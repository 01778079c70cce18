/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-align-private.h"

#include "qs-error.h"
#include "qs-flags.h"
#include "qs-name.h"

/* where memory goes by the recipe, if the request does not choose a disk */
static const QsMemorySave saves[] = {
  [QS_RECIPE_SAVEVM] = QS_SAVE_IN_DISK,   [QS_RECIPE_SC] = QS_SAVE_IN_FILE,
  [QS_RECIPE_SC_TRANS] = QS_SAVE_IN_FILE, [QS_RECIPE_MIG] = QS_SAVE_STREAM,
  [QS_RECIPE_TRANS_MIG] = QS_SAVE_STREAM,
};
G_STATIC_ASSERT (G_N_ELEMENTS (saves) == QS_RECIPE_TRANS_MIG + 1);

static const QsSelected *
find_selected (const QsSelection *selection, const char *target)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (g_str_equal (selected->disk->target, target))
        return selected;
    }
  return NULL;
}

static const QsSelected *
first_internal (const QsSelection *selection)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_INTERNAL)
        return selected;
    }
  return NULL;
}

/* <memory disk=>: what holds memory must be a snapshot of this request itself */
static gboolean
choose_disk (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
             GError **error)
{
  const QsDiskDef *disk = qs_align_resolve_disk (domain, def->memory_disk, error);
  const QsSelected *selected;

  if (disk == NULL)
    return FALSE;
  selected = find_selected (selection, disk->target);
  if (selection->memory != QS_LOCATION_INTERNAL || selected->choice != QS_LOCATION_INTERNAL
      || g_strcmp0 (selected->active_format, "qcow2") != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’ cannot hold the memory: that needs internal memory, and an internal "
                   "snapshot of the disk, in format qcow2",
                   disk->target);
      return FALSE;
    }
  selection->save = QS_SAVE_IN_DISK;
  selection->memory_disk = disk->target;
  return TRUE;
}

/* beside the first disk that is a file, as its overlay would be called */
static gboolean
name_side_car (QsSelection *selection, const QsDomain *domain, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);
      const QsActive *active = qs_domain_find_active (domain, selected->disk->target);
      const char *stem =
          active != NULL && active->stem != NULL && *active->stem != '\0' ? active->stem : NULL;
      g_autofree char *name = NULL;

      if (selected->active == NULL || selected->disk->readonly
          || qs_domain_disk_source_type (domain, selected->disk) != QS_SOURCE_FILE)
        continue;
      name = g_strconcat (selection->name, ".vmstate", NULL);
      selection->memory_path = qs_overlay_path (selected->active, stem, name, error);
      return selection->memory_path != NULL;
    }
  g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                       "memory cannot be saved: no disk is a file beside which its own could be "
                       "made; give <memory snapshot='external' file=>");
  return FALSE;
}

/* a guest that stands still would be left with block nodes that nothing can be merged into by a
   `migrate`: its memory goes into an image of that name */
static gboolean
settle_stream (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
               guint flags)
{
  selection->memory_path = g_strdup (def->memory_file);
  if (domain->state != QS_DOMAIN_RUNNING)
    selection->save = QS_SAVE_IN_FILE;
  else if (flags & QS_CREATE_LIVE)
    selection->save = QS_SAVE_STREAM_LIVE;
  return TRUE;
}

static gboolean
check_live (const QsSelection *selection, guint flags, GError **error)
{
  if (!(flags & QS_CREATE_LIVE) || selection->memory == QS_LOCATION_EXTERNAL)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                       "flag LIVE needs external memory: the guest cannot run while memory is "
                       "saved into an image");
  return FALSE;
}

static gboolean
check_distinct (const QsSelection *selection, GError **error)
{
  for (guint i = 0; selection->memory_path != NULL && i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (g_strcmp0 (selected->path, selection->memory_path) != 0
          && g_strcmp0 (selected->active, selection->memory_path) != 0)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "the memory file ‘%s’ is %s disk ‘%s’", selection->memory_path,
                   g_strcmp0 (selected->active, selection->memory_path) == 0 ? "the file of"
                                                                             : "the new file of",
                   selected->disk->target);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_align_memory:
 *
 * Decides where memory is saved, once the recipe is known.
 */
gboolean
qs_align_memory (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
                 guint flags, GError **error)
{
  gboolean settled = TRUE;

  if (!check_live (selection, flags, error))
    return FALSE;
  selection->save = saves[selection->recipe];
  if (def->memory_disk != NULL)
    settled = choose_disk (selection, domain, def, error);
  else if (selection->save == QS_SAVE_IN_DISK)
    selection->memory_disk = first_internal (selection)->disk->target;
  else if (selection->save == QS_SAVE_IN_FILE)
    settled = name_side_car (selection, domain, error);
  else if (selection->save == QS_SAVE_STREAM)
    settled = settle_stream (selection, domain, def, flags);
  return settled && check_distinct (selection, error);
}
