/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-limits.h"
#include "qs-wire-types.h"

/**
 * qs_worker_sight:
 * @format: as recorded, "" if it is no image
 *
 * Returns: (transfer full): what is at @path, also if that is nothing; NULL if the worker failed
 */
QsSight *
qs_worker_sight (QsWorker *worker, const char *path, const char *format, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "sight", g_variant_new ("(ss)", path, format), "(" QS_WIRE_SIGHT ")", error);
  g_autoptr (GVariant) value = NULL;

  if (result == NULL)
    return NULL;
  value = g_variant_get_child_value (result, 0);
  return qs_wire_sight_from_variant (value);
}

/**
 * qs_worker_sight_folder:
 * @all: (out): FALSE: the folder holds more than is looked at
 *
 * Returns: (transfer full) (element-type QsSight): the images in it, and what has the name of a
 *   temporary
 */
GPtrArray *
qs_worker_sight_folder (QsWorker *worker, const char *folder, gboolean *all, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "sight-folder", g_variant_new ("(s)", folder), "(a" QS_WIRE_SIGHT "b)", error);
  g_autoptr (GVariantIter) values = NULL;
  GPtrArray *sights;
  GVariant *value;

  if (result == NULL)
    return NULL;
  sights = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_sight_free);
  g_variant_get (result, "(a" QS_WIRE_SIGHT "b)", &values, all);
  while ((value = g_variant_iter_next_value (values)) != NULL)
    {
      g_ptr_array_add (sights, qs_wire_sight_from_variant (value));
      g_variant_unref (value);
    }
  return sights;
}

/**
 * qs_worker_check:
 * @files: as in qs-worker-merge.c, one file, which no other program may write to
 *
 * Goes through the tables of an image, and changes nothing.
 */
gboolean
qs_worker_check (QsWorker *worker, GVariant *files, QsImageCheck *check, GCancellable *cancellable,
                 GError **error)
{
  const QsCall call = { .method = "check",
                        .arguments = g_variant_new ("(@a(sstt))", files),
                        .reply = "(tt)",
                        .seconds = QS_TOOL_WORK_SECONDS + 2 * QS_CALL_SECONDS,
                        .total_seconds = QS_TOOL_TOTAL_SECONDS,
                        .cancellable = cancellable };
  g_autoptr (GVariant) result = qs_worker_call (worker, &call, error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(tt)", &check->corruptions, &check->leaks);
  return TRUE;
}
