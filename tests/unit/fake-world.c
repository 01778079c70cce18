/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"

#include "qs-error.h"

typedef struct
{
  QsJournal journal;
  FakeWorld *fake;
} FakeJournal;

static G_NORETURN void
violate (const FakeWorld *fake, guint step, const char *rule)
{
  g_autofree char *plan = qs_plan_describe (fake->plan);

  g_error ("step %u: %s (fail %u, stuck %u, mute %u, cancel %u, crash %u%s, now %u) in\n%s", step,
           rule, fake->trouble.fail, fake->trouble.stuck, fake->trouble.mute, fake->trouble.cancel,
           fake->trouble.crash, fake->trouble.power ? " with power" : "", fake->clock, plan);
}

static void
expect (const FakeWorld *fake, guint step, gboolean kept, const char *rule)
{
  if (!kept && !fake->lax)
    violate (fake, step, rule);
}

/* refusals before an effect, lost answers after it */
static gboolean
fail (const FakeWorld *fake, FakeEffect reached, GError **error)
{
  static const QsError refusals[] = { QS_ERROR_OPERATION_INVALID, QS_ERROR_MONITOR_FAILED };
  static const QsError losses[] = { QS_ERROR_TIMEOUT, QS_ERROR_MONITOR_FAILED };

  if (reached == FAKE_NONE)
    g_set_error_literal (error, QS_ERROR, refusals[fake->clock % 2], "refused");
  else if (fake->clock % 3 == 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, "broken");
  else
    g_set_error_literal (error, QS_ERROR, losses[fake->clock % 2], "lost");
  return FALSE;
}

/* what was not synchronized is lost, and the effects that nobody has to take back are gone */
static void
lose_power (FakeWorld *fake)
{
  fake_pages_copy (&fake->pages, &fake->disk);
  for (guint i = 0; i < fake->plan->steps->len; i++)
    {
      guint traits = qs_step_type (qs_plan_step (fake->plan, i)->kind)->phases;
      QsStepState state = g_array_index (fake->pages.steps, QsStepState, i);

      if ((traits & QS_NEEDS_NO_SYNC) != 0)
        fake->effects[i] = state == QS_STEP_STATE_DONE ? FAKE_WHOLE : FAKE_NONE;
    }
}

/* a point at which something may go wrong; nothing happens between a crash and the next start */
static gboolean
event (FakeWorld *fake, guint step, FakeEffect reached, GError **error)
{
  const FakeTrouble *trouble = &fake->trouble;

  fake->clock++;
  if (fake->clock == trouble->cancel)
    g_cancellable_cancel (fake->cancellable);
  if (fake->clock == trouble->leave)
    qs_control_leave (fake->world.control);
  if (fake->clock == trouble->stuck)
    fake->stuck_step = step;
  if (fake->clock == trouble->mute)
    fake->muted = TRUE;
  if (fake->clock == trouble->crash && trouble->power)
    lose_power (fake);
  if (fake->clock == trouble->crash)
    fake->crashed = TRUE;
  if (fake->crashed || fake->clock == trouble->fail || fake->stuck_step == step)
    return fail (fake, reached, error);
  return TRUE;
}

static QsStepState
state_of (const FakeWorld *fake, guint step)
{
  return g_array_index (fake->pages.steps, QsStepState, step);
}

static gboolean
write_event (FakeWorld *fake, FakeEffect reached, GError **error)
{
  if (!event (fake, G_MAXUINT - 1, reached, error))
    return FALSE;
  if (!fake->muted)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_DEGRADED, "muted");
  return FALSE;
}

/* the end of a write: a COMMIT, durable if it is not to wait for the next one */
static gboolean
commit (FakeWorld *fake, gboolean waits, GError **error)
{
  fake->n_changes++;
  if (!waits)
    fake_pages_copy (&fake->disk, &fake->pages);
  return write_event (fake, FAKE_WHOLE, error);
}

static gboolean
journal_begin_part (QsJournal *journal, guint part, const QsPlan *plan, GError **error)
{
  FakeWorld *fake = ((FakeJournal *)journal)->fake;

  if (!write_event (fake, FAKE_NONE, error))
    return FALSE;
  expect (fake, 0, !fake->pages.begun && plan == fake->plan, "a part is begun once");
  fake->pages.begun = TRUE;
  return commit (fake, TRUE, error);
}

static gboolean
put_step (QsJournal *journal, guint index, QsStepState state, GVariant *result, gboolean waits,
          GError **error)
{
  FakeWorld *fake = ((FakeJournal *)journal)->fake;

  if (!write_event (fake, FAKE_NONE, error))
    return FALSE;
  expect (fake, index, fake->pages.begun, "its part is begun");
  fake_pages_put (&fake->pages, index, state, result);
  return commit (fake, waits, error);
}

static gboolean
journal_step (QsJournal *journal, guint part, guint index, QsStepState state, GVariant *result,
              GError **error)
{
  g_assert_cmpuint (part, ==, 7);
  return put_step (journal, index, state, result, state == QS_STEP_STATE_DONE, error);
}

static gboolean
journal_step_later (QsJournal *journal, guint part, guint index, QsStepState state,
                    GVariant *result, GError **error)
{
  g_assert_cmpuint (part, ==, 7);
  return put_step (journal, index, state, result, TRUE, error);
}

static gboolean
journal_part (QsJournal *journal, guint part, QsPartState state, GError **error)
{
  FakeWorld *fake = ((FakeJournal *)journal)->fake;

  if (!write_event (fake, FAKE_NONE, error))
    return FALSE;
  expect (fake, 0, fake->pages.state != QS_PART_CLOSED && fake->pages.state != QS_PART_UNDONE,
          "a part ends once");
  expect (fake, 0, (state == QS_PART_UNDONE) == (fake->pages.state == QS_PART_UNDOING),
          "what is taken back is marked before");
  fake->pages.state = state;
  return commit (fake, state != QS_PART_UNDONE && state != QS_PART_UNDOING, error);
}

static const QsJournalVTable journal_vtable = { journal_begin_part, journal_step,
                                                journal_step_later, journal_part };

/* what a step learnt must reach all that come after it, also over a restart. A commit that was only
   found done teaches nothing */
static void
expect_results (const FakeWorld *fake, guint index, GPtrArray *results)
{
  for (guint i = 0; i < index; i++)
    {
      GVariant *result = g_ptr_array_index (results, i);
      gboolean teaches = i != fake->commit && qs_plan_step (fake->plan, i)->kind != QS_STEP_RECORD
                         && !qs_plan_is_needless (fake->plan, i, results);
      guint32 learnt = teaches ? G_MAXUINT32 : i;

      if (result != NULL)
        g_variant_lookup (result, "learnt", "u", &learnt);
      expect (fake, index, learnt == i, "results of all steps before it");
    }
}

static void
expect_in_order (const FakeWorld *fake, guint index)
{
  expect (fake, index, fake->pages.begun && state_of (fake, index) != QS_STEP_STATE_NONE,
          "intent before effect");
  for (guint i = 0; i < fake->plan->steps->len; i++)
    if (i < index)
      expect (fake, index,
              (fake->effects[i] == FAKE_WHOLE && state_of (fake, i) == QS_STEP_STATE_DONE)
                  || qs_plan_is_needless (fake->plan, i, fake->pages.results),
              "all steps before it done");
    else if (i > index)
      expect (fake, index, fake->effects[i] == FAKE_NONE, "no step after it begun");
}

static void
change (FakeWorld *fake, guint index, FakeEffect effect)
{
  fake->effects[index] = effect;
  fake->n_changes++;
}

/* as the store does it: the changes and the state of the step in one COMMIT */
static gboolean
run_record (FakeWorld *fake, guint index, GError **error)
{
  if (fake->effects[index] != FAKE_WHOLE)
    change (fake, index, FAKE_WHOLE);
  fake_pages_put (&fake->pages, index, QS_STEP_STATE_DONE, NULL);
  fake->n_changes++;
  fake_pages_copy (&fake->disk, &fake->pages);
  return event (fake, index, FAKE_WHOLE, error);
}

/* as an image is made: its identity is in the journal before it has a name */
static gboolean
run_half (FakeWorld *fake, guint index, GVariant *result, GError **error)
{
  if (fake->effects[index] == FAKE_WHOLE)
    return TRUE;
  change (fake, index, FAKE_HALF);
  if (qs_plan_step (fake->plan, index)->kind == QS_STEP_IMAGE_CREATE
      && !journal_step (fake->journal, 7, index, QS_STEP_STATE_BEGUN, result, error))
    return FALSE;
  return event (fake, index, FAKE_HALF, error);
}

static GVariant *
learn (const FakeWorld *fake, guint index)
{
  if (index == fake->commit && fake->commit_learns != NULL)
    return g_variant_ref_sink (g_variant_new_parsed (fake->commit_learns));
  return g_variant_ref_sink (g_variant_new_parsed ("{'learnt': <%u>}", index));
}

static gboolean
can_resume (const QsStep *step)
{
  return (qs_step_type (step->kind)->phases & QS_CAN_RESUME) != 0;
}

static gboolean
world_run (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GVariant **result,
           GError **error)
{
  FakeWorld *fake = (FakeWorld *)world;
  const QsStep *step = qs_plan_step (plan, index);

  if (!event (fake, index, FAKE_NONE, error))
    return FALSE;
  expect_results (fake, index, results);
  expect_in_order (fake, index);
  expect (fake, index,
          step->phase == QS_PHASE_FINISH || can_resume (step) || fake->effects[index] == FAKE_NONE,
          "no effect twice");
  expect (fake, index, step->phase == QS_PHASE_PREPARE || world->cancellable == NULL,
          "no cancelling from the commit on");
  if (step->kind == QS_STEP_RECORD)
    return run_record (fake, index, error);
  *result = learn (fake, index);
  if (step->phase != QS_PHASE_COMMIT && !run_half (fake, index, *result, error))
    return FALSE;
  if (can_resume (step) && qs_control_is_left (world->control))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CANCELLED, "it goes on by itself");
      return FALSE;
    }
  if (fake->effects[index] != FAKE_WHOLE)
    change (fake, index, FAKE_WHOLE);
  return event (fake, index, FAKE_WHOLE, error);
}

/* a guest goes on although something stays that cannot be taken back now */
static gboolean
releases_early (const FakeWorld *fake, guint index)
{
  const QsStep *step = qs_plan_step (fake->plan, index);

  if (!(qs_step_type (step->kind)->phases & QS_RELEASES_GUEST))
    return FALSE;
  for (guint i = index + 1; i < fake->commit; i++)
    if (fake->stuck_step == i)
      return TRUE;
  return fake->stuck_step == fake->commit || fake->crashed;
}

static gboolean
world_undo (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GError **error)
{
  FakeWorld *fake = (FakeWorld *)world;

  if (!event (fake, index, FAKE_NONE, error))
    return FALSE;
  expect (fake, index, qs_step_type (qs_plan_step (plan, index)->kind)->undo != NULL, "an undo");
  for (guint i = index + 1; i < plan->steps->len; i++)
    expect (fake, index, fake->effects[i] == FAKE_NONE || releases_early (fake, index),
            "nothing after it left, nor the commit");
  expect_results (fake, index, results);
  if (fake->effects[index] != FAKE_NONE)
    change (fake, index, FAKE_NONE);
  return event (fake, index, FAKE_WHOLE, error);
}

static QsProbe
world_probe (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results, GError **error)
{
  FakeWorld *fake = (FakeWorld *)world;

  expect (fake, index, index == fake->commit, "only the commit is probed");
  if (fake->blind || fake->crashed)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED, "half of the disks");
      return QS_PROBE_UNKNOWN;
    }
  return fake->effects[index] == FAKE_WHOLE ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

static const QsWorldVTable world_vtable = { world_run, world_undo, world_probe };

FakeWorld *
fake_world_new (const QsPlan *plan)
{
  FakeWorld *fake = g_new0 (FakeWorld, 1);
  FakeJournal *journal = g_new0 (FakeJournal, 1);

  journal->journal.vtable = &journal_vtable;
  journal->fake = fake;
  fake->world.vtable = &world_vtable;
  fake->journal = &journal->journal;
  fake->plan = plan;
  fake->commit = qs_plan_commit_index (plan);
  fake->stuck_step = G_MAXUINT;
  fake->effects = g_new0 (FakeEffect, plan->steps->len);
  fake_pages_init (&fake->pages, plan);
  fake->cancellable = g_cancellable_new ();
  fake->world.control = qs_control_new ();
  fake_pages_copy (&fake->disk, &fake->pages);
  return fake;
}

void
fake_world_free (FakeWorld *fake)
{
  if (fake == NULL)
    return;
  g_free (fake->journal);
  g_free (fake->effects);
  fake_pages_clear (&fake->pages);
  fake_pages_clear (&fake->disk);
  g_object_unref (fake->cancellable);
  qs_control_free (fake->world.control);
  g_free (fake);
}

static void
start_clock (FakeWorld *fake, const FakeTrouble *trouble)
{
  fake->trouble = *trouble;
  fake->clock = 0;
  fake->stuck_step = G_MAXUINT;
  fake->crashed = FALSE;
  fake->muted = FALSE;
}

static void
on_committed (gpointer user_data)
{
  FakeWorld *fake = user_data;

  expect (fake, fake->commit, fake->effects[fake->commit] == FAKE_WHOLE, "told too early");
  fake->n_committed++;
}

QsOutcome
fake_world_run (FakeWorld *fake, const FakeTrouble *trouble, GError **error)
{
  const QsRunnerSink sink = { NULL, on_committed };
  const QsRunner runner = { fake->journal, &fake->world, 7, &sink, fake };
  g_autoptr (GPtrArray) results = NULL;
  QsOutcome outcome;

  start_clock (fake, trouble);
  outcome = qs_runner_run (&runner, fake->plan, fake->cancellable, &results, error);
  g_assert_cmpuint (results->len, ==, fake->plan->steps->len);
  return outcome;
}

static void
restart (FakeWorld *fake, const FakeTrouble *trouble)
{
  start_clock (fake, trouble);
  qs_control_free (fake->world.control);
  fake->world.control = qs_control_new ();
  g_object_unref (fake->cancellable);
  fake->cancellable = g_cancellable_new ();
}

QsOutcome
fake_world_resume (FakeWorld *fake, const FakeTrouble *trouble, GError **error)
{
  const QsRunner runner = { fake->journal, &fake->world, 7, NULL, NULL };
  g_autoptr (QsPartRecord) record = fake_pages_read (&fake->pages, fake->plan);

  restart (fake, trouble);
  return fake->pages.begun ? qs_runner_resume (&runner, record, NULL, error) : QS_OUTCOME_UNDONE;
}

gboolean
fake_world_may_go_on (FakeWorld *fake)
{
  g_autoptr (QsPartRecord) record = fake_pages_read (&fake->pages, fake->plan);
  guint next;

  return fake->pages.begun && qs_runner_may_go_on (record, &next);
}

QsOutcome
fake_world_go_on (FakeWorld *fake, const FakeTrouble *trouble, GError **error)
{
  const QsRunnerSink sink = { NULL, on_committed };
  const QsRunner runner = { fake->journal, &fake->world, 7, &sink, fake };
  g_autoptr (QsPartRecord) record = fake_pages_read (&fake->pages, fake->plan);

  if (!fake_world_may_go_on (fake))
    return fake_world_resume (fake, trouble, error);
  restart (fake, trouble);
  return qs_runner_continue (&runner, record, fake->cancellable, NULL, error);
}

static gboolean
all_are (const FakeWorld *fake, FakeEffect effect)
{
  for (guint i = 0; i < fake->plan->steps->len; i++)
    if (fake->effects[i] != effect)
      return FALSE;
  return TRUE;
}

gboolean
fake_world_is_before (const FakeWorld *fake)
{
  return all_are (fake, FAKE_NONE);
}

gboolean
fake_world_is_after (const FakeWorld *fake)
{
  return all_are (fake, FAKE_WHOLE);
}
