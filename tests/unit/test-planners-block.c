/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* pulls within the chain of a disk of a running guest */

#define CHAIN                                                                                      \
  {                                                                                                \
    "/base ! @900", "/f</base @10", "/g</f @20", "/a</g *vda @100"                                 \
  }

typedef struct
{
  DeleteWorld world;
  QsVerb verb;
  guint flags;
  const char *base;
  const char *top;
} Story;

/* no snapshot of it is left, so that what is not needed any more goes */
static const Story stories[] = {
  { { "block-pull-all", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "", "" },
  { { "block-pull-part", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "vda[3]", "" },
  { { "block-pull-one", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "/f", "" },
  { { "block-pull-nothing", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "/g", "" },
  { { "block-pull-alone", { 0 }, NULL, "none", { "/a ! *vda @9" }, TRUE },
    QS_VERB_BLOCK_PULL,
    0,
    "",
    "" },
  /* state files stay, and what they stand on */
  { { "block-pull-states",
      { "s1", "s2<s1" },
      "s2",
      "s2",
      { "/base =s1 @900", "/f</base =s2 @10", "/g</f @20", "/a</g *vda @100" },
      TRUE },
    QS_VERB_BLOCK_PULL,
    0,
    "",
    "" },
  /* so do files with tags, and those that a branch stands on */
  { { "block-pull-tag-below",
      { "s1" },
      "s1",
      "s1",
      { "/base #s1 @900", "/f</base @10", "/a</f *vda @100" },
      TRUE },
    QS_VERB_BLOCK_PULL,
    0,
    "",
    "" },
  { { "block-pull-branch",
      { "s1" },
      NULL,
      "s1",
      { "/base @900", "/f</base @10", "/t</base ^s1", "/a</f *vda @100" },
      TRUE },
    QS_VERB_BLOCK_PULL,
    0,
    "",
    "" },
  /* down: what the guest writes to waits for its caller */
  { { "block-commit-active", { 0 }, NULL, "none", CHAIN, TRUE },
    QS_VERB_BLOCK_COMMIT,
    QS_BLOCK_COMMIT_ACTIVE,
    "",
    "" },
  { { "block-commit-shallow", { 0 }, NULL, "none", CHAIN, TRUE },
    QS_VERB_BLOCK_COMMIT,
    QS_BLOCK_COMMIT_ACTIVE | QS_BLOCK_COMMIT_SHALLOW | QS_BLOCK_COMMIT_DELETE,
    "",
    "" },
  { { "block-commit-below", { 0 }, NULL, "none", CHAIN, TRUE },
    QS_VERB_BLOCK_COMMIT,
    0,
    "",
    "vda[1]" },
  { { "block-commit-beside-states",
      { "s1" },
      "s1",
      "s1",
      { "/base ! =s1 @900", "/f</base @10", "/g</f @20", "/a</g *vda @100" },
      TRUE },
    QS_VERB_BLOCK_COMMIT,
    QS_BLOCK_COMMIT_SHALLOW,
    "",
    "/g" },
  { { "block-commit-force",
      { "s1", "s2<s1", "s3<s2" },
      "s3",
      "s3",
      { "/base ! =s1 @900", "/f</base =s2 @10", "/g</f =s3 @20", "/a</g *vda @100" },
      TRUE },
    QS_VERB_BLOCK_COMMIT,
    QS_BLOCK_COMMIT_ACTIVE | QS_BLOCK_COMMIT_FORCE,
    "/f",
    "" },
  { { "block-commit-force-below",
      { "s1", "s2<s1", "s3<s2" },
      "s3",
      "s3",
      { "/base ! =s1 @900", "/f</base =s2 @10", "/g</f =s3 @20", "/a</g *vda @100" },
      TRUE },
    QS_VERB_BLOCK_COMMIT,
    QS_BLOCK_COMMIT_FORCE,
    "",
    "vda[2]" },
};

static QsRequest *
new_request (const Story *story)
{
  QsRequest *request = fixture_request (story->verb, story->flags, NULL);

  request->options = g_variant_ref_sink (
      g_variant_new_parsed ("{'disk': <'vda'>, 'base': <%s>, 'top': <%s>, 'bandwidth': <%t>}",
                            story->base, story->top, (guint64)0));
  return request;
}

static void
scene_init (DeleteScene *scene, const Story *story)
{
  delete_scene_init (scene, &story->world);
  qs_request_unref (scene->request);
  scene->request = new_request (story);
}

static QsPlan *
make_plan (const DeleteScene *scene, GError **error)
{
  const QsOperation *operation = qs_operation_get (scene->request->verb);
  g_autoptr (QsQuestions) questions = qs_questions_new ();

  if (!operation->ask (scene->domain, scene->request, questions, error))
    return NULL;
  return operation->plan (scene->domain, scene->request, scene->facts, error);
}

static void
test_plan (gconstpointer data)
{
  const Story *story = data;
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  scene_init (&scene, story);
  plan = make_plan (&scene, &error);
  g_assert_no_error (error);
  qs_plan_check (plan, &error);
  g_assert_no_error (error);
  plan_golden_check (story->world.name, plan);
  fake_world_exercise (plan);
}

typedef struct
{
  Story story;
  QsError code;
  const char *text;
} Refusal;

static const Refusal refusals[] = {
  { { { "off", { 0 }, NULL, "none", CHAIN, FALSE }, QS_VERB_BLOCK_PULL, 0, "", "" },
    QS_ERROR_OPERATION_INVALID,
    "the domain is off" },
  { { { "unknown", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "/other", "" },
    QS_ERROR_INVALID_ARGUMENT,
    "no file ‘/other’: its chain goes from ‘vda[0]’ to ‘vda[3]’" },
  { { { "beyond", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "vda[4]", "" },
    QS_ERROR_INVALID_ARGUMENT,
    "no file ‘vda[4]’" },
  { { { "active", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_PULL, 0, "/a", "" },
    QS_ERROR_INVALID_ARGUMENT,
    "‘/a’ is what the guest writes to" },
  { { { "shallow", { 0 }, NULL, "none", CHAIN, TRUE },
      QS_VERB_BLOCK_PULL,
      QS_BLOCK_REBASE_SHALLOW,
      "",
      "" },
    QS_ERROR_INVALID_ARGUMENT,
    "SHALLOW needs COPY" },
  { { { "relative", { 0 }, NULL, "none", CHAIN, TRUE },
      QS_VERB_BLOCK_PULL,
      QS_BLOCK_REBASE_RELATIVE,
      "",
      "" },
    QS_ERROR_INVALID_ARGUMENT,
    "name one" },
  { { { "absolute", { 0 }, NULL, "none", CHAIN, TRUE },
      QS_VERB_BLOCK_PULL,
      QS_BLOCK_REBASE_RELATIVE,
      "/base",
      "" },
    QS_ERROR_CONFIG_UNSUPPORTED,
    "go on without RELATIVE" },
  { { { "tag", { "s1" }, "s1", "s1", { "/base !", "/a</base *vda #s1" }, TRUE },
      QS_VERB_BLOCK_PULL,
      0,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "snapshot ‘s1’, which would be lost" },
  { { { "foreign-tag", { 0 }, NULL, "none", { "/base !", "/a</base *vda +mine" }, TRUE },
      QS_VERB_BLOCK_PULL,
      0,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "unrecorded snapshot ‘mine’" },
  { { { "top", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_COMMIT, 0, "", "/base" },
    QS_ERROR_INVALID_ARGUMENT,
    "top stands on nothing" },
  { { { "turned", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_COMMIT, 0, "/g", "/f" },
    QS_ERROR_INVALID_ARGUMENT,
    "base is not below top" },
  { { { "inactive", { 0 }, NULL, "none", CHAIN, TRUE }, QS_VERB_BLOCK_COMMIT, 0, "", "" },
    QS_ERROR_INVALID_ARGUMENT,
    "which needs ACTIVE" },
  { { { "not-active", { 0 }, NULL, "none", CHAIN, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_ACTIVE,
      "",
      "/g" },
    QS_ERROR_INVALID_ARGUMENT,
    "top is not that" },
  { { { "not-shallow", { 0 }, NULL, "none", CHAIN, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_SHALLOW,
      "/base",
      "/g" },
    QS_ERROR_INVALID_ARGUMENT,
    "right below top" },
  { { { "state", { "s1", "s2" }, "s1", "s1", { "/base ! =s1 =s2", "/a</base *vda" }, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_ACTIVE,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "‘/base’, which would be written to, holds snapshots ‘s1’, ‘s2’" },
  { { { "dropped", { "s1" }, "s1", "s1", { "/base !", "/f</base =s1", "/a</f *vda" }, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_ACTIVE,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "‘/f’, which would be merged into another file, holds snapshot ‘s1’" },
  { { { "tag-forced", { "s1" }, "s1", "s1", { "/base ! #s1", "/a</base *vda" }, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_ACTIVE | QS_BLOCK_COMMIT_FORCE,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "holds snapshot ‘s1’; delete that first" },
  { { { "branch", { 0 }, NULL, "none", { "/base !", "/t</base", "/a</base *vda" }, TRUE },
      QS_VERB_BLOCK_COMMIT,
      QS_BLOCK_COMMIT_ACTIVE | QS_BLOCK_COMMIT_FORCE,
      "",
      "" },
    QS_ERROR_OPERATION_INVALID,
    "‘/t’, which stands on it, needs ‘/base’" },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *refusal = data;
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (GError) error = NULL;

  scene_init (&scene, &refusal->story);
  g_assert_null (make_plan (&scene, &error));
  g_assert_error (error, QS_ERROR, (int)refusal->code);
  if (strstr (error->message, refusal->text) == NULL)
    g_error ("%s", error->message);
}

static QsImage *
image_at (const DeleteScene *scene, guint place)
{
  const QsDiskFacts *disk = g_ptr_array_index (scene->facts->disks, 0);

  return g_ptr_array_index (disk->chain, place);
}

static void
set_name (QsImage *image, const char *name)
{
  g_free (image->backing_name);
  image->backing_name = g_strdup (name);
}

static char *
step_backing (const QsPlan *plan)
{
  return g_strdup (qs_step_string (qs_plan_step (plan, 0), "backing"));
}

/* a relative name stays one, through other folders, too, as far as all headers have one */
static void
test_relative (void)
{
  static const struct
  {
    const char *names[2];
    const char *backing;
  } cases[] = {
    { { "../two/f", "../base" }, "../two/../base" },
    { { "../two/f", "/base" }, "/base" },
    { { "/two/f", "../base" }, "/base" },
    { { "../two/f", "../elsewhere/base" }, "/base" },
  };
  static const Story story = {
    { "relative", { 0 }, NULL, "none", { "/base !", "/two/f</base @10", "/a</two/f *vda" }, TRUE },
    QS_VERB_BLOCK_PULL,
    0,
    "/base",
    ""
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (DeleteScene) scene = { 0 };
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = NULL;
      g_autofree char *backing = NULL;

      scene_init (&scene, &story);
      set_name (image_at (&scene, 0), cases[i].names[0]);
      set_name (image_at (&scene, 1), cases[i].names[1]);
      g_free (image_at (&scene, 0)->path);
      image_at (&scene, 0)->path = g_strdup ("/one/a");
      ((QsFile *)qs_facts_find_file (scene.facts, "/a"))->ino = 0;
      plan = make_plan (&scene, &error);
      g_assert_no_error (error);
      backing = step_backing (plan);
      g_assert_cmpstr (backing, ==, cases[i].backing);
    }
}

/* the number that libvirt gives a file, or what a header calls it */
static void
test_names (void)
{
  static const char *const names[] = { "vda[3]", "/base", "//base", "base" };
  Story story = { .world = { "names", { 0 }, NULL, "none", CHAIN, TRUE },
                  .verb = QS_VERB_BLOCK_PULL,
                  .top = "" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_auto (DeleteScene) scene = { 0 };
      g_autoptr (GError) error = NULL;
      g_autoptr (QsPlan) plan = NULL;
      g_autofree char *backing = NULL;

      story.base = names[i];
      scene_init (&scene, &story);
      set_name (image_at (&scene, 2), "base");
      plan = make_plan (&scene, &error);
      g_assert_no_error (error);
      backing = step_backing (plan);
      g_assert_cmpstr (backing, ==, "/base");
    }
}

static void
add_tests (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (stories); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-block/", stories[i].world.name, NULL);

      g_test_add_data_func (path, &stories[i], test_plan);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path =
          g_strconcat ("/planners-block/refused/", refusals[i].story.world.name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refused);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_tests ();
  g_test_add_func ("/planners-block/relative", test_relative);
  g_test_add_func ("/planners-block/names", test_names);
  return g_test_run ();
}
