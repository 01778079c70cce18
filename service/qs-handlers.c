/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

void
qs_handlers_connect (GDBusInterfaceSkeleton *skeleton, const QsHandler *handlers, guint n)
{
  for (guint i = 0; i < n; i++)
    g_signal_connect (skeleton, handlers[i].signal, handlers[i].handler, NULL);
}
