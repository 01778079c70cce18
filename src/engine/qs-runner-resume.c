/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-runner-private.h"

#include "qs-error.h"

/* parts that an earlier run of the daemon has begun */

/* what no crash of ours can have left behind */
static gboolean
is_contradictory (const QsPartRecord *record)
{
  const QsStepState *states = (const QsStepState *)(gpointer)record->steps->data;
  guint commit = qs_plan_commit_index (record->plan);
  gboolean reached;

  if (commit == record->plan->steps->len || record->steps->len != record->plan->steps->len
      || record->results->len != record->plan->steps->len)
    return TRUE;
  reached = states[commit] == QS_STEP_STATE_DONE;
  if (record->state == QS_PART_COMMITTED && !reached)
    return TRUE;
  if (record->state == QS_PART_UNDOING && reached)
    return TRUE;
  for (guint i = 0; i < record->steps->len; i++)
    {
      if (i < commit && (reached || states[commit] == QS_STEP_STATE_BEGUN)
          && states[i] != QS_STEP_STATE_DONE)
        return TRUE;
      if (i > commit && states[i] != QS_STEP_STATE_NONE && !reached)
        return TRUE;
    }
  return FALSE;
}

static void
take_record (QsPartRun *run, const QsPartRecord *record)
{
  run->state = record->state;
  for (guint i = 0; i < record->steps->len; i++)
    {
      GVariant *result = g_ptr_array_index (record->results, i);

      run->states[i] = g_array_index (record->steps, QsStepState, i);
      g_ptr_array_index (run->results, i) = result == NULL ? NULL : g_variant_ref (result);
    }
}

static gboolean
has_trait (const QsPartRecord *record, guint index)
{
  return (qs_step_type (qs_plan_step (record->plan, index)->kind)->phases & QS_CAN_RESUME) != 0;
}

static gboolean
has_work_left (const QsPartRecord *record)
{
  for (guint i = 0; i < record->steps->len; i++)
    if (g_array_index (record->steps, QsStepState, i) != QS_STEP_STATE_DONE
        && has_trait (record, i))
      return TRUE;
  return FALSE;
}

/* what is begun is taken where it is, or has not begun; then work that took long is not lost */
static gboolean
may_go_on_at (const QsPartRecord *record, guint index)
{
  QsStepState state = g_array_index (record->steps, QsStepState, index);
  gboolean may = has_trait (record, index);

  if (state != QS_STEP_STATE_NONE && state != QS_STEP_STATE_BEGUN)
    return FALSE;
  for (guint i = 0; state == QS_STEP_STATE_NONE && i < index; i++)
    may = may || has_trait (record, i);
  for (guint i = index + 1; i < record->steps->len; i++)
    if (g_array_index (record->steps, QsStepState, i) != QS_STEP_STATE_NONE)
      return FALSE;
  return may;
}

/**
 * qs_runner_may_go_on:
 * @next: (out): the first step that is not done
 *
 * Returns: whether the part is worth going on with, and can be: its next step is one that finds its
 *   work in QEMU, or comes after such a one; or it is committed, and such a one is left. If it was
 *   being taken back, or a step was interrupted of which nobody knows how far it has come, it cannot
 */
gboolean
qs_runner_may_go_on (const QsPartRecord *record, guint *next)
{
  guint commit;

  if (is_contradictory (record))
    return FALSE;
  commit = qs_plan_commit_index (record->plan);
  for (*next = 0; *next < record->steps->len; (*next)++)
    if (g_array_index (record->steps, QsStepState, *next) != QS_STEP_STATE_DONE)
      break;
  if (record->state == QS_PART_COMMITTED || (record->state == QS_PART_OPEN && *next > commit))
    return has_work_left (record);
  return record->state == QS_PART_OPEN
         && g_array_index (record->steps, QsStepState, commit) == QS_STEP_STATE_NONE
         && may_go_on_at (record, *next);
}

static QsOutcome
resume_open (QsPartRun *run, GError **error)
{
  switch (run->states[run->commit])
    {
    case QS_STEP_STATE_DONE:
      return qs_part_run_go_forward (run, error);
    case QS_STEP_STATE_BEGUN:
      return qs_part_run_settle (run, NULL, error);
    case QS_STEP_STATE_NONE:
    case QS_STEP_STATE_UNDONE:
      return qs_part_run_take_back (run, NULL, error);
    }
  g_assert_not_reached ();
}

static QsOutcome
resume_part (QsPartRun *run, GError **error)
{
  switch (run->state)
    {
    case QS_PART_OPEN:
    case QS_PART_UNDOING:
      return resume_open (run, error);
    case QS_PART_COMMITTED:
      return qs_part_run_go_forward (run, error);
    case QS_PART_CLOSED:
      return QS_OUTCOME_DONE;
    case QS_PART_UNDONE:
      return QS_OUTCOME_UNDONE;
    }
  g_assert_not_reached ();
}

/**
 * qs_runner_resume:
 * @runner: its part is the record's
 * @record: what the journal has of a part that a previous run of the daemon began
 * @results: (out) (optional) (transfer full): as in qs_runner_run(); NULL if nothing was looked at
 *
 * Brings a part to its end, whichever is the right one. A second time it does nothing.
 *
 * Returns: DONE or UNDONE, without error; OPEN or QUARANTINE with why
 */
QsOutcome
qs_runner_resume (const QsRunner *runner, const QsPartRecord *record, GPtrArray **results,
                  GError **error)
{
  g_auto (QsPartRun) run = { 0 };
  QsOutcome outcome;

  if (is_contradictory (record))
    return qs_runner_quarantine ("the journal contradicts itself", NULL, error);
  qs_part_run_init (&run, runner, record->plan);
  take_record (&run, record);
  outcome = resume_part (&run, error);
  if (outcome == QS_OUTCOME_OPEN || outcome == QS_OUTCOME_QUARANTINE)
    qs_error_fold (error);
  if (results != NULL)
    *results = g_steal_pointer (&run.results);
  return outcome;
}

/**
 * qs_runner_continue:
 * @record: one with which qs_runner_may_go_on()
 *
 * Goes on with a part from its first step that is not done; all else is as in qs_runner_run().
 */
QsOutcome
qs_runner_continue (const QsRunner *runner, const QsPartRecord *record, GCancellable *cancellable,
                    GPtrArray **results, GError **error)
{
  g_auto (QsPartRun) run = { 0 };
  QsOutcome outcome;
  guint next;

  g_return_val_if_fail (qs_runner_may_go_on (record, &next), QS_OUTCOME_OPEN);
  qs_part_run_init (&run, runner, record->plan);
  take_record (&run, record);
  if (next <= run.commit)
    outcome = qs_part_run_go_on (&run, cancellable, error);
  else
    outcome = qs_part_run_go_forward (&run, error);
  if (outcome != QS_OUTCOME_DONE)
    qs_error_fold (error);
  if (results != NULL)
    *results = g_steal_pointer (&run.results);
  return outcome;
}
