/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* messages between daemon and worker: a length, a serialized value, descriptors beside it */

#define QS_WIRE_REQUEST "(sv)" /* method, arguments */
#define QS_WIRE_REPLY "(ssv)"  /* name of an error or one of the words below, its text, result */

#define QS_WIRE_DONE ""
#define QS_WIRE_PROGRESS "progress" /* the call goes on; the time limit starts anew */

GArray *qs_wire_fds_new (void);
int qs_wire_fds_steal (GArray *fds, guint index);

gboolean qs_wire_wait (int fd, short events, gint64 deadline, GError **error);
gboolean qs_wire_send (int fd, GVariant *message, const GArray *fds, gint64 deadline,
                       GError **error);
GVariant *qs_wire_receive (int fd, const char *type, GArray *fds, gint64 deadline, GError **error);
