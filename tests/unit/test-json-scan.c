/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

typedef struct
{
  const char *text;
  const char *fault; /* NULL: none */
} Case;

static const Case cases[] = {
  { "{\"return\": {}, \"id\": \"qs-1\"}\r", NULL },
  { "{\"a\":[1,-2.5e+10,true,false,null,\"\\u00e4\\\\\\\"/\"]}", NULL },
  { "{\"a\":\"\xc3\xa4 \\ud83d\\ude00\"}", NULL },
  { "{\"a\":\"]}{[\"}", NULL },
  { "{\"a\":[}", "its brackets do not match" },
  { "{\"a\":1}}", "its brackets do not match" },
  { "[[1]", "its brackets do not match" },
  { "{\"a\":\"\xff\"}", "it is not UTF-8" },
  { "{\"a\":\"\xed\xa0\x80\"}", "it is not UTF-8" },
  { "{\"a", "a string without an end" },
  { "{\"a\\", "a string without an end" },
  { "[\"\\x\"]", "an unknown escape in a string" },
  { "[\"\\u12\"]", "a \\u escape without four hexadecimal digits" },
  { "[\"\\u12", "a \\u escape without four hexadecimal digits" },
  { "[\"\\u0000\"]", "a NUL character in a string" },
  { "[\"\\ud800\"]", "half a surrogate pair" },
  { "[\"\\udc00\\ud800\"]", "half a surrogate pair" },
  { "[\"\\ud800\\u0041\"]", "half a surrogate pair" },
  { "[\"\\ud800\\n\"]", "half a surrogate pair" },
  { "/*\"*/[[[[", "it is not JSON" },
  { "#\"\n[[[[", "it is not JSON" },
  { "['a']", "it is not JSON" },
  { "var x = {}", "it is not JSON" },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *shown = g_strescape (cases[i].text, NULL);

      g_test_message ("%s", shown);
      g_assert_cmpstr (qs_json_fault (cases[i].text, strlen (cases[i].text)), ==, cases[i].fault);
    }
}

static void
test_nul_byte (void)
{
  g_assert_cmpstr (qs_json_fault ("{}\0{}", 5), ==, "it is not UTF-8");
  g_assert_cmpstr (qs_json_fault ("[\"\\\0\"]", 6), ==, "it is not UTF-8");
}

static char *
nested (guint depth)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < depth; i++)
    g_string_append (text, i % 2 ? "{\"a\":" : "[");
  g_string_append (text, "1");
  for (guint i = depth; i > 0; i--)
    g_string_append_c (text, (i - 1) % 2 ? '}' : ']');
  return g_string_free (text, FALSE);
}

static void
test_depth (void)
{
  g_autofree char *deepest = nested (QS_MAX_JSON_DEPTH);
  g_autofree char *deeper = nested (QS_MAX_JSON_DEPTH + 1);
  g_autofree char *bomb = nested (1000000);

  g_assert_cmpstr (qs_json_fault (deepest, strlen (deepest)), ==, NULL);
  g_assert_cmpstr (qs_json_fault (deeper, strlen (deeper)), ==, "it is nested too deeply");
  g_assert_cmpstr (qs_json_fault (bomb, strlen (bomb)), ==, "it is nested too deeply");
}

static void
test_size (void)
{
  g_autofree char *blank = g_strnfill (QS_MAX_QMP_LINE_BYTES + 1, ' ');
  g_autofree char *values = g_strnfill (QS_MAX_JSON_VALUES + 3, ',');

  g_assert_cmpstr (qs_json_fault (blank, QS_MAX_QMP_LINE_BYTES), ==, NULL);
  g_assert_cmpstr (qs_json_fault (blank, QS_MAX_QMP_LINE_BYTES + 1), ==, "it is too long");
  g_assert_cmpstr (qs_json_fault (values, strlen (values)), ==, "it holds too many values");
}

static void
test_parse (void)
{
  const char *text = "{\"return\": [1, \"\\ud83d\\ude00\"]}";
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = qs_json_parse (text, strlen (text), QS_ERROR_FAILED, &error);
  JsonArray *array;

  g_assert_no_error (error);
  array = json_object_get_array_member (json_node_get_object (root), "return");
  g_assert_cmpint (json_array_get_int_element (array, 0), ==, 1);
  g_assert_cmpstr (json_array_get_string_element (array, 1), ==, "😀");
}

static void
test_parse_error (void)
{
  static const char *const bad[] = {
    "", "  ", "{\"a\" 1}", "[1,,2]", "tru", "{\"a\":\"\\ud800\"}"
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("text %u", i);
      g_assert_null (qs_json_parse (bad[i], strlen (bad[i]), QS_ERROR_MONITOR_FAILED, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
      g_assert_true (g_str_has_prefix (error->message, "the JSON text cannot be read: "));
    }
}

/* whatever the scanner lets through, json-glib survives */
static void
test_mutations (void)
{
  static const char alphabet[] = "{}[],:\"\\u0d8eE+-.truefalsn /*#'\xc3\xa4\xed\xa0";
  static const char seed[] =
      "{\"event\": \"STOP\", \"data\": {\"a\": [1, 2.5, null, true, \"\\ud83d\\ude00\"]}}";
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint passed = 0;

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *text = g_strdup (seed);
      g_autoptr (JsonNode) root = NULL;

      for (int n = g_rand_int_range (rand, 0, 4); n > 0; n--)
        text[g_rand_int_range (rand, 0, strlen (seed))] =
            alphabet[g_rand_int_range (rand, 0, strlen (alphabet))];
      root = qs_json_parse (text, strlen (text), QS_ERROR_FAILED, NULL);
      if (root != NULL)
        passed++;
    }
  g_assert_cmpuint (passed, >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-scan/cases", test_cases);
  g_test_add_func ("/json-scan/nul-byte", test_nul_byte);
  g_test_add_func ("/json-scan/depth", test_depth);
  g_test_add_func ("/json-scan/size", test_size);
  g_test_add_func ("/json-scan/parse", test_parse);
  g_test_add_func ("/json-scan/parse-error", test_parse_error);
  g_test_add_func ("/json-scan/mutations", test_mutations);
  return g_test_run ();
}
