/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-align-private.h"

/* as far as the request says it: what is left open follows from the snapshot that is branched */
static QsLocation
asked_location (const QsSnapshotDisk *request)
{
  if (request == NULL)
    return QS_LOCATION_DEFAULT;
  if (request->snapshot != QS_LOCATION_DEFAULT)
    return request->snapshot;
  return request->source_type != QS_SOURCE_NONE || request->mode != QS_DISK_MODE_DEFAULT
             ? QS_LOCATION_EXTERNAL
             : QS_LOCATION_DEFAULT;
}

static gboolean
may_be_taken (const QsSelected *selected)
{
  return selected->choice == QS_LOCATION_DEFAULT && selected->active != NULL
         && !selected->disk->readonly;
}

/* one that may be taken gets a name if one can be made; whether it needs it is not known here */
static gboolean
name_overlay (QsSelection *selection, const QsDomain *domain, QsSelected *selected, guint flags,
              GError **error)
{
  if (selected->choice == QS_LOCATION_EXTERNAL)
    return qs_align_overlay (selected, domain, selection->name, flags, error);
  if (may_be_taken (selected))
    (void)qs_align_overlay (selected, domain, selection->name, flags, NULL);
  return TRUE;
}

/**
 * qs_align_branch:
 * @now: microseconds since the epoch, for a name that is not given
 *
 * Lays the request for a branch beside the domain. Its disks are those of the snapshot that is
 * branched, which is looked up later: here a disk is DEFAULT if the request leaves it open.
 *
 * Returns: (transfer full): the name, and an overlay's path for each disk that may need one; or NULL
 *   with the refusal
 */
QsSelection *
qs_align_branch (const QsDomain *domain, const QsSnapshotDef *def, guint flags, gint64 now,
                 GError **error)
{
  const GPtrArray *disks = qs_domain_get_def (domain)->disks;
  g_autoptr (QsSelection) selection = qs_selection_new ();
  g_autoptr (GHashTable) requests = qs_align_requests (domain, def, error);

  selection->memory = QS_LOCATION_NO;
  selection->recipe = QS_RECIPE_IMG_EXT;
  if (requests == NULL || !qs_align_name (selection, domain, def, now, error))
    return NULL;
  for (guint i = 0; i < disks->len; i++)
    {
      QsSelected *selected = g_new0 (QsSelected, 1);

      g_ptr_array_add (selection->disks, selected);
      selected->disk = g_ptr_array_index (disks, i);
      selected->request = g_hash_table_lookup (requests, selected->disk->target);
      selected->active = qs_domain_disk_path (domain, selected->disk);
      selected->active_format = qs_domain_disk_format (domain, selected->disk);
      selected->choice = asked_location (selected->request);
      if (!name_overlay (selection, domain, selected, flags, error))
        return NULL;
    }
  return g_steal_pointer (&selection);
}
