/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"

#include "qs-error.h"

/* of a second trouble on top of each first one; larger plans are sampled */
#define MOST_SECONDS 20

static const FakeTrouble no_trouble;

/* what was answered must be true */
static void
assert_outcome (const FakeWorld *fake, QsOutcome outcome, const GError *error)
{
  switch (outcome)
    {
    case QS_OUTCOME_DONE:
      g_assert_no_error (error);
      g_assert_true (fake_world_is_after (fake));
      g_assert_cmpint (fake->pages.state, ==, QS_PART_CLOSED);
      return;
    case QS_OUTCOME_UNDONE:
      g_assert_true (fake_world_is_before (fake));
      g_assert_true (!fake->pages.begun || fake->pages.state == QS_PART_UNDONE
                     || fake->pages.state == QS_PART_OPEN || fake->pages.state == QS_PART_UNDOING);
      return;
    case QS_OUTCOME_OPEN:
      g_assert_nonnull (error);
      return;
    case QS_OUTCOME_QUARANTINE:
      g_assert_true (fake->blind);
      g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
      return;
    }
}

/* the world stands still from now on */
static void
assert_settled (FakeWorld *fake)
{
  guint n_changes = fake->n_changes;
  gboolean after = fake_world_is_after (fake);
  QsOutcome outcome = fake_world_resume (fake, &no_trouble, NULL);

  g_assert_true (after || fake_world_is_before (fake));
  g_assert_cmpint (outcome, ==, after ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  g_assert_cmpuint (fake->n_changes, ==, n_changes);
  if (fake->pages.begun)
    g_assert_cmpint (fake->pages.state, ==, after ? QS_PART_CLOSED : QS_PART_UNDONE);
}

/* starts the daemon again until it stays up */
static void
recover (FakeWorld *fake, const FakeTrouble *second)
{
  gboolean reached = fake->effects[fake->commit] == FAKE_WHOLE;
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = fake_world_resume (fake, second, &error);

  if (!fake->crashed)
    assert_outcome (fake, outcome, error);
  g_clear_error (&error);
  outcome = fake_world_resume (fake, &no_trouble, &error);
  g_assert_no_error (error);
  g_assert_cmpint (outcome, ==, reached ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  assert_settled (fake);
}

/* Returns: the number of events there were: whether troubles beyond it make sense */
static guint
live_through (const QsPlan *plan, const FakeTrouble *first, const FakeTrouble *second)
{
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = fake_world_run (fake, first, &error);
  guint n_events = fake->clock;

  if (!fake->crashed)
    {
      assert_outcome (fake, outcome, error);
      g_assert_true (outcome == QS_OUTCOME_DONE || error != NULL);
    }
  g_assert_cmpuint (fake->n_committed, <=, 1);
  recover (fake, second);
  return n_events;
}

static guint
stride (guint n_events)
{
  return 1 + n_events / MOST_SECONDS;
}

/* @first goes wrong, and then the daemon is killed at every event after it */
static void
crash_after (const QsPlan *plan, FakeTrouble first, guint from)
{
  guint n_events = live_through (plan, &first, &no_trouble);

  for (first.crash = from + 1; first.crash <= n_events; first.crash += stride (n_events))
    {
      first.power = FALSE;
      live_through (plan, &first, &no_trouble);
      first.power = TRUE;
      live_through (plan, &first, &no_trouble);
    }
}

static void
crash_twice (const QsPlan *plan, guint crash)
{
  const FakeTrouble first = { .crash = crash };
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  guint n_events;

  fake_world_run (fake, &first, NULL);
  fake_world_resume (fake, &no_trouble, NULL);
  n_events = fake->clock;
  for (guint i = 1; i <= n_events; i += stride (n_events))
    {
      live_through (plan, &first, &(FakeTrouble){ .crash = i });
      live_through (plan, &first, &(FakeTrouble){ .fail = i });
      live_through (plan, &first, &(FakeTrouble){ .stuck = i });
    }
}

static void
trouble_at (const QsPlan *plan, guint now)
{
  crash_after (plan, (FakeTrouble){ .fail = now }, now);
  crash_after (plan, (FakeTrouble){ .cancel = now }, now);
  live_through (plan, &(FakeTrouble){ .stuck = now }, &no_trouble);
  live_through (plan, &(FakeTrouble){ .mute = now }, &no_trouble);
  live_through (plan, &(FakeTrouble){ .fail = now, .mute = now + 1 }, &no_trouble);
  live_through (plan, &(FakeTrouble){ .stuck = now, .crash = now + 4 }, &no_trouble);
  live_through (plan, &(FakeTrouble){ .crash = now, .power = TRUE }, &no_trouble);
  crash_twice (plan, now);
}

/* a commit of which nobody can tell: hands off, however often it is tried. The store can tell */
static void
fail_blindly (const QsPlan *plan, guint now)
{
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  QsOutcome outcome;
  guint n_changes;

  if (qs_plan_step (plan, fake->commit)->kind == QS_STEP_RECORD)
    return;
  fake->blind = TRUE;
  outcome = fake_world_run (fake, &(FakeTrouble){ .fail = now }, NULL);
  if (outcome != QS_OUTCOME_QUARANTINE)
    return;
  n_changes = fake->n_changes;
  g_assert_cmpint (fake_world_resume (fake, &no_trouble, NULL), ==, QS_OUTCOME_QUARANTINE);
  g_assert_cmpuint (fake->n_changes, ==, n_changes);
}

void
fake_world_exercise (const QsPlan *plan)
{
  g_autofree char *text = qs_plan_to_text (plan);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) read = qs_plan_from_text (text, &error);
  g_autofree char *again = NULL;
  guint n_events;

  g_assert_no_error (error);
  again = qs_plan_to_text (read);
  g_assert_cmpstr (again, ==, text);
  n_events = live_through (read, &no_trouble, &no_trouble);
  for (guint now = 1; now <= n_events; now++)
    {
      trouble_at (read, now);
      fail_blindly (read, now);
    }
}
