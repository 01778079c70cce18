/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-limits.h"

/* @files: of all of these an a(sstt), a floating reference is sunk: path, format and identity, as
   qs_image_identity() has it, of image files; a file that has become another one is IMAGE_FAILED */

static gboolean
run_long (QsWorker *worker, const char *method, GVariant *arguments, GCancellable *cancellable,
          GError **error)
{
  const QsCall call = { .method = method,
                        .arguments = arguments,
                        .reply = "()",
                        .seconds = QS_TOOL_WORK_SECONDS + 2 * QS_CALL_SECONDS,
                        .total_seconds = QS_TOOL_TOTAL_SECONDS,
                        .cancellable = cancellable };
  g_autoptr (GVariant) result = qs_worker_call (worker, &call, error);

  return result != NULL;
}

/**
 * qs_worker_commit:
 * @files: a whole chain, none of which another program may write to
 *
 * Copies what the first file holds into the second one. The first stays as it is, so that this may
 * be done again, and as if it had never been interrupted.
 */
gboolean
qs_worker_commit (QsWorker *worker, GVariant *files, GCancellable *cancellable, GError **error)
{
  return run_long (worker, "commit", g_variant_new ("(@a(sstt))", files), cancellable, error);
}

/**
 * qs_worker_set_backing:
 * @files: one file, which no other program may have open
 * @name: as it is to stand in the header; "": none
 *
 * Names another backing file, durably; whether it has the same content is the caller's business.
 */
gboolean
qs_worker_set_backing (QsWorker *worker, GVariant *files, const char *name, const char *format,
                       GError **error)
{
  return run_long (worker, "set-backing", g_variant_new ("(@a(sstt)ss)", files, name, format), NULL,
                   error);
}

/**
 * qs_worker_repair_leaks:
 * @files: one file, which no other program may have open
 */
gboolean
qs_worker_repair_leaks (QsWorker *worker, GVariant *files, GError **error)
{
  return run_long (worker, "repair-leaks", g_variant_new ("(@a(sstt))", files), NULL, error);
}

/**
 * qs_worker_check_merge:
 * @files: a whole chain, each on the next
 * @n_ours: how many of them from the first on no other program may have open as an image
 *
 * Asked before a merge, and once more by QEMU itself.
 */
gboolean
qs_worker_check_merge (QsWorker *worker, GVariant *files, guint n_ours, GError **error)
{
  return run_long (worker, "check-merge", g_variant_new ("(@a(sstt)u)", files, n_ours), NULL,
                   error);
}

/**
 * qs_worker_sync:
 *
 * Makes durable what any process has written to a file so far.
 */
gboolean
qs_worker_sync (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  return run_long (worker, "sync", g_variant_new ("(stt)", path, id->dev, id->ino), NULL, error);
}

/**
 * qs_worker_covers:
 * @files: of which a QEMU may have any open
 * @covers: (out): whether the first file holds, by itself and by what stands on the disk, something
 *   for all data that any of the others holds by itself
 */
gboolean
qs_worker_covers (QsWorker *worker, GVariant *files, gboolean *covers, GError **error)
{
  const QsCall call = { .method = "covers",
                        .arguments = g_variant_new ("(@a(sstt))", files),
                        .reply = "(b)",
                        .seconds = QS_TOOL_WORK_SECONDS + 2 * QS_CALL_SECONDS };
  g_autoptr (GVariant) result = qs_worker_call (worker, &call, error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(b)", covers);
  return TRUE;
}
