/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>
#include <unistd.h>

/* a descriptor that is closed at the end of its scope; GLib 2.74 has none */
typedef int QsFd;

static inline void
qs_fd_clear (QsFd *fd)
{
  if (*fd >= 0)
    close (g_steal_fd (fd));
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsFd, qs_fd_clear)
