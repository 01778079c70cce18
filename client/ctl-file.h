/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

char *qs_ctl_file_read_document (const char *path, GError **error);
char *qs_ctl_file_read_script (GError **error);
char *qs_ctl_file_edit (const char *text, GError **error);
