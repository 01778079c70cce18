/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-runner.h"

/**
 * QsPartRun:
 *
 * One part that is carried out; shared by qs-runner.c and qs-runner-resume.c.
 */
typedef struct
{
  const QsRunner *runner;
  const QsPlan *plan;
  guint commit;
  QsPartState state; /* as the journal has it */
  QsStepState *states;
  GPtrArray *results;
  gboolean refused; /* the commit: nothing was tried */
} QsPartRun;

void qs_part_run_init (QsPartRun *run, const QsRunner *runner, const QsPlan *plan);
void qs_part_run_clear (QsPartRun *run);

/* the steps that are not done */
QsOutcome qs_part_run_go_on (QsPartRun *run, GCancellable *cancellable, GError **error);
QsOutcome qs_part_run_take_back (QsPartRun *run, GError *reason, GError **error);
QsOutcome qs_part_run_settle (QsPartRun *run, GError *reason, GError **error);
QsOutcome qs_part_run_go_forward (QsPartRun *run, GError **error);

QsOutcome qs_runner_quarantine (const char *what, GError *because, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsPartRun, qs_part_run_clear)
