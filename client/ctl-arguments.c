/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-arguments.h"

#include <string.h>

#include "qs-error.h"

QsCtlArguments *
qs_ctl_arguments_new (const QsCtlCommand *command)
{
  QsCtlArguments *arguments = g_new0 (QsCtlArguments, 1);

  arguments->command = command;
  arguments->values =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
  return arguments;
}

void
qs_ctl_arguments_free (QsCtlArguments *arguments)
{
  g_hash_table_unref (arguments->values);
  g_free (arguments);
}

static gboolean G_GNUC_PRINTF (3, 4)
    fail (const QsCtlArguments *arguments, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list values;

  va_start (values, format);
  text = g_strdup_vprintf (format, values);
  va_end (values);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "command ‘%s’ %s; see `snapshotctl help %s`", arguments->command->name, text,
               arguments->command->name);
  return FALSE;
}

static gboolean
add (QsCtlArguments *arguments, const QsCtlOption *option, const char *value, GError **error)
{
  GPtrArray *values = g_hash_table_lookup (arguments->values, option->name);

  if (values != NULL && option->kind == QS_CTL_STRING)
    return fail (arguments, error, "takes option --%s once", option->name);
  if (values == NULL)
    {
      values = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (arguments->values, (char *)option->name, values);
    }
  if (value != NULL)
    g_ptr_array_add (values, g_strdup (value));
  arguments->flags |= option->flag;
  return TRUE;
}

/* @word: without its dashes */
static gboolean
feed_option (QsCtlArguments *arguments, const char *word, GError **error)
{
  const char *equals = strchr (word, '=');
  g_autofree char *name = equals ? g_strndup (word, equals - word) : g_strdup (word);
  const QsCtlOption *option = qs_ctl_command_get_option (arguments->command, name);

  if (option == NULL)
    return fail (arguments, error, "has no option --%s", name);
  if (option->kind == QS_CTL_BOOL && equals != NULL)
    return fail (arguments, error, "takes no value with option --%s", name);
  if (option->kind == QS_CTL_BOOL || equals != NULL)
    return add (arguments, option, equals != NULL ? equals + 1 : NULL, error);
  arguments->pending = option;
  return TRUE;
}

/**
 * qs_ctl_arguments_next:
 *
 * Returns: (nullable): the option that the next word without dashes is the value of
 */
const QsCtlOption *
qs_ctl_arguments_next (const QsCtlArguments *arguments)
{
  if (arguments->pending != NULL)
    return arguments->pending;
  for (const QsCtlOption *option = arguments->command->options; option->name != NULL; option++)
    {
      gboolean is_given = g_hash_table_contains (arguments->values, option->name);

      if (option->kind == QS_CTL_LIST || (option->kind == QS_CTL_STRING && !is_given))
        if (option->use != QS_CTL_NAMED)
          return option;
    }
  return NULL;
}

/**
 * qs_ctl_arguments_feed:
 *
 * Takes one more word of the command. As in virsh a word with one dash is a value like any other.
 */
gboolean
qs_ctl_arguments_feed (QsCtlArguments *arguments, const char *word, GError **error)
{
  const QsCtlOption *option = qs_ctl_arguments_next (arguments);
  gboolean is_pending = arguments->pending != NULL;

  arguments->pending = NULL;
  if (!is_pending && !arguments->only_values && g_str_has_prefix (word, "--"))
    {
      if (word[2] != '\0')
        return feed_option (arguments, word + 2, error);
      arguments->only_values = TRUE;
      return TRUE;
    }
  if (option == NULL)
    return fail (arguments, error, "does not expect ‘%s’", word);
  return add (arguments, option, word, error);
}

static gboolean
check_complete (const QsCtlArguments *arguments, GError **error)
{
  if (arguments->pending != NULL)
    return fail (arguments, error, "needs a value after --%s", arguments->pending->name);
  for (const QsCtlOption *option = arguments->command->options; option->name != NULL; option++)
    if (option->use == QS_CTL_REQUIRED && !qs_ctl_arguments_has (arguments, option->name))
      return fail (arguments, error, "requires <%s>", option->name);
  return TRUE;
}

/**
 * qs_ctl_arguments_parse:
 * @words: name of the command and what follows it
 */
QsCtlArguments *
qs_ctl_arguments_parse (const char *const *words, GError **error)
{
  const QsCtlCommand *command = qs_ctl_command_lookup (words[0]);
  g_autoptr (QsCtlArguments) arguments = NULL;

  if (command == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "unknown command ‘%s’; see `snapshotctl help`", words[0]);
      return NULL;
    }
  arguments = qs_ctl_arguments_new (command);
  for (words++; *words != NULL; words++)
    if (!qs_ctl_arguments_feed (arguments, *words, error))
      return NULL;
  return check_complete (arguments, error) ? g_steal_pointer (&arguments) : NULL;
}

gboolean
qs_ctl_arguments_has (const QsCtlArguments *arguments, const char *name)
{
  return g_hash_table_contains (arguments->values, name);
}

/**
 * qs_ctl_arguments_get:
 *
 * Returns: (nullable): the value of an option
 */
const char *
qs_ctl_arguments_get (const QsCtlArguments *arguments, const char *name)
{
  const GPtrArray *values = g_hash_table_lookup (arguments->values, name);

  return values != NULL && values->len > 0 ? g_ptr_array_index (values, 0) : NULL;
}

/**
 * qs_ctl_arguments_get_list:
 *
 * Returns: (nullable) (element-type utf8): all values of an option
 */
const GPtrArray *
qs_ctl_arguments_get_list (const QsCtlArguments *arguments, const char *name)
{
  return g_hash_table_lookup (arguments->values, name);
}

/**
 * qs_ctl_arguments_exclude:
 * @pairs: names of options that cannot be given together; ends with %NULL
 */
gboolean
qs_ctl_arguments_exclude (const QsCtlArguments *arguments, const char *const (*pairs)[2],
                          GError **error)
{
  for (; (*pairs)[0] != NULL; pairs++)
    if (qs_ctl_arguments_has (arguments, (*pairs)[0])
        && qs_ctl_arguments_has (arguments, (*pairs)[1]))
      {
        g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                     "options --%s and --%s are mutually exclusive", (*pairs)[0], (*pairs)[1]);
        return FALSE;
      }
  return TRUE;
}
