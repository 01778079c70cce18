/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-block-job.h"
#include "qs-error.h"
#include "qs-exchange.h"
#include "qs-merge-back.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* takes back a `transaction`: what a guest has written to its overlays goes down into the files
   below, so that no write is lost; tags that were made with them are deleted */

#define MERGED "merged"

typedef struct
{
  QsStepCall *call;
  GVariant *row;
} Row;

static const char *
row_string (GVariant *row, const char *key)
{
  const char *value = NULL;

  g_variant_lookup (row, key, "&s", &value);
  return value;
}

static GVariant *
get_result (const QsStepCall *call)
{
  return call->index < call->results->len ? g_ptr_array_index (call->results, call->index) : NULL;
}

/* the disks whose overlays are out of date */
static GStrv
get_merged (const QsStepCall *call)
{
  GVariant *result = get_result (call);
  GStrv merged = NULL;

  if (result == NULL || !g_variant_lookup (result, MERGED, "^as", &merged))
    merged = g_new0 (char *, 1);
  return merged;
}

static gboolean
is_merged (const QsStepCall *call, const char *target)
{
  g_auto (GStrv) merged = get_merged (call);

  return g_strv_contains ((const char *const *)merged, target);
}

static GStrv
with_or_without (const QsStepCall *call, const char *target, gboolean with)
{
  g_auto (GStrv) merged = get_merged (call);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; merged[i] != NULL; i++)
    if (!g_str_equal (merged[i], target))
      g_strv_builder_add (builder, merged[i]);
  if (with)
    g_strv_builder_add (builder, target);
  return g_strv_builder_end (builder);
}

/* in the journal, and for the tries after this one */
static gboolean
note_merged (gboolean merged, gpointer data, GError **error)
{
  const Row *row = data;
  QsStepCall *call = row->call;
  const char *target = row_string (row->row, "target");
  g_auto (GStrv) targets = with_or_without (call, target, merged);
  g_autoptr (GVariant) learnt = NULL;
  GVariantDict result;

  if (is_merged (call, target) == merged)
    return TRUE;
  g_variant_dict_init (&result, get_result (call));
  g_variant_dict_insert (&result, MERGED, "^as", targets);
  learnt = g_variant_ref_sink (g_variant_dict_end (&result));
  if (!qs_step_call_note (call, learnt, error))
    return FALSE;
  if (get_result (call) != NULL)
    g_variant_unref (get_result (call));
  g_ptr_array_index (call->results, call->index) = g_steal_pointer (&learnt);
  return TRUE;
}

/* a file that nobody may write to would be in the way; its own step comes later, and may come twice */
static gboolean
put_back_write_bits (QsStepCall *call, const char *target, GError **error)
{
  for (guint i = 0; i < call->index; i++)
    {
      QsStepCall before = *call;

      before.step = qs_plan_step (call->plan, i);
      before.index = i;
      if (before.step->kind == QS_STEP_FILE_MODE
          && g_strcmp0 (qs_step_string (before.step, "target"), target) == 0
          && !qs_undo_file_mode (&before, error))
        return FALSE;
    }
  return TRUE;
}

/* QEMU opens the file below once more, by its name, to write to it. Names beside the active one that
   are the service's own are never opened again */
static gboolean
check_name (const Row *row, GError **error)
{
  const char *path = row_string (row->row, "active");

  return path == NULL || qs_exchange_is_aside (path)
         || qs_step_check_name (row->call, path, QS_NAME_DOUBT_ALLOWED, error);
}

/* only of what has to be merged: a transaction that never took effect is taken back whatever stands there
   now */
static gboolean
check_running (gpointer data, GError **error)
{
  const Row *row = data;

  return qs_step_check_merge (row->row, error)
         && put_back_write_bits (row->call, row_string (row->row, "target"), error)
         && check_name (row, error);
}

static gboolean
merge_running (const Row *row, QsGuest *guest, GError **error)
{
  const QsMergeBack back = { .node = row_string (row->row, "node"),
                             .overlay = row_string (row->row, "overlay"),
                             .check = check_running,
                             .note = note_merged,
                             .user_data = (gpointer)row };

  return qs_merge_back (guest, &back, error);
}

/* what the guest has last written to, whole; the record of it does not change before the commit */
static GPtrArray *
find_chain (const Row *row, QsWorker *worker, GError **error)
{
  QsRealWorld *world = row->call->world;
  const char *target = row_string (row->row, "target");
  g_autoptr (QsDomain) domain = qs_registry_get (world->engine->registry, world->domain);
  const QsDiskDef *disk =
      domain != NULL ? qs_domain_def_find_disk (qs_domain_get_def (domain), target) : NULL;
  g_autoptr (GPtrArray) files = NULL;
  g_autoptr (GPtrArray) images = NULL;

  if (disk == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "disk ‘%s’ is not known any more", target);
      return NULL;
    }
  files = qs_store_get_files (world->engine->store, world->domain, error);
  if (files == NULL
      || !qs_worker_inspect_chain (worker, qs_domain_disk_path (domain, disk),
                                   qs_domain_disk_format (domain, disk), files, &images, error))
    return NULL;
  return g_steal_pointer (&images);
}

static void
add_image (GVariantBuilder *rows, const QsImage *image)
{
  guint64 dev;
  guint64 ino;

  qs_image_identity (image, &dev, &ino);
  g_variant_builder_add (rows, "(sstt)", image->path, image->format, dev, ino);
}

static gboolean
commit_overlay (const Row *row, QsWorker *worker, GError **error)
{
  const char *format = row_string (row->row, "format");
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (QS_WORKER_FILES));
  g_autoptr (GPtrArray) chain = find_chain (row, worker, error);
  g_autoptr (QsImage) overlay = NULL;

  if (chain == NULL
      || !qs_worker_inspect_image (worker, row_string (row->row, "path"),
                                   format != NULL ? format : "qcow2", &overlay, error))
    return FALSE;
  add_image (&rows, overlay);
  for (guint i = 0; i < chain->len; i++)
    add_image (&rows, g_ptr_array_index (chain, i));
  return qs_worker_commit (worker, g_variant_builder_end (&rows), NULL, error)
         && note_merged (TRUE, (gpointer)row, error);
}

/* with QEMU gone, an overlay to which nothing was written gives the same view as what is below */
static gboolean
merge_gone (const Row *row, GError **error)
{
  QsWorker *worker = qs_real_world_worker (row->call->world, error);

  if (worker == NULL)
    return FALSE;
  if (is_merged (row->call, row_string (row->row, "target")))
    return TRUE;
  switch (qs_step_probe_overlay (row->call, row->row, error))
    {
    case QS_PROBE_NOT_DONE:
      return TRUE;
    case QS_PROBE_DONE:
      return qs_step_check_merge (row->row, error)
             && put_back_write_bits (row->call, row_string (row->row, "target"), error)
             && commit_overlay (row, worker, error);
    case QS_PROBE_UNKNOWN:
      return FALSE;
    }
  g_return_val_if_reached (FALSE);
}

/* both ways, a tag that is not there is as good */
static gboolean
delete_tag (const Row *row, QsGuest *guest, GError **error)
{
  g_autoptr (GVariant) result = NULL;
  g_autoptr (QsStep) step = NULL;
  QsStepCall sub = *row->call;
  GVariantDict arguments;

  g_variant_dict_init (&arguments, row->row);
  g_variant_dict_insert (&arguments, "format", "s", "qcow2");
  step = qs_step_new (guest != NULL ? QS_STEP_NODE_SNAPSHOT_DELETE : QS_STEP_IMAGE_SNAPSHOT,
                      QS_PHASE_FINISH, row_string (row->row, "target"),
                      g_variant_dict_end (&arguments));
  sub.step = step;
  return guest != NULL ? qs_node_snapshot_delete_run (guest, step, &result, error)
                       : qs_undo_image_snapshot (&sub, error);
}

static gboolean
undo_row (const Row *row, QsGuest *guest, GError **error)
{
  const char *job = row_string (row->row, "job");

  if (row_string (row->row, "tag") != NULL)
    return delete_tag (row, guest, error);
  if (row_string (row->row, "overlay") == NULL)
    return guest == NULL || job == NULL
           || qs_block_job_cancel (qs_guest_get_qmp (guest), job, error);
  return guest != NULL ? merge_running (row, guest, error) : merge_gone (row, error);
}

gboolean
qs_undo_transaction (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) disks = qs_step_value (call->step, "disks");
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error)
      || (guest != NULL && !qs_merge_back_check (guest, error)))
    return FALSE;
  for (gsize i = g_variant_n_children (disks); i-- > 0;)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const Row row = { call, disk };

      if (!undo_row (&row, guest, error))
        {
          g_prefix_error (error, "disk ‘%s’: ", row_string (disk, "target"));
          return FALSE;
        }
    }
  return TRUE;
}
