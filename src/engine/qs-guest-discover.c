/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

static JsonNode *
get_property (QsGuest *guest, const char *path, const char *property, GError **error)
{
  return qs_qmp_execute (qs_guest_get_qmp (guest), "qom-get",
                         g_variant_new_parsed ("{'path': <%s>, 'property': <%s>}", path, property),
                         QS_QMP_COMMAND_SECONDS, error);
}

static char *
get_text (QsGuest *guest, const char *path, const char *property, gsize max, GError **error)
{
  g_autoptr (JsonNode) answer = get_property (guest, path, property, error);
  const char *text = answer != NULL && JSON_NODE_HOLDS_VALUE (answer)
                             && json_node_get_value_type (answer) == G_TYPE_STRING
                         ? json_node_get_string (answer)
                         : NULL;

  if (text != NULL && strlen (text) <= max)
    return g_strdup (text);
  if (answer != NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                         "QEMU’s answer to ‘qom-get’ cannot be understood");
  return NULL;
}

static void
take_word (char **word, char *value)
{
  g_autofree char *text = value;

  if (!qs_discovery_is_word (text))
    return;
  g_free (*word);
  *word = g_steal_pointer (&text);
}

/* a device without the property is of no kind that is known; only a lost connection is an error */
static gboolean
ask_device (QsGuest *guest, QsFoundDisk *disk, GError **error)
{
  g_autofree char *path = qs_discovery_object (disk->qdev);
  g_autofree char *bus = NULL;
  char *slash;

  take_word (&disk->type, get_text (guest, path, "type", QS_MAX_WORD_BYTES, NULL));
  bus = get_text (guest, path, "parent_bus", QS_MAX_PATH_BYTES, NULL);
  slash = bus != NULL ? strrchr (bus, '/') : NULL;
  if (slash != NULL && slash != bus)
    {
      *slash = '\0';
      take_word (&disk->bus, get_text (guest, bus, "type", QS_MAX_WORD_BYTES, NULL));
    }
  if (qs_guest_is_open (guest))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                       "QEMU’s monitor was closed while it was asked for its disks");
  return FALSE;
}

static gboolean
ask_all (QsGuest *guest, QsDiscovery *discovery, GError **error)
{
  const char *command;

  for (guint i = 0; (command = qs_discovery_command (i)) != NULL; i++)
    {
      g_autoptr (JsonNode) answer = NULL;

      if (!qs_discovery_wants (discovery, i))
        continue;
      answer = qs_qmp_execute (qs_guest_get_qmp (guest), command, qs_discovery_arguments (i),
                               QS_QMP_COMMAND_SECONDS, error);
      if (answer == NULL || !qs_discovery_read (discovery, i, answer, error))
        return FALSE;
    }
  return TRUE;
}

QsDiscovery *
qs_guest_discover (QsGuest *guest, GError **error)
{
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  g_autoptr (JsonNode) machine = get_property (guest, "/machine", "type", error);

  if (machine == NULL || !qs_discovery_read_machine (discovery, machine, error)
      || !ask_all (guest, discovery, error))
    return NULL;
  for (guint i = 0; i < discovery->disks->len; i++)
    if (!ask_device (guest, g_ptr_array_index (discovery->disks, i), error))
      return NULL;
  return g_steal_pointer (&discovery);
}
