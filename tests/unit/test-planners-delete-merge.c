/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"

#include <string.h>

/* deletes of snapshots whose files become one with what stands on them */

static const DeleteWorld worlds[] = {
  /* the only snapshot: the disk goes back to the file it was made with */
  { "delete-merge-only", { "s1" }, "s1", "s1", { "/base ! =s1 @900", "/a</base *vda @100" } },
  { "delete-merge-only-on",
    { "s1" },
    "s1",
    "s1",
    { "/base ! =s1 @900", "/a</base *vda @100" },
    TRUE },
  /* less is copied upwards */
  { "delete-merge-up",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/f</base =s2 @10", "/a</f *vda @100" } },
  { "delete-merge-up-on",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/f</base =s2 @10", "/a</f *vda @100" },
    TRUE },
  /* a whole chain into one file, which names none then */
  { "delete-merge-up-all-on",
    { "s1" },
    "s1",
    "s1",
    { "/base =s1 @10", "/a</base *vda @100" },
    TRUE },
  /* between two others: what stands on the file that goes names the one below */
  { "delete-merge-middle-on",
    { "s1", "s2<s1", "s3<s2" },
    "s3",
    "s2",
    { "/base ! =s1 @900", "/f2</base =s2 @100", "/f3</f2 =s3 @10", "/a</f3 *vda" },
    TRUE },
  /* a branch that the disk does not stand on, with the guest on and off */
  { "delete-merge-branch-on",
    { "s1", "s2<s1", "s3<s2" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base =s2 @100", "/f3</f2 =s3 @10", "/t3</f3 ^s3", "/a</base *vda" },
    TRUE },
  /* what stands on the file that goes: several */
  { "delete-merge-several-above",
    { "s1", "s2<s1", "s3<s2", "s4<s2" },
    "s1",
    "s2",
    { "/base ! =s1", "/f2</base =s2 @100", "/g</f2 =s3 @10", "/x</g ^s3", "/y</g =s4",
      "/a</base *vda" } },
  /* a tag in the file above would go with it downwards, in the one below upwards */
  { "delete-merge-tag-above",
    { "s1", "s2<s1" },
    "s2",
    "s1",
    { "/base ! =s1 @900", "/a</base *vda #s2 @10" } },
  { "delete-merge-tag-below",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/f</base =s2 +x @10", "/a</f *vda @100" } },
  /* a layer of an earlier delete loses one of the two that stood on it */
  { "delete-merge-layer",
    { "s2", "s3" },
    "s2",
    "s3",
    { "/base ! ~ @900", "/f2</base =s2 @10", "/f3</base =s3", "/t3</f3 ^s3", "/a</f2 *vda" } },
  /* what goes down is a layer itself, which the file below becomes by that */
  { "delete-merge-of-layer",
    { "s1" },
    "s1",
    "s1",
    { "/base ! =s1 @900", "/l</base ~ @10", "/a</l *vda @100" } },
  /* the last tag in it goes, and it is looked at whenever one of the two is deleted */
  { "delete-merge-layer-after-tag",
    { "s1", "s2", "s3" },
    "s2",
    "s1",
    { "/base ! #s1 @900", "/f2</base =s2 @10", "/f3</base =s3", "/t3</f3 ^s3", "/a</f2 *vda" } },
  /* the last tag in it goes */
  { "delete-merge-after-tag", { "s1" }, "s1", "s1", { "/base ! #s1 @900", "/a</base *vda @10" } },
  /* the last tag in the file above goes, and a layer can be merged at last */
  { "delete-merge-after-tag-above",
    { "s1" },
    "s1",
    "s1",
    { "/base ! ~ @900", "/a</base *vda #s1 @10" } },
  /* the parent's own later changes wait: nothing is current then */
  { "delete-merge-no-current",
    { "s1", "s2<s1" },
    "s2",
    "s2",
    { "/base ! =s1 @900", "/t1</base ^s1", "/f2</base =s2 @100", "/a</f2 *vda @10" } },
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

/* the disk of another file that stands on @path by its header */
static void
add_stranger (const DeleteScene *scene, const char *path)
{
  QsDiskFacts *disk = delete_walk (scene->facts, "vdb", path);
  QsImage *image = qs_image_new ();

  image->path = g_strdup ("/stranger");
  image->format = g_strdup ("qcow2");
  image->backing_name = g_strdup (path);
  g_ptr_array_insert (disk->chain, 0, image);
  g_ptr_array_add (scene->facts->disks, disk);
}

static QsImage *
find_image (const GPtrArray *walks, const char *path)
{
  for (guint i = 0; i < walks->len; i++)
    {
      QsImage *image =
          g_ptr_array_index (((const QsDiskFacts *)g_ptr_array_index (walks, i))->chain, 0);

      if (g_str_equal (image->path, path))
        return image;
    }
  g_assert_not_reached ();
}

/* (transfer full): of what is merged: "up", "down", or NULL: nothing */
static char *
plan_direction (const DeleteScene *scene)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = delete_plan (scene, &error);
  char *direction = NULL;

  g_assert_no_error (error);
  g_variant_lookup (plan->result, "direction", "s", &direction);
  return direction;
}

static const DeleteWorld by_header = {
  "by-header", { "s1" }, "s1", "s1", { "/base =s1 @900", "/a</base *vda @100" }
};

/* a disk without any records would see other content, or lose what it stands on */
static void
test_stranger_below (void)
{
  g_auto (DeleteScene) scene = { 0 };
  g_autofree char *direction = NULL;

  delete_scene_init (&scene, &by_header);
  add_stranger (&scene, "/base");
  direction = plan_direction (&scene);
  g_assert_null (direction);
}

static void
test_stranger_above (void)
{
  g_auto (DeleteScene) scene = { 0 };
  g_autofree char *direction = NULL;

  delete_scene_init (&scene, &by_header);
  add_stranger (&scene, "/a");
  direction = plan_direction (&scene);
  g_assert_cmpstr (direction, ==, "up");
}

static void
test_second_user (void)
{
  g_auto (DeleteScene) scene = { 0 };
  g_autofree char *direction = NULL;

  delete_scene_init (&scene, &by_header);
  g_ptr_array_add (scene.facts->disks, delete_walk (scene.facts, "vdb", "/base"));
  direction = plan_direction (&scene);
  g_assert_null (direction);
}

static const DeleteWorld between = { "between",
                                     { "s1", "s2<s1", "s3<s2" },
                                     "s1",
                                     "s2",
                                     { "/base ! =s1", "/f2</base =s2 @100", "/f3</f2 =s3 @10",
                                       "/t3</f3 ^s3", "/a</base *vda" } };

typedef void (*SpoilFunc) (QsImage *image);

static void
spoil_writable (QsImage *image)
{
  image->writable = FALSE;
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
spoil_nothing (QsImage *image)
{
}

/* what stands on the file that would go has a header that cannot be changed: seen before the commit */
static void
test_header (void)
{
  static const struct
  {
    SpoilFunc spoil;
    const char *direction;
  } cases[] = { { spoil_nothing, "down" },
                { spoil_writable, "up" },
                { spoil_in_use, "up" },
                { spoil_dirty, "up" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (DeleteScene) scene = { 0 };
      g_autofree char *direction = NULL;

      delete_scene_init (&scene, &between);
      cases[i].spoil (find_image (scene.facts->above, "/t3"));
      direction = plan_direction (&scene);
      g_assert_cmpstr (direction, ==, cases[i].direction);
    }
}

/* what was cut off once, and reads as zeros since, does not come back */
static void
test_cut (void)
{
  static const DeleteWorld world = { "cut",
                                     { "s1", "s2<s1" },
                                     "s2",
                                     "s2",
                                     { "/base ! =s1 @900", "/f</base =s2 @10",
                                       "/a</f *vda @100" } };

  for (guint i = 0; i < 2; i++)
    {
      g_auto (DeleteScene) scene = { 0 };
      g_autofree char *direction = NULL;
      const QsDiskFacts *disk;

      delete_scene_init (&scene, &world);
      disk = g_ptr_array_index (scene.facts->disks, 0);
      ((QsImage *)g_ptr_array_index (disk->chain, 1))->virtual_size /= i + 1;
      direction = plan_direction (&scene);
      g_assert_cmpstr (direction, ==, i == 0 ? "up" : "down");
    }
}

/* QEMU would take what is before a colon for a protocol */
static void
test_colon (void)
{
  static const char *const names[] = { "/base:1", "/base-1", NULL };

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *base = g_strconcat (names[i], " ! =s1", NULL);
      g_autofree char *middle = g_strconcat ("/f2<", names[i], " =s2 @1", NULL);
      const DeleteWorld world = {
        "colon", { "s1", "s2<s1" }, "s2", "s1", { base, middle, "/a</f2 *vda" }, TRUE
      };
      g_auto (DeleteScene) scene = { 0 };
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = NULL;
      g_autofree char *text = NULL;

      delete_scene_init (&scene, &world);
      g_free (find_image (scene.facts->disks, "/a")->backing_name);
      find_image (scene.facts->disks, "/a")->backing_name = g_strdup ("f2");
      plan = delete_plan (&scene, &error);
      g_assert_no_error (error);
      text = qs_plan_describe (plan);
      g_assert_true ((strstr (text, "backing=base") != NULL) == (i == 1));
      g_assert_true ((strstr (text, "backing=/base") != NULL) == (i == 0));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (worlds); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete-merge/", worlds[i].name, NULL);

      g_test_add_data_func (path, &worlds[i], test_plan);
    }
  g_test_add_func ("/planners-delete-merge/stranger-below", test_stranger_below);
  g_test_add_func ("/planners-delete-merge/stranger-above", test_stranger_above);
  g_test_add_func ("/planners-delete-merge/second-user", test_second_user);
  g_test_add_func ("/planners-delete-merge/header", test_header);
  g_test_add_func ("/planners-delete-merge/cut", test_cut);
  g_test_add_func ("/planners-delete-merge/colon", test_colon);
  return g_test_run ();
}
