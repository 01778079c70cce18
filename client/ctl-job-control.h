/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-command.h"

/* what is asked of a job that is at work */
extern const QsCtlOption qs_ctl_job_options[];
gboolean qs_ctl_run_job (QsCtl *ctl, QsCtlArguments *arguments, GError **error);
