/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

#include <string.h>

/* a guest whose memory came from a stream gets its images with `cont` at the latest. One that is to
   stay paused would stand there with images that are not locked, and of which no snapshot can be made.
   A newer QEMU has a command for it; with others it takes an export, before which each image is made
   active. That the device leaves nobody else write to its image, so that there never is an export, is
   what is wanted: it is refused, and from how can be seen whether the image is active */

#define SET_ACTIVE "blockdev-set-active"
#define EXPORT "snapd-activate"

/* what QEMU says of an image that is not active */
#define INACTIVE "read-only"

static gboolean
has_set_active (QsGuest *guest, gboolean *has, GError **error)
{
  g_auto (GStrv) commands = NULL;

  if (!qs_guest_commands (guest, &commands, error))
    return FALSE;
  *has = g_strv_contains ((const char *const *)commands, SET_ACTIVE);
  return TRUE;
}

static gboolean
set_active (QsGuest *guest, const char *node, GError **error)
{
  return qs_qmp_run (qs_guest_get_qmp (guest), SET_ACTIVE,
                     g_variant_new_parsed ("{'node-name': <%s>, 'active': <true>}", node),
                     QS_QMP_COMMAND_SECONDS, error);
}

static gboolean
try_export (QsGuest *guest, const char *node, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_autoptr (GError) refusal = NULL;

  if (qs_qmp_run (qmp, "block-export-add",
                  g_variant_new_parsed ("{'type': <'nbd'>, 'id': <'" EXPORT "'>,"
                                        " 'node-name': <%s>, 'writable': <true>}",
                                        node),
                  QS_QMP_COMMAND_SECONDS, &refusal))
    /* somebody runs a server there, and the device shares its image */
    return qs_qmp_run (qmp, "block-export-del",
                       g_variant_new_parsed ("{'id': <'" EXPORT "'>, 'mode': <'hard'>}"),
                       QS_QMP_COMMAND_SECONDS, error);
  if (g_error_matches (refusal, QS_ERROR, QS_ERROR_MONITOR_FAILED)
      && strstr (refusal->message, INACTIVE) == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&refusal));
  return FALSE;
}

/* the image of each device that writes to one */
static GPtrArray *
list_nodes (QsGuest *guest, GError **error)
{
  g_autoptr (JsonNode) answer = qs_device_query (guest, error);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  JsonArray *devices = answer != NULL ? json_node_get_array (answer) : NULL;

  if (answer == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (devices); i++)
    {
      JsonObject *device = qs_json_element (devices, i);
      JsonObject *inserted = device != NULL ? qs_json_object (device, "inserted") : NULL;
      const char *name = inserted != NULL ? qs_json_string (inserted, "node-name") : NULL;

      if (name != NULL && !qs_json_boolean (inserted, "ro"))
        g_ptr_array_add (names, g_strdup (name));
    }
  return g_steal_pointer (&names);
}

/* @inactive: (out) (transfer full): why one of them is not, or NULL */
static gboolean
activate (QsGuest *guest, char **inactive, GError **error)
{
  g_autoptr (GPtrArray) nodes = list_nodes (guest, error);
  gboolean known = FALSE;

  if (nodes == NULL || !has_set_active (guest, &known, error))
    return FALSE;
  for (guint i = 0; i < nodes->len; i++)
    {
      const char *node = g_ptr_array_index (nodes, i);
      g_autoptr (GError) problem = NULL;

      if (known ? set_active (guest, node, &problem) : try_export (guest, node, &problem))
        continue;
      if (!g_error_matches (problem, QS_ERROR, QS_ERROR_MONITOR_FAILED))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
      g_free (*inactive);
      *inactive = g_strdup_printf ("‘%s’: %s", node, problem->message);
    }
  return TRUE;
}

/* that the guest has its memory and stands still is true all the same: it is told, and `cont` tries it
   again */
static GVariant *
make_note (const char *inactive)
{
  g_autofree char *note = g_strdup_printf ("the guest is paused, and has not got all its images "
                                           "yet: %s; another program may have one of "
                                           "them open. End that one before the guest is continued",
                                           inactive);

  g_message ("%s", note);
  return g_variant_ref_sink (g_variant_new_parsed ("{'note': <%s>}", note));
}

gboolean
qs_run_activate (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  g_autofree char *inactive = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  if (guest == NULL)
    return TRUE;
  if (!activate (guest, &inactive, error))
    return FALSE;
  if (inactive != NULL)
    *result = make_note (inactive);
  return TRUE;
}
