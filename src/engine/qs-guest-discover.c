/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

/* one that answers slowly may have as much time as a call, whatever the number of its disks */
typedef struct
{
  QsGuest *guest;
  gint64 deadline;
} Talk;

static gboolean
fail_time (GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT, "QEMU did not say within %d seconds what it is",
               QS_CALL_SECONDS);
  return FALSE;
}

static JsonNode *
execute (const Talk *talk, const char *command, GVariant *arguments, GError **error)
{
  g_autoptr (GVariant) sunk = arguments != NULL ? g_variant_ref_sink (arguments) : NULL;
  gint64 left = (talk->deadline - g_get_monotonic_time ()) / G_USEC_PER_SEC;

  if (left > 0)
    return qs_qmp_execute (qs_guest_get_qmp (talk->guest), command, sunk, (guint)left, error);
  fail_time (error);
  return NULL;
}

static JsonNode *
get_property (const Talk *talk, const char *path, const char *property, GError **error)
{
  return execute (talk, "qom-get",
                  g_variant_new_parsed ("{'path': <%s>, 'property': <%s>}", path, property), error);
}

static char *
get_text (const Talk *talk, const char *path, const char *property, gsize max, GError **error)
{
  g_autoptr (JsonNode) answer = get_property (talk, path, property, error);
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
ask_device (const Talk *talk, QsFoundDisk *disk, GError **error)
{
  g_autofree char *path = qs_discovery_object (disk->qdev);
  g_autofree char *bus = NULL;
  char *slash;

  take_word (&disk->type, get_text (talk, path, "type", QS_MAX_WORD_BYTES, NULL));
  bus = get_text (talk, path, "parent_bus", QS_MAX_PATH_BYTES, NULL);
  slash = bus != NULL ? strrchr (bus, '/') : NULL;
  if (slash != NULL && slash != bus)
    {
      *slash = '\0';
      take_word (&disk->bus, get_text (talk, bus, "type", QS_MAX_WORD_BYTES, NULL));
    }
  if (talk->deadline - g_get_monotonic_time () < G_USEC_PER_SEC)
    return fail_time (error);
  if (qs_guest_is_open (talk->guest))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                       "QEMU’s monitor was closed while it was asked for its disks");
  return FALSE;
}

static gboolean
ask_all (const Talk *talk, QsDiscovery *discovery, GError **error)
{
  const char *command;

  for (guint i = 0; (command = qs_discovery_command (i)) != NULL; i++)
    {
      g_autoptr (JsonNode) answer = NULL;

      if (!qs_discovery_wants (discovery, i))
        continue;
      answer = execute (talk, command, qs_discovery_arguments (i), error);
      if (answer == NULL || !qs_discovery_read (discovery, i, answer, error))
        return FALSE;
    }
  return TRUE;
}

QsDiscovery *
qs_guest_discover (QsGuest *guest, GError **error)
{
  g_autoptr (QsDiscovery) discovery = qs_discovery_new ();
  const Talk talk = { guest, g_get_monotonic_time () + QS_CALL_SECONDS * G_USEC_PER_SEC };
  g_autoptr (JsonNode) machine = get_property (&talk, "/machine", "type", error);

  if (machine == NULL || !qs_discovery_read_machine (discovery, machine, error)
      || !ask_all (&talk, discovery, error))
    return NULL;
  for (guint i = 0; i < discovery->disks->len; i++)
    if (!ask_device (&talk, g_ptr_array_index (discovery->disks, i), error))
      return NULL;
  return g_steal_pointer (&discovery);
}
