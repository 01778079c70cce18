/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-step-qmp-private.h"

JsonNode *
qs_node_query (QsGuest *guest, GError **error)
{
  JsonNode *nodes =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-named-block-nodes",
                      g_variant_new_parsed ("{'flat': <true>}"), QS_QMP_COMMAND_SECONDS, error);

  if (nodes == NULL || JSON_NODE_HOLDS_ARRAY (nodes))
    return nodes;
  json_node_unref (nodes);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                       "QEMU’s list of block nodes cannot be understood");
  return NULL;
}

JsonObject *
qs_node_find (JsonNode *nodes, const char *name)
{
  JsonArray *array = json_node_get_array (nodes);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonObject *node = qs_json_element (array, i);

      if (node != NULL && g_strcmp0 (qs_json_string (node, "node-name"), name) == 0)
        return node;
    }
  return NULL;
}

/* QEMU takes detect-zeroes=unmap together with discard=unmap only */
static void
add_disk_options (GVariantDict *options, const QsStep *step)
{
  const char *detect_zeroes = qs_step_string (step, "detect-zeroes");

  if (detect_zeroes == NULL)
    return;
  g_variant_dict_insert (options, "detect-zeroes", "s", detect_zeroes);
  if (g_str_equal (detect_zeroes, "unmap"))
    g_variant_dict_insert (options, "discard", "s", "unmap");
}

/* the plans of an earlier version do not say */
static gboolean
auto_read_only (const QsStep *step)
{
  g_autoptr (GVariant) value = qs_step_value (step, "auto-read-only");

  return value == NULL || g_variant_get_boolean (value);
}

static char *
file_node (const QsStep *step)
{
  return g_strconcat (qs_step_string (step, "node"), "-f", NULL);
}

static GVariant *
cache_options (const QsStep *step)
{
  return g_variant_new_parsed ("{'direct': <%b>, 'no-flush': <%b>}",
                               qs_step_boolean (step, "direct"),
                               qs_step_boolean (step, "no-flush"));
}

static GVariant *
file_options (const QsStep *step)
{
  const char *detect_zeroes = qs_step_string (step, "detect-zeroes");
  g_autofree char *name = file_node (step);
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s",
                         qs_path_is_device (qs_step_string (step, "path")) ? "host_device"
                                                                           : "file");
  g_variant_dict_insert (&options, "node-name", "s", name);
  g_variant_dict_insert (&options, "filename", "s", qs_step_string (step, "path"));
  g_variant_dict_insert (&options, "read-only", "b", FALSE);
  g_variant_dict_insert (&options, "auto-read-only", "b", auto_read_only (step));
  g_variant_dict_insert_value (&options, "cache", cache_options (step));
  if (g_strcmp0 (detect_zeroes, "unmap") == 0)
    g_variant_dict_insert (&options, "discard", "s", "unmap");
  return g_variant_dict_end (&options);
}

/* the backing file is the disk's node, put there by the transaction: were it opened by its name from
   the header, the lock on it would be in the way. @open-backing: it is no disk's node, but a state
   that nobody writes to */
static GVariant *
node_options (const QsStep *step)
{
  g_autofree char *file = file_node (step);
  const char *backing = qs_step_string (step, "backing");
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "driver", "s", qs_step_string (step, "format"));
  g_variant_dict_insert (&options, "node-name", "s", qs_step_string (step, "node"));
  if (!qs_step_boolean (step, "open-backing")
      && !g_str_equal (qs_step_string (step, "format"), "raw"))
    g_variant_dict_insert (&options, "backing", "ms",
                           backing != NULL && *backing != '\0' ? backing : NULL);
  if (qs_step_boolean (step, "read-only"))
    g_variant_dict_insert (&options, "read-only", "b", TRUE);
  g_variant_dict_insert_value (&options, "cache", cache_options (step));
  if (auto_read_only (step))
    g_variant_dict_insert_value (&options, "file", file_options (step));
  else
    g_variant_dict_insert (&options, "file", "s", file);
  add_disk_options (&options, step);
  return g_variant_dict_end (&options);
}

/* a file node that stands by itself: QEMU opens one that was added with its format node anew, by its
   name, whenever that one is reopened */
static gboolean
add_file_node (QsGuest *guest, const QsStep *step, GError **error)
{
  if (auto_read_only (step))
    return TRUE;
  return qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-add", file_options (step),
                     QS_QMP_COMMAND_SECONDS, error);
}

gboolean
qs_node_add_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  if (add_file_node (guest, step, error)
      && qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-add", node_options (step),
                     QS_QMP_COMMAND_SECONDS, error))
    return TRUE;
  g_prefix_error (error, "‘%s’: ", qs_step_string (step, "path"));
  return FALSE;
}

/* that it is not there is as good */
static gboolean
delete_node (QsGuest *guest, JsonNode *nodes, const char *name, GError **error)
{
  return qs_node_find (nodes, name) == NULL
         || qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-del",
                        g_variant_new_parsed ("{'node-name': <%s>}", name), QS_QMP_COMMAND_SECONDS,
                        error);
}

gboolean
qs_node_drop (QsGuest *guest, const char *name, GError **error)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, error);

  return nodes != NULL && delete_node (guest, nodes, name, error);
}

gboolean
qs_node_add_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autofree char *file = file_node (step);
  g_autoptr (JsonNode) nodes = NULL;

  if (guest == NULL)
    return TRUE;
  nodes = qs_node_query (guest, error);
  if (nodes == NULL)
    return FALSE;
  if (delete_node (guest, nodes, qs_step_string (step, "node"), error)
      && (auto_read_only (step) || delete_node (guest, nodes, file, error)))
    return TRUE;
  g_prefix_error (error, "disk ‘%s’: ", qs_step_string (step, "target"));
  return FALSE;
}

QsProbe
qs_node_add_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (JsonNode) nodes = NULL;

  if (guest == NULL)
    return QS_PROBE_NOT_DONE;
  nodes = qs_node_query (guest, error);
  if (nodes == NULL)
    return QS_PROBE_UNKNOWN;
  return qs_node_find (nodes, qs_step_string (step, "node")) != NULL ? QS_PROBE_DONE
                                                                     : QS_PROBE_NOT_DONE;
}

/**
 * qs_node_has_tag:
 * @node: of query-named-block-nodes, or what query-block has in a device
 */
gboolean
qs_node_has_tag (JsonObject *node, const char *tag)
{
  JsonArray *tags = qs_json_array (qs_json_object (node, "image"), "snapshots");

  for (guint i = 0; tags != NULL && i < json_array_get_length (tags); i++)
    if (g_strcmp0 (qs_json_string (qs_json_element (tags, i), "name"), tag) == 0)
      return TRUE;
  return FALSE;
}

QsProbe
qs_node_snapshot_delete_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (JsonNode) nodes = guest == NULL ? NULL : qs_node_query (guest, error);
  JsonObject *node = nodes == NULL ? NULL : qs_node_find (nodes, qs_step_string (step, "node"));

  if (node == NULL)
    return QS_PROBE_UNKNOWN;
  return qs_node_has_tag (node, qs_step_string (step, "tag")) ? QS_PROBE_NOT_DONE : QS_PROBE_DONE;
}

/* a finish step: what is gone already is not asked for again */
gboolean
qs_node_snapshot_delete_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  const char *name = qs_step_string (step, "node");
  const char *tag = qs_step_string (step, "tag");

  if (qs_node_snapshot_delete_probe (guest, step, NULL, NULL) == QS_PROBE_DONE
      || qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-snapshot-delete-internal-sync",
                     g_variant_new_parsed ("{'device': <%s>, 'name': <%s>}", name, tag),
                     QS_QMP_COMMAND_SECONDS, error))
    return TRUE;
  g_prefix_error (error, "disk ‘%s’: ", qs_step_string (step, "target"));
  return FALSE;
}
