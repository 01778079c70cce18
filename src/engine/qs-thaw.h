/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-agent.h"
#include "qs-engine-private.h"

/**
 * QsThawed:
 * @is_thawed: the agent says so, or the guest has ended
 * @was_held: it was frozen until it was thawed here
 * @milliseconds: since it was asked to freeze, until it was known to be thawed, or until now
 *
 * What has become of a guest that was frozen.
 */
typedef struct
{
  gboolean is_thawed;
  gboolean was_held;
  guint64 milliseconds;
} QsThawed;

/* connects as the guest's owner; where it is ours, to nobody but QEMU */
QsAgent *qs_thaw_connect (QsEngine *engine, const QsFreeze *freeze, GError **error);

/**
 * qs_thaw_owe:
 *
 * Writes down that the guest will have to be thawed, before it is asked to freeze. From now on it
 * is, whatever happens: by qs_thaw_settle(), in the background after qs_thaw_release(), or by the
 * next start of the service.
 */
gboolean qs_thaw_owe (QsEngine *engine, const QsFreeze *freeze, GError **error);

/**
 * qs_thaw_keep:
 * @agent: (transfer full): the connection over which the guest was frozen
 *
 * The guest is frozen. Nobody else gets a word with its agent until it is thawed.
 */
void qs_thaw_keep (QsEngine *engine, guint64 op, QsAgent *agent);

/**
 * qs_thaw_settle:
 * @op: that has frozen the guest
 * @thawed: (out): its `is_thawed` also tells that nothing is owed
 *
 * Thaws the guest, and waits at most @seconds for the agent to say that it is. A connection that has
 * ended is made anew once.
 *
 * Returns: FALSE: this operation has frozen nothing, as far as is known
 */
gboolean qs_thaw_settle (QsEngine *engine, guint64 op, guint seconds, QsThawed *thawed);

/* the operation is over, or stays open: what it has left frozen is thawed in the background */
void qs_thaw_release (QsEngine *engine, guint64 op);

/* on the main context, before anything else is begun: what an earlier run owes */
gboolean qs_thaw_begin (QsEngine *engine, GError **error);

/* whether the agent of this process owes an answer still, whatever domain it was then */
gboolean qs_thaw_is_owed (QsEngine *engine, const QsDomain *domain);
