/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-qcow2.h"

/* steps on files: all in the owner's worker */

static gboolean
result_id (const QsStepCall *call, QsFileId *id)
{
  GVariant *result = qs_step_call_result (call);

  return result != NULL && g_variant_lookup (result, "dev", "t", &id->dev)
         && g_variant_lookup (result, "ino", "t", &id->ino)
         && g_variant_lookup (result, "btime", "x", &id->btime);
}

static GVariant *
id_result (const QsFileId *id)
{
  return g_variant_ref_sink (g_variant_new_parsed ("{'dev': <%t>, 'ino': <%t>, 'btime': <%x>}",
                                                   id->dev, id->ino, id->btime));
}

/* the identity is in the journal before the file has a name: a crash leaves no file, or a known one */
static gboolean
note_identity (QsStepCall *call, const QsFileId *id, GError **error)
{
  g_autoptr (GVariant) learnt = id_result (id);

  return qs_step_call_note (call, learnt, error);
}

static QsNewImage
read_image (const QsStep *step)
{
  return (QsNewImage){
    .path = qs_step_string (step, "path"),
    .format = qs_step_string (step, "format"),
    .virtual_size = qs_step_uint64 (step, "size"),
    .cluster_size = (guint)qs_step_uint64 (step, "cluster-size"),
    .extended_l2 = qs_step_boolean (step, "extended-l2"),
    .backing = qs_step_string (step, "backing"),
    .backing_format = qs_step_string (step, "backing-format"),
    .mode = (guint32)qs_step_uint64 (step, "mode"),
    .gid = (guint32)qs_step_uint64 (step, "gid"),
  };
}

gboolean
qs_run_image_create (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsNewImage image = read_image (call->step);
  QsFileId id = { 0 };

  if (worker == NULL || !qs_worker_create_image (worker, &image, &id, error))
    return FALSE;
  *result = id_result (&id);
  return note_identity (call, &id, error) && qs_worker_link (worker, image.path, &id, error);
}

/* empty: somebody else will write to it */
gboolean
qs_run_file_create (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *path = qs_step_string (call->step, "path");
  QsFileId id = { 0 };

  if (worker == NULL
      || !qs_worker_create_file (worker, path, (guint32)qs_step_uint64 (call->step, "mode"),
                                 (guint32)qs_step_uint64 (call->step, "gid"), &id, error))
    return FALSE;
  *result = id_result (&id);
  return note_identity (call, &id, error) && qs_worker_link (worker, path, &id, error);
}

/* of the caller's own, as the survey has found it */
static QsFileId
read_taken (const QsStep *step)
{
  return (QsFileId){ .dev = qs_step_uint64 (step, "dev"),
                     .ino = qs_step_uint64 (step, "ino"),
                     .rdev = qs_step_uint64 (step, "rdev"),
                     .diskseq = qs_step_uint64 (step, "diskseq") };
}

/* a block device is recorded by what its nodes stand for, see qs_image_identity() */
static GVariant *
taken_result (const QsFileId *id)
{
  const QsFileId device = { .ino = id->rdev };

  return id_result (id->rdev != 0 ? &device : id);
}

gboolean
qs_run_image_take (QsStepCall *call, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId taken = read_taken (call->step);
  QsNewImage image = read_image (call->step);
  QsFileId id = { 0 };

  image.taken = &taken;
  if (worker == NULL || !qs_worker_create_image (worker, &image, &id, error)
      || !qs_worker_link (worker, image.path, &id, error))
    return FALSE;
  *result = taken_result (&id);
  return TRUE;
}

/* only the empty overlay is taken back, never anything else that is there; and the file stays */
static gboolean
wipe_taken (QsStepCall *call, const QsStep *step, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsFileId taken = read_taken (step);
  QsNewImage image = read_image (step);
  gboolean wiped = FALSE;

  image.taken = &taken;
  return worker != NULL && qs_worker_wipe_image (worker, &image, &wiped, error);
}

gboolean
qs_undo_image_take (QsStepCall *call, GError **error)
{
  return wipe_taken (call, call->step, error);
}

/**
 * qs_step_remove_file:
 *
 * A file of that name which is not the one we made stays as it is.
 */
gboolean
qs_step_remove_file (QsStepCall *call, const char *path, const QsFileId *id, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (worker == NULL || !qs_worker_identify (worker, path, &found, &exists, error))
    return FALSE;
  if (!exists || !qs_file_id_matches (id, &found))
    return TRUE;
  return qs_worker_unlink (worker, path, &found, error);
}

gboolean
qs_undo_image_create (QsStepCall *call, GError **error)
{
  QsFileId id = { 0 };

  return !result_id (call, &id)
         || qs_step_remove_file (call, qs_step_string (call->step, "path"), &id, error);
}

QsProbe
qs_probe_image_create (QsStepCall *call, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId id = { 0 };
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (!result_id (call, &id))
    return QS_PROBE_NOT_DONE;
  if (worker == NULL
      || !qs_worker_identify (worker, qs_step_string (call->step, "path"), &found, &exists, error))
    return QS_PROBE_UNKNOWN;
  return exists && found.ino == id.ino ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

static gboolean
run_tool (QsStepCall *call, QsToolVerb verb, GError **error)
{
  const QsStep *step = call->step;
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const QsTagChange change = {
    .verb = verb,
    .path = qs_step_string (step, "path"),
    .id = { .dev = qs_step_uint64 (step, "dev"), .ino = qs_step_uint64 (step, "ino") },
    .tag = qs_step_string (step, "tag"),
  };

  if (worker == NULL)
    return FALSE;
  if (qs_worker_snapshot (worker, &change, call->cancellable, error))
    return TRUE;
  call->world->tool_ended |= qs_worker_is_broken (worker);
  return FALSE;
}

/* how often the tag of the step stands in its image now */
static gboolean
count_tag (QsStepCall *call, guint *n, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (QsImage) image = NULL;

  if (worker == NULL
      || !qs_worker_inspect_image (worker, qs_step_string (call->step, "path"),
                                   qs_step_string (call->step, "format"), &image, error))
    return FALSE;
  *n = qs_image_count_tag (image, qs_step_string (call->step, "tag"));
  return TRUE;
}

gboolean
qs_run_image_snapshot (QsStepCall *call, GVariant **result, GError **error)
{
  return run_tool (call, QS_TOOL_SNAPSHOT_CREATE, error);
}

/* a qemu-img that was killed leaves clusters that nobody refers to: untidy, and no harm */
static void
repair_image (QsStepCall *call)
{
  QsWorker *worker = qs_real_world_worker (call->world, NULL);
  QsFileId id = { .dev = qs_step_uint64 (call->step, "dev"),
                  .ino = qs_step_uint64 (call->step, "ino") };
  const char *path = qs_step_string (call->step, "path");
  g_autoptr (GError) error = NULL;

  if (!call->world->recovering && !call->world->tool_ended)
    return;
  if (worker != NULL && !qs_worker_repair (worker, path, &id, &error))
    g_message ("‘%s’ may have lost clusters, which qemu-img check -r leaks finds: %s", path,
               error->message);
}

/* whether the file of the step is still the one that was recorded */
static gboolean
is_same_file (QsStepCall *call, gboolean *same, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId found = { 0 };
  gboolean exists = FALSE;

  if (worker == NULL
      || !qs_worker_identify (worker, qs_step_string (call->step, "path"), &found, &exists, error))
    return FALSE;
  *same = exists && found.ino == qs_step_uint64 (call->step, "ino");
  return TRUE;
}

gboolean
qs_undo_image_snapshot (QsStepCall *call, GError **error)
{
  gboolean same = FALSE;
  guint n = 0;

  if (!is_same_file (call, &same, error))
    return FALSE;
  /* a file that was put in its place holds nothing of ours */
  if (!same)
    return TRUE;
  if (!count_tag (call, &n, error) || (n > 0 && !run_tool (call, QS_TOOL_SNAPSHOT_DELETE, error)))
    return FALSE;
  repair_image (call);
  return TRUE;
}

gboolean
qs_run_image_apply (QsStepCall *call, GVariant **result, GError **error)
{
  gboolean loaded = FALSE;

  if (!qs_step_load_find (call, &loaded, error))
    return FALSE;
  if (loaded)
    return TRUE;
  if (!run_tool (call, QS_TOOL_SNAPSHOT_APPLY, error))
    return FALSE;
  repair_image (call);
  return TRUE;
}

/* an image holds the old state or that of the tag, never a mixture, but does not tell which: doing
   it again is safe, and then it is known */
QsProbe
qs_probe_image_apply (QsStepCall *call, GError **error)
{
  return run_tool (call, QS_TOOL_SNAPSHOT_APPLY, error) ? QS_PROBE_DONE : QS_PROBE_UNKNOWN;
}

/* a tag that is gone was deleted by a try before this one, which may not have come to its end */
gboolean
qs_run_image_delete (QsStepCall *call, GVariant **result, GError **error)
{
  guint n = 0;

  if (!count_tag (call, &n, error))
    return FALSE;
  if (n > 0 && !run_tool (call, QS_TOOL_SNAPSHOT_DELETE, error))
    return FALSE;
  repair_image (call);
  return TRUE;
}

QsProbe
qs_probe_image_delete (QsStepCall *call, GError **error)
{
  guint n = 0;

  if (!count_tag (call, &n, error))
    return QS_PROBE_UNKNOWN;
  return n == 0 ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

static gboolean
remove_created (QsStepCall *call, GVariant *learnt, GError **error)
{
  QsFileId id = { 0 };

  if (learnt == NULL)
    return TRUE;
  g_variant_lookup (learnt, "dev", "t", &id.dev);
  g_variant_lookup (learnt, "ino", "t", &id.ino);
  g_variant_lookup (learnt, "btime", "x", &id.btime);
  return qs_step_remove_file (call, qs_step_string (call->step, "path"), &id, error);
}

/* of a disk that was switched, the file is in use; of one that could not be, it is not, nor one that
   was made for the time of the operation */
static gboolean
is_in_use (QsStepCall *call)
{
  g_autoptr (GVariant) tried = qs_step_value (call->step, "switch");

  return tried != NULL
         && (g_variant_get_uint32 (tried) >= call->results->len
             || qs_change_is_step_done (
                 g_ptr_array_index (call->results, g_variant_get_uint32 (tried))));
}

gboolean
qs_run_image_discard (QsStepCall *call, GVariant **result, GError **error)
{
  guint64 image = qs_step_uint64 (call->step, "image");
  const QsStep *made;

  if (image >= call->results->len || is_in_use (call))
    return TRUE;
  made = qs_plan_step (call->plan, (guint)image);
  return made->kind == QS_STEP_IMAGE_TAKE
             ? wipe_taken (call, made, error)
             : remove_created (call, g_ptr_array_index (call->results, image), error);
}

static gboolean
run_copy (QsStepCall *call, const QsFileCopy *copy, GVariant **result, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  QsFileId id = { 0 };

  if (worker == NULL || !qs_worker_copy_file (worker, copy, &id, error))
    return FALSE;
  *result = id_result (&id);
  return note_identity (call, &id, error) && qs_worker_link (worker, copy->to, &id, error);
}

gboolean
qs_run_nvram_create (QsStepCall *call, GVariant **result, GError **error)
{
  const QsFileCopy copy = { .from = qs_step_string (call->step, "template"),
                            .to = qs_step_string (call->step, "path") };

  return run_copy (call, &copy, result, error);
}

gboolean
qs_run_file_copy (QsStepCall *call, GVariant **result, GError **error)
{
  const QsStep *step = call->step;
  const QsFileId source = { .dev = qs_step_uint64 (step, "dev"),
                            .ino = qs_step_uint64 (step, "ino") };
  const QsFileCopy copy = { .from = qs_step_string (step, "from"),
                            .to = qs_step_string (step, "path"),
                            .source = &source,
                            .mode = (guint32)qs_step_uint64 (step, "mode"),
                            .gid = (guint32)qs_step_uint64 (step, "gid") };

  return run_copy (call, &copy, result, error);
}
