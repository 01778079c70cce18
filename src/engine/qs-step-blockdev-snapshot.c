/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* one row of the step's argument `disks`; the strings belong to @row */
typedef struct
{
  GVariant *row;
  const char *target;
  const char *node;
  const char *overlay;
} Disk;

static void
disk_clear (gpointer data)
{
  g_variant_unref (((Disk *)data)->row);
}

static GArray *
read_disks (const QsStep *step)
{
  g_autoptr (GVariant) rows = qs_step_value (step, "disks");
  GArray *disks = g_array_new (FALSE, TRUE, sizeof (Disk));

  g_array_set_clear_func (disks, disk_clear);
  for (gsize i = 0; i < g_variant_n_children (rows); i++)
    {
      Disk disk = { .row = g_variant_get_child_value (rows, i) };

      g_variant_lookup (disk.row, "target", "&s", &disk.target);
      g_variant_lookup (disk.row, "node", "&s", &disk.node);
      g_variant_lookup (disk.row, "overlay", "&s", &disk.overlay);
      g_array_append_val (disks, disk);
    }
  return disks;
}

/* (nullable): the device whose root is this node */
static JsonObject *
find_root (JsonNode *devices, const char *node)
{
  JsonArray *array = json_node_get_array (devices);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonObject *inserted = qs_json_object (qs_json_element (array, i), "inserted");

      if (inserted != NULL && g_strcmp0 (qs_json_string (inserted, "node-name"), node) == 0)
        return inserted;
    }
  return NULL;
}

static JsonNode *
query_devices (QsGuest *guest, GError **error)
{
  JsonNode *devices =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-block", NULL, QS_QMP_COMMAND_SECONDS, error);

  if (devices == NULL || JSON_NODE_HOLDS_ARRAY (devices))
    return devices;
  json_node_unref (devices);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                       "QEMU’s list of block devices cannot be understood");
  return NULL;
}

static gint64
virtual_size (JsonObject *node)
{
  return qs_json_int64 (qs_json_object (node, "image"), "virtual-size");
}

/* QEMU takes an overlay of any size, and the guest's disk then has it */
static gboolean
check_disk (const Disk *disk, JsonNode *devices, JsonNode *nodes, GError **error)
{
  JsonObject *root = find_root (devices, disk->node);
  JsonObject *overlay = qs_node_find (nodes, disk->overlay);
  const char *why = NULL;

  if (root == NULL)
    why = "its active image is no longer the one that was seen, or a block job is on it";
  else if (overlay == NULL)
    why = "its overlay is not open";
  else if (virtual_size (root) != virtual_size (overlay))
    why = "its overlay has another size";
  if (why == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "disk ‘%s’ cannot be snapshotted: %s",
               disk->target, why);
  return FALSE;
}

static gboolean
check_disks (QsGuest *guest, const GArray *disks, GError **error)
{
  g_autoptr (JsonNode) devices = query_devices (guest, error);
  g_autoptr (JsonNode) nodes = devices == NULL ? NULL : qs_node_query (guest, error);

  if (nodes == NULL)
    return FALSE;
  for (guint i = 0; i < disks->len; i++)
    if (!check_disk (&g_array_index (disks, Disk, i), devices, nodes, error))
      return FALSE;
  return TRUE;
}

static GVariant *
transaction (const GArray *disks)
{
  g_auto (GVariantBuilder) actions = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < disks->len; i++)
    {
      const Disk *disk = &g_array_index (disks, Disk, i);

      g_variant_builder_add_parsed (&actions,
                                    "{'type': <'blockdev-snapshot'>,"
                                    " 'data': <{'node': <%s>, 'overlay': <%s>}>}",
                                    disk->node, disk->overlay);
    }
  return g_variant_new_parsed ("{'actions': <%@aa{sv}>}", g_variant_builder_end (&actions));
}

/* (nullable): the one disk of which QEMU speaks, by the name of a node */
static const Disk *
find_named (const GArray *disks, const char *message)
{
  for (guint i = 0; i < disks->len; i++)
    {
      const Disk *disk = &g_array_index (disks, Disk, i);
      g_autofree char *node = g_strdup_printf ("%c%s%c", '\'', disk->node, '\'');
      g_autofree char *overlay = g_strdup_printf ("%c%s%c", '\'', disk->overlay, '\'');

      if (disks->len == 1 || strstr (message, node) != NULL || strstr (message, overlay) != NULL)
        return disk;
    }
  return NULL;
}

/* QEMU names the node that is in the way, or nothing; people know the disk */
static void
prefix_disk (const GArray *disks, GError **error)
{
  const Disk *named = error == NULL ? NULL : find_named (disks, (*error)->message);
  g_autoptr (GString) all = g_string_new (NULL);

  for (guint i = 0; i < disks->len; i++)
    g_string_append_printf (all, "%s‘%s’", i == 0 ? "" : ", ",
                            g_array_index (disks, Disk, i).target);
  if (named != NULL)
    g_prefix_error (error, "disk ‘%s’: ", named->target);
  else
    g_prefix_error (error, "one of the disks %s: ", all->str);
}

gboolean
qs_blockdev_snapshot_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  g_autoptr (GArray) disks = read_disks (step);

  if (!qs_guest_check (guest, error) || !check_disks (guest, disks, error))
    return FALSE;
  if (qs_qmp_run (qs_guest_get_qmp (guest), "transaction", transaction (disks),
                  QS_QMP_TRANSACTION_SECONDS, error))
    return TRUE;
  prefix_disk (disks, error);
  return FALSE;
}

QsProbe
qs_blockdev_snapshot_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (GArray) disks = read_disks (step);
  g_autoptr (JsonNode) devices = guest == NULL ? NULL : query_devices (guest, error);
  guint before = 0;
  guint after = 0;

  for (guint i = 0; devices != NULL && i < disks->len; i++)
    {
      const Disk *disk = &g_array_index (disks, Disk, i);

      before += find_root (devices, disk->node) != NULL;
      after += find_root (devices, disk->overlay) != NULL;
    }
  if (before == disks->len && after == 0)
    return QS_PROBE_NOT_DONE;
  return after == disks->len && before == 0 ? QS_PROBE_DONE : QS_PROBE_UNKNOWN;
}

static GVariant *
sync_result (gboolean done, const GError *error)
{
  return g_variant_ref_sink (g_variant_new_parsed ("{'done': <%b>, 'error': <%s>}", done,
                                                   error != NULL ? error->message : ""));
}

/* the size that the disk has; QEMU would take an overlay of any other */
static gboolean
check_sync (QsGuest *guest, const QsStep *step, GError **error)
{
  g_autoptr (JsonNode) devices = query_devices (guest, error);

  JsonObject *root;

  if (devices == NULL)
    return FALSE;
  root = find_root (devices, qs_step_string (step, "node"));
  if (root != NULL && virtual_size (root) == (gint64)qs_step_uint64 (step, "size"))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       root != NULL ? "its size has changed meanwhile"
                                    : "its active image is no longer the one that was seen, or a "
                                      "block job is on it");
  return FALSE;
}

static gboolean
run_sync (QsGuest *guest, const QsStep *step, GError **error)
{
  return qs_guest_check (guest, error) && check_sync (guest, step, error)
         && qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-snapshot-sync",
                        g_variant_new_parsed (
                            "{'node-name': <%s>, 'snapshot-file': <%s>,"
                            " 'snapshot-node-name': <%s>, 'format': <%s>,"
                            " 'mode': <'existing'>}",
                            qs_step_string (step, "node"), qs_step_string (step, "path"),
                            qs_step_string (step, "overlay"), qs_step_string (step, "format")),
                        QS_QMP_TRANSACTION_SECONDS, error);
}

/* as the commit it fails; behind it, it is tried once, and what came of it is its result */
gboolean
qs_blockdev_snapshot_sync_run (QsGuest *guest, const QsStep *step, GVariant **result,
                               GError **error)
{
  g_autoptr (GError) why = NULL;

  if (run_sync (guest, step, &why))
    {
      *result = sync_result (TRUE, NULL);
      return TRUE;
    }
  switch (qs_blockdev_snapshot_sync_probe (guest, step, NULL, error))
    {
    case QS_PROBE_DONE:
      *result = sync_result (TRUE, NULL);
      return TRUE;
    case QS_PROBE_NOT_DONE:
      if (step->phase == QS_PHASE_FINISH)
        {
          *result = sync_result (FALSE, why);
          return TRUE;
        }
      break;
    case QS_PROBE_UNKNOWN:
      break;
    }
  g_clear_error (error);
  g_propagate_error (error, g_steal_pointer (&why));
  return FALSE;
}

QsProbe
qs_blockdev_snapshot_sync_probe (QsGuest *guest, const QsStep *step, GVariant *result,
                                 GError **error)
{
  g_autoptr (JsonNode) devices = guest == NULL ? NULL : query_devices (guest, error);
  gboolean before, after;

  if (devices == NULL)
    return QS_PROBE_UNKNOWN;
  before = find_root (devices, qs_step_string (step, "node")) != NULL;
  after = find_root (devices, qs_step_string (step, "overlay")) != NULL;
  if (before == after)
    return QS_PROBE_UNKNOWN;
  return after ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}
