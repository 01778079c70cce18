/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine-private.h"
#include "qs-runner.h"

/**
 * QsTaskRun:
 *
 * A task that is carried out; shared by qs-task-run.c and qs-task-tell.c.
 */
typedef struct
{
  QsTask *task;
  const QsTaskSink *sink;
  gpointer user_data;
  GCancellable *cancellable;
  GVariantDict *result;
  guint part; /* the one at work */
  guint step; /* of that, of @n_steps */
  guint n_steps;
} QsTaskRun;

/* qs-task-tell.c: in the thread of the task; @run is the user data of the runner and of the world */
extern const QsRunnerSink qs_task_runner_sink;
void qs_task_tell_step (gpointer run, const QsPlan *plan, guint index, gboolean undoing);
void qs_task_tell_amount (const QsAmount *amount, gpointer run);
void qs_task_tell_ready (gboolean ready, gpointer run);
void qs_task_tell_begun (QsTaskRun *run);
void qs_task_tell_committed (gpointer run);
