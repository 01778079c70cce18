/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-step-qmp-private.h"

/* what has to be known before a load: QEMU would find out in the middle of it */

/* another snapshot of which the tag is the number: QEMU looks for that first */
static gboolean
is_number_of_other (JsonObject *node, const char *tag)
{
  JsonArray *tags = qs_json_array (qs_json_object (node, "image"), "snapshots");

  for (guint i = 0; tags != NULL && i < json_array_get_length (tags); i++)
    {
      JsonObject *row = qs_json_element (tags, i);

      if (row != NULL && g_strcmp0 (qs_json_string (row, "id"), tag) == 0
          && g_strcmp0 (qs_json_string (row, "name"), tag) != 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
check_device (JsonNode *nodes, const char *device, const QsStep *step, GError **error)
{
  JsonObject *node = qs_node_find (nodes, device);
  const char *tag = qs_step_string (step, "tag");
  gint64 memory = 0;

  if (node == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "QEMU has no block node ‘%s’ any more", device);
  else if (qs_node_count_tag (node, tag, &memory) != 1)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "‘%s’ has not got exactly one snapshot with the tag ‘%s’",
                 qs_json_string (node, "file"), tag);
  else if (is_number_of_other (node, tag))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "‘%s’ has another snapshot with the number %s, which QEMU would take for the "
                 "tag ‘%s’",
                 qs_json_string (node, "file"), tag, tag);
  else if (memory <= 0 && g_str_equal (device, qs_step_string (step, "vmstate")))
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "the snapshot ‘%s’ in ‘%s’ has no memory", tag, qs_json_string (node, "file"));
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_devices (QsGuest *guest, const QsStep *step, GError **error)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, error);
  g_autoptr (GVariant) devices = qs_step_value (step, "devices");

  for (gsize i = 0; nodes != NULL && i < g_variant_n_children (devices); i++)
    {
      const char *device;

      g_variant_get_child (devices, i, "&s", &device);
      if (!check_device (nodes, device, step, error))
        return FALSE;
    }
  return nodes != NULL;
}

static gboolean
check_stands (QsGuest *guest, GError **error)
{
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  if (state != QS_DOMAIN_RUNNING)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "the guest was continued by somebody else meanwhile; try again");
  return FALSE;
}

/**
 * qs_snapshot_load_check:
 *
 * Whether all devices have the tag, and one of them the memory, and the guest stands still.
 */
gboolean
qs_snapshot_load_check (QsGuest *guest, const QsStep *step, GError **error)
{
  return check_stands (guest, error) && check_devices (guest, step, error);
}
