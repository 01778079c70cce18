/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsCtlTable:
 *
 * A table as virsh prints it. Cells come from guests and other users: what could move a terminal's
 * cursor is escaped.
 */
typedef struct QsCtlTable QsCtlTable;

QsCtlTable *qs_ctl_table_new (const char *const *header);
void qs_ctl_table_free (QsCtlTable *table);
void qs_ctl_table_add (QsCtlTable *table, const char *const *cells);
char *qs_ctl_table_format (const QsCtlTable *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsCtlTable, qs_ctl_table_free)
