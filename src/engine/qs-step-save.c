/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

/* memory, and the state of disks with it, goes into qcow2 images by a job of QEMU, which answers
   nobody until that is over */

gint64
qs_node_count_tag (JsonObject *node, const char *tag, gint64 *vm_state)
{
  JsonArray *tags = qs_json_array (qs_json_object (node, "image"), "snapshots");
  gint64 n = 0;

  for (guint i = 0; tags != NULL && i < json_array_get_length (tags); i++)
    {
      JsonObject *row = qs_json_element (tags, i);

      if (row == NULL || g_strcmp0 (qs_json_string (row, "name"), tag) != 0)
        continue;
      *vm_state = qs_json_int64 (row, "vm-state-size");
      n++;
    }
  return n;
}

static const char **
read_devices (const QsStep *step, GVariant **holder)
{
  *holder = qs_step_value (step, "devices");
  return g_variant_get_strv (*holder, NULL);
}

/* @n: how often the tag has to be there; @vm_state: (out): bytes of memory under it */
static gboolean
check_device (JsonNode *nodes, const char *device, const QsStep *step, gint64 n, gint64 *vm_state,
              GError **error)
{
  JsonObject *node = qs_node_find (nodes, device);
  const char *tag = qs_step_string (step, "tag");

  if (node == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "QEMU has no block node ‘%s’ any more", device);
  else if (qs_node_count_tag (node, tag, vm_state) != n)
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                 n == 0 ? "‘%s’ has a snapshot with the tag ‘%s’ already"
                        : "‘%s’ has not got exactly one snapshot with the tag ‘%s’",
                 qs_json_string (node, "file"), tag);
  else
    return TRUE;
  return FALSE;
}

/* @memory: (out): bytes under the tag on the node that has the memory */
static gboolean
check_devices (QsGuest *guest, const QsStep *step, gint64 n, gint64 *memory, GError **error)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, error);
  g_autoptr (GVariant) holder = NULL;
  g_autofree const char **devices = read_devices (step, &holder);

  *memory = 0;
  for (guint i = 0; nodes != NULL && devices[i] != NULL; i++)
    {
      gint64 vm_state = 0;

      if (!check_device (nodes, devices[i], step, n, &vm_state, error))
        return FALSE;
      if (g_str_equal (devices[i], qs_step_string (step, "vmstate")))
        *memory = vm_state;
    }
  return nodes != NULL;
}

static GVariant *
save_arguments (const QsStep *step)
{
  g_autoptr (GVariant) devices = qs_step_value (step, "devices");

  return g_variant_new_parsed ("{'job-id': <%s>, 'tag': <%s>, 'vmstate': <%s>,"
                               " 'devices': <%@as>}",
                               qs_step_string (step, "job"), qs_step_string (step, "tag"),
                               qs_step_string (step, "vmstate"), devices);
}

gboolean
qs_snapshot_save_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  gint64 memory = 0;

  if (!check_devices (guest, step, 0, &memory, error)
      || !qs_qmp_run_job (qs_guest_get_qmp (guest), "snapshot-save", qs_step_string (step, "job"),
                          save_arguments (step), QS_SAVE_SECONDS, error)
      || !check_devices (guest, step, 1, &memory, error))
    return FALSE;
  if (memory <= 0)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                           "QEMU has made the snapshot, but has saved no memory in it");
      return FALSE;
    }
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'memory-bytes': <%t>}", (guint64)memory));
  return TRUE;
}

/* the file that is made for memory alone goes as a whole: a tag in it cannot be deleted where the file
   system is full, and need not be */
static gboolean
is_of_disk (const QsStep *step, const char *device)
{
  g_autoptr (GVariant) disks = qs_step_value (step, "disks");

  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *node = NULL;

      if (g_variant_lookup (disk, "node", "&s", &node) && g_str_equal (node, device))
        return TRUE;
    }
  return FALSE;
}

/* those disks that have the tag */
static GVariant *
find_tagged (JsonNode *nodes, const QsStep *step)
{
  g_auto (GVariantBuilder) tagged = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);
  g_autoptr (GVariant) holder = NULL;
  g_autofree const char **devices = read_devices (step, &holder);

  for (guint i = 0; devices[i] != NULL; i++)
    {
      JsonObject *node = qs_node_find (nodes, devices[i]);
      gint64 vm_state;

      if (node != NULL && is_of_disk (step, devices[i])
          && qs_node_count_tag (node, qs_step_string (step, "tag"), &vm_state) > 0)
        g_variant_builder_add (&tagged, "s", devices[i]);
    }
  return g_variant_ref_sink (g_variant_builder_end (&tagged));
}

static gboolean
delete_tag (QsGuest *guest, const QsStep *step, GVariant *devices, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_autofree char *job = g_strconcat (qs_step_string (step, "job"), "-d", NULL);

  /* of a try before this one */
  if (!qs_qmp_end_job (qmp, job, QS_SAVE_SECONDS, error))
    return FALSE;
  return qs_qmp_run_job (qmp, "snapshot-delete", job,
                         g_variant_new_parsed ("{'job-id': <%s>, 'tag': <%s>, 'devices': <%@as>}",
                                               job, qs_step_string (step, "tag"), devices),
                         QS_SAVE_SECONDS, error);
}

gboolean
qs_snapshot_save_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (JsonNode) nodes = NULL;
  g_autoptr (GVariant) devices = NULL;

  if (guest == NULL)
    return TRUE;
  if (!qs_qmp_end_job (qs_guest_get_qmp (guest), qs_step_string (step, "job"), QS_SAVE_SECONDS,
                       error))
    return FALSE;
  nodes = qs_node_query (guest, error);
  if (nodes == NULL)
    return FALSE;
  devices = find_tagged (nodes, step);
  return g_variant_n_children (devices) == 0 || delete_tag (guest, step, devices, error);
}
