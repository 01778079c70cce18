/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

void qs_gate_enter (QsService *service, GDBusMethodInvocation *invocation);
