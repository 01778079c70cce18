/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-block-graph.h"
#include "qs-limits.h"
#include "qs-step-process.h"
#include "qs-storage.h"

/* a merge in a process of its own: there are no devices to ask, and no human monitor, but all nodes are
   ours */

static GVariant *
sink (GVariant *value)
{
  return value != NULL ? g_variant_ref_sink (value) : NULL;
}

gboolean
qs_merge_storage_check (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_autoptr (GVariant) files = sink (qs_merge_files (merge, error));

  return files != NULL
         && qs_storage_check (merge->call, qs_guest_get_process (guest), files, error);
}

gboolean
qs_merge_storage_is_pivoted (QsGuest *guest, const QsMerge *merge, gboolean *done, GError **error)
{
  g_autoptr (JsonNode) graph = qs_block_graph_query (guest, error);

  if (graph == NULL)
    return FALSE;
  *done = g_strcmp0 (qs_block_graph_child (graph, QS_STORAGE_FILTER, "file"), merge->written) == 0;
  return TRUE;
}

static guint
node_number (const char *node)
{
  return node != NULL && *node == 'n' ? (guint)g_ascii_strtoull (node + 1, NULL, 10) : G_MAXUINT;
}

/* tells of a flush that fails. @below: what it stands on now: another node would change the graph */
static gboolean
reopen (const QsMerge *merge, QsGuest *guest, const char *below, gboolean read_only, GError **error)
{
  g_autoptr (GVariant) rows = qs_step_value (merge->step, "files");
  const char *format;
  GVariant *options;

  g_variant_get_child (rows, merge->is_stream ? 0 : merge->layers, "(&s&sttx)", NULL, &format, NULL,
                       NULL, NULL);
  options = qs_storage_reopen (format, node_number (merge->written), node_number (below),
                               QS_MAX_CHAIN_FILES, read_only);
  return qs_qmp_run (
      qs_guest_get_qmp (guest), "blockdev-reopen",
      g_variant_new_parsed ("{'options': <%@aa{sv}>}", g_variant_new_array (NULL, &options, 1)),
      QS_QMP_TRANSACTION_SECONDS, error);
}

static gboolean
flush (const QsMerge *merge, QsGuest *guest, gboolean read_only, GError **error)
{
  g_autoptr (JsonNode) graph = qs_block_graph_query (guest, error);

  return graph != NULL
         && reopen (merge, guest, qs_block_graph_child (graph, merge->written, "backing"),
                    read_only, error);
}

/* of a stream; a commit of the first file flushes by itself */
gboolean
qs_merge_storage_flush (const QsMerge *merge, QsGuest *guest, GError **error)
{
  return flush (merge, guest, FALSE, error);
}

static gboolean
sync_written (const QsMerge *merge, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  g_autoptr (GVariant) files = sink (qs_merge_files (merge, error));
  const char *path;
  QsFileId id = { 0 };

  if (worker == NULL || files == NULL)
    return FALSE;
  g_variant_get_child (files, merge->is_stream ? 0 : merge->layers, "(&s&stt)", &path, NULL,
                       &id.dev, &id.ino);
  return qs_worker_sync (worker, path, &id, error);
}

/* a node that has become read only again was flushed for that, and whether that failed was not told:
   so it becomes writable and read only once more */
gboolean
qs_merge_storage_flush_again (const QsMerge *merge, QsGuest *guest, GError **error)
{
  return (!merge->is_stream
          || (flush (merge, guest, FALSE, error) && flush (merge, guest, TRUE, error)))
         && sync_written (merge, error);
}

/* one that does not answer is ended: it has no guest that would lose anything */
gboolean
qs_merge_storage_cancel (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (qs_block_job_cancel (qs_guest_get_qmp (guest), merge->job, &problem))
    return TRUE;
  g_message ("%s; the storage daemon is ended", problem->message);
  qs_storage_forget (merge->call->world);
  return qs_step_end_process (merge->call, qs_guest_get_process (guest), error)
         && qs_merge_put_back (merge, error);
}
