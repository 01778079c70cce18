/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-guest.h"

#include "qs-command-line.h"
#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

#define PORT "org.qemu.guest_agent.0"
#define PORT_TYPE "child<virtserialport>"

/* where devices lie: those with an id, and the others */
static const char *const folders[] = { "/machine/peripheral", "/machine/peripheral-anon" };

static JsonNode *
query (QsGuest *guest, const char *command, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) sunk = arguments != NULL ? g_variant_ref_sink (arguments) : NULL;
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), command, sunk, QS_QMP_COMMAND_SECONDS, error);

  if (answer == NULL || JSON_NODE_HOLDS_ARRAY (answer))
    return g_steal_pointer (&answer);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU’s answer to ‘%s’ cannot be understood", command);
  return NULL;
}

/* (nullable): a device may lack the property, or have gone since it was listed */
static char *
get_text (QsGuest *guest, const char *path, const char *property)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (
      g_variant_new_parsed ("{'path': <%s>, 'property': <%s>}", path, property));
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), "qom-get", arguments, QS_QMP_COMMAND_SECONDS, NULL);

  return answer != NULL && json_node_get_value_type (answer) == G_TYPE_STRING
             ? json_node_dup_string (answer)
             : NULL;
}

/* (nullable): the chardev of the port, if this device is the agent's */
static char *
port_chardev (QsGuest *guest, const char *folder, JsonObject *device)
{
  const char *type = device != NULL ? qs_json_string (device, "type") : NULL;
  const char *name = device != NULL ? qs_json_string (device, "name") : NULL;
  g_autofree char *path = NULL;
  g_autofree char *port = NULL;

  if (name == NULL || g_strcmp0 (type, PORT_TYPE) != 0)
    return NULL;
  path = g_strconcat (folder, "/", name, NULL);
  port = get_text (guest, path, "name");
  return g_strcmp0 (port, PORT) == 0 ? get_text (guest, path, "chardev") : NULL;
}

/* @label: (out): NULL: there is no such port */
static gboolean
find_port (QsGuest *guest, char **label, GError **error)
{
  *label = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (folders) && *label == NULL; i++)
    {
      g_autoptr (JsonNode) answer =
          query (guest, "qom-list", g_variant_new_parsed ("{'path': <%s>}", folders[i]), error);
      JsonArray *devices = answer != NULL ? json_node_get_array (answer) : NULL;

      if (devices == NULL)
        return FALSE;
      for (guint n = 0; n < MIN (json_array_get_length (devices), QS_MAX_DEVICES); n++)
        if (*label == NULL)
          *label = port_chardev (guest, folders[i], qs_json_element (devices, n));
    }
  return TRUE;
}

/**
 * qs_guest_socket_path:
 * @filename: of a chardev, as in "disconnected:unix:/run/agent.sock,server=on"
 *
 * Returns: (transfer full) (nullable): the name QEMU has bound; NULL: nobody can connect to it
 */
char *
qs_guest_socket_path (const char *filename)
{
  static const char *const prefixes[] = { "unix:/", "disconnected:unix:/" };
  static const char *const suffixes[] = { ",server=on", ",server" };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    for (guint n = 0; n < G_N_ELEMENTS (suffixes); n++)
      if (g_str_has_prefix (filename, prefixes[i]) && g_str_has_suffix (filename, suffixes[n]))
        {
          const char *path = filename + strlen (prefixes[i]) - 1;

          return g_strndup (path, strlen (path) - strlen (suffixes[n]));
        }
  return NULL;
}

/* where it is now: step `connect` has renamed what is bound beside another process's */
static char *
present_path (const char *filename)
{
  g_autofree char *bound = qs_guest_socket_path (filename);
  char *wanted = bound != NULL ? qs_command_line_wanted_path (bound) : NULL;

  return wanted != NULL ? wanted : g_steal_pointer (&bound);
}

/* by the name of the chardev, or, if that is not known, by the socket */
static gboolean
is_wanted (JsonObject *chardev, const char *label, const char *path, const char *known)
{
  return label != NULL ? g_strcmp0 (qs_json_string (chardev, "label"), label) == 0
                       : known != NULL && g_strcmp0 (path, known) == 0;
}

/**
 * qs_guest_find_agent:
 * @known: (nullable): socket of the agent, as the caller was told
 * @path: (out): the socket to connect to; NULL: there is none
 * @is_open: (out): whether a program in the guest has the agent's port open. One that QEMU does not
 *   know of is taken to be
 */
gboolean
qs_guest_find_agent (QsGuest *guest, const char *known, char **path, gboolean *is_open,
                     GError **error)
{
  g_autoptr (JsonNode) answer = query (guest, "query-chardev", NULL, error);
  g_autofree char *label = NULL;

  if (answer == NULL || !find_port (guest, &label, error))
    return FALSE;
  *path = g_strdup (known);
  *is_open = known != NULL;
  for (guint i = 0; i < json_array_get_length (json_node_get_array (answer)); i++)
    {
      JsonObject *chardev = qs_json_element (json_node_get_array (answer), i);
      const char *filename = chardev != NULL ? qs_json_string (chardev, "filename") : NULL;
      g_autofree char *found = filename != NULL ? present_path (filename) : NULL;

      if (filename == NULL || !is_wanted (chardev, label, found, known))
        continue;
      *is_open = qs_json_boolean (chardev, "frontend-open");
      if (known == NULL)
        *path = g_steal_pointer (&found);
      return TRUE;
    }
  return TRUE;
}
