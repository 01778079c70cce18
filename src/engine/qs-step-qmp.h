/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"
#include "qs-wake.h"
#include "qs-step.h"
#include "qs-world.h"

/**
 * qs_step_qmp_handles:
 *
 * The steps that are done by QMP commands: blockdev-add, blockdev-snapshot,
 * blockdev-snapshot-delete-internal-sync, stop, cont, system_powerdown, quit.
 */
gboolean qs_step_qmp_handles (QsStepKind kind);

/**
 * qs_step_qmp_run:
 * @guest: (nullable): NULL: there is no connection; only quit can succeed then, if the process has ended
 * @result: (out): a{sv} of what the step learnt, or NULL; also set on failure
 *
 * QS_ERROR_TIMEOUT means that nobody knows: qs_step_qmp_probe() is to be asked. A quit that QEMU
 * does not follow is QS_ERROR_TIMEOUT too; the caller kills the process then.
 */
gboolean qs_step_qmp_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);

/* @guest NULL: QEMU is gone and has taken with it what is to be undone */
gboolean qs_step_qmp_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);

/**
 * qs_step_qmp_probe:
 *
 * For a blockdev-snapshot whose QEMU is gone the answer is UNKNOWN: only the images can tell.
 */
QsProbe qs_step_qmp_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);

gboolean qs_step_stop_changes (QsDomainState state);
QsWakeFrom qs_step_wake_from (const QsStep *step); /* for a `cont` */

/* the process that a step `quit` means */
QsProcess *qs_step_quit_process (const QsStep *step);
