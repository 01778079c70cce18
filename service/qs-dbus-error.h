/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-error.h"

#include <gio/gio.h>

void qs_dbus_error_register (void);
char *qs_dbus_error_name (const GError *error);
void qs_dbus_error_return (GDBusMethodInvocation *invocation, GError *error);
