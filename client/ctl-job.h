/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-bus.h"

/**
 * QsCtlJobWait:
 * @until_ready: a job that is ready is not waited for any longer
 * @seconds: after which it is cancelled, 0: never
 * @leaves: it is left once it is cancelled
 * @is_ready: (out): it is, and has not ended
 */
typedef struct
{
  gboolean until_ready;
  guint seconds;
  gboolean leaves;
  gboolean is_ready;
} QsCtlJobWait;

GVariant *qs_ctl_job_wait (QsCtl *ctl, const char *job, GError **error);
GVariant *qs_ctl_job_wait_for (QsCtl *ctl, const char *job, QsCtlJobWait *how, GError **error);
gboolean qs_ctl_job_wait_for_other (QsCtl *ctl, const char *job, GError **error);
GStrv qs_ctl_job_get_notes (QsCtl *ctl, const char *job);

/* pure */
char *qs_ctl_job_format_progress (const char *operation, const char *step, double progress);
char *qs_ctl_job_path_in (const char *message);
