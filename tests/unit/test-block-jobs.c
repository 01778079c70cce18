/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-jobs.h"

#define FILES                                                                                      \
  "<[('/d/top', 'qcow2', uint64 1, uint64 1, int64 1), ('/d/mid', 'qcow2', uint64 1, uint64 2, "   \
  "int64 1), ('/d/base', 'raw', uint64 1, uint64 3, int64 1)]>"

static void
add_part (QsPlan *plan, QsStepKind kind, QsPhase phase, guint merge)
{
  qs_plan_add (plan, kind, phase, "vda",
               g_variant_new_parsed ("{'target': <'vda'>, 'merge': <%u>}", merge));
}

static void
add_record (QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "records",
               g_variant_new_parsed ("{'changes': <@a(sa{sv}) []>}"));
}

/* two pulls, whose copies are made before the commit */
static QsPlan *
make_pulls (void)
{
  QsPlan *plan = qs_plan_new ();

  for (guint i = 0; i < 2; i++)
    qs_plan_add (plan, QS_STEP_BLOCK_STREAM, QS_PHASE_PREPARE, i == 0 ? "vda" : "vdb",
                 g_variant_new_parsed ("{'job': <%s>, 'node': <'top'>, 'files': " FILES "}",
                                       i == 0 ? "m0" : "m1"));
  add_record (plan);
  for (guint i = 0; i < 2; i++)
    {
      add_part (plan, QS_STEP_JOB_FINALIZE, QS_PHASE_FINISH, i);
      add_part (plan, QS_STEP_JOB_DISMISS, QS_PHASE_FINISH, i);
    }
  return plan;
}

static void
check (const QsPlan *plan, guint index, gboolean undoing, const char *expected)
{
  static const char *const phases[] = { "running", "ready", "pending", "aborting" };
  g_autoptr (GPtrArray) rows = qs_block_jobs_find (plan, index, undoing);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < rows->len; i++)
    {
      const QsBlockJobRow *row = g_ptr_array_index (rows, i);

      g_string_append_printf (text, "%s%s %s %s %s%s", i > 0 ? ", " : "", row->id, row->target,
                              row->type, phases[row->phase], row->at_work ? "!" : "");
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static void
test_pulls (void)
{
  g_autoptr (QsPlan) plan = make_pulls ();
  g_autoptr (GPtrArray) rows = qs_block_jobs_find (plan, 0, FALSE);
  g_autoptr (GPtrArray) later = qs_block_jobs_find (plan, 1, FALSE);

  check (plan, 0, FALSE, "m0 vda pull running!");
  check (plan, 1, FALSE, "m0 vda pull pending, m1 vdb pull running!");
  check (plan, 1, TRUE, "m0 vda pull aborting, m1 vdb pull aborting!");
  check (plan, 2, FALSE, "m0 vda pull pending, m1 vdb pull pending");
  check (plan, 4, FALSE, "m0 vda pull pending!, m1 vdb pull pending");
  check (plan, 5, FALSE, "m1 vdb pull pending!");
  g_assert_cmpstr (((QsBlockJobRow *)g_ptr_array_index (rows, 0))->destination, ==, "/d/top");
  g_assert_true (qs_block_jobs_equal (rows, rows));
  g_assert_true (qs_block_jobs_equal (NULL, NULL));
  g_assert_false (qs_block_jobs_equal (rows, later));
  g_assert_false (qs_block_jobs_equal (rows, NULL));
}

static void
test_commits (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) rows = NULL;

  add_record (plan);
  qs_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH, "vda",
               g_variant_new_parsed ("{'job': <'m1'>, 'base': <'b'>, 'layers': <uint32 2>,"
                                     " 'files': " FILES "}"));
  add_part (plan, QS_STEP_JOB_HOLD, QS_PHASE_FINISH, 1);
  add_part (plan, QS_STEP_JOB_COMPLETE, QS_PHASE_FINISH, 1);
  qs_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH, "vdb",
               g_variant_new_parsed ("{'job': <'m4'>, 'base': <'b'>, 'above': <'a'>,"
                                     " 'files': " FILES "}"));
  /* without a process that has the files open there is no job */
  qs_plan_add (plan, QS_STEP_BLOCK_COMMIT, QS_PHASE_FINISH, "vdc",
               g_variant_new_parsed ("{'job': <'m5'>, 'base': <''>, 'files': " FILES "}"));
  check (plan, 0, FALSE, "");
  check (plan, 1, FALSE, "m1 vda active-commit running!");
  check (plan, 2, FALSE, "m1 vda active-commit ready!");
  check (plan, 3, FALSE, "m1 vda active-commit pending!");
  check (plan, 5, FALSE, "m1 vda active-commit pending, m4 vdb commit pending");
  rows = qs_block_jobs_find (plan, 5, FALSE);
  g_assert_cmpstr (((QsBlockJobRow *)g_ptr_array_index (rows, 0))->destination, ==, "/d/base");
  g_assert_cmpstr (((QsBlockJobRow *)g_ptr_array_index (rows, 1))->destination, ==, "/d/mid");
}

static void
test_copy (void)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GPtrArray) rows = NULL;

  qs_plan_add (plan, QS_STEP_MIRROR, QS_PHASE_PREPARE, "vda",
               g_variant_new_parsed ("{'job': <'m0'>, 'node': <'n'>, 'path': <'/d/copy'>,"
                                     " 'until-ready': <true>}"));
  add_part (plan, QS_STEP_JOB_HOLD, QS_PHASE_PREPARE, 0);
  add_record (plan);
  check (plan, 0, FALSE, "m0 vda copy running!");
  check (plan, 1, FALSE, "m0 vda copy ready!");
  check (plan, 1, TRUE, "m0 vda copy aborting!");
  rows = qs_block_jobs_find (plan, 0, FALSE);
  g_assert_cmpstr (((QsBlockJobRow *)g_ptr_array_index (rows, 0))->destination, ==, "/d/copy");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/block-jobs/pulls", test_pulls);
  g_test_add_func ("/block-jobs/commits", test_commits);
  g_test_add_func ("/block-jobs/copy", test_copy);
  return g_test_run ();
}
