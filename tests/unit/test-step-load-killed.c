/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "load-bed.h"

#include <signal.h>

/* a load whose end nobody has seen, or that had none */

/* the daemon was killed: in the middle of it, or right after it */
static void
test_daemon_killed (gconstpointer kind)
{
  for (guint i = 0; i < 3; i++)
    {
      g_auto (LoadBed) bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *arguments = NULL;

      load_bed_open (&bed, kind);
      arguments = load_bed_arguments (&bed, LOAD_JOB);
      plan = load_bed_plan (&bed, "t");
      real_domain_run_until (bed.domain, plan, LOAD_STEP, i == 2 ? REAL_AFTER : REAL_BEFORE);
      if (i == 1)
        real_qemu_do (bed.domain->qemu, "snapshot-load", arguments);
      g_assert_cmpint (real_domain_resume (bed.domain, NULL, &error), ==,
                       i == 0 ? QS_OUTCOME_UNDONE : QS_OUTCOME_DONE);
      g_assert_no_error (error);
      if (i == 0)
        load_bed_assert_untouched (&bed);
      else
        load_bed_assert_loaded (&bed);
    }
}

/* and nobody has seen the load fail */
static void
test_failed_unseen (gconstpointer kind)
{
  gboolean disks = kind == &load_with_disks;
  g_auto (LoadBed) bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *arguments = NULL;

  load_bed_open (&bed, kind);
  arguments = load_bed_arguments (&bed, LOAD_JOB);
  plan = load_bed_plan (&bed, "t");
  real_domain_run_until (bed.domain, plan, LOAD_STEP, REAL_BEFORE);
  load_bed_damage (&bed);
  real_qemu_do (bed.domain->qemu, "snapshot-load", arguments);
  g_assert_cmpint (real_domain_resume (bed.domain, &results, &error), ==,
                   disks ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
  g_assert_no_error (error);
  g_assert_nonnull (load_bed_lost (results));
  g_assert_false (qs_process_is_alive (bed.domain->qemu->process));
  g_assert_true (load_bed_disk_has (&bed, disks ? 1 : 2));
}

/* QEMU has gone with the daemon: whatever it had done of it, the disks are all of one state */
static void
test_both_killed (gconstpointer kind)
{
  gboolean disks = kind == &load_with_disks;

  for (guint i = 0; i < 2; i++)
    {
      g_auto (LoadBed) bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GPtrArray) results = NULL;
      g_autoptr (GError) error = NULL;

      load_bed_open (&bed, kind);
      plan = load_bed_plan (&bed, "t");
      real_domain_run_until (bed.domain, plan, LOAD_STEP, i == 0 ? REAL_BEFORE : REAL_AFTER);
      real_domain_kill_qemu (bed.domain);
      g_assert_cmpint (real_domain_resume (bed.domain, &results, &error), ==,
                       disks || i == 1 ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE);
      g_assert_no_error (error);
      g_assert_true (load_bed_disk_has (&bed, disks ? 1 : 2));
      g_assert_cmpint (load_bed_lost (results) != NULL, ==, disks && i == 0);
    }
}

typedef struct
{
  const LoadBed *bed;
  gulong microseconds;
} Killer;

static gpointer
kill_later (gpointer data)
{
  const Killer *killer = data;

  g_usleep (killer->microseconds);
  kill ((pid_t)killer->bed->domain->qemu->process->pid, SIGKILL);
  return NULL;
}

/* at some moment of the operation */
static void
test_qemu_killed (gconstpointer kind)
{
  gboolean disks = kind == &load_with_disks;

  for (guint i = 0; i < 6; i++)
    {
      g_auto (LoadBed) bed = { 0 };
      Killer killer = { &bed, i * 6000 };
      g_autoptr (QsPlan) plan = NULL;
      GThread *thread;
      QsOutcome outcome;

      load_bed_open (&bed, kind);
      plan = load_bed_plan (&bed, "t");
      thread = g_thread_new ("killer", kill_later, &killer);
      outcome = real_domain_run (bed.domain, plan, NULL, NULL);
      g_thread_join (thread);
      g_assert_true (outcome == QS_OUTCOME_DONE || outcome == QS_OUTCOME_UNDONE);
      g_assert_true (load_bed_disk_has (&bed, disks && outcome == QS_OUTCOME_DONE ? 1 : 2));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/step-load-killed/daemon-killed", &load_side_car, test_daemon_killed);
  g_test_add_data_func ("/step-load-killed/daemon-killed-disks", &load_with_disks,
                        test_daemon_killed);
  g_test_add_data_func ("/step-load-killed/failed-unseen", &load_side_car, test_failed_unseen);
  g_test_add_data_func ("/step-load-killed/failed-unseen-disks", &load_with_disks,
                        test_failed_unseen);
  g_test_add_data_func ("/step-load-killed/both-killed", &load_side_car, test_both_killed);
  g_test_add_data_func ("/step-load-killed/both-killed-disks", &load_with_disks, test_both_killed);
  g_test_add_data_func ("/step-load-killed/qemu-killed", &load_side_car, test_qemu_killed);
  g_test_add_data_func ("/step-load-killed/qemu-killed-disks", &load_with_disks, test_qemu_killed);
  return g_test_run ();
}
