/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* a device of a guest that stands still gets another block node, and the guest is reset */

#define OWN_NODES "snapd-"

/**
 * qs_node_hold_run:
 *
 * A node that came with -drive vanishes when its device lets go of it, and nothing brings it back.
 */
gboolean
qs_node_hold_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  return qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-add",
                     g_variant_new_parsed ("{'driver': <'raw'>, 'node-name': <%s>, 'file': <%s>,"
                                           " 'read-only': <true>}",
                                           qs_step_string (step, "node"),
                                           qs_step_string (step, "old")),
                     QS_QMP_COMMAND_SECONDS, error);
}

gboolean
qs_node_hold_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  const char *name = qs_step_string (step, "node");
  g_autoptr (JsonNode) nodes = guest == NULL ? NULL : qs_node_query (guest, error);

  if (nodes == NULL)
    return guest == NULL;
  return qs_node_find (nodes, name) == NULL
         || qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-del",
                        g_variant_new_parsed ("{'node-name': <%s>}", name), QS_QMP_COMMAND_SECONDS,
                        error);
}

/* the name of the node that the step's device stands on */
static gboolean
find_current (QsGuest *guest, const QsStep *step, char **name, GError **error)
{
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), "query-block", NULL, QS_QMP_COMMAND_SECONDS, error);
  JsonArray *devices =
      answer != NULL && JSON_NODE_HOLDS_ARRAY (answer) ? json_node_get_array (answer) : NULL;

  if (answer == NULL)
    return FALSE;
  for (guint i = 0; devices != NULL && i < json_array_get_length (devices); i++)
    {
      JsonObject *device = qs_json_element (devices, i);
      const char *node =
          device == NULL ? NULL : qs_json_string (qs_json_object (device, "inserted"), "node-name");

      if (node == NULL
          || g_strcmp0 (qs_json_string (device, "qdev"), qs_step_string (step, "device")) != 0)
        continue;
      *name = g_strdup (node);
      return TRUE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "QEMU has no device ‘%s’ with an image",
               qs_step_string (step, "device"));
  return FALSE;
}

static gboolean
set_node (QsGuest *guest, const QsStep *step, const char *node, GError **error)
{
  const char *device = qs_step_string (step, "device");
  g_autofree char *path = strchr (device, '/') != NULL
                              ? g_strdup (device)
                              : g_strconcat ("/machine/peripheral/", device, NULL);

  return qs_qmp_run (
      qs_guest_get_qmp (guest), "qom-set",
      g_variant_new_parsed ("{'path': <%s>, 'property': <'drive'>, 'value': <%s>}", path, node),
      QS_QMP_COMMAND_SECONDS, error);
}

/* QEMU aborts if a device is given the node that it has */
static gboolean
exchange_nodes (QsGuest *guest, const QsStep *step, const char *from, const char *to,
                GError **error)
{
  g_autofree char *current = NULL;

  if (!find_current (guest, step, &current, error))
    return FALSE;
  if (g_str_equal (current, to))
    return TRUE;
  if (g_str_equal (current, from))
    return set_node (guest, step, to, error);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "its active image is no longer the one that was seen, or a block job is on "
                       "it");
  return FALSE;
}

gboolean
qs_node_switch_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  return exchange_nodes (guest, step, qs_step_string (step, "old"), qs_step_string (step, "node"),
                         error);
}

gboolean
qs_node_switch_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return guest == NULL
         || exchange_nodes (guest, step, qs_step_string (step, "node"),
                            qs_step_string (step, "old"), error);
}

QsProbe
qs_node_switch_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autofree char *current = NULL;

  if (guest == NULL)
    return QS_PROBE_NOT_DONE;
  if (!find_current (guest, step, &current, error))
    return QS_PROBE_UNKNOWN;
  return g_str_equal (current, qs_step_string (step, "node")) ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

static void
delete_node (QsGuest *guest, const char *name)
{
  g_autoptr (GError) error = NULL;

  if (!qs_qmp_run (qs_guest_get_qmp (guest), "blockdev-del",
                   g_variant_new_parsed ("{'node-name': <%s>}", name), QS_QMP_COMMAND_SECONDS,
                   &error))
    g_debug ("node ‘%s’ stays: %s", name, error->message);
}

/* what only the old node stood on: nodes of ours, and the file of one that the owner has made. That
   one is found by its name, for it is no part of what QEMU tells of a node */
static gboolean
is_left_over (JsonObject *node, const char *file)
{
  const char *name = qs_json_string (node, "node-name");
  const char *driver = qs_json_string (node, "drv");

  if (name == NULL || driver == NULL)
    return FALSE;
  if (g_str_has_prefix (name, OWN_NODES))
    return TRUE;
  return file != NULL && g_strcmp0 (qs_json_string (node, "file"), file) == 0
         && (g_str_equal (driver, "file") || g_str_equal (driver, "host_device"));
}

static gboolean
is_new (const QsStep *step, JsonObject *node)
{
  const char *name = qs_json_string (node, "node-name");
  const char *own = qs_step_string (step, "node");

  return name != NULL && g_str_has_prefix (name, own)
         && (name[strlen (own)] == '\0' || g_str_equal (name + strlen (own), "-f"));
}

/* QEMU lists the newest first, so that a node comes before those that it stands on; what somebody
   uses it does not delete */
static void
delete_left_over (QsGuest *guest, const QsStep *step, const char *file)
{
  g_autoptr (JsonNode) nodes = qs_node_query (guest, NULL);
  JsonArray *array = nodes == NULL ? NULL : json_node_get_array (nodes);

  for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
    {
      JsonObject *node = qs_json_element (array, i);

      if (node != NULL && is_left_over (node, file) && !is_new (step, node))
        delete_node (guest, qs_json_string (node, "node-name"));
    }
}

/**
 * qs_node_release_run:
 *
 * Nothing depends on it but space: nodes that stay keep files open that have no name any more.
 */
gboolean
qs_node_release_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  const char *old = qs_step_string (step, "old");
  const char *holder = qs_step_string (step, "holder");
  g_autoptr (JsonNode) nodes = qs_node_query (guest, error);
  JsonObject *node;

  if (nodes == NULL)
    return FALSE;
  node = qs_node_find (nodes, old);
  if (holder != NULL && qs_node_find (nodes, holder) != NULL)
    delete_node (guest, holder);
  if (node != NULL)
    delete_node (guest, old);
  if (qs_step_string (step, "node") != NULL)
    delete_left_over (guest, step, node != NULL ? qs_json_string (node, "file") : NULL);
  return TRUE;
}

static gboolean
run_plain (QsGuest *guest, const char *command, GError **error)
{
  return qs_qmp_run (qs_guest_get_qmp (guest), command, NULL, QS_QMP_COMMAND_SECONDS, error);
}

/* QEMU answers before it resets; each answer to a question takes it once around its main loop */
static gboolean
wait_for_reset (QsGuest *guest, GError **error)
{
  for (guint i = 0; i < QS_MAX_RESET_QUESTIONS; i++)
    {
      g_autofree char *word = NULL;
      QsDomainState state;

      if (!qs_guest_query_state (guest, &state, &word, error))
        return FALSE;
      if (g_str_equal (word, "prelaunch"))
        return TRUE;
    }
  g_set_error_literal (error, QS_ERROR, QS_ERROR_TIMEOUT,
                       "the guest was told to reset, but it has not");
  return FALSE;
}

/**
 * qs_reset_run:
 *
 * What the guest has in memory belongs to other disks: it must not run before it is reset.
 */
gboolean
qs_reset_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  QsDomainState state;

  return qs_guest_query_state (guest, &state, NULL, error)
         && (state != QS_DOMAIN_RUNNING || run_plain (guest, "stop", error))
         && run_plain (guest, "system_reset", error) && wait_for_reset (guest, error);
}

QsProbe
qs_step_probe_nothing (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return guest == NULL ? QS_PROBE_NOT_DONE : QS_PROBE_UNKNOWN;
}
