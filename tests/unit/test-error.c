/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"

static void
test_names (void)
{
  for (guint i = 0; i < QS_N_ERRORS; i++)
    {
      QsError code = 0;

      g_assert_true (qs_error_from_name (qs_error_get_name (i), &code));
      g_assert_cmpuint (code, ==, i);
    }
}

static void
test_unknown_name (void)
{
  QsError code = QS_ERROR_TIMEOUT;

  g_assert_false (qs_error_from_name ("Unheard", &code));
  g_assert_cmpuint (code, ==, QS_ERROR_TIMEOUT);
}

static void
test_fold (void)
{
  g_autoptr (GError) error =
      g_error_new_literal (g_quark_from_static_string ("g-io-error-quark"), 19, "gone");

  qs_error_fold (&error);
  g_assert_error (error, QS_ERROR, QS_ERROR_CANCELLED);
  g_clear_error (&error);

  error = g_error_new_literal (g_quark_from_static_string ("other"), 3, "why");
  qs_error_fold (&error);
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "why");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/names", test_names);
  g_test_add_func ("/error/unknown-name", test_unknown_name);
  g_test_add_func ("/error/fold", test_fold);
  return g_test_run ();
}
