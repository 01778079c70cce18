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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (worlds); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-delete-merge/", worlds[i].name, NULL);

      g_test_add_data_func (path, &worlds[i], test_plan);
    }
  return g_test_run ();
}
