/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-snapshot-def.h"

/* the options of SnapshotCreate: a <domainsnapshot> for those who have no document */

guint qs_create_options_flags (GVariant *options);
QsSnapshotDef *qs_create_options_def (const char *name, GVariant *options, GError **error);
