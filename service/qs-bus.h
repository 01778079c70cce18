/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

gboolean qs_bus_register (QsService *service, GError **error);
void qs_bus_unregister (QsService *service);
