/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-merge-step.h"

/* a file that stands on one whose content another file has now */

/* (transfer full): QS_WORKER_FILES of the one file, as it is now */
static GVariant *
find_file (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (call->step, "files");
  g_autoptr (GVariant) row = NULL;
  GVariant *file;

  if (g_variant_n_children (rows) != 1)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ has no file",
                   qs_step_type (call->step->kind)->name);
      return NULL;
    }
  row = g_variant_get_child_value (rows, 0);
  file = qs_merge_find_file (call, row, error);
  return file != NULL ? g_variant_ref_sink (g_variant_new_array (NULL, &file, 1)) : NULL;
}

/* the header of qed tells no format */
static gboolean
has_format (const QsStep *step, const QsImage *image)
{
  return g_str_equal (image->format, "qed")
         || g_strcmp0 (image->backing_format, qs_step_string (step, "backing-format")) == 0;
}

/* nobody but the service has any reason to have changed it */
static gboolean
check_name (const QsStep *step, const QsImage *image, gboolean *is_new, GError **error)
{
  const char *name = image->backing_name != NULL ? image->backing_name : "";
  gboolean is_named = g_str_equal (name, qs_step_string (step, "backing"));

  *is_new = is_named && (*name == '\0' || has_format (step, image));
  if (is_named || g_str_equal (name, qs_step_string (step, "old")))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ names ‘%s’ as its backing file, not ‘%s’; it is left alone", image->path, name,
               qs_step_string (step, "old"));
  return FALSE;
}

/* (transfer full): the file, if it names either backing file */
static GVariant *
look (QsStepCall *call, QsWorker *worker, gboolean *is_new, GError **error)
{
  g_autoptr (GVariant) file = worker != NULL ? find_file (call, error) : NULL;
  g_autoptr (QsImage) image = NULL;
  const char *path;
  const char *format;

  if (file == NULL)
    return NULL;
  g_variant_get_child (file, 0, "(&s&stt)", &path, &format, NULL, NULL);
  return qs_worker_inspect_image (worker, path, format, &image, error)
                 && check_name (call->step, image, is_new, error)
             ? g_steal_pointer (&file)
             : NULL;
}

gboolean
qs_run_image_rebase (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  gboolean is_new = FALSE;
  g_autoptr (GVariant) file = look (call, worker, &is_new, error);

  return file != NULL
         && (is_new
             || qs_worker_set_backing (worker, file, qs_step_string (call->step, "backing"),
                                       qs_step_string (call->step, "backing-format"), error));
}

QsProbe
qs_probe_image_rebase (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  gboolean is_new = FALSE;
  g_autoptr (GVariant) file = look (call, worker, &is_new, error);

  if (file == NULL)
    return QS_PROBE_UNKNOWN;
  return is_new ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}
