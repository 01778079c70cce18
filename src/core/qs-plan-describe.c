/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan.h"

#include <string.h>

/* longer strings are documents: their length says enough in a list for people */
#define LONGEST_STRING 160

static const char phase_signs[] = {
  [QS_PHASE_PREPARE] = '-',
  [QS_PHASE_COMMIT] = '!',
  [QS_PHASE_FINISH] = '+',
};
G_STATIC_ASSERT (G_N_ELEMENTS (phase_signs) == QS_N_PHASES);

static gboolean
is_plain (const char *string)
{
  for (const char *p = string; *p != '\0'; p++)
    if (g_ascii_isspace (*p) || g_ascii_iscntrl (*p) || *p == '\'' || *p == '"')
      return FALSE;
  return *string != '\0';
}

static void
describe_value (GString *text, GVariant *value)
{
  g_autofree char *printed = g_variant_print (value, FALSE);
  const char *string;
  gsize length;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      g_string_append (text, printed);
      return;
    }
  string = g_variant_get_string (value, &length);
  if (length > LONGEST_STRING || strchr (string, '\n') != NULL)
    g_string_append_printf (text, "(%" G_GSIZE_FORMAT " bytes)", length);
  else
    g_string_append (text, is_plain (string) ? string : printed);
}

static gboolean
is_list (GVariant *value)
{
  return g_variant_is_of_type (value, G_VARIANT_TYPE ("aa{sv}"))
         || g_variant_is_of_type (value, G_VARIANT_TYPE ("a(sa{sv})"));
}

/* lists stand on lines of their own, below the step */
static void
describe_values (GString *text, GVariant *values)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (!is_list (value))
      {
        g_string_append_printf (text, " %s=", key);
        describe_value (text, value);
      }
}

static void
describe_row (GString *text, GVariant *row)
{
  g_autoptr (GVariant) values = NULL;
  const char *name;

  g_string_append (text, "   ");
  if (g_variant_is_of_type (row, G_VARIANT_TYPE_VARDICT))
    values = g_variant_ref (row);
  else
    {
      g_variant_get (row, "(&s@a{sv})", &name, &values);
      g_string_append_printf (text, " %s", name);
    }
  describe_values (text, values);
  g_string_append_c (text, '\n');
}

static void
describe_lists (GString *text, GVariant *values)
{
  GVariantIter iter;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", NULL, &value))
    for (gsize i = 0; is_list (value) && i < g_variant_n_children (value); i++)
      {
        g_autoptr (GVariant) row = g_variant_get_child_value (value, i);

        describe_row (text, row);
      }
}

static void
describe_step (GString *text, const QsStep *step)
{
  const QsStepType *type = qs_step_type (step->kind);

  g_string_append_printf (text, "%c %s", phase_signs[step->phase], type->name);
  if (*step->target != '\0')
    g_string_append_printf (text, " %s", step->target);
  if (g_variant_n_children (step->arguments) > 0)
    g_string_append_c (text, ' ');
  describe_values (text, step->arguments);
  if (step->phase == QS_PHASE_PREPARE && type->undo != NULL)
    g_string_append_printf (text, "   undo: %s", type->undo);
  while (text->len > 0 && text->str[text->len - 1] == ' ')
    g_string_truncate (text, text->len - 1);
  g_string_append_c (text, '\n');
  describe_lists (text, step->arguments);
}

/**
 * qs_plan_describe:
 *
 * Returns: (transfer full): the plan for people and golden files, a line a step: `-` prepare,
 *   `!` commit, `+` finish; lists as indented lines below their step
 */
char *
qs_plan_describe (const QsPlan *plan)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < plan->steps->len; i++)
    describe_step (text, qs_plan_step (plan, i));
  if (!g_str_equal (plan->pause_class, "none"))
    g_string_append_printf (text, "pause: %s\n", plan->pause_class);
  if (g_variant_n_children (plan->result) > 0)
    {
      g_string_append (text, "result:");
      describe_values (text, plan->result);
      g_string_append_c (text, '\n');
      describe_lists (text, plan->result);
    }
  for (guint i = 0; i < plan->notes->len; i++)
    g_string_append_printf (text, "note: %s\n", (char *)g_ptr_array_index (plan->notes, i));
  return g_string_free (text, FALSE);
}
