/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"
#include "qs-wake.h"

#include <string.h>

/* one row of the step's argument `disks`; the strings belong to @row */
typedef struct
{
  GVariant *row;
  const char *target;
  const char *node;
  const char *overlay; /* one of these three; else NULL */
  const char *tag;
  const char *backup;
  const char *job;
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
      g_variant_lookup (disk.row, "tag", "&s", &disk.tag);
      g_variant_lookup (disk.row, "backup", "&s", &disk.backup);
      g_variant_lookup (disk.row, "job", "&s", &disk.job);
      g_array_append_val (disks, disk);
    }
  return disks;
}

/**
 * qs_device_find_root:
 *
 * Returns: (transfer none) (nullable): what is in the device whose root is this node
 */
JsonObject *
qs_device_find_root (JsonNode *devices, const char *node)
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

JsonNode *
qs_device_query (QsGuest *guest, GError **error)
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

gint64
qs_device_virtual_size (JsonObject *node)
{
  return qs_json_int64 (qs_json_object (node, "image"), "virtual-size");
}

/* QEMU takes an overlay of any size, and the guest's disk then has it */
static const char *
find_fault (const Disk *disk, JsonObject *root, JsonNode *nodes)
{
  JsonObject *overlay = disk->overlay == NULL ? NULL : qs_node_find (nodes, disk->overlay);

  if (root == NULL)
    return "its active image is no longer the one that was seen, or a block job is on it";
  if (disk->tag != NULL && qs_node_has_tag (root, disk->tag))
    return "its image has a snapshot of that tag already";
  if (disk->overlay != NULL && overlay == NULL)
    return "its overlay is not open";
  if (overlay != NULL && qs_device_virtual_size (root) != qs_device_virtual_size (overlay))
    return "its overlay has another size";
  return NULL;
}

static gboolean
check_disk (const Disk *disk, JsonNode *devices, JsonNode *nodes, GError **error)
{
  const char *fault = find_fault (disk, qs_device_find_root (devices, disk->node), nodes);

  if (fault == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "disk ‘%s’ cannot be snapshotted: %s",
               disk->target, fault);
  return FALSE;
}

static gboolean
check_disks (QsGuest *guest, const GArray *disks, GError **error)
{
  g_autoptr (JsonNode) devices = qs_device_query (guest, error);
  g_autoptr (JsonNode) nodes = devices == NULL ? NULL : qs_node_query (guest, error);

  if (nodes == NULL)
    return FALSE;
  for (guint i = 0; i < disks->len; i++)
    if (!check_disk (&g_array_index (disks, Disk, i), devices, nodes, error))
      return FALSE;
  return TRUE;
}

static void
add_action (GVariantBuilder *actions, const Disk *disk)
{
  if (disk->overlay != NULL)
    g_variant_builder_add_parsed (actions,
                                  "{'type': <'blockdev-snapshot'>,"
                                  " 'data': <{'node': <%s>, 'overlay': <%s>}>}",
                                  disk->node, disk->overlay);
  else if (disk->tag != NULL)
    g_variant_builder_add_parsed (actions,
                                  "{'type': <'blockdev-snapshot-internal-sync'>,"
                                  " 'data': <{'device': <%s>, 'name': <%s>}>}",
                                  disk->node, disk->tag);
  else
    g_variant_builder_add_parsed (actions,
                                  "{'type': <'blockdev-backup'>,"
                                  " 'data': <{'job-id': <%s>, 'device': <%s>, 'target': <%s>,"
                                  " 'sync': <'full'>, 'auto-dismiss': <false>}>}",
                                  disk->job, disk->node, disk->backup);
}

static GVariant *
transaction (const GArray *disks)
{
  g_auto (GVariantBuilder) actions = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < disks->len; i++)
    add_action (&actions, &g_array_index (disks, Disk, i));
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
      const char *other = disk->overlay != NULL ? disk->overlay : disk->backup;
      g_autofree char *overlay = g_strdup_printf ("%c%s%c", '\'', other != NULL ? other : "", '\'');

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

/* a copy that QEMU has closed is on the disk */
static gboolean
finish_backups (QsGuest *guest, const GArray *disks, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);

  for (guint i = 0; i < disks->len; i++)
    {
      const Disk *disk = &g_array_index (disks, Disk, i);

      if (disk->backup == NULL
          || (qs_qmp_finish_job (qmp, disk->job, QS_QMP_TRANSACTION_SECONDS, error)
              && qs_qmp_run (qmp, "blockdev-del",
                             g_variant_new_parsed ("{'node-name': <%s>}", disk->backup),
                             QS_QMP_COMMAND_SECONDS, error)))
        continue;
      g_prefix_error (error, "the firmware variables could not be copied: ");
      return FALSE;
    }
  return TRUE;
}

gboolean
qs_transaction_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  g_autoptr (GArray) disks = read_disks (step);

  if (!qs_guest_check (guest, error) || !qs_wake_check_images (guest, error)
      || !check_disks (guest, disks, error))
    return FALSE;
  if (qs_qmp_run (qs_guest_get_qmp (guest), "transaction", transaction (disks),
                  QS_QMP_TRANSACTION_SECONDS, error))
    return finish_backups (guest, disks, error);
  prefix_disk (disks, error);
  return FALSE;
}

/* how far the rows of a kind have come */
typedef struct
{
  guint n_overlays;
  guint before; /* of disks that are still on their old node */
  guint after;
  guint n_tags;
  guint tagged;
} Reached;

static void
count_row (const Disk *disk, JsonNode *devices, Reached *reached)
{
  JsonObject *root = qs_device_find_root (devices, disk->node);

  if (disk->overlay != NULL)
    {
      reached->n_overlays++;
      reached->before += root != NULL;
      reached->after += qs_device_find_root (devices, disk->overlay) != NULL;
    }
  if (disk->tag != NULL)
    {
      reached->n_tags++;
      reached->tagged += root != NULL && qs_node_has_tag (root, disk->tag);
    }
}

/* tags alone change nothing that the guest sees: where not all are there, the rest is cleared away */
QsProbe
qs_transaction_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (GArray) disks = read_disks (step);
  g_autoptr (JsonNode) devices = guest == NULL ? NULL : qs_device_query (guest, error);
  Reached reached = { 0 };

  if (devices == NULL)
    return QS_PROBE_UNKNOWN;
  for (guint i = 0; i < disks->len; i++)
    count_row (&g_array_index (disks, Disk, i), devices, &reached);
  if (reached.after == 0 && reached.before == reached.n_overlays)
    return reached.n_overlays == 0 && reached.tagged == reached.n_tags ? QS_PROBE_DONE
                                                                       : QS_PROBE_NOT_DONE;
  return reached.after == reached.n_overlays && reached.before == 0
                 && reached.tagged == reached.n_tags
             ? QS_PROBE_DONE
             : QS_PROBE_UNKNOWN;
}
