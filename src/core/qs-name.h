/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* names and paths as a caller gives them; nothing here looks at a file */

gboolean qs_name_check (const char *name, GError **error);
gboolean qs_description_check (const char *description, GError **error);
gboolean qs_path_check (const char *path, gboolean system_mode, GError **error);
gboolean qs_path_is_device (const char *path);
gboolean qs_uuid_check (const char *uuid);
char *qs_uuid_canonical (const char *text);
char *qs_overlay_path (const char *active, const char *stem, const char *name, GError **error);
char *qs_overlay_stem (const char *active);
char *qs_escape_for_terminal (const char *text);
