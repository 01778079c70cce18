/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"

#include "qs-error.h"

#define N_PLANS 16
#define MOST_STEPS 5 /* of a phase */

static const char *const image = "{'target': <'vda'>, 'path': <'/a.s1'>, 'format': <'qcow2'>,"
                                 " 'size': <uint64 9>, 'cluster-size': <uint32 65536>,"
                                 " 'mode': <uint32 384>, 'gid': <uint32 0>}";
static const char *const node = "{'target': <'vda'>, 'node': <'n'>, 'path': <'/a.s1'>,"
                                " 'format': <'qcow2'>, 'direct': <false>, 'no-flush': <false>}";
static const char *const overlays = "{'disks': <[{'target': <'vda'>, 'node': <'o'>, 'path': <'/p'>,"
                                    " 'overlay': <'n'>, 'active': <'/a'>}]>}";
static const char *const record = "{'changes': <[('current', {'uuid': <'u'>})]>}";
static const char *const file =
    "{'path': <'/old'>, 'dev': <uint64 1>, 'ino': <uint64 2>, 'btime': <int64 3>}";

static const struct
{
  QsStepKind kind;
  QsPhase phase;
  const char *const *arguments;
} pieces[] = {
  { QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, &image },
  { QS_STEP_NODE_ADD, QS_PHASE_PREPARE, &node },
  { QS_STEP_STOP, QS_PHASE_PREPARE, NULL },
  { QS_STEP_TRANSACTION, QS_PHASE_COMMIT, &overlays },
  { QS_STEP_RECORD, QS_PHASE_COMMIT, &record },
  { QS_STEP_POWERDOWN, QS_PHASE_COMMIT, NULL },
  { QS_STEP_RECORD, QS_PHASE_FINISH, &record },
  { QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, &file },
  { QS_STEP_CONT, QS_PHASE_FINISH, NULL },
};

static void
add (QsPlan *plan, guint piece)
{
  const char *const *arguments = pieces[piece].arguments;

  qs_plan_add (plan, pieces[piece].kind, pieces[piece].phase, "vda",
               arguments == NULL ? NULL : g_variant_new_parsed (*arguments));
}

static void
add_some (QsPlan *plan, QsPhase phase, guint n)
{
  while (n > 0)
    {
      guint piece = g_test_rand_int_range (0, G_N_ELEMENTS (pieces));

      if (pieces[piece].phase != phase)
        continue;
      add (plan, piece);
      n--;
    }
}

static QsPlan *
random_plan (guint n_prepare, guint n_finish)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GError) error = NULL;

  add_some (plan, QS_PHASE_PREPARE, n_prepare);
  add_some (plan, QS_PHASE_COMMIT, 1);
  add_some (plan, QS_PHASE_FINISH, n_finish);
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&plan);
}

/* image-create, stop, blockdev-snapshot, record, cont */
static QsPlan *
sample_plan (void)
{
  QsPlan *plan = qs_plan_new ();

  add (plan, 0);
  add (plan, 2);
  add (plan, 3);
  add (plan, 6);
  add (plan, 8);
  return plan;
}

static void
test_small (void)
{
  for (guint commit = 3; commit <= 5; commit++)
    {
      g_autoptr (QsPlan) plan = qs_plan_new ();

      add (plan, commit);
      fake_world_exercise (plan);
    }
  for (guint n_prepare = 0; n_prepare < 3; n_prepare++)
    for (guint n_finish = 0; n_finish < 3; n_finish++)
      {
        g_autoptr (QsPlan) plan = random_plan (n_prepare, n_finish);

        fake_world_exercise (plan);
      }
}

static void
test_sample (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();

  fake_world_exercise (plan);
}

/* as an external snapshot of four disks has it */
static void
test_long (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();

  for (guint i = 0; i < 8; i++)
    add (plan, i / 4);
  add (plan, 3);
  add (plan, 6);
  fake_world_exercise (plan);
}

static void
test_random (void)
{
  for (guint i = 0; i < N_PLANS; i++)
    {
      g_autoptr (QsPlan) plan = random_plan (g_test_rand_int_range (0, MOST_STEPS),
                                             g_test_rand_int_range (0, MOST_STEPS));

      fake_world_exercise (plan);
    }
}

static void
trace_step (gpointer user_data, const QsPlan *plan, guint index, gboolean undoing)
{
  g_string_append_printf (user_data, "%s%s ", undoing ? "<" : "",
                          qs_step_type (qs_plan_step (plan, index)->kind)->name);
}

static void
trace_committed (gpointer user_data)
{
  g_string_append (user_data, "committed ");
}

static const QsRunnerSink trace_sink = { trace_step, trace_committed };

static QsOutcome
run_traced (FakeWorld *fake, GString *trace, GPtrArray **results, GError **error)
{
  const QsRunner runner = { fake->journal, &fake->world, 7, &trace_sink, trace };

  return qs_runner_run (&runner, fake->plan, NULL, results, error);
}

static void
test_progress (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GString) trace = g_string_new (NULL);
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = run_traced (fake, trace, &results, &error);

  g_assert_no_error (error);
  g_assert_cmpint (outcome, ==, QS_OUTCOME_DONE);
  g_assert_cmpstr (trace->str, ==, "image-create stop transaction committed record cont ");
  g_assert_nonnull (g_ptr_array_index (results, 4));
  g_assert_null (g_ptr_array_index (results, 3));
}

/* events of the sample plan until a commit is being carried out: 1 + 2 for begin_part, then of each
   step two writes with two events each and the world's three, or of an image five */
static void
test_undo_order (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GString) trace = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  QsOutcome outcome;

  fake->trouble.fail = 2 + 9 + 7 + 3;
  outcome = run_traced (fake, trace, NULL, &error);
  g_assert_cmpint (outcome, ==, QS_OUTCOME_UNDONE);
  g_assert_true (fake_world_is_before (fake));
  g_assert_nonnull (error);
  g_assert_cmpstr (trace->str, ==,
                   "image-create stop transaction <transaction <stop <image-create ");
}

static void
test_cancel (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fake_world_run (fake, &(FakeTrouble){ .cancel = 5 }, &error), ==,
                   QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_CANCELLED);
  g_assert_cmpint (fake->n_committed, ==, 0);
}

/* the world stays as it is, and the answer tells both what failed and what is left */
static void
test_undo_fails (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fake_world_run (fake, &(FakeTrouble){ .stuck = 2 + 9 + 4 }, &error), ==,
                   QS_OUTCOME_OPEN);
  g_assert_nonnull (strstr (error->message, "; taking back step ‘stop’ of ‘vda’ failed: "));
  g_assert_cmpint (fake->effects[0], ==, FAKE_WHOLE);
  g_clear_error (&error);
  g_assert_cmpint (fake_world_resume (fake, &(FakeTrouble){ 0 }, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  g_assert_true (fake_world_is_before (fake));
}

/* it goes on, whatever stays */
static void
test_undo_fails_later (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fake_world_run (fake, &(FakeTrouble){ .stuck = 2 + 9 + 7 + 3 }, &error), ==,
                   QS_OUTCOME_OPEN);
  g_assert_nonnull (strstr (error->message, "; taking back step ‘transaction’ of ‘vda’ failed: "));
  g_assert_cmpint (fake->effects[0], ==, FAKE_WHOLE);
  g_assert_cmpint (fake->effects[1], ==, FAKE_NONE);
  g_clear_error (&error);
  g_assert_cmpint (fake_world_resume (fake, &(FakeTrouble){ 0 }, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  g_assert_true (fake_world_is_before (fake));
}

/* nothing was tried, so that there is nothing to clear away */
static void
test_refused (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (FakeWorld) fake = NULL;
  g_autoptr (GString) trace = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  add (plan, 2);
  add (plan, 3);
  fake = fake_world_new (plan);
  fake->trouble.fail = 2 + 7 + 3;
  g_assert_cmpint (run_traced (fake, trace, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_cmpstr (trace->str, ==, "stop transaction <stop ");
  g_assert_true (fake_world_is_before (fake));
}

static void
test_finish_fails (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;
  guint n_commit = 2 + 9 + 7 + 6 + 2;

  g_assert_cmpint (fake_world_run (fake, &(FakeTrouble){ .stuck = n_commit + 3 }, &error), ==,
                   QS_OUTCOME_OPEN);
  g_assert_nonnull (strstr (error->message, "took effect, but its step ‘record’ of ‘vda’ failed"));
  g_assert_cmpint (fake->n_committed, ==, 1);
  g_assert_cmpint (fake->effects[2], ==, FAKE_WHOLE);
  g_clear_error (&error);
  g_assert_cmpint (fake_world_resume (fake, &(FakeTrouble){ 0 }, &error), ==, QS_OUTCOME_DONE);
  g_assert_true (fake_world_is_after (fake));
}

static void
test_quarantine (void)
{
  g_autoptr (QsPlan) plan = sample_plan ();
  g_autoptr (FakeWorld) fake = fake_world_new (plan);
  g_autoptr (GError) error = NULL;

  fake->blind = TRUE;
  fake_world_run (fake, &(FakeTrouble){ .crash = 2 + 9 + 7 + 4 }, NULL);
  g_assert_cmpint (fake_world_resume (fake, &(FakeTrouble){ 0 }, &error), ==,
                   QS_OUTCOME_QUARANTINE);
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_assert_nonnull (strstr (error->message, "half of the disks"));
  g_assert_cmpint (fake->effects[0], ==, FAKE_WHOLE);
}

static QsPlan *
load_plan (void)
{
  QsPlan *plan = qs_plan_new ();

  qs_plan_add (plan, QS_STEP_SNAPSHOT_LOAD, QS_PHASE_COMMIT, "s",
               g_variant_new_parsed ("{'job': <'j'>, 'tag': <'s'>, 'vmstate': <'n'>,"
                                     " 'devices': <['n']>, 'disks': <@aa{sv} []>}"));
  qs_plan_add (
      plan, QS_STEP_IMAGE_SNAPSHOT_APPLY, QS_PHASE_FINISH, "vda",
      g_variant_new_parsed ("{'target': <'vda'>, 'path': <'/a'>, 'format': <'qcow2'>,"
                            " 'tag': <'s'>, 'dev': <@t 1>, 'ino': <@t 2>, 'load': <@u 0>}"));
  add (plan, 8);
  return plan;
}

/* what QEMU has brought back is not brought back again, also after a restart; if it has not, it is */
static void
test_needless (void)
{
  static const char *const learnt[] = { "{'loaded': <true>}", "{'loaded': <false>}",
                                        "{'memory-lost': <'x'>, 'partial': <true>}" };
  g_autoptr (QsPlan) plan = load_plan ();

  fake_world_exercise (plan);
  for (guint i = 0; i < G_N_ELEMENTS (learnt) * 2; i++)
    {
      g_autoptr (FakeWorld) fake = fake_world_new (plan);
      gboolean needless = i / 2 == 0;

      fake->commit_learns = learnt[i / 2];
      if (i % 2 == 1)
        fake_world_run (fake, &(FakeTrouble){ .crash = 2 + 2 + 3 + 4 }, NULL);
      g_assert_cmpint (i % 2 == 1 ? fake_world_resume (fake, &(FakeTrouble){ 0 }, NULL)
                                  : fake_world_run (fake, &(FakeTrouble){ 0 }, NULL),
                       ==, QS_OUTCOME_DONE);
      g_assert_cmpint (fake->effects[0], ==, FAKE_WHOLE);
      g_assert_cmpint (fake->effects[1], ==, needless ? FAKE_NONE : FAKE_WHOLE);
      g_assert_cmpint (g_array_index (fake->pages.steps, QsStepState, 1), ==,
                       needless ? QS_STEP_STATE_NONE : QS_STEP_STATE_DONE);
      g_assert_cmpint (fake->effects[2], ==, FAKE_WHOLE);
    }
}

/* whatever the rows say: an outcome, and hands off where they contradict each other */
static void
test_any_record (void)
{
  for (guint i = 0; i < 5 * 4 * 4 * 4 * 4 * 4; i++)
    {
      g_autoptr (QsPlan) plan = sample_plan ();
      g_autoptr (FakeWorld) fake = fake_world_new (plan);
      g_autoptr (GError) error = NULL;
      guint digits = i / 5;

      fake->pages.begun = TRUE;
      fake->blind = TRUE;
      fake->lax = TRUE;
      fake->pages.state = i % 5;
      for (guint j = 0; j < 5; j++, digits /= 4)
        g_array_index (fake->pages.steps, QsStepState, j) = digits % 4;
      if (g_array_index (fake->pages.steps, QsStepState, 2) == QS_STEP_STATE_DONE)
        continue;
      switch (fake_world_resume (fake, &(FakeTrouble){ 0 }, &error))
        {
        case QS_OUTCOME_UNDONE:
        case QS_OUTCOME_DONE:
          g_assert_no_error (error);
          break;
        case QS_OUTCOME_OPEN:
        case QS_OUTCOME_QUARANTINE:
          g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
          break;
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/runner/small", test_small);
  g_test_add_func ("/runner/sample", test_sample);
  g_test_add_func ("/runner/long", test_long);
  g_test_add_func ("/runner/random", test_random);
  g_test_add_func ("/runner/progress", test_progress);
  g_test_add_func ("/runner/undo-order", test_undo_order);
  g_test_add_func ("/runner/cancel", test_cancel);
  g_test_add_func ("/runner/undo-fails", test_undo_fails);
  g_test_add_func ("/runner/undo-fails-later", test_undo_fails_later);
  g_test_add_func ("/runner/refused", test_refused);
  g_test_add_func ("/runner/finish-fails", test_finish_fails);
  g_test_add_func ("/runner/quarantine", test_quarantine);
  g_test_add_func ("/runner/needless", test_needless);
  g_test_add_func ("/runner/any-record", test_any_record);
  return g_test_run ();
}
