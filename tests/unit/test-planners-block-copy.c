/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"
#include "fake-world.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"

#include <string.h>

/* copies of vda of a running guest to /copy */

#define CHAIN                                                                                      \
  {                                                                                                \
    "/base ! @900", "/f</base @10", "/a</f *vda @100"                                              \
  }
#define SIZE (G_GUINT64_CONSTANT (1) << 30)

/* @own: "PATH<BACKING": what the caller's own file is; @free: bytes, 0: enough */
typedef struct
{
  DeleteWorld world;
  guint flags;
  const char *own;
  gboolean goes_over;
  gboolean has_threads;
  gboolean is_attached;
  guint64 bandwidth;
  guint64 free;
} Story;

static const Story stories[] = {
  { .world = { "block-copy", { 0 }, NULL, "none", CHAIN, TRUE } },
  { .world = { "block-copy-shallow", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_SHALLOW | QS_BLOCK_COPY_SYNCHRONOUS_WRITES,
    .bandwidth = 1000 },
  { .world = { "block-copy-raw", { 0 }, NULL, "none", { "/a ! *vda @9" }, TRUE },
    .flags = QS_BLOCK_COPY_CREATE_RAW },
  /* state files stay, and the file with a tag, and what that stands on */
  { .world = { "block-copy-states",
               { "s1", "s2<s1" },
               "s2",
               "s2",
               { "/base =s1 @900", "/f</base =s2 @10", "/a</f *vda @100" },
               TRUE } },
  { .world = { "block-copy-tag",
               { "s1" },
               "s1",
               "s1",
               { "/base @900", "/f</base @10", "/a</f #s1 *vda @100" },
               TRUE } },
  { .world = { "block-copy-goes-over", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_SHALLOW,
    .goes_over = TRUE },
  { .world = { "block-copy-reuse", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_REUSE_EXT,
    .own = "/copy" },
  { .world = { "block-copy-reuse-same", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_REUSE_EXT | QS_BLOCK_COPY_SHALLOW,
    .own = "/copy</f" },
  { .world = { "block-copy-reuse-own", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_REUSE_EXT | QS_BLOCK_COPY_SHALLOW,
    .own = "/copy</f.copy" },
  { .world = { "block-copy-threads", { 0 }, NULL, "none", CHAIN, TRUE },
    .flags = QS_BLOCK_COPY_REUSE_EXT | QS_BLOCK_COPY_SHALLOW,
    .own = "/copy</f.copy",
    .has_threads = TRUE },
  { .world = { "block-copy-attached", { 0 }, NULL, "none", { "/a ! *vda @9" }, TRUE },
    .is_attached = TRUE },
};

static QsRequest *
new_request (const Story *story)
{
  QsRequest *request = fixture_request (QS_VERB_BLOCK_COPY, story->flags, NULL);
  g_auto (GVariantBuilder) options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add_parsed (&options, "{'disk', <'vda'>}");
  g_variant_builder_add_parsed (&options, "{'dest', <'/copy'>}");
  g_variant_builder_add_parsed (&options, "{'base', <''>}");
  g_variant_builder_add_parsed (&options, "{'bandwidth', <%t>}", story->bandwidth);
  if (story->goes_over)
    g_variant_builder_add_parsed (&options, "{'goes-over', <true>}");
  request->options = g_variant_ref_sink (g_variant_builder_end (&options));
  return request;
}

static QsImage *
new_image (const char *path, const char *backing, guint64 ino)
{
  const QsFile file = { .path = (char *)path,
                        .backing = (char *)backing,
                        .dev = 2049,
                        .ino = g_str_equal (path, "/f")      ? 2
                               : g_str_equal (path, "/base") ? 1
                                                             : ino,
                        .btime = 5 };

  return delete_image (&file);
}

static void
add_target (QsFacts *facts, const Story *story)
{
  QsTarget *target = qs_target_new ("/copy");

  target->type = story->own != NULL ? QS_TARGET_REGULAR : QS_TARGET_ABSENT;
  target->free_bytes = story->free > 0 ? story->free : SIZE;
  if (story->own != NULL)
    target->ino = 77;
  g_ptr_array_add (facts->targets, target);
}

static void
add_reused (QsFacts *facts, const Story *story)
{
  g_auto (GStrv) names = g_strsplit (story->own, "<", 2);
  QsDiskFacts *reused = g_new0 (QsDiskFacts, 1);

  reused->target = g_strdup (names[0]);
  reused->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_ptr_array_add (reused->chain, new_image (names[0], names[1], 77));
  if (names[1] != NULL)
    g_ptr_array_add (reused->chain, new_image (names[1], NULL, 78));
  g_ptr_array_add (facts->reused, reused);
}

static void
add_commands (QsFacts *facts)
{
  static const char *const more[] = { "blockdev-mirror", "blockdev-add", "blockdev-reopen" };
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_strv_builder_addv (builder, (const char **)facts->commands);
  for (guint i = 0; i < G_N_ELEMENTS (more); i++)
    g_strv_builder_add (builder, more[i]);
  g_strfreev (facts->commands);
  facts->commands = g_strv_builder_end (builder);
}

static void
attach (DeleteScene *scene)
{
  QsDiskFacts *disk = g_ptr_array_index (scene->facts->disks, 0);
  QsImage *image = g_ptr_array_index (disk->chain, 0);

  scene->domain = fixture_attached (scene->domain, TRUE);
  image->uid = scene->domain->owner;
  image->mode = 0644;
  scene->facts->open_files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_file_free);
  g_ptr_array_add (scene->facts->open_files,
                   qs_open_file_new (image->path, image->dev, image->ino, TRUE));
}

static void
scene_init (DeleteScene *scene, const Story *story)
{
  QsFacts *facts;

  delete_scene_init (scene, &story->world);
  facts = scene->facts;
  qs_request_unref (scene->request);
  scene->request = new_request (story);
  facts->has_io_threads = story->has_threads;
  add_target (facts, story);
  if (story->own != NULL)
    add_reused (facts, story);
  if (story->world.is_on)
    {
      ((QsNode *)g_ptr_array_index (facts->nodes, 0))->virtual_size = SIZE;
      add_commands (facts);
    }
  if (story->is_attached)
    attach (scene);
}

static QsPlan *
make_plan (const DeleteScene *scene, GError **error)
{
  const QsOperation *operation = qs_operation_get (QS_VERB_BLOCK_COPY);
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

static QsImage *
own_image (const DeleteScene *scene)
{
  const QsDiskFacts *reused = g_ptr_array_index (scene->facts->reused, 0);

  return g_ptr_array_index (reused->chain, 0);
}

static void
make_smaller (DeleteScene *scene)
{
  own_image (scene)->virtual_size = SIZE - 512;
}

static void
make_larger (DeleteScene *scene)
{
  own_image (scene)->virtual_size = SIZE + 512;
}

static void
make_linked (DeleteScene *scene)
{
  own_image (scene)->n_links = 2;
}

static void
give_bitmap (DeleteScene *scene)
{
  ((QsNode *)g_ptr_array_index (scene->facts->nodes, 0))->bitmap = g_strdup ("backup");
}

static void
make_read_only (DeleteScene *scene)
{
  QsDomainDef *def = scene->domain->live_def != NULL ? scene->domain->live_def : scene->domain->def;

  ((QsDiskDef *)g_ptr_array_index (def->disks, 0))->readonly = TRUE;
}

static void
use_target (DeleteScene *scene)
{
  ((QsTarget *)qs_facts_find_target (scene->facts, "/copy"))->in_use = TRUE;
}

static void
be_there (DeleteScene *scene)
{
  ((QsTarget *)qs_facts_find_target (scene->facts, "/copy"))->type = QS_TARGET_REGULAR;
}

static void
be_absent (DeleteScene *scene)
{
  ((QsTarget *)qs_facts_find_target (scene->facts, "/copy"))->type = QS_TARGET_ABSENT;
}

static void
be_known (DeleteScene *scene)
{
  QsTarget *target = (QsTarget *)qs_facts_find_target (scene->facts, "/copy");
  const QsFile *base = qs_facts_find_file (scene->facts, "/base");

  target->dev = base->dev;
  target->ino = base->ino;
}

typedef struct
{
  const char *name;
  guint flags;
  const char *own;
  void (*change) (DeleteScene *scene);
  QsError code;
  const char *text;
  guint64 free;
} Refusal;

#define REUSE QS_BLOCK_COPY_REUSE_EXT
#define SHALLOW QS_BLOCK_COPY_SHALLOW

static const Refusal refusals[] = {
  { "exists", 0, NULL, be_there, QS_ERROR_CONFIG_UNSUPPORTED, "exists already", 0 },
  { "absent", REUSE, "/copy", be_absent, QS_ERROR_CONFIG_UNSUPPORTED, "does not exist", 0 },
  { "known", REUSE, "/copy", be_known, QS_ERROR_CONFIG_UNSUPPORTED, "uses already", 0 },
  { "used", 0, NULL, use_target, QS_ERROR_CONFIG_UNSUPPORTED, "is in use", 0 },
  { "room", 0, NULL, NULL, QS_ERROR_NO_SPACE, "4194304 bytes, and 4000000 are free", 4000000 },
  { "smaller", REUSE, "/copy", make_smaller, QS_ERROR_IMAGE_FAILED, "exactly that size", 0 },
  { "larger", REUSE, "/copy", make_larger, QS_ERROR_IMAGE_FAILED, "exactly that size", 0 },
  { "linked", REUSE, "/copy", make_linked, QS_ERROR_IMAGE_FAILED, "more than one name", 0 },
  { "stands", REUSE, "/copy</f", NULL, QS_ERROR_IMAGE_FAILED, "stands on nothing", 0 },
  { "stands-not", REUSE | SHALLOW, "/copy", NULL, QS_ERROR_IMAGE_FAILED, "would be lost", 0 },
  { "between", REUSE | SHALLOW, "/copy</base", NULL, QS_ERROR_IMAGE_FAILED, "between", 0 },
  { "bitmap", 0, NULL, give_bitmap, QS_ERROR_OPERATION_INVALID, "dirty bitmap ‘backup’", 0 },
  { "read-only", 0, NULL, make_read_only, QS_ERROR_CONFIG_UNSUPPORTED, "read-only", 0 },
  { "raw", SHALLOW | QS_BLOCK_COPY_CREATE_RAW, NULL, NULL, QS_ERROR_INVALID_ARGUMENT, "excludes",
    0 },
};

static void
assert_refused (const DeleteScene *scene, const Refusal *refusal)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (make_plan (scene, &error));
  g_assert_error (error, QS_ERROR, (int)refusal->code);
  if (strstr (error->message, refusal->text) == NULL)
    g_error ("%s", error->message);
}

static void
test_refused (gconstpointer data)
{
  const Refusal *refusal = data;
  const Story story = { .world = { refusal->name, { 0 }, NULL, "none", CHAIN, TRUE },
                        .flags = refusal->flags,
                        .own = refusal->own,
                        .free = refusal->free };
  g_auto (DeleteScene) scene = { 0 };

  scene_init (&scene, &story);
  if (refusal->change != NULL)
    refusal->change (&scene);
  assert_refused (&scene, refusal);
}

/* what somebody else's QEMU has open has to be seen, unless another part comes before */
static void
test_unseen (void)
{
  const Story story = { .world = { "unseen", { 0 }, NULL, "none", { "/a ! *vda @9" }, TRUE },
                        .is_attached = TRUE };
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  scene_init (&scene, &story);
  g_clear_pointer (&scene.facts->open_files, g_ptr_array_unref);
  g_assert_null (make_plan (&scene, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_clear_error (&error);
  scene.facts->is_later = TRUE;
  plan = make_plan (&scene, &error);
  g_assert_no_error (error);
}

static GPtrArray *
make_parts (const char *base, guint flags, GError **error)
{
  const Story story = { .world = { "parts", { 0 }, NULL, "none", CHAIN, TRUE }, .flags = flags };
  g_auto (DeleteScene) scene = { 0 };
  g_autoptr (QsRequest) request = fixture_request (QS_VERB_BLOCK_COPY, flags, NULL);

  scene_init (&scene, &story);
  request->options =
      g_variant_ref_sink (g_variant_new_parsed ("{'disk': <'/a'>, 'dest': <'/copy'>, 'base': <%s>,"
                                                " 'bandwidth': <uint64 7>}",
                                                base));
  return qs_operation_get (QS_VERB_BLOCK_COPY)->parts (scene.domain, request, NULL, error);
}

/* the copy, and what is pulled into it; the disk by the name that it keeps */
static void
test_parts (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) none = make_parts ("", 0, &error);
  g_autoptr (GPtrArray) parts = make_parts ("vda[2]", QS_BLOCK_COPY_TRANSIENT_JOB, &error);
  const QsRequest *copy;
  const QsRequest *pull;
  g_autofree char *options = NULL;

  g_assert_no_error (error);
  g_assert_null (none);
  g_assert_cmpuint (parts->len, ==, 2);
  copy = g_ptr_array_index (parts, 0);
  pull = g_ptr_array_index (parts, 1);
  g_assert_cmpint (copy->verb, ==, QS_VERB_BLOCK_COPY);
  g_assert_cmpuint (copy->flags, ==, QS_BLOCK_COPY_TRANSIENT_JOB | SHALLOW);
  g_assert_cmpint (pull->verb, ==, QS_VERB_BLOCK_PULL);
  options = g_variant_print (pull->options, FALSE);
  g_assert_cmpstr (options, ==, "{'disk': <'vda'>, 'base': <'vda[2]'>, 'bandwidth': <uint64 7>}");
  g_assert_null (make_parts ("/base", SHALLOW, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (stories); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-block-copy/", stories[i].world.name, NULL);

      g_test_add_data_func (path, &stories[i], test_plan);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autofree char *path = g_strconcat ("/planners-block-copy/refused/", refusals[i].name, NULL);

      g_test_add_data_func (path, &refusals[i], test_refused);
    }
  g_test_add_func ("/planners-block-copy/unseen", test_unseen);
  g_test_add_func ("/planners-block-copy/parts", test_parts);
  return g_test_run ();
}
