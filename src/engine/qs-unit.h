/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-launcher.h"

#include <gio/gio.h>

/* transient services of the system's or the user's systemd */

/* does it run, where this daemon can ask it for services */
gboolean qs_unit_is_available (gboolean system_mode);

/* the folder that systemd makes for the process @id, and removes after its end */
char *qs_unit_folder (gboolean system_mode, const char *id);
char *qs_unit_name (const char *id);

/**
 * qs_unit_start:
 * @log: gets stderr
 *
 * Returns: the pid of the process, which has been executed; 0 on error
 */
gint64 qs_unit_start (gboolean system_mode, const QsLaunch *launch, int log, GError **error);

/**
 * qs_unit_stop:
 *
 * Returns: TRUE: no unit of the process @id is there any more, nor being started
 */
gboolean qs_unit_stop (gboolean system_mode, const char *id, GError **error);
