/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-step-qmp.h"

/* snapshot-save: qs-step-save.c knows the commands, this file what is around them */

/* a file system with less left counts as full */
#define FULL_BYTES ((guint64)1024 * 1024)

static void
find_row (const QsStepCall *call, const char *node, QsMemoryPlace *place)
{
  g_autoptr (GVariant) rows = qs_step_value (call->step, "disks");

  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);
      const char *name = NULL;

      if (g_variant_lookup (row, "node", "&s", &name) && g_str_equal (name, node)
          && g_variant_lookup (row, "path", "&s", &place->path))
        place->is_disk = TRUE;
    }
}

/**
 * qs_step_call_memory_place:
 *
 * The file that memory goes to, or comes from: a disk's, or that of a node that was added for it.
 */
QsMemoryPlace
qs_step_call_memory_place (const QsStepCall *call)
{
  const char *node = qs_step_string (call->step, "vmstate");
  QsMemoryPlace place = { 0 };

  find_row (call, node, &place);
  for (guint i = 0; i < call->index && place.path == NULL; i++)
    {
      const QsStep *step = qs_plan_step (call->plan, i);

      if (step->kind == QS_STEP_NODE_ADD && g_str_equal (qs_step_string (step, "node"), node))
        place.path = qs_step_string (step, "path");
    }
  return place;
}

static gboolean
is_full (QsStepCall *call, const char *path)
{
  QsWorker *worker = qs_real_world_worker (call->world, NULL);
  g_autoptr (QsTarget) target = NULL;

  return worker != NULL && qs_worker_check_target (worker, path, &target, NULL)
         && target->free_bytes < FULL_BYTES;
}

static void
append (GError *error, const char *text)
{
  g_autofree char *told = error->message;

  error->message = g_strconcat (told, text, NULL);
}

/**
 * qs_step_call_explain_full:
 *
 * QEMU seldom says that there is no room: whether there is any at @path is asked here, before what
 * was written is taken back.
 */
void
qs_step_call_explain_full (QsStepCall *call, const char *path, GError **error)
{
  if (error == NULL || !g_error_matches (*error, QS_ERROR, QS_ERROR_MONITOR_FAILED)
      || !is_full (call, path))
    return;
  (*error)->code = QS_ERROR_NO_SPACE;
  append (*error, "; there is no space left on its file system");
}

/**
 * qs_step_call_explain_end:
 *
 * That nobody knows what came of a command is not what has to be told of a QEMU that has ended.
 */
void
qs_step_call_explain_end (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest =
      qs_registry_get_guest (call->world->engine->registry, call->world->domain);

  if (error != NULL && g_error_matches (*error, QS_ERROR, QS_ERROR_TIMEOUT)
      && (guest == NULL || !qs_guest_is_open (guest)))
    (*error)->code = QS_ERROR_MONITOR_FAILED;
}

static void
explain (QsStepCall *call, GError **error)
{
  const QsMemoryPlace place = qs_step_call_memory_place (call);

  qs_step_call_explain_end (call, error);
  if (error == NULL || place.path == NULL
      || !g_error_matches (*error, QS_ERROR, QS_ERROR_MONITOR_FAILED))
    return;
  g_prefix_error (error, "cannot save memory in ‘%s’: ", place.path);
  if (place.is_disk)
    append (*error, "; the image keeps what was written so far, which ‘qemu-img convert’ leaves "
                    "out");
  qs_step_call_explain_full (call, place.path, error);
}

gboolean
qs_run_snapshot_save (QsStepCall *call, GVariant **result, GError **error)
{
  if (qs_run_guest_step (call, result, error))
    return TRUE;
  explain (call, error);
  return FALSE;
}

static QsStep *
make_image_step (const QsStep *step, GVariant *row)
{
  GVariantDict arguments;
  const char *target = "";

  g_variant_lookup (row, "target", "&s", &target);
  g_variant_dict_init (&arguments, row);
  g_variant_dict_insert (&arguments, "tag", "s", qs_step_string (step, "tag"));
  return qs_step_new (QS_STEP_IMAGE_SNAPSHOT, QS_PHASE_PREPARE, target,
                      g_variant_dict_end (&arguments));
}

/* QEMU was ended at whatever point of it. The image of a side-car goes by itself */
static gboolean
clear_images (QsStepCall *call, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (call->step, "disks");

  call->world->tool_ended = TRUE;
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (rows, i);
      g_autoptr (QsStep) step = make_image_step (call->step, row);
      QsStepCall image = *call;

      image.step = step;
      if (!qs_undo_image_snapshot (&image, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
qs_undo_snapshot_save (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  return guest != NULL ? qs_step_qmp_undo (guest, call->step, qs_step_call_result (call), error)
                       : clear_images (call, error);
}
