/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-help.h"

#include "ctl-arguments.h"
#include "ctl-complete.h"
#include "ctl-operation.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-names.h"

/**
 * qs_ctl_help_format:
 *
 * Returns: (transfer full): all commands, each with a sentence
 */
char *
qs_ctl_help_format (void)
{
  GString *text =
      g_string_new ("snapshotctl [--session | --system] [-c URI] [-q] COMMAND [OPTION | VALUE]...\n"
                    "snapshotctl [...] 'COMMAND ...; COMMAND ...'\n"
                    "snapshotctl [...] < SCRIPT\n");

  for (const QsCtlGroup *group = qs_ctl_groups; group->name != NULL; group++)
    {
      g_string_append_printf (text, "\n%s:\n", group->name);
      for (const QsCtlCommand *command = group->commands; command->name != NULL; command++)
        g_string_append_printf (text, "  %-20s %s\n", command->name, command->summary);
    }
  g_string_append (text, "\n`snapshotctl help COMMAND` describes its options.\n");
  return g_string_free (text, FALSE);
}

static void
append_synopsis (const QsCtlOption *option, GString *text)
{
  const char *more = option->kind == QS_CTL_LIST ? "..." : "";

  if (option->kind == QS_CTL_BOOL)
    g_string_append_printf (text, " [--%s]", option->name);
  else if (option->use == QS_CTL_REQUIRED)
    g_string_append_printf (text, " <%s>%s", option->name, more);
  else if (option->use == QS_CTL_NAMED)
    g_string_append_printf (text, " [--%s <%s>]%s", option->name, option->value, more);
  else
    g_string_append_printf (text, " [<%s>]%s", option->name, more);
}

static void
append_option (const QsCtlOption *option, GString *text)
{
  g_autofree char *name = NULL;

  if (option->kind == QS_CTL_BOOL)
    name = g_strdup_printf ("--%s", option->name);
  else
    name = g_strdup_printf ("--%s <%s>", option->name, option->value);
  g_string_append_printf (text, "    %-28s %s\n", name, option->help);
}

/**
 * qs_ctl_help_format_command:
 *
 * Returns: (transfer full): what the table says of a command
 */
char *
qs_ctl_help_format_command (const QsCtlCommand *command)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "  NAME\n    %s - %s\n\n  SYNOPSIS\n    %s", command->name,
                          command->summary, command->name);
  for (const QsCtlOption *option = command->options; option->name != NULL; option++)
    append_synopsis (option, text);
  g_string_append_c (text, '\n');
  if (command->text != NULL)
    g_string_append_printf (text, "\n  DESCRIPTION\n    %s\n", command->text);
  if (command->options->name != NULL)
    g_string_append (text, "\n  OPTIONS\n");
  for (const QsCtlOption *option = command->options; option->name != NULL; option++)
    append_option (option, text);
  return g_string_free (text, FALSE);
}

static gboolean
run_help (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  const char *name = qs_ctl_arguments_get (arguments, "command");
  const QsCtlCommand *command = name != NULL ? qs_ctl_command_lookup (name) : NULL;
  g_autofree char *text = NULL;

  if (name != NULL && command == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "unknown command ‘%s’; see `snapshotctl help`", name);
      return FALSE;
    }
  text = command != NULL ? qs_ctl_help_format_command (command) : qs_ctl_help_format ();
  qs_ctl_print_document (text);
  return TRUE;
}

static gboolean
run_version (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autofree char *service = qs_ctl_get_string (ctl, QS_PATH, "Manager.Version", error);

  if (service == NULL)
    return FALSE;
  qs_ctl_print ("snapshotctl %s, snapshotd %s", QS_VERSION, service);
  return TRUE;
}

static gboolean
run_complete (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  const GPtrArray *words = qs_ctl_arguments_get_list (arguments, "word");
  g_auto (GStrv) candidates = qs_ctl_complete (ctl, words);

  for (guint i = 0; candidates[i] != NULL; i++)
    qs_ctl_print ("%s", candidates[i]);
  return TRUE;
}

static const QsCtlOption help_options[] = {
  { .name = "command",
    .kind = QS_CTL_STRING,
    .subject = QS_CTL_COMMAND_NAME,
    .value = "command",
    .help = "the command to describe" },
  QS_CTL_END,
};

static const QsCtlOption version_options[] = { QS_CTL_END };

static const QsCtlOption complete_options[] = {
  { .name = "word", .kind = QS_CTL_LIST, .value = "word", .help = "a word of a command line" },
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_help_commands[] = {
  { "help", "describe all commands, or one", NULL, help_options, run_help },
  { "version", "print the versions of snapshotctl and of the service", NULL, version_options,
    run_version },
  { "complete", "print what the last word of a command line can become",
    "For the completion of shells. The words stand behind `--`.", complete_options, run_complete },
  { NULL },
};
