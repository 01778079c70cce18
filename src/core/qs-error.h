/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

#define QS_ERROR (qs_error_quark ())

/**
 * QsError:
 *
 * What can be said of a failed call; org.example.Snapshot(5) says when. The D-Bus name is
 * `org.example.Snapshot.Error.` + qs_error_get_name().
 */
typedef enum
{
  QS_ERROR_FAILED,
  QS_ERROR_INVALID_ARGUMENT,
  QS_ERROR_XML_INVALID,
  QS_ERROR_CONFIG_UNSUPPORTED,
  QS_ERROR_OPERATION_INVALID,
  QS_ERROR_OPERATION_UNSUPPORTED,
  QS_ERROR_NO_DOMAIN,
  QS_ERROR_NO_SNAPSHOT,
  QS_ERROR_SNAPSHOT_EXISTS,
  QS_ERROR_DOMAIN_EXISTS,
  QS_ERROR_DOMAIN_BUSY,
  QS_ERROR_REVERT_RISKY,
  QS_ERROR_AGENT_UNRESPONSIVE,
  QS_ERROR_MONITOR_FAILED,
  QS_ERROR_IMAGE_FAILED,
  QS_ERROR_NO_SPACE,
  QS_ERROR_TIMEOUT,
  QS_ERROR_CANCELLED,
  QS_ERROR_NOT_AUTHORIZED,
  QS_ERROR_LIMIT_EXCEEDED,
  QS_ERROR_DEGRADED,
  QS_ERROR_QUARANTINED,
} QsError;

#define QS_N_ERRORS (QS_ERROR_QUARANTINED + 1)

GQuark qs_error_quark (void);
const char *qs_error_get_name (QsError code);
gboolean qs_error_from_name (const char *name, QsError *code);
void qs_error_fold (GError **error);
