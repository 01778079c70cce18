/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

static const char *const error_names[] = {
  [QS_ERROR_FAILED] = "Failed",
  [QS_ERROR_INVALID_ARGUMENT] = "InvalidArgument",
  [QS_ERROR_XML_INVALID] = "XmlInvalid",
  [QS_ERROR_CONFIG_UNSUPPORTED] = "ConfigUnsupported",
  [QS_ERROR_OPERATION_INVALID] = "OperationInvalid",
  [QS_ERROR_OPERATION_UNSUPPORTED] = "OperationUnsupported",
  [QS_ERROR_NO_DOMAIN] = "NoDomain",
  [QS_ERROR_NO_SNAPSHOT] = "NoSnapshot",
  [QS_ERROR_SNAPSHOT_EXISTS] = "SnapshotExists",
  [QS_ERROR_DOMAIN_EXISTS] = "DomainExists",
  [QS_ERROR_DOMAIN_BUSY] = "DomainBusy",
  [QS_ERROR_REVERT_RISKY] = "RevertRisky",
  [QS_ERROR_AGENT_UNRESPONSIVE] = "AgentUnresponsive",
  [QS_ERROR_MONITOR_FAILED] = "MonitorFailed",
  [QS_ERROR_IMAGE_FAILED] = "ImageFailed",
  [QS_ERROR_NO_SPACE] = "NoSpace",
  [QS_ERROR_TIMEOUT] = "Timeout",
  [QS_ERROR_CANCELLED] = "Cancelled",
  [QS_ERROR_NOT_AUTHORIZED] = "NotAuthorized",
  [QS_ERROR_LIMIT_EXCEEDED] = "LimitExceeded",
  [QS_ERROR_DEGRADED] = "Degraded",
  [QS_ERROR_QUARANTINED] = "Quarantined",
};
G_STATIC_ASSERT (G_N_ELEMENTS (error_names) == QS_N_ERRORS);

G_DEFINE_QUARK (qs_error, qs_error)

/**
 * qs_error_get_name:
 *
 * Returns: the last component of the D-Bus error name
 */
const char *
qs_error_get_name (QsError code)
{
  g_return_val_if_fail (code < QS_N_ERRORS, error_names[QS_ERROR_FAILED]);
  return error_names[code];
}

/**
 * qs_error_from_name:
 * @name: the last component of a D-Bus error name
 *
 * Returns: FALSE, and @code untouched, if there is no such error
 */
gboolean
qs_error_from_name (const char *name, QsError *code)
{
  for (guint i = 0; i < G_N_ELEMENTS (error_names); i++)
    if (g_str_equal (error_names[i], name))
      {
        *code = i;
        return TRUE;
      }
  return FALSE;
}

/**
 * qs_error_fold:
 *
 * Turns an error of a foreign domain into one of ours, keeping its text. The one border at which
 * this happens is where an error leaves for a caller or for the journal.
 */
void
qs_error_fold (GError **error)
{
  GError *folded;

  if (error == NULL || *error == NULL || (*error)->domain == QS_ERROR)
    return;

  /* GIO's quark by name: the core does not link against GIO */
  if ((*error)->domain == g_quark_from_static_string ("g-io-error-quark") && (*error)->code == 19)
    folded = g_error_new_literal (QS_ERROR, QS_ERROR_CANCELLED, "the operation was cancelled");
  else
    folded = g_error_new_literal (QS_ERROR, QS_ERROR_FAILED, (*error)->message);
  g_error_free (*error);
  *error = folded;
}
