/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-change.h"
#include "qs-error.h"

/* steps on the names and rights of files, all in the owner's worker */

static gint64
read_time (GVariant *arguments)
{
  gint64 btime = 0;

  (void)g_variant_lookup (arguments, "btime", "x", &btime);
  return btime;
}

static QsFileId
step_id (const QsStep *step)
{
  return (QsFileId){ .dev = qs_step_uint64 (step, "dev"),
                     .ino = qs_step_uint64 (step, "ino"),
                     .btime = read_time (step->arguments) };
}

/* whether @path is the file @id; if so, @id gets the number that its device has now, which may have
   changed with a reboot */
static gboolean
find_file (QsWorker *worker, const char *path, QsFileId *id, gboolean *same, GError **error)
{
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (!qs_worker_identify (worker, path, &found, &exists, error))
    return FALSE;
  *same = exists && qs_file_id_matches (id, &found);
  if (*same)
    id->dev = found.dev;
  return TRUE;
}

gboolean
qs_run_file_link (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *from = qs_step_string (call->step, "from");
  QsFileId id = step_id (call->step);
  gboolean same = FALSE;

  return worker != NULL && find_file (worker, from, &id, &same, error)
         && qs_worker_link_file (worker, from, qs_step_string (call->step, "path"), &id, error);
}

/* a name that has become somebody else's, or the only one of the file, is none of ours */
static gboolean
drop_name (const QsStepCall *call, const char *from, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *path = qs_step_string (call->step, "path");
  QsFileId id = step_id (call->step);
  gboolean linked = FALSE;
  gboolean kept = FALSE;

  if (worker == NULL || !find_file (worker, path, &id, &linked, error)
      || !find_file (worker, from, &id, &kept, error))
    return FALSE;
  return !linked || !kept || qs_worker_unlink_name (worker, path, from, &id, error);
}

gboolean
qs_undo_file_link (QsStepCall *call, GError **error)
{
  return drop_name (call, qs_step_string (call->step, "from"), error);
}

/* a file that has got another name is not deleted: somebody has made himself a copy. It is none of the
   service's any more, and nothing that could be tried again */
static GVariant *
leave_file (const QsStepCall *call, const GError *why)
{
  g_autofree char *note = g_strdup_printf ("‘%s’ is not deleted: %s",
                                           qs_step_string (call->step, "path"), why->message);

  return g_variant_ref_sink (g_variant_new_parsed ("{'note': <%s>}", note));
}

gboolean
qs_run_file_unlink (QsStepCall *call, GVariant **result, GError **error)
{
  const char *keep = qs_step_string (call->step, "keep");
  g_autoptr (GError) problem = NULL;
  QsFileId id = step_id (call->step);

  if (keep != NULL)
    return drop_name (call, keep, error);
  if (qs_step_remove_file (call, qs_step_string (call->step, "path"), &id, &problem))
    return TRUE;
  if (g_error_matches (problem, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED))
    {
      *result = leave_file (call, problem);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* the name may have been given to another file since then, which is none of ours */
QsProbe
qs_probe_file_unlink (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId id = step_id (call->step);
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (worker == NULL
      || !qs_worker_identify (worker, qs_step_string (call->step, "path"), &found, &exists, error))
    return QS_PROBE_UNKNOWN;
  return exists && qs_file_id_matches (&id, &found) ? QS_PROBE_NOT_DONE : QS_PROBE_DONE;
}

/* of a file that was there before the plan */
static gboolean
waiting_id (const QsStep *step, QsFileId *id)
{
  g_autoptr (GVariant) btime = qs_step_value (step, "from-btime");

  if (btime == NULL)
    return FALSE;
  id->dev = qs_step_uint64 (step, "from-dev");
  id->ino = qs_step_uint64 (step, "from-ino");
  id->btime = g_variant_get_int64 (btime);
  return TRUE;
}

/* what the step that made the overlay has learnt of it */
static gboolean
overlay_id (const QsStepCall *call, QsFileId *id, GError **error)
{
  guint64 image = qs_step_uint64 (call->step, "image");
  GVariant *learnt = image < call->results->len ? g_ptr_array_index (call->results, image) : NULL;

  if (waiting_id (call->step, id))
    return TRUE;
  if (learnt != NULL && g_variant_lookup (learnt, "dev", "t", &id->dev)
      && g_variant_lookup (learnt, "ino", "t", &id->ino))
    {
      id->btime = read_time (learnt);
      return TRUE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the identity of ‘%s’ is not recorded",
               qs_step_string (call->step, "path"));
  return FALSE;
}

/* whether the QEMU that went over to the overlay is there still */
static gboolean
runs (const QsStepCall *call)
{
  g_autoptr (QsDomain) domain =
      qs_registry_get (call->world->engine->registry, call->world->domain);

  return !qs_step_boolean (call->step, "off") && domain != NULL && domain->process != NULL
         && qs_process_is_alive (domain->process);
}

/* memory is in no QEMU's hands */
static gboolean
is_memory (const QsStep *step)
{
  return g_str_equal (step->target, QS_MEMORY_TARGET);
}

/* the owner may have been faster: what that QEMU writes must not lose its name. The old file has no
   write bits by now, so it is looked at by reading */
static gboolean
check_unused (const QsStepCall *call, QsWorker *worker, GError **error)
{
  const char *path = qs_step_string (call->step, "over");
  /* whose locks are looked for: what firmware variables hold does not matter */
  const char *format = g_str_equal (call->step->target, QS_NVRAM_TARGET) ? "raw" : "qcow2";
  g_autoptr (QsImage) image = NULL;

  if (runs (call) || is_memory (call->step))
    return TRUE;
  if (!qs_worker_inspect_image (worker, path, format, &image, error))
    return FALSE;
  if (!image->in_use)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "‘%s’ is in use by a QEMU that was started before the name was its overlay’s; end "
               "that QEMU, then restart the service",
               path);
  return FALSE;
}

/* the overlay stands on the old file by its other name */
static gboolean
check_kept (const QsStepCall *call, QsWorker *worker, QsFileId *over, GError **error)
{
  const char *kept = qs_step_string (call->step, "kept");
  gboolean same = FALSE;

  if (!find_file (worker, kept, over, &same, error))
    return FALSE;
  if (!same)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 "‘%s’ is no longer another name of ‘%s’; nothing is renamed", kept,
                 qs_step_string (call->step, "over"));
  return same;
}

gboolean
qs_run_file_rename (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *path = qs_step_string (call->step, "path");
  const char *name = qs_step_string (call->step, "over");
  QsFileId over = step_id (call->step);
  QsFileId from = { 0 };
  gboolean aside = FALSE;
  gboolean done = FALSE;

  if (worker == NULL || !overlay_id (call, &from, error)
      || !find_file (worker, name, &from, &done, error)
      || !find_file (worker, path, &from, &aside, error))
    return FALSE;
  if (!done && (!check_kept (call, worker, &over, error) || !check_unused (call, worker, error)))
    return FALSE;
  return qs_worker_exchange (worker, path, name, &from, &over, error);
}

/* the name leads to one file or the other at each moment */
QsProbe
qs_probe_file_rename (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *name = qs_step_string (call->step, "over");
  QsFileId over = step_id (call->step);
  QsFileId from = { 0 };
  gboolean is_overlay = FALSE;
  gboolean is_old = FALSE;

  if (worker == NULL || !overlay_id (call, &from, error)
      || !find_file (worker, name, &from, &is_overlay, error)
      || !find_file (worker, name, &over, &is_old, error))
    return QS_PROBE_UNKNOWN;
  if (is_overlay)
    return QS_PROBE_DONE;
  if (is_old)
    return QS_PROBE_NOT_DONE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ is neither the file that was recorded nor its overlay", name);
  return QS_PROBE_UNKNOWN;
}

static gboolean
set_mode (QsStepCall *call, QsWorker *worker, const QsFileId *id, const char *key, GError **error)
{
  guint32 before = 0;

  return qs_worker_set_mode (worker, qs_step_string (call->step, "path"), id,
                             (guint32)qs_step_uint64 (call->step, key), &before, error);
}

/* of a disk that was to be switched alone, and was not, the file stays as it is */
static gboolean
is_wanted (const QsStepCall *call)
{
  g_autoptr (GVariant) tried = qs_step_value (call->step, "switch");
  guint32 step = tried != NULL ? g_variant_get_uint32 (tried) : 0;

  return tried == NULL || step >= call->results->len
         || qs_change_is_step_done (g_ptr_array_index (call->results, step));
}

gboolean
qs_run_file_mode (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId id = step_id (call->step);
  gboolean same = FALSE;

  if (worker == NULL || !is_wanted (call))
    return worker != NULL;
  return find_file (worker, qs_step_string (call->step, "path"), &id, &same, error)
         && set_mode (call, worker, &id, "mode", error);
}

gboolean
qs_undo_file_mode (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId id = step_id (call->step);
  gboolean same = FALSE;

  if (worker == NULL || !find_file (worker, qs_step_string (call->step, "path"), &id, &same, error))
    return FALSE;
  return !same || set_mode (call, worker, &id, "before", error);
}
