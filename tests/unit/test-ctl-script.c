/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-script.h"

#include "qs-error.h"

/* commands one a line, words in brackets */
static char *
show (const GPtrArray *commands)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < commands->len; i++)
    {
      char **words = g_ptr_array_index (commands, i);

      for (; *words != NULL; words++)
        g_string_append_printf (text, "[%s]", *words);
      g_string_append_c (text, '\n');
    }
  return g_string_free (text, FALSE);
}

static void
assert_split (const char *script, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) commands = qs_ctl_script_split (script, &error);
  g_autofree char *found = NULL;

  g_assert_no_error (error);
  found = show (commands);
  g_assert_cmpstr (found, ==, expected);
}

static void
assert_refused (const char *script)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_ctl_script_split (script, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
}

static void
test_commands (void)
{
  assert_split ("", "");
  assert_split (" ;; \n ;\n", "");
  assert_split ("list", "[list]\n");
  assert_split ("list --all;domstate vm\n  start\tvm ; ",
                "[list][--all]\n[domstate][vm]\n[start][vm]\n");
  assert_split ("start \\\n vm", "[start][vm]\n");
}

static void
test_quotes (void)
{
  assert_split ("a 'b c;d' \"e 'f'\"", "[a][b c;d][e 'f']\n");
  assert_split ("a '' \"\"", "[a][][]\n");
  assert_split ("a--x='b c'd", "[a--x=b cd]\n");
  assert_split ("'a\nb'", "[a\nb]\n");
  assert_split ("a 'b\\'", "[a][b\\]\n");
  assert_split ("a \"b\\\"c\\\\\"", "[a][b\"c\\]\n");
  assert_split ("a\\ b \\; \\' \\\\", "[a b][;]['][\\]\n");
  assert_split ("a \\", "[a][\\]\n");
  assert_refused ("a 'b");
  assert_refused ("a \"b");
  assert_refused ("a \"b\\\"");
}

/* nothing is expanded: it is no shell */
static void
test_plain (void)
{
  assert_split ("a $HOME *  `b` ~ | & > c", "[a][$HOME][*][`b`][~][|][&][>][c]\n");
  assert_split ("ä ‘ö’", "[ä][‘ö’]\n");
}

static void
test_comments (void)
{
  assert_split ("# a; b\nlist # c\nx#y", "[list]\n[x#y]\n");
  assert_split ("#", "");
  assert_split ("a '#b'", "[a][#b]\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl-script/commands", test_commands);
  g_test_add_func ("/ctl-script/quotes", test_quotes);
  g_test_add_func ("/ctl-script/plain", test_plain);
  g_test_add_func ("/ctl-script/comments", test_comments);
  return g_test_run ();
}
