/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-error.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* a copy of what the guest writes to. Nothing of the guest ever waits or fails because of it */

GVariant *
qs_merge_mirror_arguments (const QsMerge *merge)
{
  const QsStep *step = merge->step;

  return g_variant_new_parsed ("{'device': <%s>, 'target': <%s>, 'sync': <%s>, 'copy-mode': <%s>,"
                               " 'on-source-error': <'report'>, 'on-target-error': <'report'>}",
                               qs_step_string (step, "device"), qs_step_string (step, "node"),
                               qs_step_string (step, "sync"), qs_step_string (step, "copy-mode"));
}

/* (transfer full) (nullable): (ssttx) of the destination: the caller's own, or as the step that made it
   has learnt */
static GVariant *
find_row (const QsMerge *merge)
{
  const GPtrArray *results = merge->call->results;
  guint64 image = qs_step_uint64 (merge->step, "image");
  g_autoptr (GVariant) file = qs_step_value (merge->step, "file");
  GVariant *learnt = image < results->len ? g_ptr_array_index (results, image) : NULL;
  QsFileId id = { 0 };

  if (file != NULL)
    return g_steal_pointer (&file);
  if (learnt == NULL || !g_variant_lookup (learnt, "dev", "t", &id.dev)
      || !g_variant_lookup (learnt, "ino", "t", &id.ino)
      || !g_variant_lookup (learnt, "btime", "x", &id.btime))
    return NULL;
  return g_variant_ref_sink (g_variant_new ("(ssttx)", qs_step_string (merge->step, "path"), "",
                                            id.dev, id.ino, id.btime));
}

/* (transfer full): (sstt) of it as it is now */
static GVariant *
find_file (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) row = find_row (merge);
  GVariant *file = row != NULL ? qs_merge_find_file (merge->call, row, error) : NULL;

  if (row == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the identity of ‘%s’ is not recorded",
                 qs_step_string (merge->step, "path"));
  return file != NULL ? g_variant_ref_sink (file) : NULL;
}

/**
 * qs_merge_mirror_check:
 *
 * That the destination has its name still, and that QEMU has this very file open.
 */
gboolean
qs_merge_mirror_check (const QsMerge *merge, GError **error)
{
  g_autoptr (GVariant) file = find_file (merge, error);

  return file != NULL
         && qs_step_check_name (merge->call, qs_step_string (merge->step, "path"),
                                QS_NAME_DOUBT_REFUSED, error);
}

/**
 * qs_merge_mirror_sync:
 *
 * Makes the destination durable, which QEMU has closed.
 */
gboolean
qs_merge_mirror_sync (const QsMerge *merge, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  g_autoptr (GVariant) file = find_file (merge, error);
  const char *path;
  QsFileId id = { 0 };

  if (worker == NULL || file == NULL)
    return FALSE;
  g_variant_get (file, "(&s&stt)", &path, NULL, &id.dev, &id.ino);
  return qs_worker_sync (worker, path, &id, error);
}

/* how the C library says that a file cannot grow */
static gboolean
is_full (const char *problem)
{
  static const char *const words[] = { "No space left", "Disk quota exceeded", "File too large" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (problem, words[i]) != NULL)
      return TRUE;
  return FALSE;
}

/**
 * qs_merge_mirror_explain:
 * @job: that has failed
 */
void
qs_merge_mirror_explain (const QsMerge *merge, const QsBlockJob *job, GError **error)
{
  g_set_error (error, QS_ERROR, is_full (job->problem) ? QS_ERROR_NO_SPACE : QS_ERROR_IMAGE_FAILED,
               "QEMU failed to copy it to ‘%s’: %s; the guest goes on with the files it had",
               qs_step_string (merge->step, "path"), job->problem);
}
