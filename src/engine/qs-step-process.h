/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-real-world.h"

/* what steps share that have to do with a QEMU that step `spawn` has started */

/* (transfer full) (nullable): the process that step number @step has started, or was about to */
QsProcess *qs_step_process_of (const QsStepCall *call, guint64 step);

/* the folder of its sockets goes with it */
gboolean qs_step_end_process (QsStepCall *call, const QsProcess *process, GError **error);

/* what a step has learnt that has started it; as `started` of a launch, with the QsStepCall, it is in the
   journal before the process listens */
GVariant *qs_step_process_result (const QsProcess *process);
gboolean qs_step_note_process (const QsProcess *process, gpointer call, GError **error);

/* ends what the step has started as @id, or was about to */
gboolean qs_step_undo_start (QsStepCall *call, const char *id, GError **error);

/**
 * qs_step_take_consoles:
 * @display: (nullable): what step `spawn` has learnt of the display
 *
 * The process that the domain has now serves what the last one did: its sockets get their names, and the
 * display listens. May be done again.
 */
gboolean qs_step_take_consoles (QsStepCall *call, QsGuest *guest, GVariant *display,
                                GError **error);

/**
 * QsBeside:
 *
 * A QEMU that was started beside the domain's own one, and is not the domain's yet.
 */
void qs_beside_begin (QsRealWorld *world, const QsProcess *process, int log);
void qs_beside_end (QsRealWorld *world);

/**
 * qs_beside_guest:
 *
 * Returns: (transfer full): the connection to the process of the step that argument `spawn` names
 */
QsGuest *qs_beside_guest (QsStepCall *call, GError **error);

/* (transfer full): what it has said on stderr */
char *qs_beside_last_words (const QsRealWorld *world);

/* the domain gets the connection to @process, if there is one. FALSE: there is none */
gboolean qs_beside_adopt (QsRealWorld *world, const QsProcess *process);
