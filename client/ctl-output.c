/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-output.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qs-name.h"

static void G_GNUC_PRINTF (3, 0)
    print_line (FILE *file, const char *prefix, const char *format, va_list values)
{
  g_autofree char *text = g_strdup_vprintf (format, values);
  g_autofree char *escaped = qs_escape_for_terminal (text);

  fprintf (file, "%s%s\n", prefix, escaped);
}

/**
 * qs_ctl_print:
 *
 * Prints one line, whatever @format and the values hold.
 */
void
qs_ctl_print (const char *format, ...)
{
  va_list values;

  va_start (values, format);
  print_line (stdout, "", format, values);
  va_end (values);
}

/**
 * qs_ctl_note:
 *
 * Tells people something beside the output.
 */
void
qs_ctl_note (const char *format, ...)
{
  va_list values;

  va_start (values, format);
  print_line (stderr, "note: ", format, values);
  va_end (values);
}

void
qs_ctl_error (const GError *error)
{
  g_autofree char *escaped = qs_escape_for_terminal (error->message);

  fflush (stdout);
  fprintf (stderr, "error: %s\n", escaped);
}

static void
print_escaped_line (const char *line)
{
  g_auto (GStrv) pieces = g_strsplit (line, "\t", -1);

  for (guint i = 0; pieces[i] != NULL; i++)
    {
      g_autofree char *escaped = qs_escape_for_terminal (pieces[i]);

      printf ("%s%s", i > 0 ? "\t" : "", escaped);
    }
}

/**
 * qs_ctl_print_document:
 *
 * Prints a text of several lines: to a terminal escaped, to anything else as it is.
 */
void
qs_ctl_print_document (const char *text)
{
  g_auto (GStrv) lines = NULL;

  if (!isatty (STDOUT_FILENO))
    {
      fputs (text, stdout);
      if (!g_str_has_suffix (text, "\n"))
        putchar ('\n');
      return;
    }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (lines[i + 1] == NULL && *lines[i] == '\0')
        break;
      print_escaped_line (lines[i]);
      putchar ('\n');
    }
}

/**
 * qs_ctl_print_table:
 * @quiet: without the header
 */
void
qs_ctl_print_table (const QsCtlTable *table, gboolean quiet)
{
  g_autofree char *text = qs_ctl_table_format (table);
  const char *start = text;

  for (guint i = 0; quiet && i < 2; i++)
    start = strchr (start, '\n') + 1;
  fputs (start, stdout);
}

/**
 * qs_ctl_print_json:
 * @value: floating or not
 */
void
qs_ctl_print_json (GVariant *value)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);
  g_autoptr (JsonNode) node = json_gvariant_serialize (sunk);
  g_autofree char *text = json_to_string (node, TRUE);

  qs_ctl_print_document (text);
}

/**
 * qs_ctl_add_path:
 * @properties: a{sv}, of an object
 *
 * Returns: (transfer floating): the same for JSON, with the object's path
 */
GVariant *
qs_ctl_add_path (GVariant *properties, const char *path)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (properties);

  g_variant_dict_insert (&dict, "path", "s", path);
  return g_variant_dict_end (&dict);
}

/**
 * qs_ctl_output_flush:
 *
 * Returns: whether all that was printed could be written
 */
gboolean
qs_ctl_output_flush (void)
{
  return fflush (stdout) == 0 && !ferror (stdout);
}

/**
 * qs_ctl_format_time:
 *
 * Returns: (transfer full): local time, as virsh writes it
 */
char *
qs_ctl_format_time (guint64 microseconds)
{
  gint64 seconds = (gint64)MIN (microseconds / G_USEC_PER_SEC, (guint64)G_MAXINT32 * 64);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (seconds);

  return time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M:%S %z") : g_strdup ("-");
}

/**
 * qs_ctl_state_word:
 *
 * Returns: how virsh says the state of a domain
 */
const char *
qs_ctl_state_word (const char *state)
{
  return g_str_equal (state, "shutoff") ? "shut off" : state;
}
