/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"
#include "qs-error.h"

static void
test_names (void)
{
  QsChangeKind kind = QS_CHANGE_CURRENT;

  for (guint i = 0; i < QS_N_CHANGE_KINDS; i++)
    {
      g_assert_true (qs_change_lookup (qs_change_name (i), &kind));
      g_assert_cmpuint (kind, ==, i);
    }
  kind = QS_CHANGE_CURRENT;
  g_assert_false (qs_change_lookup ("unheard", &kind));
  g_assert_cmpuint (kind, ==, QS_CHANGE_CURRENT);
}

static GVariant *
example (void)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_DELETE, NULL);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/v/a.s1", "format", "s", "qcow2", "role",
                  "s", "disk", "backing", "s", NULL, "ours", "b", TRUE, "step", "u", 1u, NULL);
  qs_changes_add (&list, QS_CHANGE_PROCESS, "pid", "x", (gint64)-7, "start-time", "t", G_MAXUINT64,
                  NULL);
  return g_variant_ref_sink (qs_changes_end (&list));
}

static void
test_build (void)
{
  g_autoptr (GVariant) changes = example ();
  g_autofree char *text = g_variant_print (changes, TRUE);

  g_assert_cmpstr (text, ==,
                   "[('domain-delete', @a{sv} {}), ('file-put', {'path': <'/v/a.s1'>, 'format': "
                   "<'qcow2'>, 'role': <'disk'>, 'backing': <''>, 'ours': <true>, 'step': <uint32 "
                   "1>}), ('process', {'pid': <int64 -7>, 'start-time': <uint64 "
                   "18446744073709551615>})]");
}

static void
test_arguments (void)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (g_variant_new_parsed (
      "{'path': <'/v/a'>, 'ours': <true>, 'ino': <uint64 5>, 'btime': <int64 -5>}"));

  g_assert_cmpstr (qs_change_string (arguments, "path"), ==, "/v/a");
  g_assert_cmpstr (qs_change_string (arguments, "backing"), ==, "");
  g_assert_cmpstr (qs_change_string (arguments, "ino"), ==, "");
  g_assert_true (qs_change_boolean (arguments, "ours"));
  g_assert_false (qs_change_boolean (arguments, "path"));
  g_assert_cmpuint (qs_change_uint64 (arguments, "ino"), ==, 5);
  g_assert_cmpuint (qs_change_uint64 (arguments, "dev"), ==, 0);
  g_assert_cmpint (qs_change_int64 (arguments, "btime"), ==, -5);
}

static const struct
{
  const char *changes;
  const char *message;
} bad_changes[] = {
  { "[('unheard', @a{sv} {})]", "there is no change ‘unheard’" },
  { "[('current', @a{sv} {})]", "change ‘current’ lacks ‘uuid’" },
  { "[('current', {'uuid': <uint32 1>})]", "change ‘current’ has an unknown ‘uuid’ of type ‘u’" },
  { "[('current', {'uuid': <''>, 'uui': <''>})]",
    "change ‘current’ has an unknown ‘uui’ of type ‘s’" },
  { "[('process', @a{sv} {})]", "change ‘process’ lacks ‘pid’" },
  { "[('file-put', {'path': <''>, 'format': <''>, 'role': <''>, 'ours': <true>, 'dev': <uint64 "
    "1>})]",
    "change ‘file-put’ lacks ‘ino’" },
  { "[('file-merge', {'path': <'/a'>, 'into': <'/b'>})]", "change ‘file-merge’ lacks ‘format’" },
  { "[('file-backing', {'path': <'/a'>})]", "change ‘file-backing’ lacks ‘backing’" },
  { "[('file-role', {'path': <'/a'>})]", "change ‘file-role’ lacks ‘role’" },
  { "['current']", "a list of changes cannot be of type ‘as’" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_changes); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) changes =
          g_variant_ref_sink (g_variant_new_parsed (bad_changes[i].changes));

      g_assert_false (qs_changes_check (changes, &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
      g_assert_cmpstr (error->message, ==, bad_changes[i].message);
    }
}

static GPtrArray *
results_new (const char *text)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func ((GDestroyNotify)g_variant_unref);

  g_ptr_array_add (results, g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {}")));
  g_ptr_array_add (results, g_variant_ref_sink (g_variant_new_parsed (text)));
  return g_steal_pointer (&results);
}

static void
test_resolve (void)
{
  g_autoptr (GVariant) changes = example ();
  g_autoptr (GPtrArray) results =
      results_new ("{'dev': <uint64 3>, 'ino': <uint64 4>, 'btime': <int64 5>, 'other': <'x'>}");
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) resolved = qs_changes_resolve (changes, results, &error);
  g_autoptr (GVariant) arguments = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (resolved), ==, 3);
  g_variant_get_child (resolved, 1, "(s@a{sv})", NULL, &arguments);
  g_assert_cmpuint (g_variant_n_children (arguments), ==, 8);
  g_assert_cmpstr (qs_change_string (arguments, "path"), ==, "/v/a.s1");
  g_assert_cmpuint (qs_change_uint64 (arguments, "dev"), ==, 3);
  g_assert_cmpuint (qs_change_uint64 (arguments, "ino"), ==, 4);
  g_assert_cmpint (qs_change_int64 (arguments, "btime"), ==, 5);
  g_assert_true (qs_change_boolean (arguments, "ours"));
}

static void
test_resolve_missing (void)
{
  g_autoptr (GVariant) changes = example ();
  g_autoptr (GPtrArray) results = results_new ("{'dev': <uint64 3>}");
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_changes_resolve (changes, results, &error));
  g_assert_cmpstr (error->message, ==, "change ‘file-put’ lacks ‘ino’");
  g_clear_error (&error);

  g_ptr_array_set_size (results, 1);
  g_assert_null (qs_changes_resolve (changes, results, &error));
  g_assert_cmpstr (error->message, ==, "change ‘file-put’ needs the result of step 1");
  g_clear_error (&error);

  g_assert_null (qs_changes_resolve (changes, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/change/names", test_names);
  g_test_add_func ("/change/build", test_build);
  g_test_add_func ("/change/arguments", test_arguments);
  g_test_add_func ("/change/bad", test_bad);
  g_test_add_func ("/change/resolve", test_resolve);
  g_test_add_func ("/change/resolve-missing", test_resolve_missing);
  return g_test_run ();
}
