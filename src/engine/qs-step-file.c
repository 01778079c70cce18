/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"

/* steps on the names and rights of files, all in the owner's worker */

static QsFileId
step_id (const QsStep *step)
{
  return (QsFileId){ .dev = qs_step_uint64 (step, "dev"), .ino = qs_step_uint64 (step, "ino") };
}

gboolean
qs_run_file_link (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId id = step_id (call->step);

  return worker != NULL
         && qs_worker_link_file (worker, qs_step_string (call->step, "from"),
                                 qs_step_string (call->step, "path"), &id, error);
}

gboolean
qs_undo_file_link (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId id = step_id (call->step);

  return worker != NULL
         && qs_worker_unlink_name (worker, qs_step_string (call->step, "path"),
                                   qs_step_string (call->step, "from"), &id, error);
}

/* what the step that made the overlay has learnt of it */
static gboolean
overlay_id (const QsStepCall *call, QsFileId *id, GError **error)
{
  guint64 image = qs_step_uint64 (call->step, "image");
  GVariant *learnt = image < call->results->len ? g_ptr_array_index (call->results, image) : NULL;

  if (learnt != NULL && g_variant_lookup (learnt, "dev", "t", &id->dev)
      && g_variant_lookup (learnt, "ino", "t", &id->ino))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the identity of ‘%s’ is not recorded",
               qs_step_string (call->step, "path"));
  return FALSE;
}

/* the owner may have been faster: what that QEMU writes must not lose its name */
static gboolean
check_unused (QsStepCall *call, QsWorker *worker, GError **error)
{
  const char *path = qs_step_string (call->step, "over");
  g_autoptr (QsTarget) target = NULL;

  if (!qs_step_boolean (call->step, "off"))
    return TRUE;
  if (!qs_worker_check_target (worker, path, &target, error))
    return FALSE;
  if (!target->in_use || target->ino != qs_step_uint64 (call->step, "ino"))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "‘%s’ is in use by a QEMU that was started meanwhile; end it", path);
  return FALSE;
}

gboolean
qs_run_file_rename (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId over = step_id (call->step);
  QsFileId from = { 0 };

  return worker != NULL && overlay_id (call, &from, error) && check_unused (call, worker, error)
         && qs_worker_exchange (worker, qs_step_string (call->step, "path"),
                                qs_step_string (call->step, "over"), &from, &over, error);
}

/* the name leads to one file or the other at each moment */
QsProbe
qs_probe_file_rename (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId from = { 0 };
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (worker == NULL || !overlay_id (call, &from, error)
      || !qs_worker_identify (worker, qs_step_string (call->step, "over"), &found, &exists, error))
    return QS_PROBE_UNKNOWN;
  if (exists && found.ino == from.ino)
    return QS_PROBE_DONE;
  if (exists && found.ino == qs_step_uint64 (call->step, "ino"))
    return QS_PROBE_NOT_DONE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ is neither the file that was recorded nor its overlay",
               qs_step_string (call->step, "over"));
  return QS_PROBE_UNKNOWN;
}

static gboolean
set_mode (QsStepCall *call, const char *key, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId id = step_id (call->step);
  guint32 before = 0;

  return worker != NULL
         && qs_worker_set_mode (worker, qs_step_string (call->step, "path"), &id,
                                (guint32)qs_step_uint64 (call->step, key), &before, error);
}

gboolean
qs_run_file_mode (QsStepCall *call, GVariant **result, GError **error)
{
  return set_mode (call, "mode", error);
}

gboolean
qs_undo_file_mode (QsStepCall *call, GError **error)
{
  return set_mode (call, "before", error);
}
