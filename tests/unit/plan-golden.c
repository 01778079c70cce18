/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-golden.h"

void
plan_golden_check (const char *name, const QsPlan *plan)
{
  g_autofree char *text = qs_plan_describe (plan);
  g_autofree char *file = g_strconcat (name, ".plan", NULL);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "plans", file, NULL);
  g_autofree char *golden = NULL;
  g_autoptr (GError) error = NULL;

  if (g_strcmp0 (g_getenv ("SNAPSHOTD_GOLDEN"), "write") == 0)
    g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  g_file_get_contents (path, &golden, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, golden);
}
