/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-plan.h"

#include <string.h>

#include "ctl-table.h"
#include "qs-error.h"
#include "qs-name.h"
#include "qs-names.h"

static const struct
{
  const char *phase;
  const char *mark;
} marks[] = {
  { "prepare", "-" },
  { "commit", "!" },
  { "finish", "+" },
};

static const char *
mark_of (const char *phase)
{
  for (guint i = 0; i < G_N_ELEMENTS (marks); i++)
    if (g_str_equal (marks[i].phase, phase))
      return marks[i].mark;
  return "?";
}

static const char *
lookup (GVariant *dictionary, const char *key)
{
  const char *value = "";

  g_variant_lookup (dictionary, key, "&s", &value);
  return value;
}

static void
format_steps (GVariant *steps, GString *text)
{
  const char *const header[] = { " ", "Step", "Target", "Undone by", NULL };
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (header);
  g_autofree char *lines = NULL;

  for (gsize i = 0; i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);
      const char *cells[] = { mark_of (lookup (step, "phase")), lookup (step, "name"),
                              lookup (step, "target"), lookup (step, "undo") };

      qs_ctl_table_add (table, cells);
    }
  lines = qs_ctl_table_format (table);
  g_string_append (text, lines);
}

static void
format_list (GVariant *summary, const char *key, const char *title, GString *text)
{
  g_autofree const char **words = NULL;

  if (!g_variant_lookup (summary, key, "^a&s", &words))
    return;
  for (guint i = 0; words[i] != NULL; i++)
    {
      g_autofree char *escaped = qs_escape_for_terminal (words[i]);

      g_string_append_printf (text, "%-15s %s\n", i == 0 ? title : "", escaped);
    }
}

static void
format_blockers (GVariant *summary, GString *text)
{
  g_autoptr (GVariant) blockers =
      g_variant_lookup_value (summary, "blocked-by", G_VARIANT_TYPE ("a(ss)"));

  for (gsize i = 0; blockers != NULL && i < g_variant_n_children (blockers); i++)
    {
      const char *name, *message;
      g_autofree char *line = NULL;
      g_autofree char *escaped = NULL;

      g_variant_get_child (blockers, i, "(&s&s)", &name, &message);
      if (g_str_has_prefix (name, QS_ERROR_PREFIX))
        name += strlen (QS_ERROR_PREFIX);
      line = g_strdup_printf ("%s: %s", name, message);
      escaped = qs_escape_for_terminal (line);
      g_string_append_printf (text, "%-15s %s\n", i == 0 ? "Refused:" : "", escaped);
    }
}

static void
format_summary (GVariant *summary, GString *text)
{
  gboolean is_undoable;

  format_list (summary, "files-created", "Files created:", text);
  format_list (summary, "files-removed", "Files removed:", text);
  if (*lookup (summary, "pause-class") != '\0')
    g_string_append_printf (text, "%-15s %s\n", "Guest pause:", lookup (summary, "pause-class"));
  if (g_variant_lookup (summary, "undoable", "b", &is_undoable))
    g_string_append_printf (text, "%-15s %s\n", "Undoable:", is_undoable ? "yes" : "no");
  format_list (summary, "notes", "Notes:", text);
  format_blockers (summary, text);
}

/**
 * qs_ctl_plan_format:
 * @plan: (a{sv}aa{sv}), the answer of a method …Plan
 *
 * Returns: (transfer full): the plan for people
 */
char *
qs_ctl_plan_format (GVariant *plan)
{
  g_autoptr (GVariant) summary = g_variant_get_child_value (plan, 0);
  g_autoptr (GVariant) steps = g_variant_get_child_value (plan, 1);
  GString *text = g_string_new (NULL);

  if (g_variant_n_children (steps) > 0)
    {
      format_steps (steps, text);
      g_string_append (text, "  -: prepared, can be undone; !: commit; +: follows\n\n");
    }
  format_summary (summary, text);
  return g_string_free (text, FALSE);
}

/**
 * qs_ctl_plan_to_json:
 *
 * Returns: (transfer floating): a{sv} with the keys summary and steps
 */
GVariant *
qs_ctl_plan_to_json (GVariant *plan)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) summary = g_variant_get_child_value (plan, 0);
  g_autoptr (GVariant) steps = g_variant_get_child_value (plan, 1);

  g_variant_dict_insert_value (&dict, "summary", summary);
  g_variant_dict_insert_value (&dict, "steps", steps);
  return g_variant_dict_end (&dict);
}

/**
 * qs_ctl_plan_check:
 *
 * Returns: whether nothing stands in the way of the plan
 */
gboolean
qs_ctl_plan_check (GVariant *plan, GError **error)
{
  g_autoptr (GVariant) summary = g_variant_get_child_value (plan, 0);
  g_autoptr (GVariant) blockers =
      g_variant_lookup_value (summary, "blocked-by", G_VARIANT_TYPE ("a(ss)"));

  if (blockers == NULL || g_variant_n_children (blockers) == 0)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED, "the operation would be refused");
  return FALSE;
}
