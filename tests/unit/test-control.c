/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-control.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-plan.h"

static QsPlan *
make_plan (void)
{
  QsPlan *plan = qs_plan_new ();

  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "records",
               g_variant_new_parsed ("{'changes': <@a(sa{sv}) []>}"));
  return plan;
}

static void
must_refuse (QsControl *control, const char *text)
{
  g_autoptr (GError) error = NULL;
  guint64 speed;
  gboolean paused;

  g_assert_false (qs_control_set_paused (control, TRUE, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (g_strstr_len (error->message, -1, text));
  g_assert_false (qs_control_set_speed (control, 5, NULL));
  g_assert_false (qs_control_take_paused (control, &paused));
  g_assert_false (qs_control_take_speed (control, &speed));
}

static void
test_reach (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  g_autoptr (QsPlan) plan = make_plan ();

  must_refuse (control, "none is a block job");
  qs_control_set_step (control, qs_plan_step (plan, 0), QS_CONTROL_NEVER);
  must_refuse (control, "‘record’");
  qs_control_set_step (control, qs_plan_step (plan, 0), QS_CONTROL_LATER);
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  qs_control_set_step (control, qs_plan_step (plan, 0), QS_CONTROL_NOW);
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  g_assert_true (qs_control_reaches (QS_STEP_BLOCK_COMMIT));
  g_assert_true (qs_control_reaches (QS_STEP_BLOCK_STREAM));
  g_assert_false (qs_control_reaches (QS_STEP_JOB_FINALIZE));
}

/* once each, whatever was wished in between */
static void
test_take (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  gboolean paused = FALSE;
  guint64 speed = 0;

  qs_control_set_step (control, NULL, QS_CONTROL_LATER);
  g_assert_false (qs_control_take_paused (control, &paused));
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  g_assert_true (qs_control_take_paused (control, &paused));
  g_assert_true (paused);
  g_assert_false (qs_control_take_paused (control, &paused));
  g_assert_true (qs_control_set_paused (control, FALSE, NULL));
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  g_assert_false (qs_control_take_paused (control, &paused));
  g_assert_true (qs_control_set_speed (control, 5, NULL));
  g_assert_true (qs_control_take_speed (control, &speed));
  g_assert_cmpuint (speed, ==, 5);
  g_assert_false (qs_control_take_speed (control, &speed));
}

/* what was wished of one job holds for the next */
static void
test_next_job (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  gboolean paused = FALSE;
  guint64 speed = 0;

  qs_control_set_step (control, NULL, QS_CONTROL_LATER);
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  g_assert_true (qs_control_set_speed (control, 7, NULL));
  g_assert_true (qs_control_take_paused (control, &paused));
  g_assert_true (qs_control_take_speed (control, &speed));
  qs_control_begin (control, 9);
  g_assert_cmpuint (qs_control_get_speed (control), ==, 7);
  g_assert_true (qs_control_take_paused (control, &paused));
  g_assert_true (paused);
  g_assert_true (qs_control_take_speed (control, &speed));
  g_assert_cmpuint (speed, ==, 7);
}

/* what a job was asked for with counts until somebody wishes for something, be it no limit */
static void
test_first_speed (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  guint64 speed = 0;

  qs_control_set_step (control, NULL, QS_CONTROL_NOW);
  qs_control_begin (control, 5);
  g_assert_cmpuint (qs_control_get_speed (control), ==, 5);
  g_assert_true (qs_control_take_speed (control, &speed));
  g_assert_true (qs_control_set_speed (control, 0, NULL));
  g_assert_true (qs_control_take_speed (control, &speed));
  g_assert_cmpuint (speed, ==, 0);
  qs_control_begin (control, 5);
  g_assert_cmpuint (qs_control_get_speed (control), ==, 0);
}

static void
refuse_end (QsControl *control, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_control_set_end (control, QS_CONTROL_PIVOT, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (g_strstr_len (error->message, -1, text));
  g_assert_cmpint (qs_control_get_end (control), ==, QS_CONTROL_HOLD);
}

/* while it is held only, and of this job only */
static void
test_end (void)
{
  g_autoptr (QsControl) control = qs_control_new ();

  refuse_end (control, "nothing to pivot");
  qs_control_set_hold (control, QS_CONTROL_LATER);
  refuse_end (control, "not ready yet");
  qs_control_set_hold (control, QS_CONTROL_NOW);
  qs_control_set_step (control, NULL, QS_CONTROL_NOW);
  g_assert_true (qs_control_set_paused (control, TRUE, NULL));
  refuse_end (control, "paused");
  g_assert_true (qs_control_set_paused (control, FALSE, NULL));
  g_assert_true (qs_control_set_end (control, QS_CONTROL_FINISH, NULL));
  g_assert_true (qs_control_set_end (control, QS_CONTROL_PIVOT, NULL));
  g_assert_cmpint (qs_control_get_end (control), ==, QS_CONTROL_PIVOT);
  qs_control_set_hold (control, QS_CONTROL_NOW);
  g_assert_cmpint (qs_control_get_end (control), ==, QS_CONTROL_HOLD);
  qs_control_set_hold (control, QS_CONTROL_NEVER);
  refuse_end (control, "nothing to pivot");
}

static void
test_limit (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  g_autoptr (GError) error = NULL;

  qs_control_set_step (control, NULL, QS_CONTROL_LATER);
  g_assert_true (qs_control_set_speed (control, QS_MAX_JOB_SPEED, NULL));
  g_assert_false (qs_control_set_speed (control, QS_MAX_JOB_SPEED + 1, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (qs_control_get_speed (control), ==, QS_MAX_JOB_SPEED);
}

#define TURNS 20000

static gpointer
wish (gpointer data)
{
  for (guint64 i = 1; i <= TURNS; i++)
    {
      qs_control_set_paused (data, (i & 1) != 0, NULL);
      qs_control_set_speed (data, i << 20 | i, NULL);
    }
  return NULL;
}

/* the last wish arrives, and none in halves */
static void
test_threads (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  gboolean paused = TRUE;
  guint64 speed = 0;
  GThread *thread;

  qs_control_set_step (control, NULL, QS_CONTROL_LATER);
  thread = g_thread_new ("wish", wish, control);
  for (guint i = 0; i < TURNS; i++)
    if (qs_control_take_speed (control, &speed))
      g_assert_cmpuint (speed >> 20, ==, speed & 0xfffff);
  g_thread_join (thread);
  g_assert_cmpuint (qs_control_get_speed (control), ==, (guint64)TURNS << 20 | TURNS);
  qs_control_take_paused (control, &paused);
  g_assert_false (paused);
}

/* what a job in QEMU has is neither asked for again nor overruled, unless somebody wishes it */
static void
test_adopt (void)
{
  g_autoptr (QsControl) control = qs_control_new ();
  guint64 speed = 0;
  gboolean paused = FALSE;

  qs_control_set_step (control, NULL, QS_CONTROL_NOW);
  qs_control_adopt (control, TRUE, 7);
  g_assert_false (qs_control_take_paused (control, &paused));
  g_assert_false (qs_control_take_speed (control, &speed));
  g_assert_true (qs_control_get_paused (control));
  g_assert_cmpuint (qs_control_get_speed (control), ==, 7);

  g_assert_true (qs_control_set_paused (control, FALSE, NULL));
  g_assert_true (qs_control_set_speed (control, 9, NULL));
  qs_control_adopt (control, TRUE, 8);
  g_assert_true (qs_control_take_paused (control, &paused));
  g_assert_false (paused);
  g_assert_true (qs_control_take_speed (control, &speed));
  g_assert_cmpuint (speed, ==, 9);
}

static void
test_leave (void)
{
  g_autoptr (QsControl) control = qs_control_new ();

  g_assert_false (qs_control_is_left (control));
  qs_control_leave (control);
  g_assert_true (qs_control_is_left (control));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/reach", test_reach);
  g_test_add_func ("/control/take", test_take);
  g_test_add_func ("/control/next-job", test_next_job);
  g_test_add_func ("/control/first-speed", test_first_speed);
  g_test_add_func ("/control/end", test_end);
  g_test_add_func ("/control/limit", test_limit);
  g_test_add_func ("/control/threads", test_threads);
  g_test_add_func ("/control/adopt", test_adopt);
  g_test_add_func ("/control/leave", test_leave);
  return g_test_run ();
}
