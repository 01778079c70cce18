/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsCtlAgent:
 *
 * polkit's agent for a terminal, which asks for passwords on behalf of this process.
 */
typedef struct QsCtlAgent QsCtlAgent;

QsCtlAgent *qs_ctl_agent_start (void);
void qs_ctl_agent_stop (QsCtlAgent *agent);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsCtlAgent, qs_ctl_agent_stop)
