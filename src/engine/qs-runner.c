/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-runner-private.h"

#include "qs-error.h"

/* of an undo or finish step, before the operation is left open for the next start */
#define ATTEMPTS 3

static void
unref_result (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

void
qs_part_run_init (QsPartRun *run, const QsRunner *runner, const QsPlan *plan)
{
  *run = (QsPartRun){ .runner = runner, .plan = plan };
  run->commit = qs_plan_commit_index (plan);
  run->states = g_new0 (QsStepState, plan->steps->len);
  run->results = g_ptr_array_new_with_free_func (unref_result);
  g_ptr_array_set_size (run->results, plan->steps->len);
}

void
qs_part_run_clear (QsPartRun *run)
{
  g_clear_pointer (&run->states, g_free);
  g_clear_pointer (&run->results, g_ptr_array_unref);
}

static void
prefix_step (const QsPartRun *run, guint index, const char *what, GError **error)
{
  const QsStep *step = qs_plan_step (run->plan, index);
  gboolean has_target = *step->target != '\0';

  g_prefix_error (error, "%s step ‘%s’%s%s%s failed: ", what, qs_step_type (step->kind)->name,
                  has_target ? " of ‘" : "", step->target, has_target ? "’" : "");
}

static void
tell_step (const QsPartRun *run, guint index, gboolean undoing)
{
  const QsRunnerSink *sink = run->runner->sink;

  if (sink != NULL && sink->step != NULL)
    sink->step (run->runner->user_data, run->plan, index, undoing);
}

static void
tell_committed (const QsPartRun *run)
{
  const QsRunnerSink *sink = run->runner->sink;

  if (sink != NULL && sink->committed != NULL)
    sink->committed (run->runner->user_data);
}

static gboolean
mark (QsPartRun *run, guint index, QsStepState state, GError **error)
{
  QsJournal *journal = run->runner->journal;
  GVariant *result = g_ptr_array_index (run->results, index);
  guint part = run->runner->part;

  if (!(state == QS_STEP_STATE_BEGUN
            ? qs_journal_intend (journal, part, run->plan, index, result, error)
            : journal->vtable->step (journal, part, index, state, result, error)))
    return FALSE;
  run->states[index] = state;
  return TRUE;
}

static gboolean
mark_part (QsPartRun *run, QsPartState state, GError **error)
{
  QsJournal *journal = run->runner->journal;

  if (!journal->vtable->part (journal, run->runner->part, state, error))
    return FALSE;
  run->state = state;
  return TRUE;
}

static gboolean
carry_out (QsPartRun *run, guint index, GCancellable *cancellable, GError **error)
{
  QsWorld *world = run->runner->world;
  GVariant *result = NULL;
  gboolean done;

  tell_step (run, index, FALSE);
  world->cancellable = cancellable;
  done = world->vtable->run (world, run->plan, index, run->results, &result, error);
  world->cancellable = NULL;
  if (result != NULL)
    {
      unref_result (g_ptr_array_index (run->results, index));
      g_ptr_array_index (run->results, index) = g_variant_take_ref (result);
    }
  return done;
}

/* intent before effect, result after it */
static gboolean
do_step (QsPartRun *run, guint index, GCancellable *cancellable, GError **error)
{
  return mark (run, index, QS_STEP_STATE_BEGUN, error) && carry_out (run, index, cancellable, error)
         && mark (run, index, QS_STEP_STATE_DONE, error);
}

static gboolean
undo_step (QsPartRun *run, guint index, GError **error)
{
  QsWorld *world = run->runner->world;
  gboolean undone = FALSE;

  tell_step (run, index, TRUE);
  for (guint i = 0; i < ATTEMPTS && !undone; i++)
    {
      g_clear_error (error);
      undone = world->vtable->undo (world, run->plan, index, run->results, error);
    }
  if (!undone)
    prefix_step (run, index, "taking back", error);
  return undone;
}

/* the reason for undoing stays first: it is what the caller has to know */
static QsOutcome
leave_open (const GError *why, GError *failure, GError **error)
{
  if (why == NULL)
    g_propagate_error (error, failure);
  else
    {
      g_set_error (error, why->domain, why->code, "%s; %s", why->message, failure->message);
      g_error_free (failure);
    }
  return QS_OUTCOME_OPEN;
}

static gboolean
has_trait (const QsPartRun *run, guint index, guint trait)
{
  return (qs_step_type (qs_plan_step (run->plan, index)->kind)->phases & trait) != 0;
}

/* what a commit in vain leaves behind is cleared away first */
static gboolean
clears_commit (const QsPartRun *run)
{
  return !run->refused && has_trait (run, run->commit, QS_CLEARS_COMMIT);
}

static gboolean
is_begun (const QsPartRun *run, guint index)
{
  return run->states[index] == QS_STEP_STATE_BEGUN || run->states[index] == QS_STEP_STATE_DONE;
}

/* @stuck stays, and all before it that it may need; but a guest does not stand still, or frozen, until
   the next start because of it. That start takes the same back once more if this cannot be written, and
   then finds nothing to do */
static void
release_guest (QsPartRun *run, guint stuck)
{
  for (guint i = stuck; i-- > 0;)
    {
      g_autoptr (GError) failure = NULL;

      if (!is_begun (run, i) || !has_trait (run, i, QS_RELEASES_GUEST))
        continue;
      if (!undo_step (run, i, &failure))
        g_message ("%s, ignoring", failure->message);
      else if (run->states[run->commit] != QS_STEP_STATE_BEGUN)
        mark (run, i, QS_STEP_STATE_UNDONE, NULL);
    }
}

/* what the next start would do with the record as it is: go on, and count with all that is done */
static gboolean
would_go_on (const QsPartRun *run)
{
  for (guint i = 0; i < run->commit; i++)
    if (has_trait (run, i, QS_CAN_RESUME))
      return TRUE;
  return FALSE;
}

/*
 * backwards, and not past a step that stays: what came before it may be in use by it. Where the
 * journal cannot be written the effects are taken back all the same, and nothing more is written,
 * so that the next start finds the record as it was and takes them back once more; unless it would
 * go on
 */
QsOutcome
qs_part_run_take_back (QsPartRun *run, GError *reason, GError **error)
{
  g_autoptr (GError) why = reason;
  g_autoptr (GError) lost = NULL;

  if (run->state != QS_PART_UNDOING && !mark_part (run, QS_PART_UNDOING, &lost)
      && would_go_on (run))
    return leave_open (why, g_steal_pointer (&lost), error);
  if (lost == NULL && run->states[run->commit] == QS_STEP_STATE_BEGUN && !clears_commit (run))
    mark (run, run->commit, QS_STEP_STATE_UNDONE, &lost);
  for (guint i = run->commit + (clears_commit (run) ? 1 : 0); i-- > 0;)
    {
      GError *failure = NULL;

      if (!is_begun (run, i))
        continue;
      if (!undo_step (run, i, &failure))
        {
          release_guest (run, i);
          return leave_open (why, failure, error);
        }
      if (lost == NULL)
        mark (run, i, QS_STEP_STATE_UNDONE, &lost);
    }
  if (lost == NULL)
    mark_part (run, QS_PART_UNDONE, &lost);
  if (lost != NULL)
    return leave_open (why, g_steal_pointer (&lost), error);
  if (why != NULL)
    g_propagate_error (error, g_steal_pointer (&why));
  return QS_OUTCOME_UNDONE;
}

static gboolean
is_left (const QsPartRun *run)
{
  const QsControl *control = run->runner->world->control;

  return control != NULL && qs_control_is_left (control);
}

/* the service ends, and this is the next step, or one that was just interrupted for it */
static gboolean
may_be_left (const QsPartRun *run, guint index)
{
  return is_left (run) && has_trait (run, index, QS_CAN_RESUME)
         && run->states[index] != QS_STEP_STATE_DONE;
}

/* nothing is taken back, and what QEMU has begun goes on */
static QsOutcome
leave (GError **error)
{
  g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED,
                       "the service ends; the operation goes on when it is started again");
  return QS_OUTCOME_OPEN;
}

static gboolean
finish_step (QsPartRun *run, guint index, GError **error)
{
  gboolean done = run->states[index] == QS_STEP_STATE_DONE
                  || qs_plan_is_needless (run->plan, index, run->results);

  for (guint i = 0; i < ATTEMPTS && !done && (i == 0 || !is_left (run)); i++)
    {
      g_clear_error (error);
      done = do_step (run, index, NULL, error);
    }
  if (!done)
    prefix_step (run, index, "the operation took effect, but its", error);
  return done;
}

static QsOutcome
finish (QsPartRun *run, GError **error)
{
  GError *failure = NULL;

  for (guint i = run->commit + 1; i < run->plan->steps->len; i++)
    {
      if (may_be_left (run, i))
        return leave (error);
      if (finish_step (run, i, &failure))
        continue;
      if (!may_be_left (run, i))
        return leave_open (NULL, failure, error);
      g_clear_error (&failure);
      return leave (error);
    }
  return mark_part (run, QS_PART_CLOSED, error) ? QS_OUTCOME_DONE : QS_OUTCOME_OPEN;
}

/* the commit took effect */
QsOutcome
qs_part_run_go_forward (QsPartRun *run, GError **error)
{
  if (run->states[run->commit] != QS_STEP_STATE_DONE
      && !mark (run, run->commit, QS_STEP_STATE_DONE, error))
    return QS_OUTCOME_OPEN;
  if (run->state != QS_PART_COMMITTED && !mark_part (run, QS_PART_COMMITTED, error))
    return QS_OUTCOME_OPEN;
  tell_committed (run);
  return finish (run, error);
}

QsOutcome
qs_runner_quarantine (const char *what, GError *because, GError **error)
{
  g_autoptr (GError) why = because;

  g_set_error (error, QS_ERROR, QS_ERROR_QUARANTINED, "%s%s%s", what, why == NULL ? "" : ": ",
               why == NULL ? "" : why->message);
  return QS_OUTCOME_QUARANTINE;
}

/* nobody contradicts, nobody answers either: to be asked again later */
static gboolean
is_silence (const GError *error)
{
  return g_error_matches (error, QS_ERROR, QS_ERROR_TIMEOUT)
         || g_error_matches (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
}

/* did the commit take effect? Reality is asked, whatever was answered */
QsOutcome
qs_part_run_settle (QsPartRun *run, GError *reason, GError **error)
{
  QsWorld *world = run->runner->world;
  g_autoptr (GError) why = reason;
  GError *because = NULL;
  QsProbe probe = world->vtable->probe (world, run->plan, run->commit, run->results, &because);

  switch (probe)
    {
    case QS_PROBE_DONE:
      g_clear_error (&because);
      return qs_part_run_go_forward (run, error);
    case QS_PROBE_NOT_DONE:
      g_clear_error (&because);
      return qs_part_run_take_back (run, g_steal_pointer (&why), error);
    case QS_PROBE_UNKNOWN:
      if (is_silence (because))
        {
          g_propagate_error (error, because);
          return QS_OUTCOME_OPEN;
        }
      return qs_runner_quarantine ("it cannot be told whether the operation took effect",
                                   because != NULL ? because : g_steal_pointer (&why), error);
    }
  g_assert_not_reached ();
}

/* a refusal: nothing was tried. Any other failure of a commit leaves open whether it took effect */
static gboolean
is_refusal (const GError *error)
{
  return g_error_matches (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT)
         || g_error_matches (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED)
         || g_error_matches (error, QS_ERROR, QS_ERROR_OPERATION_INVALID)
         || g_error_matches (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
}

/* @index counts as begun even if that could not be written: it may be on the disk nevertheless */
static QsOutcome
fail_step (QsPartRun *run, guint index, GError *why, GError **error)
{
  run->states[index] = QS_STEP_STATE_BEGUN;
  return qs_part_run_take_back (run, why, error);
}

static QsOutcome
do_commit (QsPartRun *run, GCancellable *cancellable, GError **error)
{
  GError *why = NULL;

  if (g_cancellable_set_error_if_cancelled (cancellable, &why))
    return qs_part_run_take_back (run, why, error);
  if (!mark (run, run->commit, QS_STEP_STATE_BEGUN, &why))
    return fail_step (run, run->commit, why, error);
  if (carry_out (run, run->commit, NULL, &why))
    return qs_part_run_go_forward (run, error);
  run->refused = is_refusal (why);
  return run->refused ? qs_part_run_take_back (run, why, error)
                      : qs_part_run_settle (run, why, error);
}

/* @index has failed, maybe because of the end of the service */
static QsOutcome
stop_at (QsPartRun *run, guint index, GCancellable *cancellable, GError *why, GError **error)
{
  if (!may_be_left (run, index) || g_cancellable_is_cancelled (cancellable))
    return fail_step (run, index, why, error);
  g_error_free (why);
  return leave (error);
}

QsOutcome
qs_part_run_go_on (QsPartRun *run, GCancellable *cancellable, GError **error)
{
  GError *why = NULL;

  for (guint i = 0; i < run->commit; i++)
    {
      if (run->states[i] == QS_STEP_STATE_DONE)
        continue;
      if (g_cancellable_set_error_if_cancelled (cancellable, &why))
        return qs_part_run_take_back (run, why, error);
      if (may_be_left (run, i))
        return leave (error);
      if (!do_step (run, i, cancellable, &why))
        return stop_at (run, i, cancellable, why, error);
    }
  return do_commit (run, cancellable, error);
}

static QsOutcome
run_part (QsPartRun *run, GCancellable *cancellable, GError **error)
{
  QsJournal *journal = run->runner->journal;

  if (!journal->vtable->begin_part (journal, run->runner->part, run->plan, error))
    return QS_OUTCOME_UNDONE;
  return qs_part_run_go_on (run, cancellable, error);
}

/**
 * qs_runner_run:
 * @plan: a checked plan
 * @cancellable: honoured up to the commit, not from there on
 * @results: (out) (optional) (transfer full): of GVariant or NULL, as many as steps, in any outcome
 *
 * Carries out one part.
 *
 * Returns: DONE; or UNDONE with why it failed; OPEN with what is left; QUARANTINE with why
 */
QsOutcome
qs_runner_run (const QsRunner *runner, const QsPlan *plan, GCancellable *cancellable,
               GPtrArray **results, GError **error)
{
  g_auto (QsPartRun) run = { 0 };
  QsOutcome outcome;

  qs_part_run_init (&run, runner, plan);
  outcome = run_part (&run, cancellable, error);
  if (outcome != QS_OUTCOME_DONE)
    qs_error_fold (error);
  if (results != NULL)
    *results = g_steal_pointer (&run.results);
  return outcome;
}
