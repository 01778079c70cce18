/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-golden.h"
#include "revert-fixture.h"

#include "qs-xml.h"

#include <string.h>

/* every way of a revert: where memory is, what runs, and what becomes of the process */

static const RevertCase cases[] = {
  { "revert-memory-in-disk-on", TRUE, FALSE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "revert-memory-in-disk-off", FALSE, FALSE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "revert-memory-in-file-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_IN_FILE, 0, FALSE },
  { "revert-memory-in-file-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_IN_FILE, QS_REVERT_PAUSED,
    FALSE },
  { "revert-memory-stream-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_STREAM, 0, FALSE },
  { "revert-memory-stream-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_STREAM, 0, FALSE },
  { "revert-memory-stream-tags", TRUE, FALSE, QS_KIND_INTERNAL, QS_SAVE_STREAM, QS_REVERT_PAUSED,
    FALSE },
  { "revert-left-on", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_RUNNING, TRUE },
  { "revert-left-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, 0, TRUE },
  { "revert-tip-off", FALSE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP, TRUE },
  { "revert-tip-running", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE,
    QS_REVERT_TIP | QS_REVERT_RUNNING, TRUE },
  { "revert-tip-there", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP, FALSE },
  { "attached-revert-memory-in-disk", TRUE, TRUE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
  { "attached-revert-tags", TRUE, TRUE, QS_KIND_INTERNAL, QS_SAVE_NONE, QS_REVERT_RUNNING, FALSE },
  { "attached-revert-tip-no-links", FALSE, TRUE, QS_KIND_EXTERNAL, QS_SAVE_NONE, QS_REVERT_TIP,
    TRUE },
  { "attached-revert-memory-off", FALSE, TRUE, QS_KIND_INTERNAL, QS_SAVE_IN_DISK, 0, FALSE },
};

static void
test_plan (gconstpointer data)
{
  const RevertCase *test = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = revert_plan (test, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

static void
make_linkable (QsFacts *facts)
{
  const GPtrArray *lists[] = { facts->disks, facts->tip_disks };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    for (guint k = 0; k < lists[i]->len; k++)
      {
        const QsDiskFacts *disk = g_ptr_array_index (lists[i], k);

        ((QsImage *)g_ptr_array_index (disk->chain, 0))->linkable = TRUE;
      }
}

/* what waits takes over the name that a start script knows */
static void
test_tip_exchange (void)
{
  const RevertCase test = { "attached-revert-tip", FALSE,         TRUE, QS_KIND_EXTERNAL,
                            QS_SAVE_NONE,          QS_REVERT_TIP, TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = revert_plan (&test, make_linkable, &error);

  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, &error));
  plan_golden_check (test.name, plan);
  fake_world_exercise (plan);
}

static void
give_io_threads (QsFacts *facts)
{
  facts->has_io_threads = TRUE;
}

/* what QEMU cannot do in place is done in a new process, and the caller is told why */
static void
test_reason (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = revert_plan (&cases[2], give_io_threads, &error);
  const char *reason = NULL;
  gboolean in_place = TRUE;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (plan->result, "in-place", "b", &in_place));
  g_assert_false (in_place);
  g_assert_true (g_variant_lookup (plan->result, "reason", "&s", &reason));
  g_assert_nonnull (strstr (reason, "I/O threads"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-revert/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  g_test_add_func ("/planners-revert/tip-exchange", test_tip_exchange);
  g_test_add_func ("/planners-revert/reason", test_reason);
  return g_test_run ();
}
