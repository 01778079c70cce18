/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-change.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* deletes of snapshots that lie in more than the images of the disks */

#define OTHER "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"
#define TAG "s-" FIXTURE_SNAPSHOT

/* @tag: NULL: the file as a whole; @other: a branch uses it, too */
typedef struct
{
  const char *target;
  const char *path;
  const char *tag;
  gboolean ours;
  gboolean other;
} Extra;

typedef struct
{
  const char *name;
  QsKind kind; /* of the disks */
  QsLocation memory;
  guint flags;
  Extra extras[2];
} Case;

#define SIDE_CAR QS_MEMORY_TARGET, "/images/vda.s1.vmstate", TAG
#define STREAM QS_MEMORY_TARGET, "/memory/s1", NULL
#define VARIABLES QS_NVRAM_TARGET, "/images/demo_VARS.s1", NULL

static const Case cases[] = {
  { "delete-side-car", QS_KIND_INTERNAL, QS_LOCATION_INTERNAL, 0, { { SIDE_CAR, TRUE, FALSE } } },
  { "delete-stream", QS_KIND_INTERNAL, QS_LOCATION_EXTERNAL, 0, { { STREAM, TRUE, FALSE } } },
  { "delete-shared-stream", QS_KIND_INTERNAL, QS_LOCATION_EXTERNAL, 0, { { STREAM, TRUE, TRUE } } },
  { "delete-foreign-stream",
    QS_KIND_INTERNAL,
    QS_LOCATION_EXTERNAL,
    0,
    { { STREAM, FALSE, FALSE } } },
  { "delete-firmware", QS_KIND_INTERNAL, QS_LOCATION_NO, 0, { { VARIABLES, TRUE, FALSE } } },
  { "delete-memory-in-disk", QS_KIND_INTERNAL, QS_LOCATION_INTERNAL, 0, { { NULL } } },
  { "delete-extras-metadata",
    QS_KIND_EXTERNAL,
    QS_LOCATION_EXTERNAL,
    QS_DELETE_METADATA_ONLY,
    { { STREAM, TRUE, FALSE }, { VARIABLES, TRUE, FALSE } } },
};

static QsDomain *
make_domain (const Case *test)
{
  QsDomain *domain = fixture_with_snapshot (fixture_domain (1), "s1", test->kind);
  QsSnapshot *snapshot = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);

  snapshot->memory = test->memory;
  if (test->memory == QS_LOCATION_EXTERNAL && test->kind == QS_KIND_INTERNAL)
    snapshot->kind = QS_KIND_MIXED;
  return domain;
}

static void
add_file (QsFacts *facts, const Extra *extra)
{
  QsFile *file = qs_file_new (extra->path, "raw");
  GPtrArray *users;

  file->role = g_strdup (g_str_equal (extra->target, QS_MEMORY_TARGET) ? "memory" : "nvram");
  file->dev = 2049;
  file->ino = 5555;
  file->btime = 9;
  file->ours = extra->ours;
  users = extra->tag != NULL ? file->tag_of : file->state_of;
  g_ptr_array_add (users, g_strdup (FIXTURE_SNAPSHOT));
  if (extra->other)
    g_ptr_array_add (users, g_strdup (OTHER));
  g_ptr_array_add (facts->files, file);
}

static void
add_extra (QsFacts *facts, const Extra *extra, gboolean looked_at)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (extra->target);
  row->path = g_strdup (extra->path);
  row->format = g_strdup ("raw");
  row->tag = g_strdup (extra->tag);
  if (looked_at)
    g_ptr_array_add (facts->snapshot_files, row);
  else
    qs_snapshot_file_free (row);
  add_file (facts, extra);
}

static QsPlan *
make_plan (const Case *test, GError **error)
{
  g_autoptr (QsDomain) domain = make_domain (test);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_DELETE, test->flags, FIXTURE_SNAPSHOT);
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, error);

  for (guint i = 0; facts != NULL && i < 2 && test->extras[i].target != NULL; i++)
    add_extra (facts, &test->extras[i], (test->flags & QS_DELETE_METADATA_ONLY) == 0);
  return facts == NULL ? NULL
                       : qs_operation_get (request->verb)->plan (domain, request, facts, error);
}

static void
test_plan (gconstpointer data)
{
  const Case *test = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = make_plan (test, &error);

  g_assert_no_error (error);
  plan_golden_check (test->name, plan);
  fake_world_exercise (plan);
}

/* what would have to be merged is not what was found */
static void
test_external (void)
{
  static const Case with_memory = {
    "", QS_KIND_EXTERNAL, QS_LOCATION_EXTERNAL, 0, { { STREAM, TRUE, FALSE } }
  };
  static const Case without = { "", QS_KIND_EXTERNAL, QS_LOCATION_NO, 0, { { NULL } } };
  const Case *const tests[] = { &with_memory, &without };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (make_plan (tests[i], &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
      g_assert_nonnull (strstr (error->message, "against what is recorded"));
    }
}

static void
test_undefine (void)
{
  const Extra stream = { STREAM, TRUE, FALSE };
  g_autoptr (QsDomain) domain = make_domain (&cases[0]);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_UNDEFINE, QS_UNDEFINE_SNAPSHOTS_METADATA, "");
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  add_file (facts, &stream);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  text = qs_plan_describe (plan);
  g_assert_nonnull (strstr (text, "‘/memory/s1’ stays"));
}

/* a definition may have come to name what a snapshot has made */
static void
test_used (gconstpointer data)
{
  const char *name = data;
  const Extra variables = { VARIABLES, TRUE, FALSE };
  g_autoptr (QsDomain) domain = make_domain (&cases[4]);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_DELETE, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  add_extra (facts, &variables, TRUE);
  g_hash_table_insert (g_str_equal (name, "demo") ? facts->used_here : facts->used_elsewhere,
                       g_strdup (variables.path), g_strdup (name));
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  text = g_strdup_printf ("‘/images/demo_VARS.s1’ stays: domain ‘%s’ uses it", name);
  g_assert_cmpuint (plan->notes->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (plan->notes, 0), ==, text);
  for (guint i = 0; i < plan->steps->len; i++)
    g_assert_cmpint (((QsStep *)g_ptr_array_index (plan->steps, i))->kind, !=, QS_STEP_FILE_UNLINK);
}

/* the worker would refuse it once the record is gone */
static void
test_names (gconstpointer data)
{
  g_autoptr (QsDomain) domain = make_domain (&cases[4]);
  g_autoptr (QsRequest) request = fixture_request (GPOINTER_TO_UINT (data), 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  const QsDiskFacts *disk = g_ptr_array_index (facts->snapshot_disks, 0);
  g_autoptr (QsPlan) plan = NULL;

  ((QsImage *)g_ptr_array_index (disk->chain, 0))->n_links = 2;
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_null (plan);
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "has 2 names"));
}

static gboolean
forgets (const QsPlan *plan, const char *path)
{
  g_autofree char *text = qs_plan_describe (plan);
  g_autofree char *line = g_strdup_printf ("file-forget path=%s\n", path);

  return strstr (text, line) != NULL;
}

/* the name of a tip is free again once its snapshot is forgotten, if nothing else stands on it */
static void
test_tip (gconstpointer data)
{
  gboolean is_lone = data == NULL;
  g_autoptr (QsDomain) domain = make_domain (&cases[6]);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_DELETE, QS_DELETE_METADATA_ONLY, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  QsFile *tip = qs_file_new ("/images/vda.b1", "qcow2");
  QsFile *above = qs_file_new ("/images/vda.b2", "qcow2");
  g_autoptr (QsPlan) plan = NULL;

  g_assert_no_error (error);
  tip->ours = TRUE;
  above->backing = is_lone ? NULL : g_strdup (tip->path);
  g_ptr_array_add (tip->tip_of, g_strdup (FIXTURE_SNAPSHOT));
  g_ptr_array_add (facts->files, tip);
  g_ptr_array_add (facts->files, above);
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  g_assert_true (forgets (plan, "/images/vda.b1") == is_lone);
  g_assert_false (forgets (plan, "/images/vda.b2"));
  for (guint i = 0; i < plan->steps->len; i++)
    g_assert_cmpint (((QsStep *)g_ptr_array_index (plan->steps, i))->kind, ==, QS_STEP_RECORD);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_plan);
    }
  g_test_add_data_func ("/planners-delete/used-here", "demo", test_used);
  g_test_add_data_func ("/planners-delete/used-elsewhere", "web", test_used);
  g_test_add_data_func ("/planners-delete/names", GUINT_TO_POINTER (QS_VERB_SNAPSHOT_DELETE),
                        test_names);
  g_test_add_data_func ("/planners-delete/names-of-revert",
                        GUINT_TO_POINTER (QS_VERB_SNAPSHOT_REVERT), test_names);
  g_test_add_data_func ("/planners-delete/tip", NULL, test_tip);
  g_test_add_data_func ("/planners-delete/tip-below", "below", test_tip);
  g_test_add_func ("/planners-delete/external", test_external);
  g_test_add_func ("/planners-delete/undefine", test_undefine);
  return g_test_run ();
}
