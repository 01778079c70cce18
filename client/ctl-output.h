/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-table.h"

/* what a person or a program reads; strings of others are escaped for a terminal */

void qs_ctl_print (const char *format, ...) G_GNUC_PRINTF (1, 2);
void qs_ctl_print_document (const char *text);
void qs_ctl_print_table (const QsCtlTable *table, gboolean quiet);
void qs_ctl_print_json (GVariant *value);
GVariant *qs_ctl_add_path (GVariant *properties, const char *path);
void qs_ctl_note (const char *format, ...) G_GNUC_PRINTF (1, 2);
void qs_ctl_error (const GError *error);
gboolean qs_ctl_output_flush (void);

char *qs_ctl_format_time (guint64 microseconds);
const char *qs_ctl_state_word (const char *state);
