/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* program, working folder, open regular files and block devices (path, identity as
   qs_image_identity() has it, writable), whether its command line may name backing files, and may
   end it where the guest is reset */
#define QS_PROC_TYPE "(msmsma(sttb)bb)"

GVariant *qs_proc_read (gint64 pid, GError **error);
