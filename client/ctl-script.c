/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-script.h"

#include <string.h>

#include "qs-error.h"

typedef struct
{
  GPtrArray *commands;
  GPtrArray *words;
  GString *word; /* NULL between words */
} Splitter;

static void
splitter_clear (Splitter *splitter)
{
  g_ptr_array_unref (splitter->commands);
  g_ptr_array_unref (splitter->words);
  if (splitter->word != NULL)
    g_string_free (splitter->word, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Splitter, splitter_clear)

static void
end_word (Splitter *splitter)
{
  if (splitter->word != NULL)
    g_ptr_array_add (splitter->words, g_string_free (splitter->word, FALSE));
  splitter->word = NULL;
}

static void
end_command (Splitter *splitter)
{
  end_word (splitter);
  if (splitter->words->len == 0)
    return;
  g_ptr_array_add (splitter->words, NULL);
  g_ptr_array_add (splitter->commands, g_ptr_array_free (splitter->words, FALSE));
  splitter->words = g_ptr_array_new_with_free_func (g_free);
}

static void
append (Splitter *splitter, char c)
{
  if (splitter->word == NULL)
    splitter->word = g_string_new (NULL);
  g_string_append_c (splitter->word, c);
}

/* @text: behind the opening quote; the closing one, or NULL */
static const char *
take_quoted (Splitter *splitter, const char *text, char quote)
{
  if (splitter->word == NULL)
    splitter->word = g_string_new (NULL);
  for (; *text != '\0' && *text != quote; text++)
    {
      if (*text == '\\' && quote == '"' && text[1] != '\0')
        text++;
      append (splitter, *text);
    }
  return *text == quote ? text : NULL;
}

/* the last character that was taken, or NULL: a quote is not closed */
static const char *
take (Splitter *splitter, const char *text)
{
  if (*text == '\'' || *text == '"')
    return take_quoted (splitter, text + 1, *text);
  if (*text == '#' && splitter->word == NULL)
    return text + strcspn (text, "\n") - 1;
  if (*text == '\n' || *text == ';')
    end_command (splitter);
  else if (g_ascii_isspace (*text))
    end_word (splitter);
  else if (*text == '\\' && text[1] == '\n')
    text++;
  else if (*text == '\\' && text[1] != '\0')
    append (splitter, *++text);
  else
    append (splitter, *text);
  return text;
}

/**
 * qs_ctl_script_split:
 *
 * Splits a script into commands as virsh does: by `;` and newlines, with quotes, backslashes and
 * comments behind `#`. Nothing is expanded.
 *
 * Returns: (transfer full) (element-type GStrv): the words of each command
 */
GPtrArray *
qs_ctl_script_split (const char *text, GError **error)
{
  g_auto (Splitter) splitter = {
    .commands = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev),
    .words = g_ptr_array_new_with_free_func (g_free),
  };

  for (; *text != '\0'; text++)
    {
      text = take (&splitter, text);
      if (text == NULL)
        {
          g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "a quote is not closed");
          return NULL;
        }
    }
  end_command (&splitter);
  return g_ptr_array_ref (splitter.commands);
}
