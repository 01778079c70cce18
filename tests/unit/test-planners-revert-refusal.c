/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "revert-fixture.h"

#include "qs-error.h"
#include "qs-xml.h"

#include <string.h>

/* what a revert would lose, or cannot have: said before anything is done */

static void
lose_memory (QsFacts *facts)
{
  ((QsTarget *)g_ptr_array_index (facts->targets, facts->targets->len - 1))->type =
      QS_TARGET_ABSENT;
}

static void
change_memory (QsFacts *facts)
{
  ((QsTarget *)g_ptr_array_index (facts->targets, facts->targets->len - 1))->ino = 901;
}

static void
empty_side_car (QsFacts *facts)
{
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, QS_MEMORY_TARGET);
  const QsImage *image = g_ptr_array_index (disk->chain, 0);

  ((QsTag *)g_ptr_array_index (image->tags, 0))->vm_state_size = 0;
}

static void
add_bitmap (QsFacts *facts)
{
  ((QsNode *)g_ptr_array_index (facts->nodes, 0))->bitmap = g_strdup ("backup");
}

static const RevertCase in_disk = { "in-disk",       TRUE, FALSE, QS_KIND_INTERNAL,
                                    QS_SAVE_IN_DISK, 0,    FALSE };
static const RevertCase side_car = { "side-car",      TRUE, FALSE, QS_KIND_EXTERNAL,
                                     QS_SAVE_IN_FILE, 0,    FALSE };
static const RevertCase stream = {
  "stream", TRUE, FALSE, QS_KIND_EXTERNAL, QS_SAVE_STREAM, 0, FALSE
};

static void
add_other_tip (QsFacts *facts)
{
  QsTip *tip = g_new0 (QsTip, 1);

  tip->snapshot = g_strdup (FIXTURE_SNAPSHOT);
  tip->target = g_strdup ("vdz");
  tip->path = g_strdup ("/images/vdz.tip");
  g_ptr_array_add (facts->tips, tip);
}

static void
make_image_wait (QsFacts *facts)
{
  for (guint i = 0; i < facts->files->len; i++)
    g_clear_pointer (&((QsFile *)g_ptr_array_index (facts->files, i))->backing, g_free);
  g_ptr_array_add (((QsFile *)g_ptr_array_index (facts->files, 0))->tip_of,
                   g_strdup (REVERT_OTHER));
}

static void
lock_tip (QsFacts *facts)
{
  const QsDiskFacts *disk = g_ptr_array_index (facts->tip_disks, 0);

  ((QsImage *)g_ptr_array_index (disk->chain, 0))->in_use = TRUE;
}

static const RevertCase to_external = { "external",   FALSE, FALSE, QS_KIND_EXTERNAL,
                                        QS_SAVE_NONE, 0,     TRUE };
static const RevertCase to_image = {
  "image", FALSE, FALSE, QS_KIND_INTERNAL, QS_SAVE_NONE, 0, TRUE
};

static const struct
{
  const char *name;
  const RevertCase *test;
  void (*spoil) (QsFacts *facts);
  QsError code;
  const char *text;
} refusals[] = {
  { "missing", &stream, lose_memory, QS_ERROR_IMAGE_FAILED, "‘/images/memory’ is missing" },
  { "altered", &stream, change_memory, QS_ERROR_IMAGE_FAILED, "is not the file" },
  { "empty", &side_car, empty_side_car, QS_ERROR_IMAGE_FAILED, "does not hold the memory" },
  { "bitmap", &in_disk, add_bitmap, QS_ERROR_OPERATION_INVALID, "dirty bitmap ‘backup’" },
  { "tip-of-another-disk", &to_external, add_other_tip, QS_ERROR_REVERT_RISKY,
    "‘/images/vdz.tip’" },
  { "image-that-waits", &to_image, make_image_wait, QS_ERROR_REVERT_RISKY, "snapshot ‘s2’" },
  { "tip-in-use", &to_external, lock_tip, QS_ERROR_OPERATION_INVALID, "in use" },
};

static void
test_refused (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (revert_plan (refusals[i].test, refusals[i].spoil, &error));
  g_assert_error (error, QS_ERROR, (gint)refusals[i].code);
  if (strstr (error->message, refusals[i].text) == NULL)
    g_error ("the refusal says ‘%s’", error->message);
}

/* a record that was written again has made one current that has kept later changes before */
static void
test_two_lines (gconstpointer flags)
{
  g_autoptr (QsDomain) domain = revert_domain (&to_external);
  g_autoptr (QsRequest) request =
      fixture_request (QS_VERB_SNAPSHOT_REVERT, GPOINTER_TO_UINT (flags), FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);

  g_assert_no_error (error);
  qs_tree_get_current (domain->tree)->has_tip = TRUE;
  revert_set_facts (facts, domain, &to_external);
  g_assert_null (qs_operation_get (request->verb)->plan (domain, request, facts, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY);
  g_assert_nonnull (strstr (error->message, "‘s2’ is current, and has kept"));
}

/* another domain was defined on what would be dropped */
static void
test_used_elsewhere (void)
{
  g_autoptr (QsDomain) domain = revert_domain (&to_external);
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_SNAPSHOT_REVERT, 0, FIXTURE_SNAPSHOT);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsFacts) facts = fixture_facts (domain, request, &error);
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  revert_set_facts (facts, domain, &to_external);
  g_hash_table_insert (facts->used_elsewhere, g_strdup ("/images/vda.tip"), g_strdup ("other"));
  plan = qs_operation_get (request->verb)->plan (domain, request, facts, &error);
  g_assert_no_error (error);
  text = qs_plan_describe (plan);
  g_assert_null (strstr (text, "file-unlink /images/vda.tip"));
  g_assert_nonnull (strstr (text, "file-unlink /images/vdb.tip"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  qs_xml_init ();
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-revert-refusal/", refusals[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_refused);
    }
  g_test_add_data_func ("/planners-revert-refusal/two-lines", NULL, test_two_lines);
  g_test_add_data_func ("/planners-revert-refusal/two-lines-discard",
                        GUINT_TO_POINTER (QS_REVERT_DISCARD), test_two_lines);
  g_test_add_func ("/planners-revert-refusal/used-elsewhere", test_used_elsewhere);
  return g_test_run ();
}
