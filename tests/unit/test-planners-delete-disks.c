/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "fake-world.h"
#include "plan-fixture.h"
#include "plan-golden.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-imagine.h"

#include <string.h>

/* deletes of snapshots whose disks lie in files: what goes, what stays, whose tip it becomes */

#define MAX_FILES 10

/* snapshots: `NAME` or `NAME<PARENT`. Files: `PATH<BACKING`, then `!` not ours, `*T` active of a disk,
   `=S` or `=S:T` state of, `#S` tag of, `^S` or `^S:T` tip of; T is vda where it is left out */
typedef struct
{
  const char *name;
  const char *snapshots[5];
  const char *current;
  const char *deleted;
  const char *files[MAX_FILES];
} World;

static const World worlds[] = {
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
add_use (QsChangeList *list, char kind, const char *words, const char *path)
{
  g_auto (GStrv) parts = g_strsplit (words, ":", 2);
  const char *target = parts[1] != NULL ? parts[1] : "vda";

  switch (kind)
    {
    case '*':
      qs_changes_add (list, QS_CHANGE_ACTIVE, "target", "s", words, "path", "s", path, "format",
                      "s", "qcow2", NULL);
      break;
    case '=':
    case '#':
      qs_changes_add (list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", parts[0], "target", "s", target,
                      "path", "s", path, "tag", "s", kind == '#' ? "tag" : "", NULL);
      break;
    case '^':
      qs_changes_add (list, QS_CHANGE_TIP, "uuid", "s", parts[0], "target", "s", target, "path",
                      "s", path, NULL);
      break;
    default:
      g_assert (kind == '!');
    }
}

static void
add_file (QsChangeList *list, const char *text, guint64 ino)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_auto (GStrv) names = g_strsplit (words[0], "<", 2);

  qs_changes_add (list, QS_CHANGE_FILE_PUT, "path", "s", names[0], "format", "s", "qcow2", "role",
                  "s", "disk", "backing", "s", names[1], "ours", "b", strchr (text, '!') == NULL,
                  "dev", "t", (guint64)2049, "ino", "t", ino, "btime", "x", (gint64)5, NULL);
  for (guint i = 1; words[i] != NULL; i++)
    add_use (list, words[i][0], words[i] + 1, names[0]);
}

static void
add_snapshot (QsChangeList *list, const World *world, const char *text)
{
  g_auto (GStrv) names = g_strsplit (text, "<", 2);
  g_autofree char *tag = g_strconcat ("#", names[0], NULL);
  gboolean internal = FALSE;

  for (guint i = 0; world->files[i] != NULL; i++)
    internal = internal || strstr (world->files[i], tag) != NULL;
  qs_changes_add (list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", names[0], "name", "s", names[0],
                  "parent", "s", names[1], "state", "s", "shutoff", "kind", "s",
                  internal ? "internal" : "external", "memory", "s", "no", "origin", "s", "user",
                  "created", "x", FIXTURE_NOW, "document", "s", "", NULL);
}

static GVariant *
make_changes (const World *world)
{
  QsChangeList list;

  qs_changes_init (&list);
  for (guint i = 0; i < 5 && world->snapshots[i] != NULL; i++)
    add_snapshot (&list, world, world->snapshots[i]);
  for (guint i = 0; i < MAX_FILES && world->files[i] != NULL; i++)
    add_file (&list, world->files[i], i + 1);
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", world->current, NULL);
  return g_variant_ref_sink (qs_changes_end (&list));
}

static QsImage *
make_image (const QsFile *file)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (file->path);
  image->format = g_strdup ("qcow2");
  image->dev = file->dev;
  image->ino = file->ino;
  image->btime = file->btime;
  image->n_links = 1;
  return image;
}

/* what is found where the records say it is */
static QsDiskFacts *
walk (const QsFacts *facts, const char *target, const char *path)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);
  const QsFile *file = qs_facts_find_file (facts, path);

  disk->target = g_strdup (target);
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  for (; file != NULL;
       file = file->backing != NULL ? qs_facts_find_file (facts, file->backing) : NULL)
    g_ptr_array_add (disk->chain, make_image (file));
  return disk;
}

typedef struct
{
  QsDomain *domain;
  QsFacts *facts;
  QsRequest *request;
} Scene;

static void
scene_clear (Scene *scene)
{
  qs_domain_unref (scene->domain);
  qs_facts_unref (scene->facts);
  qs_request_unref (scene->request);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_clear)

static void
scene_init (Scene *scene, const World *world)
{
  g_autoptr (QsDomain) domain = fixture_domain (1);
  g_autoptr (GVariant) changes = make_changes (world);
  g_autoptr (GError) error = NULL;
  QsFacts *facts = qs_facts_new ();

  scene->facts = facts;
  scene->domain = qs_domain_apply (domain, changes, &error);
  g_assert_no_error (error);
  scene->request = fixture_request (QS_VERB_SNAPSHOT_DELETE, 0, world->deleted);
  qs_facts_imagine (facts, changes);
  qs_facts_imagine_snapshot (facts, world->deleted, facts, changes);
  g_ptr_array_add (facts->disks, walk (facts, "vda", "/a"));
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, i);

      g_ptr_array_add (facts->snapshot_disks, walk (facts, row->target, row->path));
    }
}

static QsPlan *
plan_delete (const Scene *scene, GError **error)
{
  return qs_operation_get (QS_VERB_SNAPSHOT_DELETE)
      ->plan (scene->domain, scene->request, scene->facts, error);
}

static void
test_plan (gconstpointer data)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (QsPlan) plan = NULL;

  scene_init (&scene, data);
  plan = plan_delete (&scene, &error);
  g_assert_no_error (error);
  g_assert_true (qs_plan_check (plan, NULL));
  plan_golden_check (((const World *)data)->name, plan);
  fake_world_exercise (plan);
}

/* nothing is looked for in vain */
static void
test_ask (void)
{
  g_auto (Scene) scene = { 0 };
  g_autoptr (QsQuestions) questions = qs_questions_new ();

  scene_init (&scene, &worlds[0]);
  g_assert_true (qs_operation_get (QS_VERB_SNAPSHOT_DELETE)
                     ->ask (scene.domain, scene.request, questions, NULL));
  g_assert_cmpstr (questions->tip_of, ==, "s2");
  g_assert_cmpuint (questions->disks->len, ==, 1);
  g_assert_true (questions->files && questions->users && questions->snapshot_files);
}

#define LEAF { "s1", "s2<s1" }, "s1", "s2"
#define LEAF_FILES "/base ! =s1", "/f2</base =s2", "/t2</f2 ^s2", "/a</base *vda"

/* what would have to be merged; a parent that cannot take over what the disk holds */
static const struct
{
  World world;
  QsError code;
  const char *text;
} refused[] = {
  { { "only", { "s1" }, "s1", "s1", { "/base ! =s1", "/a</base *vda" } },
    QS_ERROR_OPERATION_UNSUPPORTED,
    "‘/base’ would have to be merged with ‘/a’" },
  { { "middle",
      { "s1", "s2<s1", "s3<s2" },
      "s1",
      "s2",
      { "/base ! =s1", "/f2</base =s2", "/f3</f2 =s3", "/a</base *vda" } },
    QS_ERROR_OPERATION_UNSUPPORTED,
    "‘/f2’ would have to be merged with ‘/f3’" },
  { { "above-tip", LEAF, { LEAF_FILES, "/x</t2" } },
    QS_ERROR_OPERATION_UNSUPPORTED,
    "‘/t2’ would have to be merged with ‘/x’" },
  { { "tag-of-other-above",
      { "s1", "s2<s1", "s3<s2" },
      "s1",
      "s2",
      { "/base ! =s1", "/f2</base =s2", "/t2</f2 ^s2 #s3", "/a</base *vda" } },
    QS_ERROR_OPERATION_UNSUPPORTED,
    "‘/f2’ would have to be merged with ‘/t2’" },
  /* the caller's own overlay still stands on it */
  { { "below-lent", LEAF, { "/base ! =s1", "/f2</base =s2", "/t2</f2 ! ^s2", "/a</base *vda" } },
    QS_ERROR_OPERATION_UNSUPPORTED,
    "‘/f2’ would have to be merged with ‘/t2’" },
  { { "two-lines",
      { "s1", "s2<s1", "b2<s1" },
      "s2",
      "s2",
      { "/base ! =s1", "/f2</base =s2 =b2", "/t1</base ^s1", "/a</f2 *vda" } },
    QS_ERROR_OPERATION_INVALID,
    "the domain would be at ‘s1’, whose own later changes wait" },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_auto (Scene) scene = { 0 };
      g_autoptr (GError) error = NULL;

      scene_init (&scene, &refused[i].world);
      g_assert_null (plan_delete (&scene, &error));
      g_assert_error (error, QS_ERROR, (int)refused[i].code);
      g_assert_nonnull (strstr (error->message, refused[i].text));
    }
}

static const World leaf = { "leaf", LEAF, { LEAF_FILES } };

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
  QsDiskFacts *tip = walk (facts, "vda", "/t2");

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

  g_ptr_array_add (disk->chain, make_image (qs_facts_find_file (facts, "/f2")));
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
      g_auto (Scene) scene = { 0 };
      g_autoptr (GError) error = NULL;

      scene_init (&scene, &leaf);
      needed[i].trouble (scene.facts);
      g_assert_null (plan_delete (&scene, &error));
      g_assert_error (error, QS_ERROR, (int)needed[i].code);
      g_assert_nonnull (strstr (error->message, needed[i].text));
    }
}

/* of files that other domains name, whatever they say of them; what stands on nothing else goes */
static void
test_foreign (gconstpointer data)
{
  gboolean recorded = data != NULL;
  g_auto (Scene) scene = { 0 };
  g_autoptr (QsPlan) plan = NULL;
  g_autofree char *text = NULL;

  scene_init (&scene, &leaf);
  if (recorded)
    g_ptr_array_add (scene.facts->foreign_images, g_strdup ("/f2"));
  else
    g_hash_table_insert (scene.facts->used_elsewhere, g_strdup ("/f2"), g_strdup (""));
  plan = plan_delete (&scene, NULL);
  text = qs_plan_describe (plan);
  g_assert_nonnull (strstr (text, "file-unlink /t2"));
  g_assert_null (strstr (text, "file-unlink /f2"));
  g_assert_nonnull (strstr (text, "‘/f2’ stays: another domain uses it"));
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
  g_test_add_func ("/planners-delete-disks/refused", test_refused);
  g_test_add_func ("/planners-delete-disks/needed", test_needed);
  g_test_add_data_func ("/planners-delete-disks/foreign", NULL, test_foreign);
  g_test_add_data_func ("/planners-delete-disks/foreign-recorded", "recorded", test_foreign);
  return g_test_run ();
}
