/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <string.h>

#include "ctl-command.h"
#include "ctl-complete.h"
#include "ctl-global.h"
#include "ctl-help.h"
#include "qs-error.h"

static void
for_each (void (*func) (const QsCtlCommand *command))
{
  guint count = 0;

  for (const QsCtlGroup *group = qs_ctl_groups; group->name != NULL; group++)
    for (const QsCtlCommand *command = group->commands; command->name != NULL; command++)
      {
        func (command);
        count++;
      }
  g_assert_cmpuint (count, >, 20);
}

static void
check_command (const QsCtlCommand *command)
{
  g_assert_true (qs_ctl_command_lookup (command->name) == command);
  g_assert_nonnull (command->summary);
  g_assert_nonnull (command->run);
  g_assert_true (g_ascii_islower (*command->summary));
  g_assert_false (g_str_has_suffix (command->summary, "."));
}

/* a list takes all that is left: nothing positional can stand behind it */
static void
check_options (const QsCtlCommand *command)
{
  gboolean is_last = FALSE, is_optional = FALSE;

  for (const QsCtlOption *option = command->options; option->name != NULL; option++)
    {
      gboolean is_positional = option->kind != QS_CTL_BOOL && option->use != QS_CTL_NAMED;

      g_test_message ("%s --%s", command->name, option->name);
      g_assert_true (qs_ctl_command_get_option (command, option->name) == option);
      g_assert_nonnull (option->help);
      g_assert_cmpint (option->kind != QS_CTL_BOOL, ==, option->value != NULL);
      g_assert_false (is_positional && is_last);
      g_assert_false (option->use == QS_CTL_REQUIRED && is_optional);
      is_last = is_last || option->kind == QS_CTL_LIST;
      is_optional = is_optional || (is_positional && option->use == QS_CTL_OPTIONAL);
    }
}

static void
check_help (const QsCtlCommand *command)
{
  g_autofree char *text = qs_ctl_help_format_command (command);

  g_assert_nonnull (strstr (text, command->summary));
  for (const QsCtlOption *option = command->options; option->name != NULL; option++)
    {
      g_autofree char *name = g_strdup_printf ("    --%s", option->name);

      g_assert_nonnull (strstr (text, name));
      g_assert_nonnull (strstr (text, option->help));
    }
}

static void
test_commands (void)
{
  for_each (check_command);
}

static void
test_options (void)
{
  for_each (check_options);
}

static void
test_help (void)
{
  g_autofree char *all = qs_ctl_help_format ();

  for_each (check_help);
  for (const QsCtlGroup *group = qs_ctl_groups; group->name != NULL; group++)
    for (const QsCtlCommand *command = group->commands; command->name != NULL; command++)
      g_assert_nonnull (strstr (all, command->name));
}

static void
test_help_of_one (void)
{
  g_autofree char *text = qs_ctl_help_format_command (qs_ctl_command_lookup ("snapshot-parent"));

  g_assert_cmpstr (text, ==,
                   "  NAME\n"
                   "    snapshot-parent - print the name of the parent of a snapshot\n"
                   "\n"
                   "  SYNOPSIS\n"
                   "    snapshot-parent <domain> [<snapshotname>] [--current]\n"
                   "\n"
                   "  OPTIONS\n"
                   "    --domain <domain>            name or uuid of the domain\n"
                   "    --snapshotname <snapshot>    name of the snapshot\n"
                   "    --current                    the current snapshot\n");
}

/* @words: separated by blanks, the last one may be empty */
static void
assert_completes (const char *words, const char *expected)
{
  g_auto (QsCtl) ctl = { .choice = QS_CTL_BUS_SESSION };
  g_auto (GStrv) split = g_strsplit (words, " ", -1);
  g_autoptr (GPtrArray) array = g_ptr_array_new ();
  g_auto (GStrv) found = NULL;
  g_autofree char *joined = NULL;

  for (guint i = 0; split[i] != NULL; i++)
    g_ptr_array_add (array, split[i]);
  found = qs_ctl_complete (&ctl, array);
  joined = g_strjoinv (" ", found);
  g_assert_cmpstr (joined, ==, expected);
}

static void
test_complete (void)
{
  assert_completes ("dom", "dominfo domstate domblklist domjobabort");
  assert_completes ("-c qemu:///session domi", "dominfo");
  assert_completes ("--s", "--session --system");
  assert_completes ("list --a", "--all --attached --all-owners");
  assert_completes ("list --all --a", "--attached --all-owners");
  assert_completes ("list -- --a", "");
  assert_completes ("help li", "list");
  assert_completes ("help --command li", "list");
  assert_completes ("help list li", "");
  assert_completes ("nothing ", "");
  assert_completes ("define ", "");
}

static void
assert_globals (const char *words, int expected, QsCtlBus bus, gboolean quiet)
{
  QsCtl ctl = { 0 };
  g_auto (GStrv) split = g_strsplit (words, " ", -1);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (qs_ctl_global_parse (&ctl, (const char *const *)split, &error), ==, expected);
  g_assert_cmpint (error != NULL, ==, expected < 0);
  if (expected < 0)
    g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (ctl.choice, ==, bus);
  g_assert_cmpint (ctl.quiet, ==, quiet);
}

static void
test_globals (void)
{
  assert_globals ("list --all", 0, QS_CTL_BUS_AUTO, FALSE);
  assert_globals ("--session list --quiet", 1, QS_CTL_BUS_SESSION, FALSE);
  assert_globals ("-q --system list", 2, QS_CTL_BUS_SYSTEM, TRUE);
  assert_globals ("-c qemu:///system list", 2, QS_CTL_BUS_SYSTEM, FALSE);
  assert_globals ("--connect=qemu:///session --quiet", 2, QS_CTL_BUS_SESSION, TRUE);
  assert_globals ("-c qemu:///lost list", -1, QS_CTL_BUS_AUTO, FALSE);
  assert_globals ("--connect", -1, QS_CTL_BUS_AUTO, FALSE);
  assert_globals ("--session=yes", -1, QS_CTL_BUS_AUTO, FALSE);
  assert_globals ("--sess", -1, QS_CTL_BUS_AUTO, FALSE);
  assert_globals ("-x", -1, QS_CTL_BUS_AUTO, FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-command/commands", test_commands);
  g_test_add_func ("/ctl-command/options", test_options);
  g_test_add_func ("/ctl-command/help", test_help);
  g_test_add_func ("/ctl-command/help-of-one", test_help_of_one);
  g_test_add_func ("/ctl-command/complete", test_complete);
  g_test_add_func ("/ctl-command/globals", test_globals);
  return g_test_run ();
}
