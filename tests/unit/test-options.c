/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-options.h"

#include "qs-error.h"

static gboolean
check_colour (const char *key, GVariant *value, GError **error)
{
  static const char *const words[] = { "red", "green", NULL };

  return qs_options_check_word (key, words, value, error);
}

static const QsOption table[] = {
  { "paused", "b", NULL },
  { "colour", "s", check_colour },
  { NULL, NULL, NULL },
};

/* message NULL: accepted */
static const struct
{
  const char *text;
  const char *message;
} cases[] = {
  { "@a{sv} {}", NULL },
  { "{'paused': <true>}", NULL },
  { "{'paused': <true>, 'colour': <'red'>}", NULL },
  { "{'paused': <'yes'>}", "option ‘paused’ is of type ‘s’, it must be ‘b’" },
  { "{'paused': <<true>>}", "option ‘paused’ is of type ‘v’, it must be ‘b’" },
  { "{'Paused': <true>}", "unknown option ‘Paused’" },
  { "{'': <true>}", "unknown option ‘’" },
  { "{'colour': <'blue'>}", "option ‘colour’ is ‘blue’, it must be one of red, green" },
};

static void
test_check (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) options =
          g_variant_parse (G_VARIANT_TYPE_VARDICT, cases[i].text, NULL, NULL, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_nonnull (options);
      g_assert_true (qs_options_check (table, options, &error) == (cases[i].message == NULL));
      g_assert_cmpstr (error != NULL ? error->message : NULL, ==, cases[i].message);
      if (error != NULL)
        g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_twice (void)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GError) error = NULL;

  g_variant_builder_add (&builder, "{sv}", "paused", g_variant_new_boolean (TRUE));
  g_variant_builder_add (&builder, "{sv}", "paused", g_variant_new_boolean (FALSE));
  options = g_variant_ref_sink (g_variant_builder_end (&builder));
  g_assert_false (qs_options_check (table, options, &error));
  g_assert_cmpstr (error->message, ==, "option ‘paused’ is given twice");
}

static void
test_get (void)
{
  g_autoptr (GVariant) options =
      g_variant_ref_sink (g_variant_new_parsed ("{'paused': <true>, 'colour': <'red'>}"));
  g_autofree char *colour = qs_options_dup_string (options, "colour");

  g_assert_true (qs_options_get_boolean (options, "paused"));
  g_assert_false (qs_options_get_boolean (options, "other"));
  g_assert_cmpstr (colour, ==, "red");
  g_assert_null (qs_options_dup_string (options, "other"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/options/check", test_check);
  g_test_add_func ("/options/twice", test_twice);
  g_test_add_func ("/options/get", test_get);
  return g_test_run ();
}
