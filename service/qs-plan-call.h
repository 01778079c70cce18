/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

void qs_plan_call_start (GDBusMethodInvocation *invocation, QsRequest *request);
void qs_plan_call_refuse (GDBusMethodInvocation *invocation, GError *error);
