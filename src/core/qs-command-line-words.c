/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-name.h"

#include <string.h>

const QsWord qs_words_on_off[] = {
  { "yes", "on" }, { "on", "on" }, { "no", "off" }, { "off", "off" }, { NULL },
};

/* of a word or text that is quoted in a message */
#define LONGEST_QUOTE 60

static char *
shorten (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  if (g_utf8_strlen (valid, -1) <= LONGEST_QUOTE)
    return g_steal_pointer (&valid);

  g_autofree char *start = g_utf8_substring (valid, 0, LONGEST_QUOTE);
  return g_strconcat (start, "…", NULL);
}

/**
 * qs_line_refuse:
 *
 * Says that @node is not translated and, in the words of @format, what could be done.
 *
 * Returns: FALSE
 */
gboolean
qs_line_refuse (GError **error, const xmlNode *node, const char *format, ...)
{
  const xmlNode *parent = node->parent;
  gboolean is_device = parent && g_strcmp0 ((const char *)parent->name, "devices") == 0;
  g_autofree char *name = shorten ((const char *)node->name);
  g_autofree char *why = NULL;
  va_list arguments;

  va_start (arguments, format);
  why = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "the %s <%s> (line %ld) %s",
               is_device ? "device" : "element", name, xmlGetLineNo (node), why);
  return FALSE;
}

static char *
list_words (const QsWord *words)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (; words->libvirt; words++)
    g_string_append_printf (list, "%s%s", list->len ? ", " : "", words->libvirt);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

static gboolean
lookup (const xmlNode *node, const char *attribute, const QsWord *words, const char *value,
        const char **word, GError **error)
{
  for (const QsWord *row = words; row->libvirt; row++)
    if (g_strcmp0 (row->libvirt, value) == 0)
      {
        *word = row->qemu;
        return TRUE;
      }

  g_autofree char *shown = shorten (value);
  g_autofree char *known = list_words (words);
  return qs_line_refuse (error, node, "is not translated with %s ‘%s’; it can be: %s",
                         attribute ? attribute : "content", shown, known);
}

/**
 * qs_line_word:
 * @node: (nullable): without it, or without the attribute, @word stays as it is
 */
gboolean
qs_line_word (const xmlNode *node, const char *attribute, const QsWord *words, const char **word,
              GError **error)
{
  g_autofree char *value = node ? qs_xml_attribute (node, attribute) : NULL;

  return !value || lookup (node, attribute, words, value, word, error);
}

static gboolean
parse_number (const xmlNode *node, const char *attribute, const char *text, guint64 max,
              guint64 *value, GError **error)
{
  char *end = NULL;
  guint64 number = g_ascii_isdigit (text[0]) ? g_ascii_strtoull (text, &end, 0) : 0;

  if (!end || *end || number > max)
    {
      g_autofree char *shown = shorten (text);

      return qs_line_refuse (error, node,
                             "has ‘%s’ as %s; it must be a number up to %" G_GUINT64_FORMAT, shown,
                             attribute ? attribute : "content", max);
    }
  *value = number;
  return TRUE;
}

/* as qs_line_word() */
gboolean
qs_line_number (const xmlNode *node, const char *attribute, guint64 max, guint64 *value,
                GError **error)
{
  g_autofree char *text = node ? qs_xml_attribute (node, attribute) : NULL;

  return !text || parse_number (node, attribute, text, max, value, error);
}

static gboolean
set_text (const xmlNode *node, const QsProp *prop, const char *text, JsonObject *object,
          GError **error)
{
  if (!g_utf8_validate (text, -1, NULL) || strlen (text) > prop->max)
    return qs_line_refuse (error, node, "is longer than %" G_GUINT64_FORMAT " bytes", prop->max);

  for (const char *at = text; *at; at++)
    if (g_ascii_iscntrl (*at))
      return qs_line_refuse (error, node, "has a control character in it");
  json_object_set_string_member (object, prop->property, text);
  return TRUE;
}

static gboolean
set_value (const xmlNode *node, const QsProp *prop, const char *text, JsonObject *object,
           GError **error)
{
  const char *word = NULL;
  guint64 number = 0;

  switch (prop->type)
    {
    case QS_PROP_TEXT:
      return set_text (node, prop, text, object, error);
    case QS_PROP_NUMBER:
      if (!parse_number (node, prop->attribute, text, prop->max, &number, error))
        return FALSE;
      json_object_set_int_member (object, prop->property, (gint64)number);
      return TRUE;
    case QS_PROP_BOOLEAN:
      if (!lookup (node, prop->attribute, qs_words_on_off, text, &word, error))
        return FALSE;
      json_object_set_boolean_member (object, prop->property, g_strcmp0 (word, "on") == 0);
      return TRUE;
    case QS_PROP_WORD:
      if (!lookup (node, prop->attribute, prop->words, text, &word, error))
        return FALSE;
      if (word)
        json_object_set_string_member (object, prop->property, word);
      return TRUE;
    }
  return FALSE;
}

/**
 * qs_line_properties:
 *
 * Sets what the element says of @properties; a word whose translation is NULL sets nothing.
 */
gboolean
qs_line_properties (const xmlNode *node, const QsProp *properties, JsonObject *object,
                    GError **error)
{
  for (const QsProp *prop = properties; prop->property; prop++)
    {
      const xmlNode *from = prop->child ? qs_xml_child (node, prop->child) : node;
      g_autofree char *text = NULL;

      if (from)
        text = prop->attribute ? qs_xml_attribute (from, prop->attribute) : qs_xml_text (from);
      if (text && !set_value (from, prop, text, object, error))
        return FALSE;
    }
  return TRUE;
}

/* letters, digits and what is in @extra: such a text has no meaning of its own in an option */
gboolean
qs_line_is_word (const char *text, const char *extra, gsize max)
{
  if (!text || !g_ascii_isalnum (text[0]) || strlen (text) > max)
    return FALSE;

  for (const char *at = text; *at; at++)
    if (!g_ascii_isalnum (*at) && !strchr (extra, *at))
      return FALSE;
  return TRUE;
}

/* remembers @path as one that QEMU is told */
gboolean
qs_line_path (QsLine *line, const xmlNode *node, const char *path, GError **error)
{
  g_autoptr (GError) why = NULL;

  if (!qs_path_check (path, line->options->system_mode, &why))
    {
      qs_line_refuse (error, node, "cannot be used: %s", why->message);
      return FALSE;
    }
  g_ptr_array_add (line->paths, g_strdup (path));
  return TRUE;
}

void
qs_line_add (QsLine *line, const char *option, const char *value)
{
  g_ptr_array_add (line->words, g_strdup (option));
  if (value)
    g_ptr_array_add (line->words, g_strdup (value));
}

/* @value is taken over */
void
qs_line_take (QsLine *line, const char *option, char *value)
{
  g_ptr_array_add (line->words, g_strdup (option));
  g_ptr_array_add (line->words, value);
}

/* @object is taken over */
void
qs_line_take_json (QsLine *line, const char *option, JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  qs_line_take (line, option, json_to_string (node, FALSE));
}

/* QEMU's option strings know one special character, which is doubled */
char *
qs_line_escape (const char *value)
{
  g_autoptr (GString) escaped = g_string_new (value);

  g_string_replace (escaped, ",", ",,", 0);
  return g_string_free (g_steal_pointer (&escaped), FALSE);
}

/* prefix0, prefix1, … */
char *
qs_line_id (QsLine *line, const char *prefix)
{
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (line->counts, prefix));

  g_hash_table_insert (line->counts, (gpointer)prefix, GUINT_TO_POINTER (count + 1));
  return g_strdup_printf ("%s%u", prefix, count);
}
