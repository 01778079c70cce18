/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

/* for a QEMU that has no `transaction` */

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
  g_autoptr (JsonNode) devices = qs_device_query (guest, error);

  JsonObject *root;

  if (devices == NULL)
    return FALSE;
  root = qs_device_find_root (devices, qs_step_string (step, "node"));
  if (root != NULL && qs_device_virtual_size (root) == (gint64)qs_step_uint64 (step, "size"))
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
  g_autoptr (JsonNode) devices = guest == NULL ? NULL : qs_device_query (guest, error);
  gboolean before, after;

  if (devices == NULL)
    return QS_PROBE_UNKNOWN;
  before = qs_device_find_root (devices, qs_step_string (step, "node")) != NULL;
  after = qs_device_find_root (devices, qs_step_string (step, "overlay")) != NULL;
  if (before == after)
    return QS_PROBE_UNKNOWN;
  return after ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}
