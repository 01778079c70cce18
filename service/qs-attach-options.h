/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

#include <gio/gunixfdlist.h>

gboolean qs_attach_options_read (const QsCall *call, GVariant *options, QsVisit *visit,
                                 GError **error);
gboolean qs_attach_check_socket (const QsCall *call, guint32 owner, const char *path,
                                 GError **error);
gboolean qs_attach_options_agree (GVariant *options, const QsDomain *domain, GError **error);
int qs_attach_take_fd (GUnixFDList *list, GVariant *handle, GError **error);
