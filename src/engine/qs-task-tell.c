/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-task-run.h"

#include "qs-main-call.h"
#include "qs-safety.h"

/* how far a task has come, told on the main context */

typedef struct
{
  QsTask *task;
  const QsTaskSink *sink;
  gpointer user_data;
  char *step;
  gdouble progress;
  gboolean undoing;
  gboolean ready;
  QsAmount amount;
  GPtrArray *rows;
} Notice;

static void
free_notice (gpointer data)
{
  Notice *notice = data;

  qs_task_unref (notice->task);
  g_free (notice->step);
  g_clear_pointer (&notice->rows, g_ptr_array_unref);
  g_free (notice);
}

static Notice *
make_notice (QsTaskRun *run)
{
  Notice *notice = g_new0 (Notice, 1);

  notice->task = qs_task_ref (run->task);
  notice->sink = run->sink;
  notice->user_data = run->user_data;
  return notice;
}

static void
tell_step (gpointer data)
{
  Notice *notice = data;

  notice->sink->step (notice->task, notice->step, notice->progress, notice->undoing,
                      notice->user_data);
}

static void
tell_amount (gpointer data)
{
  Notice *notice = data;

  notice->sink->amount (notice->task, &notice->amount, notice->progress, notice->user_data);
}

static void
tell_ready (gpointer data)
{
  Notice *notice = data;

  notice->sink->ready (notice->task, notice->ready, notice->user_data);
}

static void
tell_begun (gpointer data)
{
  Notice *notice = data;

  notice->sink->begun (notice->task, notice->user_data);
}

static void
tell_committed (gpointer data)
{
  Notice *notice = data;

  notice->sink->committed (notice->task, notice->user_data);
}

static void
tell_block_jobs (gpointer data)
{
  Notice *notice = data;

  notice->sink->block_jobs (notice->task, notice->rows, notice->user_data);
}

static void
post_block_jobs (QsTaskRun *run, const QsPlan *plan, guint index, gboolean undoing)
{
  Notice *notice;

  if (run->sink->block_jobs == NULL)
    return;
  notice = make_notice (run);
  notice->rows = qs_block_jobs_find (plan, index, undoing);
  qs_main_post (tell_block_jobs, notice, free_notice);
}

void
qs_task_tell_step (gpointer user_data, const QsPlan *plan, guint index, gboolean undoing)
{
  QsTaskRun *run = user_data;
  const QsStep *step = g_ptr_array_index (plan->steps, index);
  Notice *notice;

  run->step = index;
  run->n_steps = plan->steps->len;
  qs_task_steer (run->task, run->part, index, undoing);
  if (run->sink == NULL || run->sink->step == NULL)
    return;
  notice = make_notice (run);
  notice->step = g_strdup (qs_step_type (step->kind)->name);
  notice->progress = (gdouble)index / plan->steps->len;
  notice->undoing = undoing;
  qs_main_post (tell_step, notice, free_notice);
  post_block_jobs (run, plan, index, undoing);
}

/* a step has its share of the whole, however long it takes */
void
qs_task_tell_amount (const QsAmount *amount, gpointer user_data)
{
  QsTaskRun *run = user_data;
  Notice *notice;

  if (run->sink == NULL || run->sink->amount == NULL)
    return;
  notice = make_notice (run);
  notice->amount = *amount;
  notice->progress = run->step;
  if (amount->total > 0)
    notice->progress += MIN ((gdouble)amount->done / amount->total, 1);
  notice->progress /= run->n_steps;
  qs_main_post (tell_amount, notice, free_notice);
}

void
qs_task_tell_ready (gboolean ready, gpointer user_data)
{
  QsTaskRun *run = user_data;
  Notice *notice;

  if (run->sink == NULL || run->sink->ready == NULL)
    return;
  notice = make_notice (run);
  notice->ready = ready;
  qs_main_post (tell_ready, notice, free_notice);
}

/* the first part is not told of */
void
qs_task_tell_begun (QsTaskRun *run)
{
  if (run->part > 0 && run->sink != NULL && run->sink->begun != NULL)
    qs_main_post (tell_begun, make_notice (run), free_notice);
}

void
qs_task_tell_committed (gpointer user_data)
{
  QsTaskRun *run = user_data;
  const QsRequest *part = g_ptr_array_index (run->task->parts, run->part);

  /* what was asked for is not done, and can be called off still */
  if (qs_safety_is_create (part))
    return;
  if (run->sink != NULL && run->sink->committed != NULL)
    qs_main_post (tell_committed, make_notice (run), free_notice);
}

const QsRunnerSink qs_task_runner_sink = { qs_task_tell_step, qs_task_tell_committed };
