/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-facts.h"
#include "qs-limits.h"

/* which files are looked at besides those of a snapshot */

#define SNAPSHOT "s-1"

static QsFile *
add_file (QsFacts *facts, const char *path, const char *backing, const char *role)
{
  QsFile *file = qs_file_new (path, "qcow2");

  file->role = g_strdup (role);
  file->backing = g_strdup (backing);
  g_ptr_array_add (facts->files, file);
  return file;
}

static void
add_row (QsFacts *facts, const char *target, const char *path)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (target);
  row->path = g_strdup (path);
  g_ptr_array_add (facts->snapshot_files, row);
}

/* /base ← /f ← /g ← /h ← /i, and what stands beside them */
static QsFacts *
make_facts (void)
{
  QsFacts *facts = qs_facts_new ();

  add_file (facts, "/base", NULL, "disk");
  add_file (facts, "/f", "/base", "disk");
  add_file (facts, "/beside", "/base", "disk");
  add_file (facts, "/i", "/h", "disk");
  add_file (facts, "/h", "/g", "disk");
  add_file (facts, "/g", "/f", "disk");
  add_file (facts, "/nvram", "/f", "nvram");
  add_file (facts, "/m", NULL, "memory");
  add_file (facts, "/on-m", "/m", "disk");
  return facts;
}

static void
assert_above (const QsFacts *facts, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = qs_facts_list_above (facts, SNAPSHOT, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < files->len; i++)
    g_string_append_printf (text, "%s ", ((QsFile *)g_ptr_array_index (files, i))->path);
  g_assert_cmpstr (text->str, ==, expected);
}

static void
test_rows (void)
{
  g_autoptr (QsFacts) facts = make_facts ();

  assert_above (facts, "");
  add_row (facts, QS_MEMORY_TARGET, "/m");
  assert_above (facts, "");
  add_row (facts, "vda", "/f");
  assert_above (facts, "/g /h ");
  /* what stands on both is there once */
  add_row (facts, "vdb", "/g");
  assert_above (facts, "/h /g /i ");
}

static void
test_tips (void)
{
  g_autoptr (QsFacts) facts = make_facts ();

  g_ptr_array_add (facts->tips, qs_tip_new ("s-2", "vda", "/base"));
  assert_above (facts, "");
  g_ptr_array_add (facts->tips, qs_tip_new (SNAPSHOT, "vda", "/h"));
  assert_above (facts, "/i ");
}

static void
test_layers (void)
{
  g_autoptr (QsFacts) facts = make_facts ();
  QsFile *layer = add_file (facts, "/layer", "/base", "layer");

  add_file (facts, "/on-layer", "/layer", "disk");
  assert_above (facts, "/on-layer ");
  g_ptr_array_add (layer->state_of, g_strdup ("s-2"));
  assert_above (facts, "");
}

static void
test_limit (void)
{
  g_autoptr (QsFacts) facts = make_facts ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = NULL;

  add_row (facts, "vda", "/base");
  /* with /f, /g and /beside that is as many as there may be */
  for (guint i = 0; i < QS_MAX_FILES_ABOVE - 3; i++)
    {
      g_autofree char *path = g_strdup_printf ("/more-%u", i);

      add_file (facts, path, "/base", "disk");
    }
  files = qs_facts_list_above (facts, SNAPSHOT, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (files->len, ==, QS_MAX_FILES_ABOVE);

  add_file (facts, "/last", "/base", "disk");
  g_assert_null (qs_facts_list_above (facts, SNAPSHOT, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/above/rows", test_rows);
  g_test_add_func ("/above/tips", test_tips);
  g_test_add_func ("/above/layers", test_layers);
  g_test_add_func ("/above/limit", test_limit);
  return g_test_run ();
}
