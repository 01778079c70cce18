/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-options.h"

#include "qs-error.h"

static const QsOption *
find_row (const QsOption *table, const char *key)
{
  for (; table->key != NULL; table++)
    if (g_str_equal (table->key, key))
      return table;
  return NULL;
}

static gboolean
check_entry (const QsOption *table, const char *key, GVariant *value, GError **error)
{
  const QsOption *row = find_row (table, key);

  if (row == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "unknown option ‘%s’", key);
      return FALSE;
    }
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (row->type)))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "option ‘%s’ is of type ‘%s’, it must be ‘%s’", key,
                   g_variant_get_type_string (value), row->type);
      return FALSE;
    }
  return row->check == NULL || row->check (key, value, error);
}

/**
 * qs_options_check:
 * @options: a{sv} of a caller
 *
 * Returns: whether all keys are in @table, once, with a value of their type that passes its check
 */
gboolean
qs_options_check (const QsOption *table, GVariant *options, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;

      if (!check_entry (table, key, owned, error))
        return FALSE;
      if (!g_hash_table_add (seen, (gpointer)key))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "option ‘%s’ is given twice",
                       key);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
qs_options_get_boolean (GVariant *options, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (options, key, "b", &value);
  return value;
}

/**
 * qs_options_dup_string:
 *
 * Returns: (transfer full) (nullable): the value, NULL if the key is not there
 */
char *
qs_options_dup_string (GVariant *options, const char *key)
{
  char *value = NULL;

  g_variant_lookup (options, key, "s", &value);
  return value;
}

/**
 * qs_options_check_word:
 * @words: NULL-terminated
 *
 * Returns: whether the string @value is one of @words
 */
gboolean
qs_options_check_word (const char *key, const char *const *words, GVariant *value, GError **error)
{
  g_autofree char *list = NULL;

  if (g_strv_contains (words, g_variant_get_string (value, NULL)))
    return TRUE;
  list = g_strjoinv (", ", (GStrv)words);
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "option ‘%s’ is ‘%s’, it must be one of %s", key, g_variant_get_string (value, NULL),
               list);
  return FALSE;
}
