/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-passage.h"
#include "qs-step.h"

/**
 * QsControl:
 *
 * What somebody wants of the block jobs of an operation while it is at work. Any thread may wish at
 * any time and waits for nobody; the thread of the operation looks for it while it waits for QEMU.
 * A wish holds for the job at work and for all that follow.
 */
typedef struct QsControl QsControl;

QsControl *qs_control_new (void);
void qs_control_free (QsControl *control);

/* in any thread */
gboolean qs_control_set_paused (QsControl *control, gboolean paused, GError **error);
gboolean qs_control_set_speed (QsControl *control, guint64 speed, GError **error);

/**
 * QsControlEnd:
 *
 * How a job that is held is to end: the guest goes over to what it has written, or does not.
 */
typedef enum
{
  QS_CONTROL_HOLD,
  QS_CONTROL_PIVOT,
  QS_CONTROL_FINISH,
} QsControlEnd;

/* in any thread, while a job is held */
gboolean qs_control_set_end (QsControl *control, QsControlEnd end, GError **error);

/**
 * QsControlReach:
 *
 * What a wish can reach yet: the step at work, one that comes after it, or nothing.
 */
typedef enum
{
  QS_CONTROL_LATER,
  QS_CONTROL_NOW,
  QS_CONTROL_NEVER,
} QsControlReach;

/* (transfer none): past the operation */
QsPassage *qs_control_get_passage (QsControl *control);

/* whether a step of this kind is one that can be paused */
gboolean qs_control_reaches (QsStepKind kind);

/**
 * qs_control_leave:
 *
 * The service ends: what QEMU goes on with by itself is not waited for.
 */
void qs_control_leave (QsControl *control);
gboolean qs_control_is_left (const QsControl *control);

/* what was asked of the jobs, or was found with one that an earlier run of the service had begun */
gboolean qs_control_get_paused (const QsControl *control);

/* all below: in the thread of the operation. @step: (nullable): the one it is at */
void qs_control_set_step (QsControl *control, const QsStep *step, QsControlReach reach);

/* whether a job is held now, or may be later; what was wished of an earlier one is forgotten */
void qs_control_set_hold (QsControl *control, QsControlReach reach);
QsControlEnd qs_control_get_end (const QsControl *control);

/* not longer than until somebody says how it is to end */
void qs_control_wait_end (QsControl *control, gint64 microseconds);

/* QEMU begins a job. @speed: of those who asked for it; counts until somebody wishes for another one */
void qs_control_begin (QsControl *control, guint64 speed);

/* QEMU is at work on a job that an earlier run of the service began; this is what was asked of it then.
   A wish that somebody has had since stays */
void qs_control_adopt (QsControl *control, gboolean paused, guint64 speed);

/* TRUE: it is not what was taken last for this job */
gboolean qs_control_take_paused (QsControl *control, gboolean *paused);
gboolean qs_control_take_speed (QsControl *control, guint64 *speed);

/* bytes a second, 0: as fast as it goes */
guint64 qs_control_get_speed (const QsControl *control);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsControl, qs_control_free)
