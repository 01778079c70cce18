/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

#include "qs-command-line.h"
#include "qs-json-scan.h"
#include "qs-limits.h"

#define DISPLAY_TRIES 20
#define DISPLAY_WAIT (G_USEC_PER_SEC / 10)

/* a process that was started beside another one takes over what that one served. QEMU binds a socket in
   place of whatever has the name, and unlinks the name when it ends: so there was another name until now.
   It stays QEMU's own for it, and nothing will have it when QEMU ends; the name that was wanted then
   stays behind, and goes with the next start of the domain */

static gboolean
take_name (QsWorker *worker, const char *filename, GError **error)
{
  g_autofree char *bound = qs_guest_socket_path (filename);
  g_autofree char *wanted = bound != NULL ? qs_command_line_wanted_path (bound) : NULL;

  return wanted == NULL || qs_worker_rename_socket (worker, bound, wanted, error);
}

/* all are tried; the first failure is told */
static gboolean
take_names (QsWorker *worker, JsonArray *chardevs, GError **error)
{
  g_autoptr (GError) first = NULL;

  for (guint i = 0; i < MIN (json_array_get_length (chardevs), QS_MAX_DEVICES); i++)
    {
      JsonObject *chardev = qs_json_element (chardevs, i);
      const char *filename = chardev != NULL ? qs_json_string (chardev, "filename") : NULL;

      if (filename != NULL)
        take_name (worker, filename, first == NULL ? &first : NULL);
    }
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}

static gboolean
take_sockets (QsStepCall *call, QsQmp *qmp, GError **error)
{
  QsWorker *worker = qs_real_world_worker (call->world, error);
  g_autoptr (JsonNode) answer =
      worker != NULL ? qs_qmp_execute (qmp, "query-chardev", NULL, QS_QMP_COMMAND_SECONDS, error)
                     : NULL;

  if (answer == NULL)
    return FALSE;
  return !JSON_NODE_HOLDS_ARRAY (answer)
         || take_names (worker, json_node_get_array (answer), error);
}

/* the port of a process whose first thread has ended may be taken for as long as the others need */
static gboolean
serve_display (QsQmp *qmp, GVariant *display, GError **error)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (display);
  gboolean served = FALSE;

  for (guint i = 0; i < DISPLAY_TRIES && !served; i++)
    {
      g_clear_error (error);
      g_usleep (i > 0 ? DISPLAY_WAIT : 0);
      served = qs_qmp_run (qmp, "display-update", arguments, QS_QMP_COMMAND_SECONDS, error);
    }
  return served;
}

gboolean
qs_step_take_consoles (QsStepCall *call, QsGuest *guest, GVariant *display, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_autoptr (GError) problem = NULL;
  gboolean served = take_sockets (call, qmp, error);

  if (display == NULL || serve_display (qmp, display, &problem))
    return served;
  if (served)
    g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}
