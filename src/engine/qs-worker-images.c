/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire-types.h"

/**
 * qs_worker_inspect_image:
 * @format: as recorded
 *
 * Takes one file through the header gate.
 */
gboolean
qs_worker_inspect_image (QsWorker *worker, const char *path, const char *format, QsImage **image,
                         GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "inspect-image", g_variant_new ("(ss)", path, format), "(" QS_WIRE_IMAGE ")", error);
  g_autoptr (GVariant) value = NULL;

  if (result == NULL)
    return FALSE;
  value = g_variant_get_child_value (result, 0);
  *image = qs_wire_image_from_variant (value);
  return TRUE;
}

/**
 * qs_worker_inspect_chain:
 * @images: (element-type QsImage) (out): the files from @path down. On failure those before it, or
 *   NULL if the worker itself failed
 *
 * Walks a chain by the names and formats in the headers. A path is as it was given or written,
 * made absolute.
 */
gboolean
qs_worker_inspect_chain (QsWorker *worker, const char *path, const char *format, GPtrArray **images,
                         GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "inspect-chain", g_variant_new ("(ss)", path, format),
                       "(a" QS_WIRE_IMAGE "ss)", error);
  g_autoptr (GVariantIter) values = NULL;
  GVariant *value;
  const char *name;
  const char *text;

  *images = NULL;
  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(a" QS_WIRE_IMAGE "&s&s)", &values, &name, &text);
  *images = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  while ((value = g_variant_iter_next_value (values)) != NULL)
    {
      g_ptr_array_add (*images, qs_wire_image_from_variant (value));
      g_variant_unref (value);
    }
  if (name[0] == '\0')
    return TRUE;
  g_propagate_error (error, qs_wire_error_new (name, text));
  return FALSE;
}

/**
 * qs_worker_check_target:
 *
 * What is at a path where a file is to be made, and whether it can be made. That it cannot is in
 * the error of @target, not a failure of the call.
 */
gboolean
qs_worker_check_target (QsWorker *worker, const char *path, QsTarget **target, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "check-target", g_variant_new ("(s)", path), "(" QS_WIRE_TARGET ")", error);
  g_autoptr (GVariant) value = NULL;

  if (result == NULL)
    return FALSE;
  value = g_variant_get_child_value (result, 0);
  *target = qs_wire_target_from_variant (value);
  return TRUE;
}

/**
 * qs_worker_create_image:
 *
 * Makes an empty overlay, durable and complete, that has no name yet. It vanishes if
 * qs_worker_link() is not called before the worker is released.
 */
gboolean
qs_worker_create_image (QsWorker *worker, const QsNewImage *image, QsFileId *id, GError **error)
{
  static const QsFileId none = { 0 };
  const QsFileId *empty = image->empty != NULL ? image->empty : &none;
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "create-image",
      g_variant_new ("(sstubmsmsuutt)", image->path, image->format, image->virtual_size,
                     (guint32)image->cluster_size, image->extended_l2, image->backing,
                     image->backing_format, image->mode, image->gid, empty->dev, empty->ino),
      "((ttx))", error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "((ttx))", &id->dev, &id->ino, &id->btime);
  return TRUE;
}

static const char *const verbs[] = {
  [QS_TOOL_SNAPSHOT_CREATE] = "create",
  [QS_TOOL_SNAPSHOT_APPLY] = "apply",
  [QS_TOOL_SNAPSHOT_DELETE] = "delete",
};

/**
 * qs_worker_snapshot:
 *
 * Changes a qcow2 file that no other program has open. Exactly one snapshot must have the tag, or
 * none where it is to be made. A cancelled run is ended and waited for; the worker is then used up.
 */
gboolean
qs_worker_snapshot (QsWorker *worker, const QsTagChange *change, GCancellable *cancellable,
                    GError **error)
{
  const QsCall call = { .method = "snapshot",
                        .arguments = g_variant_new ("(sstts)", verbs[change->verb], change->path,
                                                    change->id.dev, change->id.ino, change->tag),
                        .reply = "()",
                        .seconds = QS_TOOL_WORK_SECONDS + 2 * QS_CALL_SECONDS,
                        .total_seconds = QS_TOOL_TOTAL_SECONDS,
                        .cancellable = cancellable };
  g_autoptr (GVariant) result = qs_worker_call (worker, &call, error);

  return result != NULL;
}

/**
 * qs_worker_repair:
 *
 * Runs `qemu-img check -r all` on a qcow2 file that no other program has open: what a tool that was
 * killed leaves behind. Never to be used on an image that a guest has open.
 */
gboolean
qs_worker_repair (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  const QsCall call = { .method = "repair",
                        .arguments = g_variant_new ("(stt)", path, id->dev, id->ino),
                        .reply = "()",
                        .seconds = QS_TOOL_WORK_SECONDS + 2 * QS_CALL_SECONDS,
                        .total_seconds = QS_TOOL_TOTAL_SECONDS };
  g_autoptr (GVariant) result = qs_worker_call (worker, &call, error);

  return result != NULL;
}

/**
 * qs_worker_self_test:
 *
 * Shows the installed qemu-img an image that names another file as only an attacker would.
 */
gboolean
qs_worker_self_test (QsWorker *worker, GError **error)
{
  return qs_worker_do (worker, "self-test", g_variant_new ("()"), error);
}
