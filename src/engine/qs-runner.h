/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-journal.h"
#include "qs-world.h"

/**
 * QsOutcome:
 *
 * How a part ended. OPEN: a finish step failed, or the service ends; nothing was undone, the next
 * start goes on.
 */
typedef enum
{
  QS_OUTCOME_DONE,
  QS_OUTCOME_UNDONE,
  QS_OUTCOME_OPEN,
  QS_OUTCOME_QUARANTINE,
} QsOutcome;

typedef struct
{
  void (*step) (gpointer user_data, const QsPlan *plan, guint index, gboolean undoing);
  void (*committed) (gpointer user_data);
} QsRunnerSink;

/**
 * QsRunner:
 * @sink: (nullable): told of each step, and of the commit, in the runner's thread
 *
 * What one part is carried out with; lives on the caller's stack.
 */
typedef struct
{
  QsJournal *journal;
  QsWorld *world;
  guint part;
  const QsRunnerSink *sink;
  gpointer user_data;
} QsRunner;

QsOutcome qs_runner_run (const QsRunner *runner, const QsPlan *plan, GCancellable *cancellable,
                         GPtrArray **results, GError **error);
gboolean qs_runner_may_go_on (const QsPartRecord *record, guint *next);
QsOutcome qs_runner_continue (const QsRunner *runner, const QsPartRecord *record,
                              GCancellable *cancellable, GPtrArray **results, GError **error);
QsOutcome qs_runner_resume (const QsRunner *runner, const QsPartRecord *record, GPtrArray **results,
                            GError **error);
