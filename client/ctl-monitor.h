/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-bus.h"

typedef enum
{
  QS_CTL_MONITOR_TEXT,
  QS_CTL_MONITOR_JSON, /* an object a line */
} QsCtlMonitorForm;

gboolean qs_ctl_monitor_run (QsCtl *ctl, guint seconds, QsCtlMonitorForm form, GError **error);
char *qs_ctl_monitor_format (const char *path, const char *signal, GVariant *values);
