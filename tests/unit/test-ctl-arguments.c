/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-arguments.h"

#include "qs-error.h"
#include "qs-flags.h"

static QsCtlArguments *
parse (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, "|", -1);
  g_autoptr (GError) error = NULL;
  QsCtlArguments *arguments = qs_ctl_arguments_parse ((const char *const *)words, &error);

  g_assert_no_error (error);
  g_assert_nonnull (arguments);
  return arguments;
}

static void
assert_refused (const char *line, const char *expected)
{
  g_auto (GStrv) words = g_strsplit (line, "|", -1);
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_ctl_arguments_parse ((const char *const *)words, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
assert_values (const QsCtlArguments *arguments, const char *name, const char *joined)
{
  const GPtrArray *values = qs_ctl_arguments_get_list (arguments, name);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;
  g_autofree char *found = NULL;

  g_assert_nonnull (values);
  for (guint i = 0; i < values->len; i++)
    g_strv_builder_add (builder, g_ptr_array_index (values, i));
  words = g_strv_builder_end (builder);
  found = g_strjoinv ("|", words);
  g_assert_cmpstr (found, ==, joined);
}

static void
test_positions (void)
{
  g_autoptr (QsCtlArguments) arguments = parse ("snapshot-create-as|vm|s1|what for|vda|vdb");

  g_assert_cmpstr (arguments->command->name, ==, "snapshot-create-as");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "domain"), ==, "vm");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "name"), ==, "s1");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "description"), ==, "what for");
  assert_values (arguments, "diskspec", "vda|vdb");
  g_assert_cmpuint (arguments->flags, ==, 0);
  g_assert_false (qs_ctl_arguments_has (arguments, "memspec"));
  g_assert_null (qs_ctl_arguments_get (arguments, "memspec"));
}

static void
test_names (void)
{
  g_autoptr (QsCtlArguments) arguments =
      parse ("snapshot-create-as|--diskspec|vda,file=/a|--name=s=1|--disk-only|vm|--atomic|"
             "--diskspec=vdb|--memspec|/m|--description|");

  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "domain"), ==, "vm");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "name"), ==, "s=1");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "memspec"), ==, "/m");
  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "description"), ==, "");
  assert_values (arguments, "diskspec", "vda,file=/a|vdb");
  g_assert_cmpuint (arguments->flags, ==, QS_CREATE_DISK_ONLY | QS_CREATE_ATOMIC);
}

/* a name may look like an option, as long as it is said that it is none */
static void
test_dashes (void)
{
  g_autoptr (QsCtlArguments) arguments = parse ("snapshot-info|vm|--|--current");
  g_autoptr (QsCtlArguments) with_equals = parse ("snapshot-info|--snapshotname=--current|vm");
  g_autoptr (QsCtlArguments) next = parse ("snapshot-info|vm|--snapshotname|--current");
  g_autoptr (QsCtlArguments) single = parse ("snapshot-info|vm|-s");
  g_autoptr (QsCtlArguments) twice = parse ("snapshot-info|vm|--|--");

  g_assert_cmpstr (qs_ctl_arguments_get (arguments, "snapshotname"), ==, "--current");
  g_assert_false (qs_ctl_arguments_has (arguments, "current"));
  g_assert_cmpstr (qs_ctl_arguments_get (with_equals, "snapshotname"), ==, "--current");
  g_assert_cmpstr (qs_ctl_arguments_get (next, "snapshotname"), ==, "--current");
  g_assert_cmpstr (qs_ctl_arguments_get (single, "snapshotname"), ==, "-s");
  g_assert_cmpstr (qs_ctl_arguments_get (twice, "snapshotname"), ==, "--");
}

static void
test_refusals (void)
{
  assert_refused ("lost", "unknown command ‘lost’; see `snapshotctl help`");
  assert_refused ("list|--foo", "command ‘list’ has no option --foo; see `snapshotctl help list`");
  assert_refused ("list|--al", "command ‘list’ has no option --al; see `snapshotctl help list`");
  assert_refused ("list|vm", "command ‘list’ does not expect ‘vm’; see `snapshotctl help list`");
  assert_refused ("list|--all=yes",
                  "command ‘list’ takes no value with option --all; see `snapshotctl help list`");
  assert_refused ("start", "command ‘start’ requires <domain>; see `snapshotctl help start`");
  assert_refused ("start|--domain",
                  "command ‘start’ needs a value after --domain; see `snapshotctl help start`");
  assert_refused ("start|a|--domain|b",
                  "command ‘start’ takes option --domain once; see `snapshotctl help start`");
  assert_refused ("start|a|b", "command ‘start’ does not expect ‘b’; see `snapshotctl help start`");
}

/* each bit of the create, revert and delete flags that the command line has */
static void
test_flags (void)
{
  g_autoptr (QsCtlArguments) create =
      parse ("snapshot-create|vm|--redefine|--current|--no-metadata|--halt|--disk-only|"
             "--reuse-external|--quiesce|--atomic|--live|--branch|--validate");
  g_autoptr (QsCtlArguments) revert = parse ("snapshot-revert|vm|s|--running|--paused|--force|"
                                             "--reset-nvram|--discard|--commit|--tip");
  g_autoptr (QsCtlArguments) delete =
      parse ("snapshot-delete|vm|s|--children|--children-only|--metadata");
  g_autoptr (QsCtlArguments) undefine = parse ("undefine|vm|--snapshots-metadata|--snapshots-full");
  g_autoptr (QsCtlArguments) branch = parse ("snapshot-create-as|vm|--branch|s|--current");

  g_assert_cmpuint (create->flags, ==, QS_CREATE_ALL);
  g_assert_cmpuint (revert->flags, ==, QS_REVERT_ALL);
  g_assert_cmpuint (delete->flags, ==, 1 | 2 | 4);
  g_assert_cmpuint (undefine->flags, ==, QS_UNDEFINE_ALL);
  g_assert_cmpuint (branch->flags, ==, QS_CREATE_BRANCH | QS_CREATE_CURRENT);
}

static void
test_list_flags (void)
{
  g_autoptr (QsCtlArguments) roots =
      parse ("snapshot-list|vm|--roots|--metadata|--leaves|--no-leaves|--no-metadata|"
             "--inactive|--active|--disk-only|--internal|--external|--topological|--mixed");
  g_autoptr (QsCtlArguments) below = parse ("snapshot-list|vm|s|--descendants|--tree");

  g_assert_cmpuint (roots->flags, ==, QS_LIST_ALL);
  g_assert_cmpuint (below->flags, ==, QS_LIST_DESCENDANTS);
  g_assert_cmpstr (qs_ctl_arguments_get (below, "from"), ==, "s");
}

static void
test_exclude (void)
{
  static const char *const pairs[][2] = { { "all", "inactive" }, { "name", "uuid" }, { NULL } };
  g_autoptr (QsCtlArguments) good = parse ("list|--all|--name");
  g_autoptr (QsCtlArguments) bad = parse ("list|--uuid|--name");
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_ctl_arguments_exclude (good, pairs, NULL));
  g_assert_false (qs_ctl_arguments_exclude (bad, pairs, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "options --name and --uuid are mutually exclusive");
}

/* what completion asks: whose value comes next */
static void
test_next (void)
{
  const QsCtlCommand *command = qs_ctl_command_lookup ("snapshot-create-as");
  g_autoptr (QsCtlArguments) arguments = qs_ctl_arguments_new (command);

  g_assert_cmpstr (qs_ctl_arguments_next (arguments)->name, ==, "domain");
  g_assert_true (qs_ctl_arguments_feed (arguments, "--branch", NULL));
  g_assert_cmpstr (qs_ctl_arguments_next (arguments)->name, ==, "branch");
  g_assert_true (qs_ctl_arguments_feed (arguments, "s1", NULL));
  g_assert_true (qs_ctl_arguments_feed (arguments, "vm", NULL));
  g_assert_true (qs_ctl_arguments_feed (arguments, "name", NULL));
  g_assert_true (qs_ctl_arguments_feed (arguments, "text", NULL));
  g_assert_cmpstr (qs_ctl_arguments_next (arguments)->name, ==, "diskspec");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-arguments/positions", test_positions);
  g_test_add_func ("/ctl-arguments/names", test_names);
  g_test_add_func ("/ctl-arguments/dashes", test_dashes);
  g_test_add_func ("/ctl-arguments/refusals", test_refusals);
  g_test_add_func ("/ctl-arguments/flags", test_flags);
  g_test_add_func ("/ctl-arguments/list-flags", test_list_flags);
  g_test_add_func ("/ctl-arguments/exclude", test_exclude);
  g_test_add_func ("/ctl-arguments/next", test_next);
  return g_test_run ();
}
