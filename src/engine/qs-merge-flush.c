/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-merge-step.h"

#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* QEMU 7.2 writes the new backing file into the header before the tables that tell where the merged
   data are: a kill in between loses them. So the node that was written is flushed while the job is
   pending, and the tables are looked at on the disk; docs/flush-barrier.md has the measurements */

static gboolean
is_node_name (const char *name)
{
  static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-#";

  return *name != '\0' && strlen (name) <= QS_MAX_NODE_NAME_BYTES
         && strspn (name, allowed) == strlen (name);
}

/* works on nodes of any name, and in I/O threads; tells of a node that is not there, and nothing of a
   flush that fails */
static gboolean
flush_by_io (QsGuest *guest, const char *node, GError **error)
{
  g_autofree char *line = g_strdup_printf ("qemu-io %s flush", node);
  g_autoptr (JsonNode) answer = NULL;
  const char *text;

  if (!is_node_name (node))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "‘%s’ is no name of a block node",
                   node);
      return FALSE;
    }
  answer = qs_qmp_execute (qs_guest_get_qmp (guest), "human-monitor-command",
                           g_variant_new_parsed ("{'command-line': <%s>}", line),
                           QS_QMP_TRANSACTION_SECONDS, error);
  if (answer == NULL)
    return FALSE;
  text = JSON_NODE_HOLDS_VALUE (answer) ? json_node_get_string (answer) : NULL;
  if (g_strcmp0 (text, "") == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED, "QEMU cannot flush ‘%s’: %s", node,
               text != NULL ? g_strstrip ((char *)text) : "no answer");
  return FALSE;
}

/* tells of a flush that fails; needs to be given all that the node was made with */
static gboolean
flush_by_reopen (QsGuest *guest, GVariant *options, GError **error)
{
  GVariant *list = g_variant_new_array (NULL, &options, 1);

  return qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-reopen",
                     g_variant_new_parsed ("{'options': <%@aa{sv}>}", list),
                     QS_QMP_TRANSACTION_SECONDS, error);
}

/* QEMU 7.2 aborts in `blockdev-reopen` of a node that lives in an I/O thread, and does not tell which
   do */
static gboolean
flush_node (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_autoptr (GVariant) reopen = qs_step_value (merge->step, "reopen");
  gboolean has_threads = FALSE;

  if (merge->is_private)
    return qs_merge_storage_flush (merge, guest, error);
  if (reopen != NULL && !qs_guest_io_threads (guest, &has_threads, error))
    return FALSE;
  return reopen != NULL && !has_threads ? flush_by_reopen (guest, reopen, error)
                                        : flush_by_io (guest, merge->written, error);
}

static void
add_rows (GVariantBuilder *rows, GVariant *files, gsize from, gsize to)
{
  for (gsize i = from; i < to; i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (files, i);

      g_variant_builder_add_value (rows, row);
    }
}

/* of a commit the file below the layers is the one that is written */
static GVariant *
written_first (const QsMerge *merge, GVariant *files)
{
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE (QS_WORKER_FILES));

  if (merge->is_stream)
    add_rows (&rows, files, 0, g_variant_n_children (files));
  else
    {
      add_rows (&rows, files, merge->layers, merge->layers + 1);
      add_rows (&rows, files, 0, merge->layers);
    }
  return g_variant_builder_end (&rows);
}

static gboolean
sync_first (const QsMerge *merge, GVariant *files, GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  const char *path;
  QsFileId id = { 0 };

  g_variant_get_child (files, 0, "(&s&stt)", &path, NULL, &id.dev, &id.ino);
  return worker != NULL && qs_worker_sync (worker, path, &id, error);
}

/* where zeros that are written are looked for, and nothing stands below, none of them leave a trace */
static gboolean
leaves_no_trace (const QsMerge *merge, QsGuest *guest, gboolean *no_trace, GError **error)
{
  g_autoptr (JsonNode) nodes = NULL;
  JsonObject *node;

  *no_trace = FALSE;
  if (merge->is_stream)
    return TRUE;
  nodes = qs_node_query (guest, error);
  node = nodes != NULL ? qs_node_find (nodes, merge->written) : NULL;
  *no_trace = node != NULL && g_strcmp0 (qs_json_string (node, "detect_zeroes"), "off") != 0
              && qs_json_int64 (node, "backing_file_depth") == 0;
  return nodes != NULL;
}

static gboolean
flush_and_look (const QsMerge *merge, QsGuest *guest, GVariant *files, gboolean *found,
                GError **error)
{
  QsWorker *worker = qs_real_world_worker (merge->call->world, error);
  gboolean no_trace = FALSE;

  if (worker == NULL || !flush_node (merge, guest, error)
      || !leaves_no_trace (merge, guest, &no_trace, error))
    return FALSE;
  *found = no_trace;
  return no_trace || qs_worker_covers (worker, files, found, error);
}

/**
 * qs_merge_flush:
 *
 * While the job is pending: makes what it has copied durable, tables first, and looks whether all of
 * it is there. The file is synchronized before, so that the flush, for which the guest has to wait,
 * is short.
 */
gboolean
qs_merge_flush (const QsMerge *merge, QsGuest *guest, GError **error)
{
  GVariant *all = qs_merge_files (merge, error);
  g_autoptr (GVariant) sunk = all != NULL ? g_variant_ref_sink (all) : NULL;
  g_autoptr (GVariant) files =
      sunk != NULL ? g_variant_ref_sink (written_first (merge, sunk)) : NULL;
  gboolean found = FALSE;

  if (files == NULL || !sync_first (merge, files, error))
    return FALSE;
  for (guint i = 0; i < 2 && !found; i++)
    if (!flush_and_look (merge, guest, files, &found, error))
      return FALSE;
  if (!found)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                         "QEMU says that all is copied, but not all of it is found on the disk");
  return found;
}

/**
 * qs_merge_flush_again:
 *
 * After the job: the header names another backing file durably only now.
 */
gboolean
qs_merge_flush_again (const QsMerge *merge, QsGuest *guest, GError **error)
{
  g_autoptr (GVariant) header = NULL;
  GVariant *file;

  if (merge->is_private)
    return qs_merge_storage_flush_again (merge, guest, error);
  if (!flush_by_io (guest, merge->written, error))
    return FALSE;
  if (merge->header == NULL)
    return TRUE;
  if (merge->header != merge->written && !flush_by_io (guest, merge->header, error))
    return FALSE;
  file = qs_merge_header_file (merge, error);
  header = file != NULL ? g_variant_ref_sink (file) : NULL;
  return header != NULL && sync_first (merge, header, error);
}
