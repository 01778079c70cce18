/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

static void
assert_name (const char *name, const char *message)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = qs_name_check (name, &error);

  if (message == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (ok);
      return;
    }
  g_assert_false (ok);
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, message));
}

static void
test_name (void)
{
  g_autofree char *longest = g_strnfill (QS_MAX_NAME_BYTES, 'n');
  g_autofree char *over = g_strnfill (QS_MAX_NAME_BYTES + 1, 'n');

  assert_name ("s1", NULL);
  assert_name ("-leading dash, comma, blank ", NULL);
  assert_name ("12", NULL);
  assert_name ("ünï ☃", NULL);
  assert_name ("a.b..c", NULL);
  assert_name ("a\\b:c=d;$(e)'\"", NULL);
  assert_name (longest, NULL);
  assert_name (over, "longer than 200 bytes");
  assert_name ("", "is empty");
  assert_name (".hidden", "starts with ‘.’");
  assert_name ("..", "starts with ‘.’");
  assert_name ("a/b", "contains ‘/’");
  assert_name ("a\nb", "control character");
  assert_name ("a\x7f", "control character");
  assert_name ("a\xc2\x9b", "control character");
  assert_name ("a\xef\xbf\xbf", "control character");
  assert_name ("a\xff", "not valid UTF-8");
}

static void
test_description (void)
{
  g_autofree char *longest = g_strnfill (QS_MAX_DESCRIPTION_BYTES, 'd');
  g_autofree char *over = g_strnfill (QS_MAX_DESCRIPTION_BYTES + 1, 'd');
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_description_check ("", NULL));
  g_assert_true (qs_description_check ("a\n\tb\r\n/.ü", NULL));
  g_assert_true (qs_description_check (longest, NULL));
  g_assert_false (qs_description_check (over, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "the description is longer than 4096 bytes");
  g_assert_false (qs_description_check ("a\x1b[0m", NULL));
  g_assert_false (qs_description_check ("\xc0\x80", NULL));
}

/* refused, in both modes */
static const struct
{
  const char *path;
  const char *message;
} bad_paths[] = {
  { "", "not absolute" },
  { "a.qcow2", "the path ‘a.qcow2’ is not absolute" },
  { "./a", "not absolute" },
  { "json:{\"driver\":\"nbd\"}", "names a protocol" },
  { "nbd:localhost:1", "names a protocol" },
  { "file:///a", "names a protocol" },
  { "fat:rw:/etc", "names a protocol" },
  { "/a/../b", "contains ‘.’ or ‘..’" },
  { "/a/..", "contains ‘.’ or ‘..’" },
  { "/./a", "contains ‘.’ or ‘..’" },
  { "/a\nb", "control character" },
  { "/a\xff", "not valid UTF-8" },
  { "/proc/self/fd/3", "lies below ‘/proc’" },
  { "//proc//self", "lies below ‘/proc’" },
  { "/proc", "lies below ‘/proc’" },
  { "/sys/a", "lies below ‘/sys’" },
  { "/dev/fd/3", "lies below ‘/dev/fd’" },
  { "/dev/shm/a.qcow2", "lies below ‘/dev/shm’" },
};

static void
test_bad_paths (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_paths); i++)
    for (gboolean system_mode = FALSE; system_mode <= TRUE; system_mode++)
      {
        g_autoptr (GError) error = NULL;

        g_assert_false (qs_path_check (bad_paths[i].path, system_mode, &error));
        g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
        g_assert_nonnull (strstr (error->message, bad_paths[i].message));
      }
}

static void
test_good_paths (void)
{
  static const char *const paths[] = {
    "/srv/vm/a.qcow2", "/procs/a", "/a b,c=d:e", "/srv/..a/b...", "/dev/vg0/lv", "/home/ü/☃.img",
  };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_assert_true (qs_path_check (paths[i], FALSE, NULL));
      g_assert_true (qs_path_check (paths[i], TRUE, NULL));
    }
}

static void
test_system_paths (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_path_check ("/tmp/a", FALSE, NULL));
  g_assert_false (qs_path_check ("/tmp/a", TRUE, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_false (qs_path_check ("/var//tmp/a", TRUE, NULL));
  g_assert_true (qs_path_check ("/tmpfiles/a", TRUE, NULL));
}

static void
test_path_lengths (void)
{
  g_autofree char *component = g_strnfill (QS_MAX_COMPONENT_BYTES, 'c');
  g_autofree char *fits = g_strdup_printf ("/a/%s/b", component);
  g_autofree char *over = g_strdup_printf ("/a/%sc/b", component);
  g_autoptr (GString) path = g_string_new (NULL);

  g_assert_true (qs_path_check (fits, FALSE, NULL));
  g_assert_false (qs_path_check (over, FALSE, NULL));
  while (path->len < QS_MAX_PATH_BYTES - 1)
    g_string_append (path, "/d");
  g_assert_true (qs_path_check (path->str, FALSE, NULL));
  g_string_append (path, "/d");
  g_assert_false (qs_path_check (path->str, FALSE, NULL));
}

static void
test_uuid (void)
{
  g_autofree char *lower = qs_uuid_canonical ("A1B2C3D4E5F60718293A4B5C6D7E8F90");
  g_autofree char *dashes = qs_uuid_canonical (" a1b2c3d4-e5f6-0718-293a-4b5c6d7e8f90\n");

  g_assert_cmpstr (lower, ==, "a1b2c3d4-e5f6-0718-293a-4b5c6d7e8f90");
  g_assert_cmpstr (dashes, ==, lower);
  g_assert_true (qs_uuid_check (lower));
  g_assert_null (qs_uuid_canonical ("a1b2c3d4-e5f6-0718-293a-4b5c6d7e8f9"));
  g_assert_null (qs_uuid_canonical ("a1b2c3d4-e5f6-0718-293a-4b5c6d7e8f900"));
  g_assert_null (qs_uuid_canonical ("g1b2c3d4-e5f6-0718-293a-4b5c6d7e8f90"));
  g_assert_null (qs_uuid_canonical (""));
  g_assert_false (qs_uuid_check ("a1b2c3d4e5f60718293a4b5c6d7e8f90"));
}

static void
assert_overlay (const char *active, const char *stem, const char *name, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = qs_overlay_path (active, stem, name, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (path, ==, expected);
}

static void
test_overlay (void)
{
  assert_overlay ("/i/vda.qcow2", NULL, "s1", "/i/vda.s1");
  assert_overlay ("/i/vda", NULL, "s1", "/i/vda.s1");
  assert_overlay ("/i.d/vda", NULL, "s1", "/i.d/vda.s1");
  assert_overlay ("/i/vda.v1.2", "vda", "n3", "/i/vda.n3");
  assert_overlay ("/i/vda.v1.2", NULL, "n3", "/i/vda.v1.n3");
  assert_overlay ("/i/.qcow2", NULL, "s1", "/i/.qcow2.s1");
  assert_overlay ("/vda.img", NULL, "a b", "/vda.a b");
}

static void
test_overlay_refused (void)
{
  g_autofree char *name = g_strnfill (QS_MAX_NAME_BYTES, 'n');
  g_autofree char *stem = g_strnfill (QS_MAX_COMPONENT_BYTES - QS_MAX_NAME_BYTES, 's');
  g_autofree char *active = g_strdup_printf ("/i/%s.qcow2", stem);
  g_autofree char *fits = g_strdup_printf ("/i/%s.%s", stem + 1, name);
  g_autoptr (GError) error = NULL;

  assert_overlay (active, stem + 1, name, fits);
  g_assert_null (qs_overlay_path (active, NULL, name, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (qs_overlay_path (NULL, NULL, "s1", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
}

static void
test_escape (void)
{
  static const struct
  {
    const char *text;
    const char *escaped;
  } cases[] = {
    { "plain ü ☃ \\n", "plain ü ☃ \\n" },
    { "a\x1b[31mb\n\t", "a\\x1b[31mb\\x0a\\x09" },
    { "\xc2\x9b\x7f", "\\x9b\\x7f" },
    { "a\u202egnp.exe", "a\\u202egnp.exe" },
    { "\u2066x\u200b\ufeff", "\\u2066x\\u200b\\ufeff" },
    { "bad \xff\xc3", "bad \\xff\\xc3" },
    { "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *escaped = qs_escape_for_terminal (cases[i].text);

      g_assert_cmpstr (escaped, ==, cases[i].escaped);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name/name", test_name);
  g_test_add_func ("/name/description", test_description);
  g_test_add_func ("/name/bad-paths", test_bad_paths);
  g_test_add_func ("/name/good-paths", test_good_paths);
  g_test_add_func ("/name/system-paths", test_system_paths);
  g_test_add_func ("/name/path-lengths", test_path_lengths);
  g_test_add_func ("/name/uuid", test_uuid);
  g_test_add_func ("/name/overlay", test_overlay);
  g_test_add_func ("/name/overlay-refused", test_overlay_refused);
  g_test_add_func ("/name/escape", test_escape);
  return g_test_run ();
}
