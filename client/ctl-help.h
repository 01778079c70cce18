/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-command.h"

char *qs_ctl_help_format (void);
char *qs_ctl_help_format_command (const QsCtlCommand *command);
