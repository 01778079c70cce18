/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"

#include <string.h>

/* deletes after which several files are needed by the next one alone */

static const DeleteWorld worlds[] = {
  { "delete-run-on",
    { "s1" },
    "s1",
    "s1",
    { "/base ! =s1 @900", "/l1</base ~ @10", "/l2</l1 ~ @20", "/a</l2 *vda @100" },
    TRUE },
  /* less is copied upwards */
  { "delete-run-up-on",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/f</base =s2 @10", "/l</f ~ @10", "/a</l *vda @100" },
    TRUE },
  { "delete-run-up",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/f</base =s2 @10", "/l</f ~ @10", "/a</l *vda @100" } },
  /* below the state of another one */
  { "delete-run-middle-on",
    { "s1", "s2<s1", "s3<s2" },
    "s3",
    "s2",
    { "/base ! =s1 @900", "/f2</base =s2 @100", "/l</f2 ~ @5", "/f3</l =s3 @10", "/a</f3 *vda" },
    TRUE },
  /* what two stand on goes into the lowest, of which their headers are told */
  { "delete-run-branch-on",
    { "s1", "s2<s1", "s3<s2", "s4<s3" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base =s2 @100", "/l</f2 ~ @5", "/f3</l =s3 @10", "/x</f3 ^s3",
      "/y</f3 =s4", "/a</base *vda" },
    TRUE },
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
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  plan_golden_check (((const DeleteWorld *)data)->name, plan);
  fake_world_exercise (plan);
}

static char *
join (GVariant *result, const char *key)
{
  g_auto (GStrv) paths = NULL;

  g_assert_true (g_variant_lookup (result, key, "^as", &paths));
  return g_strjoinv (" ", paths);
}

/* "DIRECTION: what is removed; what is kept" */
static void
assert_outcome (const DeleteScene *scene, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = delete_plan (scene, &error);
  g_autofree char *removed = NULL;
  g_autofree char *kept = NULL;
  g_autofree char *text = NULL;
  const char *direction = "not";

  g_assert_no_error (error);
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  g_variant_lookup (plan->result, "direction", "&s", &direction);
  removed = join (plan->result, "removed");
  kept = join (plan->result, "kept");
  text = g_strdup_printf ("%s: %s; %s", direction, removed, kept);
  g_assert_cmpstr (text, ==, expected);
}

static const struct
{
  DeleteWorld world;
  const char *outcome;
} cases[] = {
  /* a tag that nobody knows holds on to its file, and to the one below */
  { { "tag-between",
      { "s0", "s1<s0" },
      "s1",
      "s1",
      { "/base ! =s0 @900", "/l0</base ~ @10", "/l1</l0 +x =s1 @10", "/a</l1 *vda @100" } },
    "down: /a; /l0" },
  /* the file above cannot be merged: what is below can */
  { { "below",
      { "s1", "s2<s1", "s3<s2" },
      "s3",
      "s2",
      { "/base ! =s1 @900", "/l</base ~ @10", "/f</l =s2 @10", "/a</f *vda #s3 @100" } },
    "down: /f; /l" },
  { { "below-up",
      { "s1", "s2<s1", "s3<s2" },
      "s3",
      "s2",
      { "/base ! =s1 @900", "/l</base ~ @10", "/f</l =s2 @20", "/a</f *vda #s3 @100" } },
    "up: /l; /f" },
  /* only the record of its snapshot was deleted: it is left as it is */
  { { "record-only",
      { "s1", "s2<s1" },
      "s2",
      "s2",
      { "/base ! =s1 @900", "/m</base @10", "/f</m =s2 @10", "/a</f *vda @100" } },
    "up: /f; " },
  { { "record-only-above",
      { "s1", "s2<s1" },
      "s2",
      "s2",
      { "/base ! =s1 @900", "/f</base =s2 @100", "/m</f @10", "/a</m *vda @100" } },
    "up: /f; " },
  /* between two of ours */
  { { "not-ours", { "s1" }, "s1", "s1", { "/b =s1 @900", "/l</b ! ~ @900", "/a</l *vda @100" } },
    "up: /b; /l" },
  /* two that are apart */
  { { "apart",
      { "s1", "s2<s1", "s3<s2" },
      "s3",
      "s2",
      { "/base ! =s1 @900", "/f2</base =s2 @10", "/f3</f2 =s3 @10", "/l</f3 ~ @10",
        "/a</l *vda @10" } },
    "down: /f3; /l" },
  /* a file below loses a tag, and nothing may have it open then */
  { { "tag-below",
      { "s0", "s1<s0" },
      "s1",
      "s1",
      { "/base ! =s0 #s1 @900", "/l</base ~ @10", "/a</l *vda @100" } },
    "not: tag; /l" },
  { { "tag-below-down",
      { "s0", "s1<s0" },
      "s1",
      "s1",
      { "/base ! =s0 #s1 @900", "/l</base ~ @100", "/a</l *vda @10" } },
    "down: tag /a; " },
};

static void
test_outcome (gconstpointer data)
{
  guint index = GPOINTER_TO_UINT (data);
  g_auto (DeleteScene) scene = { 0 };

  delete_scene_init (&scene, &cases[index].world);
  assert_outcome (&scene, cases[index].outcome);
}

/* the service has named all nodes, and QEMU can reopen them */
static void
may_reopen (const DeleteScene *scene)
{
  static const char *const more[] = { "blockdev-reopen", "snapshot-delete", NULL };
  const QsNode *node = qs_facts_find_node (scene->facts, "vda");
  g_autoptr (GStrvBuilder) commands = g_strv_builder_new ();

  for (guint i = 0; node->below[i] != NULL; i++)
    {
      char *name = g_strconcat ("snapd-", node->below[i], NULL);

      g_free (node->below[i]);
      node->below[i] = name;
    }
  g_strv_builder_addv (commands, (const char **)scene->facts->commands);
  g_strv_builder_addv (commands, (const char **)more);
  g_strfreev (scene->facts->commands);
  scene->facts->commands = g_strv_builder_end (commands);
}

/* a snapshot inside of the lowest file of a running guest goes first; if it is the last one, nobody
   would look at the layers again */
static void
test_deep_tag (void)
{
  static const DeleteWorld last = { "delete-run-deep-tag",
                                    { "s1" },
                                    "s1",
                                    "s1",
                                    { "/base ! #s1 @900", "/l</base ~ @10", "/a</l *vda @100" },
                                    TRUE };
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  delete_scene_init (&scene, &last);
  may_reopen (&scene);
  plan = delete_plan (&scene, &error);
  g_assert_no_error (error);
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  plan_golden_check (last.name, plan);
}

static void
test_deep_tag_waits (void)
{
  static const DeleteWorld one_more = { "waits",
                                        { "s0", "s1<s0" },
                                        "s1",
                                        "s1",
                                        { "/base ! =s0 #s1 @900", "/l</base ~ @10",
                                          "/a</l *vda @100" },
                                        TRUE };
  g_auto (DeleteScene) scene = { 0 };

  delete_scene_init (&scene, &one_more);
  may_reopen (&scene);
  assert_outcome (&scene, "not: tag; /l");
}

static QsImage *
find_image (const DeleteScene *scene, const char *path)
{
  const QsDiskFacts *disk = qs_facts_find_disk (scene->facts, "vda");

  for (guint i = 0; i < disk->chain->len; i++)
    if (g_str_equal (((QsImage *)g_ptr_array_index (disk->chain, i))->path, path))
      return g_ptr_array_index (disk->chain, i);
  g_assert_not_reached ();
}

static void
spoil_in_use (QsImage *image)
{
  image->in_use = TRUE;
}

static void
spoil_dirty (QsImage *image)
{
  image->dirty = TRUE;
}

static void
spoil_size (QsImage *image)
{
  image->virtual_size *= 2;
}

static void
spoil_identity (QsImage *image)
{
  image->ino = 99;
}

/* what is wrong with a layer is no reason to refuse, and it alone does not take part */
static void
test_spoiled (void)
{
  static void (*const spoil[]) (QsImage * image) = { spoil_in_use, spoil_dirty, spoil_size,
                                                     spoil_identity };
  static const DeleteWorld world = { "spoiled",
                                     { "s1", "s2<s1" },
                                     "s2",
                                     "s2",
                                     { "/base ! =s1 @900", "/l0</base ~ @10", "/f</l0 =s2 @10",
                                       "/a</f *vda @100" } };

  for (guint i = 0; i < G_N_ELEMENTS (spoil); i++)
    {
      g_auto (DeleteScene) scene = { 0 };

      delete_scene_init (&scene, &world);
      spoil[i](find_image (&scene, "/l0"));
      assert_outcome (&scene, "up: /f; /l0");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (worlds); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete-run/", worlds[i].name, NULL);

      g_test_add_data_func (path, &worlds[i], test_plan);
    }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete-run/", cases[i].world.name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_outcome);
    }
  g_test_add_func ("/planners-delete-run/deep-tag", test_deep_tag);
  g_test_add_func ("/planners-delete-run/deep-tag-waits", test_deep_tag_waits);
  g_test_add_func ("/planners-delete-run/spoiled", test_spoiled);
  return g_test_run ();
}
