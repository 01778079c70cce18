/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"

#include "qs-error.h"

/* parts that an earlier run of the daemon began, and a job goes on with */

#define FILE_ROW "('/a.s1', 'qcow2', uint64 1, uint64 2, int64 3)"

static const struct
{
  QsStepKind kind;
  QsPhase phase;
  const char *arguments;
} steps[] = {
  { QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE,
    "{'target': <'vda'>, 'path': <'/a.s1'>, 'format': <'qcow2'>, 'size': <uint64 9>,"
    " 'cluster-size': <uint32 65536>, 'mode': <uint32 384>, 'gid': <uint32 0>}" },
  { QS_STEP_BLOCK_STREAM, QS_PHASE_PREPARE,
    "{'target': <'vda'>, 'job': <'j'>, 'node': <'n'>, 'files': <[" FILE_ROW
    "]>, 'drop': <@as []>}" },
  { QS_STEP_FLUSH, QS_PHASE_PREPARE, "{'target': <'vda'>, 'merge': <uint32 1>}" },
  { QS_STEP_RECORD, QS_PHASE_COMMIT, "{'changes': <[('current', {'uuid': <'u'>})]>}" },
  { QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, "{'target': <'vda'>, 'merge': <uint32 1>}" },
  { QS_STEP_FLUSH, QS_PHASE_FINISH, "{'target': <'vda'>, 'merge': <uint32 1>}" },
  { QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, "{'target': <'vda'>, 'merge': <uint32 1>}" },
};

static const FakeTrouble no_trouble;

static QsPlan *
make_plan (void)
{
  QsPlan *plan = qs_plan_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    qs_plan_add (plan, steps[i].kind, steps[i].phase, "vda",
                 g_variant_new_parsed (steps[i].arguments));
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  return plan;
}

/* states of the steps: - none, b begun, D done, u undone */
static const struct
{
  QsPartState state;
  const char *steps;
  int next; /* -1: it does not go on */
} records[] = {
  { QS_PART_OPEN, "-------", -1 },
  { QS_PART_OPEN, "b------", -1 },
  { QS_PART_OPEN, "D------", 1 },
  { QS_PART_OPEN, "Db-----", 1 },
  { QS_PART_OPEN, "DD-----", 2 },
  { QS_PART_OPEN, "DDb----", 2 },
  { QS_PART_OPEN, "DDD----", 3 },
  { QS_PART_OPEN, "DDDb---", -1 }, /* nobody knows whether it is committed */
  { QS_PART_OPEN, "DDDD---", 4 },
  { QS_PART_COMMITTED, "DDDD---", 4 },
  { QS_PART_COMMITTED, "DDDDb--", 4 },
  { QS_PART_COMMITTED, "DDDDDb-", 5 },
  { QS_PART_COMMITTED, "DDDDDD-", -1 }, /* nothing that takes long is left */
  { QS_PART_OPEN, "Du-----", -1 },
  { QS_PART_OPEN, "DDu----", -1 },
  { QS_PART_OPEN, "u------", -1 },
  { QS_PART_OPEN, "DbD----", -1 },
  { QS_PART_OPEN, "DDDu---", -1 },
  { QS_PART_UNDOING, "Db-----", -1 },
  { QS_PART_UNDOING, "DDD----", -1 },
  { QS_PART_UNDOING, "DDDD---", -1 },
  { QS_PART_UNDONE, "Db-----", -1 },
  { QS_PART_CLOSED, "DDDDDDD", -1 },
  { QS_PART_COMMITTED, "Db-----", -1 }, /* as no crash leaves it */
  { QS_PART_OPEN, "Db--b--", -1 },
};

static QsStepState
read_state (char letter)
{
  static const char letters[] = "-bDu";

  return (QsStepState)(strchr (letters, letter) - letters);
}

static void
test_records (void)
{
  g_autoptr (QsPlan) plan = make_plan ();

  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    {
      g_autoptr (QsPartRecord) record = qs_part_record_new (0, plan);
      guint next = G_MAXUINT;
      gboolean may;

      record->state = records[i].state;
      for (guint j = 0; j < plan->steps->len; j++)
        g_array_index (record->steps, QsStepState, j) = read_state (records[i].steps[j]);
      g_test_message ("%u: %s", i, records[i].steps);
      may = qs_runner_may_go_on (record, &next);
      g_assert_cmpint (may ? (int)next : -1, ==, records[i].next);
    }
}

/* a plan without such a step is finished or undone, as ever */
static void
test_short (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (QsPartRecord) record = NULL;
  guint next;

  qs_plan_add (plan, steps[0].kind, steps[0].phase, "vda",
               g_variant_new_parsed (steps[0].arguments));
  qs_plan_add (plan, steps[3].kind, steps[3].phase, "vda",
               g_variant_new_parsed (steps[3].arguments));
  record = qs_part_record_new (0, plan);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_false (qs_runner_may_go_on (record, &next));
      if (i < 2)
        g_array_index (record->steps, QsStepState, i) = QS_STEP_STATE_DONE;
    }
}

/* whatever has happened: the world is as before or as after, and a third start has nothing to do */
static void
assert_end (FakeWorld *fake, gboolean after)
{
  guint n_changes;

  g_assert_true (after ? fake_world_is_after (fake) : fake_world_is_before (fake));
  if (fake->pages.begun)
    g_assert_cmpint (fake->pages.state, ==, after ? QS_PART_CLOSED : QS_PART_UNDONE);
  n_changes = fake->n_changes;
  g_assert_cmpint (fake_world_resume (fake, &no_trouble, NULL), ==,
                   after ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  g_assert_cmpuint (fake->n_changes, ==, n_changes);
}

/* the last start, in which nothing goes wrong */
static void
come_to_end (FakeWorld *fake)
{
  gboolean after = fake->effects[fake->commit] == FAKE_WHOLE || fake_world_may_go_on (fake);
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = fake_world_go_on (fake, &no_trouble, &error);

  g_assert_no_error (error);
  g_assert_cmpint (outcome, ==, after ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  assert_end (fake, after);
}

static FakeWorld *
crashed_world (const QsPlan *plan, guint now)
{
  FakeWorld *fake = fake_world_new (plan);

  fake_world_run (fake, &(FakeTrouble){ .crash = now }, NULL);
  return fake;
}

static guint
count_events (const QsPlan *plan)
{
  g_autoptr (FakeWorld) fake = crashed_world (plan, 0);

  g_assert_true (fake_world_is_after (fake));
  return fake->clock;
}

static void
live_again (const QsPlan *plan, guint first, const FakeTrouble *trouble)
{
  g_autoptr (FakeWorld) fake = crashed_world (plan, first);

  fake_world_go_on (fake, trouble, NULL);
  come_to_end (fake);
}

/* killed at each moment, and what goes on is killed at each moment once more, fails, or is stuck */
static void
test_crash (void)
{
  g_autoptr (QsPlan) plan = make_plan ();
  guint n_events = count_events (plan);
  guint n_going_on = 0;

  for (guint first = 1; first <= n_events; first++)
    {
      g_autoptr (FakeWorld) fake = crashed_world (plan, first);

      n_going_on += fake_world_may_go_on (fake);
      come_to_end (fake);
      for (guint second = 1; second <= n_events; second++)
        {
          live_again (plan, first, &(FakeTrouble){ .crash = second });
          live_again (plan, first, &(FakeTrouble){ .fail = second });
          live_again (plan, first, &(FakeTrouble){ .stuck = second });
        }
    }
  g_assert_cmpuint (n_going_on, >, n_events / 3);
}

/* what goes on is cancelled: before the commit it is taken back, and so it stays after a crash */
static void
test_cancel (void)
{
  g_autoptr (QsPlan) plan = make_plan ();
  guint n_events = count_events (plan);

  for (guint first = 1; first <= n_events; first++)
    for (guint second = 1; second <= n_events; second++)
      {
        g_autoptr (FakeWorld) fake = crashed_world (plan, first);
        g_autoptr (FakeWorld) crashed = NULL;
        QsOutcome outcome;

        if (!fake_world_may_go_on (fake))
          break;
        outcome = fake_world_go_on (fake, &(FakeTrouble){ .cancel = second }, NULL);
        assert_end (fake, outcome == QS_OUTCOME_DONE);
        if (outcome == QS_OUTCOME_DONE)
          break;
        crashed = crashed_world (plan, first);
        fake_world_go_on (crashed, &(FakeTrouble){ .cancel = second, .crash = fake->clock }, NULL);
        g_assert_false (fake_world_may_go_on (crashed));
        come_to_end (crashed);
      }
}

/* it stays as it is, nothing is taken back, and the next start brings it to its end */
static void
test_leave (void)
{
  g_autoptr (QsPlan) plan = make_plan ();
  guint n_events = count_events (plan);
  guint n_left = 0;

  for (guint first = 0; first <= n_events; first++)
    for (guint now = 1; now <= n_events; now++)
      {
        g_autoptr (FakeWorld) fake = crashed_world (plan, first);
        g_autoptr (GError) error = NULL;
        const FakeTrouble trouble = { .leave = now };
        QsOutcome outcome;

        if (first == 0)
          {
            g_clear_pointer (&fake, fake_world_free);
            fake = fake_world_new (plan);
            outcome = fake_world_run (fake, &trouble, &error);
          }
        else if (fake_world_may_go_on (fake))
          outcome = fake_world_go_on (fake, &trouble, &error);
        else
          break;
        g_assert_cmpint (outcome, ==, error == NULL ? QS_OUTCOME_DONE : QS_OUTCOME_OPEN);
        if (outcome == QS_OUTCOME_DONE)
          continue;
        n_left++;
        g_assert_cmpstr (error->message, ==,
                         "the service ends; the operation goes on when it is started again");
        g_assert_true (fake_world_may_go_on (fake));
        come_to_end (fake);
        g_assert_true (fake_world_is_after (fake));
      }
  g_assert_cmpuint (n_left, >, n_events);
}

/* the caller's word is the stronger one */
static void
test_leave_cancelled (void)
{
  g_autoptr (QsPlan) plan = make_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = fake_world_run (fake, &(FakeTrouble){ .leave = 3, .cancel = 4 }, &error);

  g_assert_cmpint (outcome, ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_CANCELLED);
  assert_end (fake, FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/runner-found/records", test_records);
  g_test_add_func ("/runner-found/short", test_short);
  g_test_add_func ("/runner-found/crash", test_crash);
  g_test_add_func ("/runner-found/cancel", test_cancel);
  g_test_add_func ("/runner-found/leave", test_leave);
  g_test_add_func ("/runner-found/leave-cancelled", test_leave_cancelled);
  return g_test_run ();
}
