/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

/* whom a domain that a caller makes known is to belong to */

gboolean qs_owner_check (const char *key, GVariant *value, GError **error);
gboolean qs_owner_settle (const QsCall *call, GVariant *options, guint32 *owner, GError **error);
