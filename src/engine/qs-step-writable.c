/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-block-graph.h"
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-step-qmp-private.h"

/* a tag in a file below the one that the guest writes to: its node becomes writable for as long as the
   tag is deleted. Only of nodes that the service has named all options are known */

typedef struct
{
  QsGuest *guest;
  const char *name;
  JsonNode *nodes;
  JsonNode *graph;
  JsonObject *entry; /* of @nodes */
} Node;

static void
node_clear (Node *node)
{
  g_clear_pointer (&node->nodes, json_node_unref);
  g_clear_pointer (&node->graph, json_node_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Node, node_clear)

static gboolean
node_look (Node *node, QsGuest *guest, const char *name, GError **error)
{
  *node = (Node){ .guest = guest, .name = name };
  node->nodes = qs_node_query (guest, error);
  node->graph = node->nodes != NULL ? qs_block_graph_query (guest, error) : NULL;
  if (node->graph == NULL)
    return FALSE;
  node->entry = qs_node_find (node->nodes, name);
  if (node->entry != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "QEMU has no block node ‘%s’ any more",
               name);
  return FALSE;
}

static gboolean
is_read_only (const Node *node)
{
  return qs_json_boolean (node->entry, "ro");
}

static void
add_cache (const Node *node, GVariantDict *options)
{
  JsonObject *cache = qs_json_object (node->entry, "cache");

  g_variant_dict_insert_value (
      options, "cache",
      g_variant_new_parsed ("{'direct': <%b>, 'no-flush': <%b>}",
                            cache != NULL && qs_json_boolean (cache, "direct"),
                            cache != NULL && qs_json_boolean (cache, "no-flush")));
}

/* all that it has now, since QEMU resets what is left out */
static GVariant *
reopen_options (const Node *node, gboolean read_only)
{
  const char *detect_zeroes = qs_json_string (node->entry, "detect_zeroes");
  const char *backing = qs_block_graph_child (node->graph, node->name, "backing");
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s", qs_json_string (node->entry, "drv"));
  g_variant_dict_insert (&options, "node-name", "s", node->name);
  g_variant_dict_insert (&options, "read-only", "b", read_only);
  g_variant_dict_insert (&options, "file", "s",
                         qs_block_graph_child (node->graph, node->name, "file"));
  if (backing != NULL)
    g_variant_dict_insert (&options, "backing", "s", backing);
  else
    g_variant_dict_insert (&options, "backing", "mv", NULL);
  if (detect_zeroes != NULL)
    g_variant_dict_insert (&options, "detect-zeroes", "s", detect_zeroes);
  if (g_strcmp0 (detect_zeroes, "unmap") == 0)
    g_variant_dict_insert (&options, "discard", "s", "unmap");
  add_cache (node, &options);
  return g_variant_dict_end (&options);
}

/* QEMU 7.2 aborts in `blockdev-reopen` of a node that lives in an I/O thread, and does not tell which
   do */
static gboolean
check_reopen (const Node *node, GError **error)
{
  gboolean has_threads = FALSE;

  if (!qs_guest_io_threads (node->guest, &has_threads, error))
    return FALSE;
  if (!has_threads && g_strcmp0 (qs_json_string (node->entry, "drv"), "qcow2") == 0
      && qs_block_graph_child (node->graph, node->name, "file") != NULL)
    return TRUE;
  g_set_error_literal (
      error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
      "a snapshot in a backing file of this running guest cannot be deleted, for its "
      "disks may have I/O threads; shut the guest down first");
  return FALSE;
}

static gboolean
reopen (const Node *node, gboolean read_only, GError **error)
{
  GVariant *options = reopen_options (node, read_only);

  return qs_qmp_run (
      qs_guest_get_qmp (node->guest), "blockdev-reopen",
      g_variant_new_parsed ("{'options': <%@aa{sv}>}", g_variant_new_array (NULL, &options, 1)),
      QS_QMP_COMMAND_SECONDS, error);
}

/* QEMU opens the file by its name once more */
static gboolean
check_file (QsStepCall *call, const Node *node, GError **error)
{
  const char *file = qs_block_graph_child (node->graph, node->name, "file");
  JsonObject *entry = qs_node_find (node->nodes, file);
  const char *path = entry != NULL ? qs_json_string (entry, "file") : NULL;

  if (path != NULL)
    return qs_step_check_name (call, path, QS_NAME_DOUBT_REFUSED, error);
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "QEMU does not tell the file of its block node ‘%s’", node->name);
  return FALSE;
}

/* the node of a disk that was writable before its overlay was put on it has stayed so */
gboolean
qs_run_node_writable (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = qs_step_call_need_guest (call, error);
  g_auto (Node) node = { 0 };

  if (guest == NULL || !qs_guest_check (guest, error)
      || !node_look (&node, guest, qs_step_string (call->step, "node"), error)
      || !check_reopen (&node, error) || !check_file (call, &node, error))
    return FALSE;
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'changed': <%b>}", is_read_only (&node)));
  if (!is_read_only (&node))
    return TRUE;
  return qs_step_call_note (call, *result, error) && reopen (&node, FALSE, error);
}

static gboolean
has_changed (GVariant *result)
{
  gboolean changed = FALSE;

  return result != NULL && g_variant_lookup (result, "changed", "b", &changed) && changed;
}

static gboolean
protect (QsGuest *guest, const char *name, GError **error)
{
  g_auto (Node) node = { 0 };

  return node_look (&node, guest, name, error)
         && (is_read_only (&node) || reopen (&node, TRUE, error));
}

gboolean
qs_undo_node_writable (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!has_changed (qs_step_call_result (call)))
    return TRUE;
  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  return guest == NULL || protect (guest, qs_step_string (call->step, "node"), error);
}

/* the job of a daemon that was killed may still be known */
static gboolean
delete_tag (QsGuest *guest, const QsStep *step, GError **error)
{
  const char *name = qs_step_string (step, "node");
  const char *const devices[] = { name, NULL };
  g_autofree char *job = g_strconcat (name, "-d", NULL);
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_auto (Node) node = { 0 };

  if (!qs_qmp_end_job (qmp, job, QS_QMP_TRANSACTION_SECONDS, error)
      || !node_look (&node, guest, name, error))
    return FALSE;
  if (!qs_node_has_tag (node.entry, qs_step_string (step, "tag")))
    return TRUE;
  return qs_qmp_run_job (qmp, "snapshot-delete", job,
                         g_variant_new_parsed ("{'job-id': <%s>, 'tag': <%s>, 'devices': <%^as>}",
                                               job, qs_step_string (step, "tag"), devices),
                         QS_QMP_TRANSACTION_SECONDS, error);
}

static GVariant *
find_prepared (const QsStepCall *call)
{
  g_autoptr (GVariant) index = qs_step_value (call->step, "writable");
  guint n = index != NULL ? g_variant_get_uint32 (index) : G_MAXUINT;

  return n < call->results->len ? g_ptr_array_index (call->results, n) : NULL;
}

/**
 * qs_run_node_tag:
 *
 * Deletes a tag; with `writable`, in the node that this step has made so. It is protected again
 * afterwards, also in the second try of one that failed.
 */
gboolean
qs_run_node_tag (QsStepCall *call, GVariant **result, GError **error)
{
  GVariant *prepared = find_prepared (call);
  g_autoptr (QsGuest) guest = NULL;

  if (prepared == NULL)
    return qs_run_guest_step (call, result, error);
  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (guest == NULL)
    return qs_run_image_delete (call, result, error);
  return delete_tag (guest, call->step, error)
         && (!has_changed (prepared)
             || protect (guest, qs_step_string (call->step, "node"), error));
}
