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
 * qs_worker_has_data:
 *
 * Whether anything was ever written through an overlay.
 */
gboolean
qs_worker_has_data (QsWorker *worker, const char *path, const char *format, gboolean *has_data,
                    GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "has-data", g_variant_new ("(ss)", path, format), "(b)", error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(b)", has_data);
  return TRUE;
}

/* the recorded chain of @path: only what a walk from there can come to is handed over, which is
   bounded as a chain is */
static GVariant *
make_links (const char *path, const GPtrArray *files)
{
  g_autoptr (GHashTable) by_path = g_hash_table_new (g_str_hash, g_str_equal);
  GVariantBuilder links;
  const QsFile *file;

  for (guint i = 0; files != NULL && i < files->len; i++)
    {
      file = g_ptr_array_index (files, i);
      g_hash_table_insert (by_path, file->path, (gpointer)file);
    }
  g_variant_builder_init (&links, G_VARIANT_TYPE (QS_WIRE_LINKS));
  file = g_hash_table_lookup (by_path, path);
  for (guint i = 0; i < QS_MAX_CHAIN_FILES && file != NULL && file->backing != NULL; i++)
    {
      const QsFile *backing = g_hash_table_lookup (by_path, file->backing);

      g_variant_builder_add (&links, "(sss)", file->path, file->backing,
                             backing != NULL ? backing->format : "");
      file = backing;
    }
  return g_variant_builder_end (&links);
}

/**
 * qs_worker_inspect_chain:
 * @files: (element-type QsFile) (nullable): the recorded files of the domain
 * @images: (element-type QsImage) (out): the files from @path down. On failure those before it, or
 *   NULL if the worker itself failed
 *
 * Walks a chain by the names and formats in the headers, and by what is recorded where a header
 * cannot tell: it names no backing file (mode no-backing-file), or is one of qed and holds no
 * format. A path is as it was given or written, made absolute.
 */
gboolean
qs_worker_inspect_chain (QsWorker *worker, const char *path, const char *format,
                         const GPtrArray *files, GPtrArray **images, GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "inspect-chain",
      g_variant_new ("(ss@" QS_WIRE_LINKS ")", path, format, make_links (path, files)),
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

static GVariant *
make_wish (const QsNewImage *image)
{
  static const QsFileId none = { 0 };
  const QsFileId *taken = image->taken != NULL ? image->taken : &none;

  return g_variant_new ("(sstubmsmsuu(tttt))", image->path, image->format, image->virtual_size,
                        (guint32)image->cluster_size, image->extended_l2, image->backing,
                        image->backing_format, image->mode, image->gid, taken->dev, taken->ino,
                        taken->rdev, taken->diskseq);
}

/**
 * qs_worker_create_image:
 *
 * Makes an empty overlay, durable and complete, that has no name yet. It vanishes if
 * qs_worker_link() is not called before the worker is released; what is @taken is empty again then.
 */
gboolean
qs_worker_create_image (QsWorker *worker, const QsNewImage *image, QsFileId *id, GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "create-image", make_wish (image), "((ttx))", error);

  if (result == NULL)
    return FALSE;
  *id = image->taken != NULL ? *image->taken : (QsFileId){ 0 };
  g_variant_get (result, "((ttx))", &id->dev, &id->ino, &id->btime);
  return TRUE;
}

/**
 * qs_worker_wipe_image:
 * @image: as it was given to qs_worker_create_image(), with @taken
 * @wiped: FALSE: what is there is not the empty overlay and nothing else, and was left as it is
 *
 * Takes back what was written to the caller's own empty file, which is empty again then, or block
 * device, which begins with zeros then. Also when it is not known whether anything was written. An
 * overlay that a process has in use is a failure.
 */
gboolean
qs_worker_wipe_image (QsWorker *worker, const QsNewImage *image, gboolean *wiped, GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "wipe-image", make_wish (image), "(b)", error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(b)", wiped);
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
