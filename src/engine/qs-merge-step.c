/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-block-graph.h"
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-step-qmp-private.h"
#include "qs-storage.h"

#include <string.h>

/* more than there are states to go through */
#define MAX_TURNS 16

#define FILE_TYPE "(ssttx)"

/* what a damaged journal says is no reason to read beyond the files */
static gboolean
read_layers (QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) files = qs_step_value (merge->step, "files");
  gsize n = files != NULL ? g_variant_n_children (files) : 0;

  merge->layers = 1;
  g_variant_lookup (merge->step->arguments, "layers", "u", &merge->layers);
  if (merge->layers > 0 && merge->layers < n)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ has no file that the others go into",
               qs_step_type (merge->step->kind)->name);
  return FALSE;
}

/**
 * qs_merge_read:
 * @call: of any step of the merge
 */
gboolean
qs_merge_read (QsStepCall *call, QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) index = qs_step_value (call->step, "merge");
  g_autoptr (GVariant) storage = NULL;

  *merge = (QsMerge){ .call = call, .step = call->step, .index = call->index };
  if (index != NULL && g_variant_get_uint32 (index) < call->index)
    {
      merge->index = g_variant_get_uint32 (index);
      merge->step = qs_plan_step (call->plan, merge->index);
    }
  merge->is_stream = merge->step->kind == QS_STEP_BLOCK_STREAM;
  merge->is_mirror = merge->step->kind == QS_STEP_MIRROR;
  if (!merge->is_stream && !merge->is_mirror && merge->step->kind != QS_STEP_BLOCK_COMMIT)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "step ‘%s’ belongs to no merge",
                   qs_step_type (call->step->kind)->name);
      return FALSE;
    }
  storage = qs_step_value (merge->step, "storage");
  merge->is_private = storage != NULL;
  merge->storage = storage != NULL ? g_variant_get_uint32 (storage) : 0;
  merge->job = qs_step_string (merge->step, "job");
  merge->written =
      qs_step_string (merge->step, merge->is_stream || merge->is_mirror ? "node" : "base");
  merge->header = qs_step_string (merge->step, merge->is_stream ? "node" : "above");
  return merge->is_stream || merge->is_mirror || read_layers (merge, error);
}

/**
 * qs_merge_find_guest:
 * @guest: (out) (transfer full): NULL: nobody has the files open, whether the domain runs or not
 *
 * Who does the merge: a plan that names no nodes leaves it to qemu-img.
 */
gboolean
qs_merge_find_guest (const QsMerge *merge, QsGuest **guest, GError **error)
{
  *guest = NULL;
  if (merge->written == NULL || *merge->written == '\0')
    return TRUE;
  return merge->is_private ? qs_storage_find (merge->call, merge->storage, guest, error)
                           : qs_step_call_find_guest (merge->call, guest, error);
}

/* what does it, as a sentence calls it */
const char *
qs_merge_program (const QsMerge *merge)
{
  return merge->is_private ? "the storage daemon" : "the domain's QEMU";
}

/**
 * qs_merge_find_file:
 * @row: (ssttx)
 *
 * Returns: (transfer none): a floating (sstt) of it as it is now: the number of its device may have
 *   changed with a reboot
 */
GVariant *
qs_merge_find_file (QsStepCall *call, GVariant *row, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  const char *path;
  const char *format;
  QsFileId found = { 0 };
  QsFileId id = { 0 };
  gboolean exists = FALSE;

  g_variant_get (row, "(&s&sttx)", &path, &format, &id.dev, &id.ino, &id.btime);
  if (worker == NULL)
    return NULL;
  if (qs_path_is_device (path))
    return g_variant_new ("(sstt)", path, format, id.dev, id.ino);
  if (!qs_worker_identify (worker, path, &found, &exists, error))
    return NULL;
  if (exists && qs_file_id_matches (&id, &found))
    return g_variant_new ("(sstt)", path, format, found.dev, found.ino);
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "‘%s’ is no longer the file that was recorded; it is left alone", path);
  return NULL;
}

/**
 * qs_merge_files:
 *
 * Returns: (transfer none): a floating QS_WORKER_FILES of all files of the merge
 */
GVariant *
qs_merge_files (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (merge->step, "files");
  g_auto (GVariantBuilder) files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (QS_WORKER_FILES));

  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);
      GVariant *file = qs_merge_find_file (merge->call, row, error);

      if (file == NULL)
        return NULL;
      g_variant_builder_add_value (&files, file);
    }
  return g_variant_builder_end (&files);
}

/**
 * qs_merge_header_file:
 *
 * Returns: (transfer none): a floating QS_WORKER_FILES of the one file whose header changes
 */
GVariant *
qs_merge_header_file (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (merge->step, "files");
  g_autoptr (GVariant) row = merge->is_stream ? g_variant_get_child_value (rows, 0)
                                              : qs_step_value (merge->step, "above-file");
  GVariant *file = row != NULL ? qs_merge_find_file (merge->call, row, error) : NULL;

  return file != NULL ? g_variant_new_array (NULL, &file, 1) : NULL;
}

/* what the header names in the end; "": no backing file */
const char *
qs_merge_wanted_backing (const QsMerge *merge)
{
  return qs_step_string (merge->step, "backing");
}

/* QEMU will open the file of this node once more, by its name, unless it writes to it already: what the
   guest writes to may have another name by now */
static gboolean
check_node (const QsMerge *merge, JsonNode *graph, JsonNode *nodes, const char *node,
            GError **error)
{
  const char *file = qs_block_graph_child (graph, node, "file");
  JsonObject *entry = file != NULL ? qs_node_find (nodes, file) : NULL;
  const char *path = entry != NULL ? qs_json_string (entry, "file") : NULL;

  if (path != NULL)
    return (json_object_has_member (entry, "ro") && !qs_json_boolean (entry, "ro"))
           || qs_step_check_name (merge->call, path, QS_NAME_DOUBT_REFUSED, error);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "QEMU has no block node ‘%s’ on a file any more", node);
  return FALSE;
}

/* with a file that cannot be opened for writing above or below, QEMU 7.2 dies */
static gboolean
check_writable (const QsMerge *merge, GVariant *files, gsize index, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  g_autoptr (QsImage) image = NULL;
  const char *path;
  const char *format;

  g_variant_get_child (files, index, "(&s&stt)", &path, &format, NULL, NULL);
  if (worker == NULL || !qs_worker_inspect_image (worker, path, format, &image, error))
    return FALSE;
  if (!image->writable)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "‘%s’ cannot be written to", path);
  return image->writable;
}

static gboolean
check_files (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) files = qs_merge_files (merge, error);
  g_autoptr (GVariant) header = NULL;

  if (files == NULL || !check_writable (merge, files, 0, error)
      || (!merge->is_stream && !check_writable (merge, files, merge->layers, error)))
    return FALSE;
  if (merge->header == NULL)
    return TRUE;
  header = qs_merge_header_file (merge, error);
  return header != NULL && check_writable (merge, header, 0, error);
}

static gboolean
check_names (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_autoptr (JsonNode) graph = NULL;
  g_autoptr (JsonNode) nodes = NULL;
  gboolean may_ask = FALSE;

  if (!qs_block_job_may_ask_nodes (qs_guest_get_qmp (guest), &may_ask, error))
    return FALSE;
  if (!may_ask)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                           "another merge in this QEMU has to be brought to its end first");
      return FALSE;
    }
  graph = qs_block_graph_query (guest, error);
  nodes = graph != NULL ? qs_node_query (guest, error) : NULL;
  return nodes != NULL && check_node (merge, graph, nodes, merge->written, error)
         && (merge->header == NULL || merge->header == merge->written
             || check_node (merge, graph, nodes, merge->header, error));
}

/* that nothing else than the files of the merge is opened, when it is made writable */
static gboolean
check_open (const QsMerge *merge, QsGuest *guest, GError **error)
{
  return merge->is_private ? qs_merge_storage_check (merge, guest, error)
                           : check_names (merge, guest, error);
}

static void
add_string (const QsMerge *merge, GVariantDict *arguments, const char *key, const char *from)
{
  const char *value = qs_step_string (merge->step, from);

  if (value != NULL)
    g_variant_dict_insert (arguments, key, "s", value);
}

/* bytes a second, 0: as fast as it goes. What recovery brings to its end is nobody's any more */
static guint64
begin_control (const QsMerge *merge)
{
  QsControl *control = merge->call->world->world.control;
  guint64 speed = qs_step_uint64 (merge->step, "speed");

  if (control == NULL)
    return merge->call->world->recovering ? 0 : speed;
  qs_control_begin (control, speed);
  return qs_control_get_speed (control);
}

static void
add_job (const QsMerge *merge, GVariantDict *arguments)
{
  g_variant_dict_insert (arguments, "job-id", "s", merge->job);
  g_variant_dict_insert (arguments, "auto-finalize", "b", FALSE);
  g_variant_dict_insert (arguments, "auto-dismiss", "b", FALSE);
  g_variant_dict_insert (arguments, "speed", "x", (gint64)begin_control (merge));
}

/* `backing-file` is always given, or QEMU may write down what only it knows; it is refused where the
   whole chain is streamed */
static GVariant *
merge_arguments (const QsMerge *merge)
{
  GVariantDict arguments;

  g_variant_dict_init (&arguments, NULL);
  add_string (merge, &arguments, "device", merge->is_stream ? "node" : "device");
  add_string (merge, &arguments, "base-node", "base");
  if (!merge->is_stream && merge->is_private)
    g_variant_dict_insert (&arguments, "device", "s", QS_STORAGE_FILTER);
  if (!merge->is_stream && (merge->header != NULL || merge->is_private))
    add_string (merge, &arguments, "top-node", "top");
  if (merge->header != NULL && (!merge->is_stream || qs_step_string (merge->step, "base") != NULL))
    add_string (merge, &arguments, "backing-file", "backing");
  return g_variant_dict_end (&arguments);
}

static GVariant *
job_arguments (const QsMerge *merge)
{
  g_autoptr (GVariant) own = g_variant_ref_sink (
      merge->is_mirror ? qs_merge_mirror_arguments (merge) : merge_arguments (merge));
  GVariantDict arguments;

  g_variant_dict_init (&arguments, own);
  add_job (merge, &arguments);
  return g_variant_dict_end (&arguments);
}

static gboolean
check_start (const QsMerge *merge, QsGuest *guest, GError **error)
{
  if (merge->is_mirror)
    return qs_merge_mirror_check (merge, error);
  return check_files (merge, error) && check_open (merge, guest, error);
}

/* that was begun by an operation before */
static gboolean
check_not_ended (const QsMerge *merge, GError **error)
{
  if (!qs_step_boolean (merge->step, "keep"))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "the mirror ‘%s’ has ended",
               qs_step_string (merge->step, "path"));
  return FALSE;
}

static gboolean
start_job (const QsMerge *merge, QsGuest *guest, GError **error)
{
  if (!check_not_ended (merge, error))
    return FALSE;
  return qs_guest_check (guest, error) && check_start (merge, guest, error)
         && qs_qmp_run (qs_guest_get_qmp (guest), qs_step_type (merge->step->kind)->name,
                        job_arguments (merge), QS_QMP_COMMAND_SECONDS, error);
}

/**
 * qs_merge_fail:
 * @job: that has failed
 *
 * The old chain is in use as before.
 *
 * Returns: FALSE
 */
gboolean
qs_merge_fail (const QsMerge *merge, QsGuest *guest, const QsBlockJob *job, GError **error)
{
  gboolean is_full = strstr (job->problem, "No space left") != NULL;

  if (!qs_block_job_do (qs_guest_get_qmp (guest), "job-dismiss", merge->job, error))
    return FALSE;
  if (merge->is_mirror)
    {
      qs_merge_mirror_explain (merge, job, error);
      return FALSE;
    }
  g_set_error (error, QS_ERROR, is_full ? QS_ERROR_NO_SPACE : QS_ERROR_MONITOR_FAILED,
               "QEMU failed to do ‘%s’: %s; %s", qs_step_type (merge->step->kind)->name,
               job->problem,
               merge->is_private ? "no file was taken out of the chain"
                                 : "the guest goes on with the files it had");
  return FALSE;
}

static void
tell (const QsBlockJob *job, gpointer data)
{
  const QsMerge *merge = data;
  const QsAmount amount = { .done = job->done, .total = job->total };

  qs_step_call_tell (merge->call, &amount);
}

static gboolean
take_turn (const QsMerge *merge, QsGuest *guest, const QsBlockJob *job, GError **error)
{
  if (job->state == QS_BLOCK_JOB_ABSENT)
    return start_job (merge, guest, error);
  if (job->state == QS_BLOCK_JOB_CONCLUDED)
    return qs_merge_fail (merge, guest, job, error);
  return job->state != QS_BLOCK_JOB_READY
         || qs_block_job_complete (qs_guest_get_qmp (guest), merge->job, error);
}

/* of a job that a daemon began which has ended: what was asked of it holds if somebody can ask for
   something else still */
static void
adopt (const QsMerge *merge, QsGuest *guest)
{
  QsControl *control = merge->call->world->world.control;

  if (!merge->call->world->recovering)
    return;
  if (control != NULL)
    qs_block_job_adopt (qs_guest_get_qmp (guest), merge->job, control);
  else
    qs_block_job_release (qs_guest_get_qmp (guest), merge->job, 0);
}

/* one that has been told to complete may hold the guest's requests when nobody is there any more */
static gboolean
may_be_left (const QsStep *step)
{
  return step->kind != QS_STEP_JOB_COMPLETE
         && (qs_step_type (step->kind)->phases & QS_CAN_RESUME) != 0;
}

/**
 * qs_merge_begin:
 *
 * Begins the job, and waits for nothing; one that is there already is left alone.
 */
gboolean
qs_merge_begin (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };
  QsQmp *qmp = qs_guest_get_qmp (guest);

  if (!qs_block_job_look (qmp, merge->job, &job, error)
      || (job.state == QS_BLOCK_JOB_ABSENT
          && (!start_job (merge, guest, error)
              || !qs_block_job_look (qmp, merge->job, &job, error))))
    return FALSE;
  return job.problem == NULL || qs_merge_fail (merge, guest, &job, error);
}

/**
 * qs_merge_reach:
 * @wanted: READY or PENDING
 *
 * Begins the job, or takes it where it is, and brings it so far; one that has come further is left
 * alone.
 */
gboolean
qs_merge_reach (const QsMerge *merge, QsGuest *guest, QsBlockJobState wanted, GError **error)
{
  const QsBlockJobWait wait = { .seconds = QS_TOOL_WORK_SECONDS,
                                .cancellable = merge->call->cancellable,
                                .control = merge->call->world->world.control,
                                .may_be_left = may_be_left (merge->call->step),
                                .tell = tell,
                                .user_data = (gpointer)merge };
  g_auto (QsBlockJob) job = { 0 };

  adopt (merge, guest);
  for (guint i = 0; i < MAX_TURNS; i++)
    {
      if (!qs_block_job_wait (qs_guest_get_qmp (guest), merge->job, &wait, &job, error))
        return FALSE;
      if (job.state >= wanted && job.problem == NULL)
        return TRUE;
      if (!take_turn (merge, guest, &job, error))
        return FALSE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU does not bring the job ‘%s’ to an end", merge->job);
  return FALSE;
}

static gboolean
is_pivoted (const QsMerge *merge, QsGuest *guest, gboolean *done, GError **error)
{
  g_autoptr (JsonNode) devices = NULL;

  if (merge->is_private)
    return qs_merge_storage_is_pivoted (guest, merge, done, error);
  devices = qs_device_query (guest, error);
  if (devices == NULL)
    return FALSE;
  *done = qs_device_find_root (devices, merge->written) != NULL
          && qs_device_find_root (devices, qs_step_string (merge->step, "device")) == NULL;
  return TRUE;
}

/**
 * qs_merge_is_done:
 *
 * Whether the block nodes of the guest stand on each other as they should in the end.
 */
gboolean
qs_merge_is_done (const QsMerge *merge, QsGuest *guest, gboolean *done, GError **error)
{
  g_autoptr (JsonNode) graph = NULL;

  if (merge->header == NULL)
    return is_pivoted (merge, guest, done, error);
  graph = qs_block_graph_query (guest, error);
  if (graph == NULL)
    return FALSE;
  *done = g_strcmp0 (qs_block_graph_child (graph, merge->header, "backing"),
                     qs_step_string (merge->step, "base"))
          == 0;
  return TRUE;
}
