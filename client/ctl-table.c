/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-table.h"

#include "qs-name.h"

struct QsCtlTable
{
  guint n_columns;
  GPtrArray *rows; /* of GStrv */
  guint *widths;
};

/* columns of a terminal that @text takes */
static guint
width_of (const char *text)
{
  guint width = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    {
      gunichar c = g_utf8_get_char (text);

      if (!g_unichar_iszerowidth (c))
        width += g_unichar_iswide (c) ? 2 : 1;
    }
  return width;
}

static void
add_row (QsCtlTable *table, const char *const *cells)
{
  char **row = g_new0 (char *, table->n_columns + 1);

  for (guint i = 0; i < table->n_columns; i++)
    {
      row[i] = qs_escape_for_terminal (cells[i]);
      table->widths[i] = MAX (table->widths[i], width_of (row[i]));
    }
  g_ptr_array_add (table->rows, row);
}

/**
 * qs_ctl_table_new:
 * @header: the titles; they say how many columns there are
 */
QsCtlTable *
qs_ctl_table_new (const char *const *header)
{
  QsCtlTable *table = g_new0 (QsCtlTable, 1);

  table->n_columns = g_strv_length ((char **)header);
  table->widths = g_new0 (guint, table->n_columns);
  table->rows = g_ptr_array_new_with_free_func ((GDestroyNotify)g_strfreev);
  add_row (table, header);
  return table;
}

void
qs_ctl_table_free (QsCtlTable *table)
{
  g_ptr_array_unref (table->rows);
  g_free (table->widths);
  g_free (table);
}

/**
 * qs_ctl_table_add:
 * @cells: as many as the table has columns
 */
void
qs_ctl_table_add (QsCtlTable *table, const char *const *cells)
{
  add_row (table, cells);
}

static void
format_row (const QsCtlTable *table, char **row, GString *text)
{
  for (guint i = 0; i < table->n_columns; i++)
    {
      gboolean is_last = i + 1 == table->n_columns;
      guint padding = is_last ? 0 : table->widths[i] - width_of (row[i]) + 2;

      g_string_append_printf (text, " %s%*s", row[i], (int)padding, "");
    }
  g_string_append_c (text, '\n');
}

static void
format_ruler (const QsCtlTable *table, GString *text)
{
  for (guint i = 0; i < table->n_columns; i++)
    for (guint n = 0; n < table->widths[i] + 3; n++)
      g_string_append_c (text, '-');
  g_string_append_c (text, '\n');
}

/**
 * qs_ctl_table_format:
 *
 * Returns: (transfer full): the lines of the table
 */
char *
qs_ctl_table_format (const QsCtlTable *table)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < table->rows->len; i++)
    {
      format_row (table, g_ptr_array_index (table->rows, i), text);
      if (i == 0)
        format_ruler (table, text);
    }
  return g_string_free (text, FALSE);
}
