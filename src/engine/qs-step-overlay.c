/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"

/* overlays of a QEMU that has ended: the file is all there is to ask */

/* what is known of the overlay of one disk: @arguments are those of a step, or of its row */
typedef struct
{
  const char *target;
  const char *path;
  const char *format;
  guint64 size; /* these three of an overlay that was there before */
  guint64 mtime;
  gboolean had_data;
} Overlay;

static Overlay
read_overlay (GVariant *arguments)
{
  Overlay overlay = { .format = "qcow2" };

  g_variant_lookup (arguments, "target", "&s", &overlay.target);
  g_variant_lookup (arguments, "path", "&s", &overlay.path);
  g_variant_lookup (arguments, "format", "&s", &overlay.format);
  g_variant_lookup (arguments, "before", "(ttb)", &overlay.size, &overlay.mtime, &overlay.had_data);
  return overlay;
}

static gboolean
read_identity (GVariant *values, QsFileId *id)
{
  return values != NULL && g_variant_lookup (values, "dev", "t", &id->dev)
         && g_variant_lookup (values, "ino", "t", &id->ino)
         && g_variant_lookup (values, "btime", "x", &id->btime);
}

/* of one that was there before it is in the plan, else the step that has made it knows it. A disk may
   get a mirror in the same plan */
static gboolean
find_identity (const QsStepCall *call, GVariant *arguments, const char *path, QsFileId *id)
{
  if (read_identity (arguments, id))
    return TRUE;
  for (guint i = MIN (call->index, call->results->len); i-- > 0;)
    {
      const QsStep *step = qs_plan_step (call->plan, i);

      if ((step->kind == QS_STEP_IMAGE_CREATE || step->kind == QS_STEP_IMAGE_TAKE)
          && g_strcmp0 (qs_step_string (step, "path"), path) == 0)
        return read_identity (g_ptr_array_index (call->results, i), id);
    }
  return FALSE;
}

/* a block device is recorded by what its nodes stand for, see qs_image_identity() */
static gboolean
is_found (const QsFileId *recorded, const QsFileId *found)
{
  const QsFileId device = { .ino = found->rdev };

  return qs_file_id_matches (recorded, found->rdev != 0 ? &device : found);
}

/* somebody may have put another file in its place, e.g. the image of another guest */
static gboolean
check_identity (QsStepCall *call, GVariant *arguments, const Overlay *overlay, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId recorded = { 0 };
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (worker == NULL || !qs_worker_identify (worker, overlay->path, &found, &exists, error))
    return FALSE;
  if (exists && find_identity (call, arguments, overlay->path, &recorded)
      && is_found (&recorded, &found))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED,
               "‘%s’ %s the overlay that disk ‘%s’ had; put that back under this name",
               overlay->path, exists ? "is no longer" : "is not there, and was", overlay->target);
  return FALSE;
}

/* a cluster that is written again shows in no table, and that a file was touched says little of who
   did it */
static QsProbe
probe_old_data (QsWorker *worker, const Overlay *overlay, GError **error)
{
  g_autoptr (QsImage) image = NULL;

  if (!qs_worker_inspect_image (worker, overlay->path, overlay->format, &image, error))
    return QS_PROBE_UNKNOWN;
  if (image->size != overlay->size)
    return QS_PROBE_DONE;
  if (image->rdev == 0 && image->mtime == overlay->mtime)
    return QS_PROBE_NOT_DONE;
  g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED,
               "QEMU has ended, and ‘%s’ does not tell whether the guest wrote to it",
               overlay->path);
  return QS_PROBE_UNKNOWN;
}

/**
 * qs_step_probe_overlay:
 *
 * QEMU is gone and cannot be asked. An overlay with data in it was switched to; an empty one gives
 * the same view as its base, so that going back loses nothing.
 */
QsProbe
qs_step_probe_overlay (QsStepCall *call, GVariant *arguments, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const Overlay overlay = read_overlay (arguments);
  gboolean has_data = FALSE;

  if (worker == NULL || !check_identity (call, arguments, &overlay, error)
      || !qs_worker_has_data (worker, overlay.path, overlay.format, &has_data, error))
    return QS_PROBE_UNKNOWN;
  if (overlay.had_data)
    return probe_old_data (worker, &overlay, error);
  return has_data ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

/**
 * qs_step_check_merge:
 *
 * Whether all that is in the overlay is the guest's own, so that it may go down into the file below.
 */
gboolean
qs_step_check_merge (GVariant *arguments, GError **error)
{
  const Overlay overlay = read_overlay (arguments);

  if (!overlay.had_data)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED,
               "‘%s’ held data before the guest wrote to it, and is not merged into the file below",
               overlay.path);
  return FALSE;
}
