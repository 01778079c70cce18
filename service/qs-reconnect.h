/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/**
 * QsReconnect:
 *
 * Attaches domains again whose QEMU was started anew, without being asked to.
 */
QsReconnect *qs_reconnect_new (QsService *service);
void qs_reconnect_free (QsReconnect *reconnect);
gboolean qs_reconnect_is_busy (QsReconnect *reconnect);
void qs_reconnect_appeared (QsReconnect *reconnect, const char *id);
