/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <gio/gio.h>

/**
 * QsAgent:
 *
 * One connection to the guest agent (qemu-ga) of a guest; used by one thread at a time, which waits.
 * What comes in is the guest's and hostile: length, depth and UTF-8 are checked before it is parsed,
 * and no exchange lasts longer than @deadline (monotonic, microseconds) says.
 *
 * Failures are QS_ERROR_AGENT_UNRESPONSIVE. After one it is not known what the agent still does:
 * a command that was not answered stays queued, and a guest that hangs now carries it out later.
 */
typedef struct QsAgent QsAgent;

/* @fd: (transfer full): connected to the socket of the agent's port */
QsAgent *qs_agent_new (int fd);
void qs_agent_free (QsAgent *agent);

/* (nullable): what follows fails when @cancellable is cancelled, at once and with its error */
void qs_agent_set_cancellable (QsAgent *agent, GCancellable *cancellable);

/**
 * qs_agent_sync:
 *
 * Waits until the agent answers this very connection: what it still had to say to others, or to us
 * before, is dropped. An agent that was asked to freeze earlier has done so, or never will, by then.
 */
gboolean qs_agent_sync (QsAgent *agent, gint64 deadline, GError **error);

gboolean qs_agent_is_frozen (QsAgent *agent, gboolean *frozen, gint64 deadline, GError **error);

/* @n: (out) (optional): how many file systems */
gboolean qs_agent_freeze (QsAgent *agent, gint64 *n, gint64 deadline, GError **error);
gboolean qs_agent_thaw (QsAgent *agent, gint64 deadline, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsAgent, qs_agent_free)
