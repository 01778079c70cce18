/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* deletes of snapshots whose disks lie in files: what goes, what stays, whose tip it becomes */

static const DeleteWorld worlds[] = {
  /* the parent is current: what was changed after it is what the disk holds */
  { "delete-disks-leaf",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base =s2", "/t2</f2 ^s2", "/a</base *vda" } },
  /* the state of the leaf becomes the later changes of its parent */
  { "delete-disks-heir",
    { "s0", "s1<s0", "s2<s1" },
    "s0",
    "s2",
    { "/base ! =s0", "/f1</base =s1", "/f2</f1 =s2", "/t2</f2 ^s2", "/a</base *vda" } },
  /* a layer that no snapshot stands for is between the two */
  { "delete-disks-heir-above-layer",
    { "s0", "s1<s0", "s2<s1" },
    "s0",
    "s2",
    { "/base ! =s0", "/f1</base =s1", "/h</f1", "/f2</h =s2", "/a</base *vda" } },
  /* it has some already */
  { "delete-disks-two-lines",
    { "s0", "s1<s0", "s2<s1" },
    "s0",
    "s2",
    { "/base ! =s0", "/f1</base =s1", "/t1</f1 ^s1", "/f2</f1 =s2", "/t2</f2 ^s2",
      "/a</base *vda" } },
  /* of one disk alone would be of another time than the other */
  { "delete-disks-half-an-heir",
    { "s0", "s1<s0", "s2<s1" },
    "s0",
    "s2",
    { "/base ! =s0", "/f1</base =s1", "/g1</base =s1:vdb", "/f2</f1 =s2", "/t2</f2 ^s2",
      "/u2</g1 ^s2:vdb", "/a</base *vda" } },
  /* a branch and the point that it came from */
  { "delete-disks-branch",
    { "s1", "b1<s1" },
    "s1",
    "b1",
    { "/base ! =s1 =b1", "/t</base ^b1", "/a</base *vda" } },
  { "delete-disks-point",
    { "s1", "b1<s1" },
    "s1",
    "s1",
    { "/base ! =s1 =b1", "/t</base ^b1", "/a</base *vda" } },
  { "delete-disks-last-of-two",
    { "s0", "s1<s0", "b1<s0" },
    "s0",
    "b1",
    { "/base ! =s0", "/f</base =s1 =b1", "/t</f ^b1", "/a</base *vda" } },
  /* shared by two files above it stays as a layer; with the last of them that goes, too */
  { "delete-disks-layer",
    { "s1", "s2<s1", "s3<s1" },
    "s3",
    "s1",
    { "/base ! =s1", "/f2</base =s2", "/f3</base =s3", "/t2</f2 ^s2", "/a</f3 *vda" } },
  { "delete-disks-layers",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/h1</base ~", "/h2</h1 ~", "/f2</h2 =s2", "/t2</f2 ^s2", "/a</base *vda" } },
  /* only the record of what they were the state of was deleted: they are not the service's any more */
  { "delete-above-forgotten",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/h1</base", "/h2</h1", "/f2</h2 =s2", "/t2</f2 ^s2", "/a</base *vda" } },
  { "delete-disks-layer-of-two",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/h</base", "/f2</h =s2", "/a</h *vda" } },
  /* lent files are never deleted */
  { "delete-disks-lent-tip",
    { "s1", "b1<s1" },
    "s1",
    "b1",
    { "/base ! =s1 =b1", "/t</base ! ^b1", "/a</base *vda" } },
  { "delete-disks-lent-state",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base ! =s2", "/t2</f2 ^s2", "/a</base *vda" } },
  /* another snapshot lies under a tag in it */
  { "delete-disks-tag-of-other",
    { "s1", "s2<s1", "s3<s2" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base =s2 #s3", "/t2</f2 ^s2", "/a</base *vda" } },
  /* a tag in a file that goes is not deleted before */
  { "delete-disks-tag",
    { "s1", "s2<s1" },
    "s1",
    "s2",
    { "/base ! =s1", "/t2</base #s2 ^s2", "/a</base *vda" } },
  /* the parent takes over what the disk holds */
  { "delete-disks-current",
    { "s1", "s2<s1", "b2<s1" },
    "s2",
    "s2",
    { "/base ! =s1", "/f2</base =s2 =b2", "/t</f2 ^b2", "/a</f2 *vda" } },
};

static void
test_plan (gconstpointer data)
{
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  delete_scene_init (&scene, data);
  plan = delete_plan (&scene, &error);
  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, NULL));
  plan_golden_check (((const DeleteWorld *)data)->name, plan);
  fake_world_exercise (plan);
}

/* nothing is looked for in vain */
static void
test_ask (void)
{
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (QsQuestions) questions = qs_questions_new ();

  delete_scene_init (&scene, &worlds[0]);
  g_assert_true (qs_operation_get (QS_VERB_SNAPSHOT_DELETE)
                     ->ask (scene.domain, scene.request, questions, NULL));
  g_assert_cmpstr (questions->tip_of, ==, "s2");
  g_assert_cmpuint (questions->disks->len, ==, 1);
  g_assert_true (questions->files && questions->users && questions->snapshot_files);
}

#define LEAF { "s1", "s2<s1" }, "s1", "s2"
#define LEAF_FILES "/base ! =s1", "/f2</base =s2", "/t2</f2 ^s2", "/a</base *vda"

static const DeleteWorld leaf = { "leaf", LEAF, { LEAF_FILES } };

static void
open_in_qemu (QsFacts *facts)
{
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new (NULL, 2049, 3, FALSE));
}

static void
open_by_name (QsFacts *facts)
{
  facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (facts->open_files, qs_open_file_new ("/f2", 1, 1, FALSE));
}

static void
tip_in_use (QsFacts *facts)
{
  QsDiskFacts *tip = delete_walk (facts, "vda", "/t2");

  ((QsImage *)g_ptr_array_index (tip->chain, 0))->in_use = TRUE;
  g_ptr_array_add (facts->tip_disks, tip);
}

static void
state_in_use (QsFacts *facts)
{
  const QsDiskFacts *disk = qs_facts_find_snapshot_disk (facts, "vda");

  ((QsImage *)g_ptr_array_index (disk->chain, 0))->in_use = TRUE;
}

/* by its header, against the records */
static void
below_disk (QsFacts *facts)
{
  const QsDiskFacts *disk = qs_facts_find_disk (facts, "vda");

  g_ptr_array_add (disk->chain, delete_image (qs_facts_find_file (facts, "/f2")));
}

static void
unknown_chain (QsFacts *facts)
{
  QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);

  disk->error = g_error_new_literal (QS_ERROR, QS_ERROR_IMAGE_FAILED, "no such file");
}

/* the records alone are not enough to delete a file */
static const struct
{
  void (*trouble) (QsFacts *facts);
  QsError code;
  const char *text;
} needed[] = {
  { open_in_qemu, QS_ERROR_OPERATION_INVALID, "‘/t2’ is in use by the running QEMU" },
  { open_by_name, QS_ERROR_OPERATION_INVALID, "‘/f2’ is in use by the running QEMU" },
  { tip_in_use, QS_ERROR_OPERATION_INVALID, "‘/t2’ is in use by a program" },
  { state_in_use, QS_ERROR_OPERATION_INVALID, "‘/f2’ is in use by a program" },
  { below_disk, QS_ERROR_IMAGE_FAILED, "disk ‘vda’ stands on ‘/f2’" },
  { unknown_chain, QS_ERROR_IMAGE_FAILED, "‘/t2’ is not deleted before it is sure" },
};

static void
test_needed (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    {
      g_auto (DeleteScene) scene = { 0 };
      g_autoptr (GError) error = NULL;

      delete_scene_init (&scene, &leaf);
      needed[i].trouble (scene.facts);
      g_assert_null (delete_plan (&scene, &error));
      g_assert_error (error, QS_ERROR, (int)needed[i].code);
      g_assert_nonnull (strstr (error->message, needed[i].text));
    }
}

/* of files that other domains name, whatever they say of them; what stands on nothing else goes */
static void
test_foreign (gconstpointer data)
{
  gboolean recorded = data != NULL;
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  delete_scene_init (&scene, &leaf);
  if (recorded)
    g_ptr_array_add (scene.facts->foreign_images, g_strdup ("/f2"));
  else
    g_hash_table_insert (scene.facts->used_elsewhere, g_strdup ("/f2"), g_strdup (""));
  plan = delete_plan (&scene, NULL);
  text = qs_plan_describe (plan);
  g_assert_nonnull (strstr (text, "file-unlink /t2"));
  g_assert_null (strstr (text, "file-unlink /f2"));
  g_assert_nonnull (strstr (text, "‘/f2’ stays: another domain uses it"));
}

static const DeleteWorld deep = {
  "delete-deep-tag", { "s1", "s2<s1" }, "s2", "s1", { "/base #s1 =s2", "/a</base *vda" },
  .is_on = TRUE
};

/* whether QEMU lets the file be written to is seen before anything is recorded */
static void
plan_deep (const char *node, const char *command, GError **error)
{
  g_auto (DeleteScene) scene = { 0 };
  const char *const commands[] = { "x-debug-query-block-graph", "blockdev-reopen", command, NULL };
  g_autoptr (QsPlan) plan = NULL;
  QsNode *root;

  delete_scene_init (&scene, &deep);
  root = g_ptr_array_index (scene.facts->nodes, 0);
  g_free (root->below[0]);
  root->below[0] = g_strdup (node);
  g_strfreev (scene.facts->commands);
  scene.facts->commands = g_strdupv ((char **)commands);
  ((QsFile *)qs_facts_find_file (scene.facts, "/base"))->mode = 0644;
  plan = delete_plan (&scene, error);
  if (plan == NULL)
    return;
  plan_golden_check (deep.name, plan);
  fake_world_exercise (plan);
}

static void
test_deep (void)
{
  static const char *const refused[][2] = { { "#block123", "snapshot-delete" },
                                            { "snapd-vda-b1", "snapshot-save" } };

  plan_deep ("snapd-vda-b1", "snapshot-delete", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autoptr (GError) error = NULL;

      plan_deep (refused[i][0], refused[i][1], &error);
      g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, "in a backing file of the running guest"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (worlds); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete-disks/", worlds[i].name, NULL);

      g_test_add_data_func (path, &worlds[i], test_plan);
    }
  g_test_add_func ("/planners-delete-disks/ask", test_ask);
  g_test_add_func ("/planners-delete-disks/deep-tag", test_deep);
  g_test_add_func ("/planners-delete-disks/needed", test_needed);
  g_test_add_data_func ("/planners-delete-disks/foreign", NULL, test_foreign);
  g_test_add_data_func ("/planners-delete-disks/foreign-recorded", "recorded", test_foreign);
  return g_test_run ();
}
