/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-graph.h"

#include "qs-json-scan.h"
#include "qs-limits.h"

JsonNode *
qs_block_graph_query (QsGuest *guest, GError **error)
{
  g_autoptr (JsonNode) graph = qs_qmp_execute (
      qs_guest_get_qmp (guest), "x-debug-query-block-graph", NULL, QS_QMP_COMMAND_SECONDS, error);
  JsonObject *object =
      graph != NULL && JSON_NODE_HOLDS_OBJECT (graph) ? json_node_get_object (graph) : NULL;

  if (object != NULL && qs_json_array (object, "nodes") != NULL
      && qs_json_array (object, "edges") != NULL)
    return g_steal_pointer (&graph);
  if (graph != NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                         "QEMU’s graph of block nodes cannot be understood");
  return NULL;
}

/* devices and jobs are in the graph, too, and may be called like nodes */
static gboolean
is_block_node (JsonObject *node)
{
  return node != NULL && g_strcmp0 (qs_json_string (node, "type"), "block-driver") == 0;
}

static gint64
find_id (JsonNode *graph, const char *name)
{
  JsonArray *nodes = qs_json_array (json_node_get_object (graph), "nodes");

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = qs_json_element (nodes, i);

      if (is_block_node (node) && g_strcmp0 (qs_json_string (node, "name"), name) == 0)
        return qs_json_int64 (node, "id");
    }
  return 0;
}

static const char *
find_name (JsonNode *graph, gint64 id)
{
  JsonArray *nodes = qs_json_array (json_node_get_object (graph), "nodes");

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = qs_json_element (nodes, i);

      if (is_block_node (node) && qs_json_int64 (node, "id") == id)
        return qs_json_string (node, "name");
    }
  return NULL;
}

const char *
qs_block_graph_child (JsonNode *graph, const char *node, const char *edge)
{
  JsonArray *edges = qs_json_array (json_node_get_object (graph), "edges");
  gint64 parent = find_id (graph, node);

  for (guint i = 0; parent != 0 && i < json_array_get_length (edges); i++)
    {
      JsonObject *row = qs_json_element (edges, i);

      if (row != NULL && qs_json_int64 (row, "parent") == parent
          && g_strcmp0 (qs_json_string (row, "name"), edge) == 0)
        return find_name (graph, qs_json_int64 (row, "child"));
    }
  return NULL;
}

gboolean
qs_block_graph_has_parent (JsonNode *graph, const char *node)
{
  JsonArray *edges = qs_json_array (json_node_get_object (graph), "edges");
  gint64 child = find_id (graph, node);

  for (guint i = 0; child != 0 && i < json_array_get_length (edges); i++)
    {
      JsonObject *row = qs_json_element (edges, i);

      if (row != NULL && qs_json_int64 (row, "child") == child)
        return TRUE;
    }
  return FALSE;
}
