/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-step.h"

static QsStep *
step_of (QsStepKind kind, QsPhase phase, const char *arguments)
{
  return qs_step_new (kind, phase, "vda", g_variant_new_parsed (arguments));
}

static void
assert_refused (QsStep *owned, const char *part)
{
  g_autoptr (QsStep) step = owned;
  g_autoptr (GError) error = NULL;

  g_assert_false (qs_step_check (step, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, part));
}

static void
assert_good (QsStep *owned)
{
  g_autoptr (QsStep) step = owned;
  g_autoptr (GError) error = NULL;

  qs_step_check (step, &error);
  g_assert_no_error (error);
}

static void
test_names (void)
{
  QsStepKind kind = QS_STEP_QUIT;
  QsPhase phase = QS_PHASE_FINISH;

  for (guint i = 0; i < QS_N_STEP_KINDS; i++)
    {
      g_assert_true (qs_step_kind_lookup (qs_step_type (i)->name, &kind));
      g_assert_cmpuint (kind, ==, i);
    }
  for (guint i = 0; i < QS_N_PHASES; i++)
    {
      g_assert_true (qs_phase_lookup (qs_phase_name (i), &phase));
      g_assert_cmpuint (phase, ==, i);
    }
  g_assert_false (qs_step_kind_lookup ("rm", &kind));
  g_assert_cmpuint (kind, ==, QS_N_STEP_KINDS - 1);
  g_assert_false (qs_phase_lookup ("", &phase));
}

/* whatever may be a prepare step can be undone, and the table's types are types */
static void
test_table (void)
{
  for (guint i = 0; i < QS_N_STEP_KINDS; i++)
    {
      const QsStepType *type = qs_step_type (i);
      g_auto (GStrv) words = g_strsplit (type->arguments, " ", -1);

      g_assert_cmpuint (type->phases, !=, 0);
      if (type->phases & QS_MAY_PREPARE)
        g_assert_nonnull (type->undo);
      for (guint j = 0; words[j] != NULL && *words[j] != '\0'; j++)
        {
          g_auto (GStrv) parts = g_strsplit (words[j], ":", 2);
          char *mark = strchr (parts[1], '?');

          if (mark != NULL)
            *mark = '\0';
          g_assert_true (g_variant_type_string_is_valid (parts[1]));
        }
    }
}

static void
test_phases (void)
{
  for (guint kind = 0; kind < QS_N_STEP_KINDS; kind++)
    for (guint phase = 0; phase < QS_N_PHASES; phase++)
      {
        g_autoptr (QsStep) step = qs_step_new (kind, phase, NULL, NULL);
        g_autoptr (GError) error = NULL;
        gboolean allowed = (qs_step_type (kind)->phases & (1u << phase)) != 0;

        if (qs_step_check (step, &error))
          g_assert_true (allowed);
        else
          g_assert_cmpint (strstr (error->message, "cannot stand in phase") == NULL, ==, allowed);
      }
}

static void
test_arguments (void)
{
  const char *good = "{'path': <'/a'>, 'template': <'/b'>}";

  assert_good (step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, good));
  assert_good (step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE,
                        "{'path': <'/a'>, 'template': <'/b'>, 'later': <uint32 3>}"));
  assert_refused (step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, "{'path': <'/a'>}"),
                  "lacks the argument ‘template’");
  assert_refused (
      step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, "{'path': <'/a'>, 'template': <true>}"),
      "‘template’ of type ‘b’, not ‘s’");
}

static void
test_optional (void)
{
  const char *const node = "{'target': <'vda'>, 'node': <'n'>, 'path': <'/a'>, 'format': <'raw'>,"
                           " 'direct': <true>, 'no-flush': <true>, 'detect-zeroes': <%s>}";
  g_autofree char *good = g_strdup_printf (node, "'on'");
  g_autofree char *bad = g_strdup_printf (node, "true");
  g_autofree char *without = g_strdup (good);

  strcpy (strstr (without, ", 'detect-zeroes'"), "}");
  assert_good (step_of (QS_STEP_NODE_ADD, QS_PHASE_PREPARE, good));
  assert_good (step_of (QS_STEP_NODE_ADD, QS_PHASE_PREPARE, without));
  assert_refused (step_of (QS_STEP_NODE_ADD, QS_PHASE_PREPARE, bad),
                  "‘detect-zeroes’ of type ‘b’, not ‘s’");
}

/* any kind */
static void
test_condition (void)
{
  assert_good (step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE,
                        "{'path': <'/a'>, 'template': <'/b'>, 'if-done': <uint32 0>}"));
  assert_refused (step_of (QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE,
                           "{'path': <'/a'>, 'template': <'/b'>, 'if-done': <true>}"),
                  "‘if-done’ of type ‘b’, not ‘u’");
}

static void
test_rows (void)
{
  assert_good (step_of (QS_STEP_TRANSACTION, QS_PHASE_COMMIT,
                        "{'disks': <[{'target': <'vda'>, 'node': <'n'>, 'overlay': <'o'>,"
                        " 'path': <'/p'>, 'active': <'/a'>}]>}"));
  assert_refused (step_of (QS_STEP_TRANSACTION, QS_PHASE_COMMIT,
                           "{'disks': <[{'target': <'vda'>, 'node': <'n'>}]>}"),
                  "lacks the argument ‘path’");
  assert_refused (step_of (QS_STEP_TRANSACTION, QS_PHASE_COMMIT, "{'disks': <@aa{sv} []>}"),
                  "has no disks");
}

static void
test_values (void)
{
  g_autoptr (QsStep) step =
      step_of (QS_STEP_QUIT, QS_PHASE_FINISH,
               "{'s': <'text'>, 'u': <uint32 7>, 't': <uint64 18446744073709551615>,"
               " 'x': <int64 -4>, 'b': <true>}");
  g_autoptr (GVariant) value = qs_step_value (step, "u");

  g_assert_cmpstr (qs_step_string (step, "s"), ==, "text");
  g_assert_null (qs_step_string (step, "u"));
  g_assert_cmpuint (qs_step_uint64 (step, "u"), ==, 7);
  g_assert_cmpuint (qs_step_uint64 (step, "t"), ==, G_MAXUINT64);
  g_assert_cmpuint (qs_step_uint64 (step, "x"), ==, 0);
  g_assert_cmpuint (qs_step_uint64 (step, "none"), ==, 0);
  g_assert_true (qs_step_boolean (step, "b"));
  g_assert_false (qs_step_boolean (step, "s"));
  g_assert_cmpuint (g_variant_get_uint32 (value), ==, 7);
  g_assert_null (qs_step_value (step, "none"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/step/names", test_names);
  g_test_add_func ("/step/table", test_table);
  g_test_add_func ("/step/phases", test_phases);
  g_test_add_func ("/step/arguments", test_arguments);
  g_test_add_func ("/step/optional", test_optional);
  g_test_add_func ("/step/condition", test_condition);
  g_test_add_func ("/step/rows", test_rows);
  g_test_add_func ("/step/values", test_values);
  return g_test_run ();
}
