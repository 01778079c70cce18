/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl-arguments.h"
#include "ctl-file.h"
#include "ctl-global.h"
#include "ctl-output.h"
#include "ctl-script.h"
#include "qs-error.h"

/* as other programs have it, beside the commands help and version */
static const struct
{
  const char *word;
  const char *command;
} aliases[] = {
  { "-h", "help" },
  { "--help", "help" },
  { "-v", "version" },
  { "--version", "version" },
};

static gboolean
check_encoding (char **words, GError **error)
{
  for (; *words != NULL; words++)
    if (!g_utf8_validate (*words, -1, NULL))
      {
        g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                             "an argument is not text in UTF-8");
        return FALSE;
      }
  return TRUE;
}

/* a script is in one word, or on standard input; else the words are one command */
static GPtrArray *
get_commands (char **words, GError **error)
{
  g_autofree char *script = NULL;
  GPtrArray *commands;

  if (*words != NULL && words[1] == NULL)
    return qs_ctl_script_split (*words, error);
  if (*words != NULL)
    {
      commands = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
      g_ptr_array_add (commands, g_strdupv (words));
      return commands;
    }
  if (isatty (STDIN_FILENO))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "no command; see `snapshotctl help`");
      return NULL;
    }
  script = qs_ctl_file_read_script (error);
  return script != NULL ? qs_ctl_script_split (script, error) : NULL;
}

/* COMMAND --help is what other programs have for `help COMMAND` */
static QsCtlArguments *
parse (char **words, GError **error)
{
  const char *help[] = { "help", words[0], NULL };

  if (words[1] != NULL && g_str_equal (words[1], "--help"))
    return qs_ctl_arguments_parse (help, error);
  return qs_ctl_arguments_parse ((const char *const *)words, error);
}

/* (element-type QsCtlArguments): nothing runs unless all can be parsed */
static GPtrArray *
parse_all (const GPtrArray *commands, GError **error)
{
  g_autoptr (GPtrArray) parsed =
      g_ptr_array_new_with_free_func ((GDestroyNotify)qs_ctl_arguments_free);

  for (guint i = 0; i < commands->len; i++)
    {
      QsCtlArguments *arguments = parse (g_ptr_array_index (commands, i), error);

      if (arguments == NULL)
        return NULL;
      g_ptr_array_add (parsed, arguments);
    }
  return g_steal_pointer (&parsed);
}

/* as virsh, a script goes on after a command that failed; not after Ctrl-C */
static gboolean
run_all (QsCtl *ctl, const GPtrArray *commands)
{
  gboolean is_good = TRUE;

  for (guint i = 0; i < commands->len && ctl->interrupts == 0; i++)
    {
      QsCtlArguments *arguments = g_ptr_array_index (commands, i);
      g_autoptr (GError) error = NULL;

      if (arguments->command->run (ctl, arguments, &error))
        continue;
      qs_ctl_error (error);
      is_good = FALSE;
    }
  return is_good && ctl->interrupts == 0;
}

static gboolean
run (QsCtl *ctl, char **words, GError **error)
{
  g_autoptr (GPtrArray) commands = NULL;
  g_autoptr (GPtrArray) parsed = NULL;
  int first;

  if (!check_encoding (words, error) || !qs_ctl_global_read_environment (ctl, error))
    return FALSE;
  for (guint i = 0; words[0] != NULL && i < G_N_ELEMENTS (aliases); i++)
    if (g_str_equal (words[0], aliases[i].word))
      words[0] = (char *)aliases[i].command;
  first = qs_ctl_global_parse (ctl, (const char *const *)words, error);
  if (first < 0)
    return FALSE;
  commands = get_commands (words + first, error);
  if (commands == NULL)
    return FALSE;
  parsed = parse_all (commands, error);
  return parsed != NULL && run_all (ctl, parsed);
}

int
main (int argc, char **argv)
{
  g_auto (QsCtl) ctl = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean is_good;

  setlocale (LC_ALL, "");
  is_good = run (&ctl, argv + 1, &error);
  if (error != NULL)
    qs_ctl_error (error);
  if (!qs_ctl_output_flush ())
    is_good = FALSE;
  return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
