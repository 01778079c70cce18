/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-safety.h"

/* the parts of a revert with a safety snapshot */

#define FRESH "99999999-2222-4333-8444-555555555555"

/* where the snapshot that is gone to lies; NULL: nobody says */
static GPtrArray *given_rows;

static GPtrArray *
list_parts (const QsDomain *domain, guint flags, const char *options, GError **error)
{
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, flags, FIXTURE_SNAPSHOT);
  g_autoptr (QsQuestions) given = qs_questions_new ();

  given->now = FIXTURE_NOW;
  given->fresh_uuid = g_strdup (FRESH);
  given->rows = given_rows != NULL ? g_ptr_array_ref (given_rows) : NULL;
  request->options = g_variant_ref_sink (g_variant_new_parsed (options));
  return qs_operation_get (request->verb)->parts (domain, request, given, error);
}

static void
test_none (void)
{
  static const struct
  {
    guint flags;
    const char *options;
  } rows[] = {
    { 0, "@a{sv} {}" },
    { 0, "{'safety-snapshot': <false>}" },
    { QS_REVERT_COMMIT, "{'safety-snapshot': <true>}" },
    { QS_REVERT_TIP, "{'safety-snapshot': <true>, 'safety-name': <'x'>}" },
  };
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_INTERNAL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (list_parts (domain, rows[i].flags, rows[i].options, &error));
      g_assert_no_error (error);
    }
}

static void
test_refused (void)
{
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_INTERNAL);
  g_autoptr (GError) error = NULL;

  g_assert_null (list_parts (domain, QS_REVERT_DISCARD, "{'safety-snapshot': <true>}", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (list_parts (domain, 0, "{'safety-name': <'x'>}", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
}

/* disks that are on overlays get another one, others a snapshot inside */
static void
test_made_of (gconstpointer data)
{
  QsKind kind = GPOINTER_TO_UINT (data);
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (2), "s1", kind);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts = list_parts (domain, 0, "{'safety-snapshot': <true>}", &error);
  const QsRequest *create, *revert;
  const char *uuid = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (parts->len, ==, 2);
  create = g_ptr_array_index (parts, 0);
  revert = g_ptr_array_index (parts, 1);
  g_assert_true (qs_safety_is_create (create));
  g_assert_cmpstr (create->snapshot, ==, FRESH);
  g_assert_cmpstr (create->def->name, ==, "before-revert-1700000000123");
  for (guint i = 0; i < create->def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (create->def->disks, i);

      g_assert_cmpint (disk->snapshot, ==,
                       kind == QS_KIND_INTERNAL ? QS_LOCATION_INTERNAL : QS_LOCATION_EXTERNAL);
    }
  g_assert_cmpint (revert->verb, ==, QS_VERB_SNAPSHOT_REVERT);
  g_assert_cmpstr (revert->snapshot, ==, FIXTURE_SNAPSHOT);
  g_assert_true (g_variant_lookup (revert->options, "safety", "&s", &uuid));
  g_assert_cmpstr (uuid, ==, FRESH);
}

static void
add_row (GPtrArray *rows, const char *target, const char *path, const char *tag)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (target);
  row->path = g_strdup (path);
  row->tag = g_strdup (tag);
  g_ptr_array_add (rows, row);
}

/* the image that is to be changed in place must not become a backing file, whatever is current */
static void
test_tag_in_place (void)
{
  static const QsLocation expected[] = { QS_LOCATION_INTERNAL, QS_LOCATION_EXTERNAL,
                                         QS_LOCATION_EXTERNAL };
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (3), "s1", QS_KIND_EXTERNAL);
  g_autoptr (GPtrArray) rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_file_free);
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GError) error = NULL;
  const QsRequest *create;

  add_row (rows, "vda", qs_domain_find_active (domain, "vda")->path, "t");
  add_row (rows, "vdb", "/images/another", "t");
  add_row (rows, "vdc", qs_domain_find_active (domain, "vdc")->path, NULL);
  given_rows = rows;
  parts = list_parts (domain, 0, "{'safety-snapshot': <true>}", &error);
  given_rows = NULL;
  g_assert_no_error (error);
  create = g_ptr_array_index (parts, 0);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpint (((QsSnapshotDisk *)g_ptr_array_index (create->def->disks, i))->snapshot, ==,
                     expected[i]);
}

/* by the definition of today; the snapshot that is gone to may have the disk all the same */
static void
test_left_out (void)
{
  static const struct
  {
    gboolean readonly;
    QsLocation snapshot;
  } disks[] = { { TRUE, QS_LOCATION_DEFAULT },
                { FALSE, QS_LOCATION_NO },
                { FALSE, QS_LOCATION_MANUAL } };
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (3), "s1", QS_KIND_EXTERNAL);
  g_autoptr (GPtrArray) rows =
      g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_file_free);

  for (guint i = 0; i < G_N_ELEMENTS (disks); i++)
    {
      QsDiskDef *disk = g_ptr_array_index (qs_domain_get_def (domain)->disks, i);

      disk->readonly = disks[i].readonly;
      disk->snapshot = disks[i].snapshot;
      add_row (rows, disk->target, "/images/state", NULL);
    }
  for (guint goes_back = 0; goes_back < 2; goes_back++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GPtrArray) parts = NULL;
      const QsRequest *create;

      given_rows = goes_back ? rows : NULL;
      parts = list_parts (domain, 0, "{'safety-snapshot': <true>}", &error);
      given_rows = NULL;
      g_assert_no_error (error);
      create = g_ptr_array_index (parts, 0);
      for (guint i = 0; i < G_N_ELEMENTS (disks); i++)
        g_assert_cmpint (((QsSnapshotDisk *)g_ptr_array_index (create->def->disks, i))->snapshot,
                         ==, goes_back ? QS_LOCATION_EXTERNAL : QS_LOCATION_NO);
    }
}

/* what a refusal is compared with */
static void
test_without (void)
{
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_EXTERNAL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts = list_parts (
      domain, QS_REVERT_RUNNING,
      "{'safety-snapshot': <true>, 'safety-name': <'x'>, 'safety-keep': <uint32 3>}", &error);
  g_autoptr (QsRequest) bare = qs_safety_without (g_ptr_array_index (parts, 1));

  g_assert_no_error (error);
  g_assert_null (qs_safety_without (g_ptr_array_index (parts, 0)));
  g_assert_null (qs_safety_without (bare));
  g_assert_cmpint (bare->verb, ==, QS_VERB_SNAPSHOT_REVERT);
  g_assert_cmpstr (bare->snapshot, ==, FIXTURE_SNAPSHOT);
  g_assert_cmpuint (bare->flags, ==, QS_REVERT_RUNNING);
  g_assert_false (qs_safety_is_wanted (bare));
  g_assert_true (qs_safety_check (bare, &error));
}

/* it is recorded, and the current one stays what it is */
static void
test_plan (void)
{
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_EXTERNAL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts =
      list_parts (domain, 0, "{'safety-snapshot': <true>, 'safety-name': <'undo'>}", &error);
  g_autoptr (QsFacts) facts = NULL;
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  plan = fixture_plan (domain, g_ptr_array_index (parts, 0), &facts, &error);
  g_assert_no_error (error);
  plan_golden_check ("safety-off", plan);
}

/* oldest first, without children, and never the one that is gone to, or for which work waits */
static void
test_keep (gconstpointer data)
{
  gboolean has_tip = GPOINTER_TO_INT (data);
  g_autoptr (QsDomain) domain = fixture_with_snapshot (fixture_domain (1), "s1", QS_KIND_INTERNAL);
  g_autoptr (GPtrArray) parts = NULL;
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (QsDomain) after = NULL;
  g_autoptr (GError) error = NULL;
  static const char *const names[] = { "u1", "u2", "u3" };
  QsChangeList list;

  qs_changes_init (&list);
  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *uuid = g_strdup_printf ("%08u-2222-4333-8444-555555555555", i);
      g_autofree char *name = g_strdup_printf ("u%u", i);
      const char *parent = i == 3 ? "00000000-2222-4333-8444-555555555555" : FIXTURE_SNAPSHOT;

      qs_changes_add (&list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", name, "parent",
                      "s", parent, "description", "s", "", "state", "s", "shutoff", "kind", "s",
                      "internal", "memory", "s", "no", "origin", "s", "safety", "created", "x",
                      FIXTURE_NOW, "document", "s", "", NULL);
    }
  if (has_tip)
    qs_changes_add (&list, QS_CHANGE_TIP, "uuid", "s", "00000001-2222-4333-8444-555555555555",
                    "target", "s", "vda", "path", "s", "/images/work", NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  after = qs_domain_apply (domain, changes, &error);
  g_assert_no_error (error);
  parts = list_parts (after, 0, "{'safety-snapshot': <true>, 'safety-keep': <uint32 3>}", &error);
  g_assert_no_error (error);
  /* five with the new one; the first has a child */
  g_assert_cmpuint (parts->len, ==, 4);
  for (guint i = 2; i < 4; i++)
    {
      const QsRequest *part = g_ptr_array_index (parts, i);
      const QsSnapshot *gone = qs_tree_lookup (after->tree, part->snapshot);

      g_assert_cmpint (part->verb, ==, QS_VERB_SNAPSHOT_DELETE);
      g_assert_true (qs_safety_is_optional (part));
      g_assert_cmpstr (gone->name, ==, names[i - 2 + has_tip]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/planners-safety/none", test_none);
  g_test_add_func ("/planners-safety/refused", test_refused);
  g_test_add_data_func ("/planners-safety/internal", GUINT_TO_POINTER (QS_KIND_INTERNAL),
                        test_made_of);
  g_test_add_data_func ("/planners-safety/external", GUINT_TO_POINTER (QS_KIND_EXTERNAL),
                        test_made_of);
  g_test_add_func ("/planners-safety/plan", test_plan);
  g_test_add_func ("/planners-safety/tag-in-place", test_tag_in_place);
  g_test_add_func ("/planners-safety/left-out", test_left_out);
  g_test_add_func ("/planners-safety/without", test_without);
  g_test_add_data_func ("/planners-safety/keep", GINT_TO_POINTER (FALSE), test_keep);
  g_test_add_data_func ("/planners-safety/keep-tip", GINT_TO_POINTER (TRUE), test_keep);
  return g_test_run ();
}
