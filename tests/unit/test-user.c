/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-authority.h"
#include "qs-error.h"
#include "qs-limits.h"

static void
test_calls (void)
{
  QsUser user = { .uid = 1000 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < QS_MAX_CALLS_PER_UID; i++)
    g_assert_true (qs_user_take_call (&user, NULL));
  g_assert_false (qs_user_take_call (&user, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
  qs_user_drop_call (&user);
  g_assert_true (qs_user_take_call (&user, NULL));
}

#define RATE 10

/* a burst, and then as many as time has passed */
static void
test_mutations (void)
{
  QsUser user = { .uid = 1000 };
  g_autoptr (GError) error = NULL;
  gint64 now = 5;

  for (guint i = 0; i < 2 * RATE; i++)
    g_assert_true (qs_user_take_mutation (&user, RATE, now, NULL));
  g_assert_false (qs_user_take_mutation (&user, RATE, now, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);

  now += G_USEC_PER_SEC / RATE + 1;
  g_assert_true (qs_user_take_mutation (&user, RATE, now, NULL));
  g_assert_false (qs_user_take_mutation (&user, RATE, now, NULL));

  now += 3600 * (gint64)G_USEC_PER_SEC;
  for (guint i = 0; i < 2 * RATE; i++)
    g_assert_true (qs_user_take_mutation (&user, RATE, now, NULL));
  g_assert_false (qs_user_take_mutation (&user, RATE, now, NULL));
  g_assert_true (qs_user_take_mutation (&user, 0, now, NULL));
}

static void
test_printable (void)
{
  static const struct
  {
    const char *text;
    const char *shown;
  } cases[] = {
    { "vm", "vm" },
    { "", "" },
    { "ümlaut €", "ümlaut €" },
    { "a\nb\tc", "a?b?c" },
    { "a\xe2\x80\xae"
      "b",
      "a?b" },
    { "0123456789012345678901234567890123456789012345678901234567890123tail",
      "0123456789012345678901234567890123456789012345678901234567890123" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *shown = qs_authority_printable (cases[i].text);

      g_assert_cmpstr (shown, ==, cases[i].shown);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/user/calls", test_calls);
  g_test_add_func ("/user/mutations", test_mutations);
  g_test_add_func ("/user/printable", test_printable);
  return g_test_run ();
}
