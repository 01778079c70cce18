/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-read.h"

/* properties that are looked up in files or documents, in a thread */

const char *const *qs_slow_property_names (QsObjectKind kind);
GVariant *qs_slow_property (const QsRead *read, const char *name, GError **error);
