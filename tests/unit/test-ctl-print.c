/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <string.h>

#include "ctl-job.h"
#include "ctl-monitor.h"
#include "ctl-output.h"
#include "ctl-plan.h"
#include "ctl-rows.h"
#include "ctl-table.h"
#include "ctl-tree.h"

static void
test_table (void)
{
  const char *const header[] = { "Name", "Creation Time", "State", NULL };
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header);
  g_autofree char *empty = qs_ctl_table_format (table);
  g_autofree char *text = NULL;

  g_assert_cmpstr (empty, ==,
                   " Name   Creation Time   State\n"
                   "-------------------------------\n");
  qs_ctl_table_add (table, (const char *const[]){ "s1", "2026-01-02 03:04:05 +0000", "running" });
  qs_ctl_table_add (table, (const char *const[]){ "before-all", "-", "" });
  text = qs_ctl_table_format (table);
  g_assert_cmpstr (text, ==,
                   " Name         Creation Time               State\n"
                   "---------------------------------------------------\n"
                   " s1           2026-01-02 03:04:05 +0000   running\n"
                   " before-all   -                           \n");
}

/* columns stay straight with wide and combining characters, and nothing reaches the terminal */
static void
test_table_of_strangers (void)
{
  const char *const header[] = { "A", "B", NULL };
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header);
  g_autofree char *text = NULL;

  qs_ctl_table_add (table, (const char *const[]){ "日本", "x" });
  qs_ctl_table_add (table, (const char *const[]){ "e\xcc\x81", "x" });
  qs_ctl_table_add (table, (const char *const[]){ "a\033[2J\nb", "x" });
  text = qs_ctl_table_format (table);
  g_assert_cmpstr (text, ==,
                   " A               B\n"
                   "--------------------\n"
                   " 日本            x\n"
                   " e\xcc\x81               x\n"
                   " a\\x1b[2J\\x0ab   x\n");
}

static void
test_tree (void)
{
  const QsCtlNode nodes[] = { { "s1", -1 }, { "s2", 0 },  { "s3", 0 }, { "s4", 1 },
                              { "s5", 1 },  { "s6", -1 }, { "s7", 2 } };
  g_autofree char *text = qs_ctl_tree_format (nodes, G_N_ELEMENTS (nodes));
  g_autofree char *nothing = qs_ctl_tree_format (nodes, 0);

  g_assert_cmpstr (text, ==,
                   "s1\n"
                   "  |\n"
                   "  +- s2\n"
                   "  |   |\n"
                   "  |   +- s4\n"
                   "  |   +- s5\n"
                   "  |     \n"
                   "  +- s3\n"
                   "      |\n"
                   "      +- s7\n"
                   "        \n"
                   "s6\n"
                   "\n");
  g_assert_cmpstr (nothing, ==, "");
}

static void
test_deep_tree (void)
{
  const guint depth = 3000;
  g_autofree QsCtlNode *nodes = g_new (QsCtlNode, depth);
  g_autofree char *text = NULL;

  for (guint i = 0; i < depth; i++)
    nodes[i] = (QsCtlNode){ i + 1 == depth ? "last" : "s", (int)i - 1 };
  text = qs_ctl_tree_format (nodes, depth);
  g_assert_true (g_str_has_prefix (text, "s\n  |\n  +- s\n"));
  g_assert_nonnull (strstr (text, "  +- last\n"));
}

static QsCtlRow *
make_row (const char *path, const char *parent, const char *name)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) properties = NULL;

  g_variant_dict_insert (&dict, "Parent", "o", parent);
  g_variant_dict_insert (&dict, "Name", "s", name);
  properties = g_variant_ref_sink (g_variant_dict_end (&dict));
  return qs_ctl_row_new (path, properties);
}

/* by name as virsh sorts; a parent that was filtered away makes a root */
static void
test_rows (void)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_ctl_row_free);
  g_autofree char *text = NULL;

  g_ptr_array_add (rows, make_row ("/3", "/1", "b"));
  g_ptr_array_add (rows, make_row ("/2", "/1", "A"));
  g_ptr_array_add (rows, make_row ("/4", "/9", "C"));
  g_ptr_array_add (rows, make_row ("/1", "/", "root"));
  qs_ctl_rows_sort (rows);
  text = qs_ctl_rows_format_tree (rows);
  g_assert_cmpstr (text, ==, "C\n\nroot\n  |\n  +- A\n  +- b\n    \n");
}

static GVariant *
make_plan (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *plan = g_variant_parse (G_VARIANT_TYPE ("(a{sv}aa{sv})"), text, NULL, NULL, &error);

  g_assert_no_error (error);
  return plan;
}

static void
test_plan (void)
{
  g_autoptr (GVariant) plan = make_plan (
      "({'files-created': <['/a', '/b\033']>, 'pause-class': <'none'>, 'undoable': <true>},"
      " [{'name': <'image-create'>, 'target': <'vda'>, 'phase': <'prepare'>, 'undo': <'unlink'>},"
      "  {'name': <'transaction'>, 'target': <'vda'>, 'phase': <'commit'>, 'undo': <''>},"
      "  {'name': <'record'>, 'target': <'s1'>, 'phase': <'finish'>, 'undo': <''>}])");
  g_autofree char *text = qs_ctl_plan_format (plan);

  g_assert_cmpstr (text, ==,
                   "     Step           Target   Undone by\n"
                   "----------------------------------------\n"
                   " -   image-create   vda      unlink\n"
                   " !   transaction    vda      \n"
                   " +   record         s1       \n"
                   "  -: prepared, can be undone; !: commit; +: follows\n"
                   "\n"
                   "Files created:  /a\n"
                   "                /b\\x1b\n"
                   "Guest pause:    none\n"
                   "Undoable:       yes\n");
  g_assert_true (qs_ctl_plan_check (plan, NULL));
}

static void
test_blocked_plan (void)
{
  g_autoptr (GVariant) plan =
      make_plan ("({'blocked-by': <[('org.example.Snapshot.Error.SnapshotExists', 'there is one'), "
                 "('NoSpace', 'none')]>}, [])");
  g_autofree char *text = qs_ctl_plan_format (plan);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (text, ==,
                   "Refused:        SnapshotExists: there is one\n"
                   "                NoSpace: none\n");
  g_assert_false (qs_ctl_plan_check (plan, &error));
  g_assert_cmpstr (error->message, ==, "the operation would be refused");
}

static void
test_progress (void)
{
  g_autofree char *half = qs_ctl_job_format_progress ("snapshot-create", "image\ncreate", 0.5);
  g_autofree char *unknown = qs_ctl_job_format_progress ("start", "", -1);
  g_autofree char *more = qs_ctl_job_format_progress ("a", "b", 7);

  g_assert_cmpstr (half, ==, "[############............]  50 %  snapshot-create  image\\x0acreate");
  g_assert_cmpstr (unknown, ==, "[........................]        start  ");
  g_assert_cmpstr (more, ==, "[########################] 100 %  a  b");
}

static void
test_job_path (void)
{
  g_autofree char *path = qs_ctl_job_path_in ("domain ‘vm’ is busy: /org/example/Snapshot/job/12");

  g_assert_cmpstr (path, ==, "/org/example/Snapshot/job/12");
  g_assert_null (qs_ctl_job_path_in ("domain ‘vm’ is busy"));
  g_assert_null (qs_ctl_job_path_in ("/org/example/Snapshot/job/12 and more"));
}

static void
assert_event (const char *values, const char *expected)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_parsed (values));
  g_autofree char *line = qs_ctl_monitor_format ("/p", "Signal", variant);

  g_assert_cmpstr (line, ==, expected);
}

static void
test_monitor (void)
{
  assert_event ("('i', {'State': <'running'>, 'N': <uint32 2>}, @as [])",
                "/p changed: State='running' N=2");
  assert_event ("(objectpath '/q', {'i': {'A': <1>}})", "/q added");
  assert_event ("(objectpath '/q', ['i'])", "/q removed");
  assert_event ("(objectpath '/q',)", "/p Signal ('/q',)");
}

static void
test_words (void)
{
  g_autofree char *time = qs_ctl_format_time (1700000000 * (guint64)G_USEC_PER_SEC + 999999);
  g_autofree char *never = qs_ctl_format_time (G_MAXUINT64);

  g_assert_cmpstr (time, ==, "2023-11-14 22:13:20 +0000");
  g_assert_nonnull (never);
  g_assert_cmpstr (qs_ctl_state_word ("shutoff"), ==, "shut off");
  g_assert_cmpstr (qs_ctl_state_word ("paused"), ==, "paused");
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-print/table", test_table);
  g_test_add_func ("/ctl-print/table-of-strangers", test_table_of_strangers);
  g_test_add_func ("/ctl-print/tree", test_tree);
  g_test_add_func ("/ctl-print/deep-tree", test_deep_tree);
  g_test_add_func ("/ctl-print/rows", test_rows);
  g_test_add_func ("/ctl-print/plan", test_plan);
  g_test_add_func ("/ctl-print/blocked-plan", test_blocked_plan);
  g_test_add_func ("/ctl-print/progress", test_progress);
  g_test_add_func ("/ctl-print/job-path", test_job_path);
  g_test_add_func ("/ctl-print/monitor", test_monitor);
  g_test_add_func ("/ctl-print/words", test_words);
  return g_test_run ();
}
