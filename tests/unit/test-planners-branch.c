/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "branch-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"

#include <string.h>

/* a second snapshot of the point of `s1`, an external one of both disks */

#define MADE "99999999-0000-4000-8000-000000000001"
typedef struct
{
  const char *name;
  BranchDomain kind;
  BranchMemory memory;
  const char *xml;
  guint flags;
} Case;

static const Case cases[] = {
  { "branch-off", OFF, DISKS_ONLY, BRANCH (""), QS_CREATE_DISK_ONLY },
  { "branch-running", RUNNING, DISKS_ONLY, BRANCH (""), 0 },
  { "branch-attached", ATTACHED, DISKS_ONLY, BRANCH (""), 0 },
  { "branch-stream", RUNNING, STREAM, BRANCH (""), 0 },
  { "branch-image", OFF, IMAGE, BRANCH ("<memory snapshot='external' file='" MEMORY "'/>"), 0 },
  { "branch-named", OFF, DISKS_ONLY,
    DISKS ("<disk name='vda'><source file='/elsewhere/a'/></disk>"
           "<disk name='vdb' snapshot='external' mode='no-backing-file'/>"),
    0 },
  { "branch-reuse-external", RUNNING, DISKS_ONLY,
    DISKS ("<disk name='vda'><source file='/elsewhere/a'/></disk>"), QS_CREATE_REUSE_EXT },
  { "branch-unnamed", OFF, DISKS_ONLY, "<domainsnapshot><branch>s1</branch></domainsnapshot>", 0 },
};

/* nothing of what the domain is on now is changed */
static void
assert_apart (const QsPlan *made)
{
  static const char *const not_these[] = { "active",       "current", "live-def",
                                           "domain-state", "process", NULL };
  const QsStep *record = qs_plan_step (made, made->steps->len - 1);
  g_autoptr (GVariant) changes = qs_step_value (record, "changes");
  GVariantIter iter;
  const char *name;

  g_assert_cmpint (record->kind, ==, QS_STEP_RECORD);
  g_assert_cmpint (record->phase, ==, QS_PHASE_COMMIT);
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, NULL))
    g_assert_false (g_strv_contains (not_these, name));
}

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (QsDomain) domain = branch_fixture_domain (test->kind, test->memory);
  g_autoptr (QsRequest) request = fixture_create (test->xml, test->flags | QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = branch_fixture_facts (domain, request, test->memory, &error);
  g_autoptr (QsPlan) made = NULL;

  g_assert_no_error (error);
  branch_fixture_lend (facts);
  made = branch_fixture_plan (domain, request, facts, &error);
  g_assert_no_error (error);
  assert_apart (made);
  plan_golden_check (test->name, made);
  fake_world_exercise (made);
}

static GVariant *
find_change (const QsPlan *made, const char *wanted)
{
  g_autoptr (GVariant) changes =
      qs_step_value (qs_plan_step (made, made->steps->len - 1), "changes");
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_next (&iter, "(&s@a{sv})", &name, &arguments))
    {
      if (g_str_equal (name, wanted))
        return arguments;
      g_variant_unref (arguments);
    }
  return NULL;
}

/* the point is that of the other one, labels and overlays are its own */
static void
test_document (void)
{
  g_autoptr (QsDomain) domain = branch_fixture_domain (OFF, STREAM);
  g_autoptr (QsRequest) request = fixture_create (BRANCH (""), QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = branch_fixture_facts (domain, request, STREAM, &error);
  g_autoptr (QsPlan) made = branch_fixture_plan (domain, request, facts, &error);
  g_autoptr (GVariant) put = NULL;
  g_autoptr (QsSnapshotDef) def = NULL;
  const QsSnapshotDisk *vdb;

  g_assert_no_error (error);
  put = find_change (made, "snapshot-put");
  def = qs_snapshot_def_parse_record (qs_change_string (put, "document"), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (def->name, ==, "b1");
  g_assert_cmpstr (def->description, ==, "other way");
  g_assert_cmpint (def->creation_time, ==, FIXTURE_NOW / G_USEC_PER_SEC);
  g_assert_null (def->branch);
  g_assert_cmpint (def->state, ==, QS_STATE_RUNNING);
  g_assert_cmpstr (def->memory_file, ==, MEMORY);
  g_assert_cmpstr (def->domain->name, ==, "then");
  g_assert_nonnull (strstr (qs_change_string (put, "document"), "<cookie>stays</cookie>"));
  g_assert_null (strstr (qs_change_string (put, "document"), "metadata_cache"));
  g_assert_cmpuint (def->disks->len, ==, 2);
  vdb = qs_snapshot_def_find_disk (def, "vdb");
  g_assert_cmpstr (vdb->source, ==, "/images/vdb.b1");
  g_assert_cmpint (vdb->mode, ==, QS_DISK_MODE_DEFAULT);
}

/* the domain as it is afterwards */
static void
test_tree (void)
{
  g_autoptr (QsDomain) domain = branch_fixture_domain (RUNNING, DISKS_ONLY);
  g_autoptr (QsRequest) request = fixture_create (BRANCH (""), QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = branch_fixture_facts (domain, request, DISKS_ONLY, &error);
  g_autoptr (QsPlan) made = NULL;
  g_autoptr (GVariant) put = NULL;
  g_autoptr (GVariant) quiesce = NULL;

  g_assert_no_error (error);
  ((QsSnapshot *)qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT))->quiesced = TRUE;
  made = branch_fixture_plan (domain, request, facts, &error);
  g_assert_no_error (error);
  put = find_change (made, "snapshot-put");
  quiesce = find_change (made, "snapshot-quiesce");
  g_assert_cmpstr (qs_change_string (put, "parent"), ==, FIXTURE_SNAPSHOT);
  g_assert_true (qs_change_boolean (quiesce, "quiesced"));
  g_assert_cmpuint (qs_change_uint64 (quiesce, "freeze-time"), ==, 0);
}

/* the disks of the branch are sound without them */
static void
test_missing (gconstpointer data)
{
  BranchMemory memory = GPOINTER_TO_UINT (data);
  static const char *const texts[] = { "‘" VARIABLES "’, with the firmware variables of",
                                       "‘" MEMORY "’, with the memory of",
                                       "‘" MEMORY "’, with the memory of" };
  g_autoptr (QsDomain) domain = branch_fixture_domain (OFF, memory);
  g_autoptr (QsRequest) request = fixture_create (BRANCH (""), QS_CREATE_BRANCH);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = branch_fixture_facts (domain, request, memory, &error);
  g_autoptr (QsPlan) made = NULL;

  g_assert_no_error (error);
  if (memory == IMAGE)
    g_ptr_array_set_size (facts->snapshot_disks, 2);
  else
    ((QsTarget *)g_ptr_array_index (facts->targets, facts->targets->len - 1))->type =
        QS_TARGET_ABSENT;
  made = branch_fixture_plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (made->notes->len, ==, 1);
  g_assert_true (g_str_has_prefix (g_ptr_array_index (made->notes, 0), texts[memory]));
}

static GPtrArray *
make_parts (const char *xml, guint flags, GError **error)
{
  g_autoptr (QsDomain) domain = branch_fixture_domain (OFF, DISKS_ONLY);
  g_autoptr (QsRequest) request = fixture_create (xml, flags);
  g_autoptr (QsQuestions) given = qs_questions_new ();

  given->fresh_uuid = g_strdup (MADE);
  return qs_operation_get (QS_VERB_SNAPSHOT_CREATE)->parts (domain, request, given, error);
}

static void
test_current (gconstpointer data)
{
  gboolean halt = data != NULL;
  guint flags = QS_CREATE_BRANCH | QS_CREATE_CURRENT | QS_CREATE_REUSE_EXT;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) parts =
      make_parts (BRANCH (""), flags | (halt ? QS_CREATE_HALT : 0), &error);
  const QsRequest *create;
  const QsRequest *revert;
  gboolean value = FALSE;

  g_assert_no_error (error);
  g_assert_cmpuint (parts->len, ==, 2);
  create = g_ptr_array_index (parts, 0);
  revert = g_ptr_array_index (parts, 1);
  g_assert_cmpint (create->verb, ==, QS_VERB_SNAPSHOT_CREATE);
  g_assert_cmpuint (create->flags, ==, QS_CREATE_BRANCH | QS_CREATE_REUSE_EXT);
  g_assert_cmpstr (create->snapshot, ==, MADE);
  g_assert_cmpstr (create->def->branch, ==, "s1");
  g_assert_cmpint (revert->verb, ==, QS_VERB_SNAPSHOT_REVERT);
  g_assert_cmpuint (revert->flags, ==, 0);
  g_assert_cmpstr (revert->snapshot, ==, MADE);
  g_assert_true (revert->caller_is_owner);
  g_assert_true (g_variant_lookup (revert->options, "onto-tip", "b", &value) && value);
  g_assert_true (g_variant_lookup (revert->options, "halt", "b", &value));
  g_assert_true (value == halt);
}

static void
test_no_parts (void)
{
  static const guint flags[] = { QS_CREATE_BRANCH, 0, QS_CREATE_REDEFINE | QS_CREATE_CURRENT };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (make_parts (BRANCH (""), flags[i], &error));
      g_assert_no_error (error);
    }
}

/* no part would see these two together */
static void
test_parts_flags (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (
      make_parts (BRANCH (""), QS_CREATE_BRANCH | QS_CREATE_CURRENT | QS_CREATE_REDEFINE, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-branch/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  g_test_add_func ("/planners-branch/document", test_document);
  g_test_add_func ("/planners-branch/tree", test_tree);
  g_test_add_data_func ("/planners-branch/missing-variables", GUINT_TO_POINTER (DISKS_ONLY),
                        test_missing);
  g_test_add_data_func ("/planners-branch/missing-stream", GUINT_TO_POINTER (STREAM), test_missing);
  g_test_add_data_func ("/planners-branch/missing-image", GUINT_TO_POINTER (IMAGE), test_missing);
  g_test_add_data_func ("/planners-branch/current", NULL, test_current);
  g_test_add_data_func ("/planners-branch/current-halt", "halt", test_current);
  g_test_add_func ("/planners-branch/no-parts", test_no_parts);
  g_test_add_func ("/planners-branch/parts-flags", test_parts_flags);
  return g_test_run ();
}
