/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "delete-fixture.h"

#include "qs-imagine.h"

#include <string.h>

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
    case '~':
      qs_changes_add (list, QS_CHANGE_FILE_ROLE, "path", "s", path, "role", "s", "layer", NULL);
      break;
    default:
      g_assert (strchr ("!@+", kind) != NULL);
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
add_snapshot (QsChangeList *list, const DeleteWorld *world, const char *text)
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
make_changes (const DeleteWorld *world)
{
  QsChangeList list;

  qs_changes_init (&list);
  for (guint i = 0; i < 5 && world->snapshots[i] != NULL; i++)
    add_snapshot (&list, world, world->snapshots[i]);
  for (guint i = 0; i < DELETE_MAX_FILES && world->files[i] != NULL; i++)
    add_file (&list, world->files[i], i + 1);
  qs_changes_add (&list, QS_CHANGE_CURRENT, "uuid", "s", world->current, NULL);
  return g_variant_ref_sink (qs_changes_end (&list));
}

static QsTag *
new_tag (const char *name)
{
  QsTag *tag = g_new0 (QsTag, 1);

  tag->id = g_strdup ("1");
  tag->name = g_strdup (name);
  return tag;
}

QsImage *
delete_image (const QsFile *file)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (file->path);
  image->format = g_strdup ("qcow2");
  image->dev = file->dev;
  image->ino = file->ino;
  image->btime = file->btime;
  image->n_links = 1;
  image->virtual_size = G_GUINT64_CONSTANT (1) << 30;
  image->writable = TRUE;
  image->backing_name = g_strdup (file->backing);
  image->backing_format = g_strdup (file->backing != NULL ? "qcow2" : NULL);
  return image;
}

/* what of a file the records do not say */
static void
add_seen (const DeleteWorld *world, QsImage *image)
{
  for (guint i = 0; world->files[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit_set (world->files[i], " <", -1);

      for (guint n = 1; g_str_equal (words[0], image->path) && words[n] != NULL; n++)
        {
          if (words[n][0] == '@')
            image->allocated = g_ascii_strtoull (words[n] + 1, NULL, 10);
          if (words[n][0] == '+' || words[n][0] == '#')
            g_ptr_array_add (image->tags, new_tag (words[n][0] == '#' ? "tag" : words[n] + 1));
        }
    }
}

static void
see_all (const DeleteWorld *world, const GPtrArray *walks)
{
  for (guint i = 0; i < walks->len; i++)
    {
      const QsDiskFacts *walk = g_ptr_array_index (walks, i);

      for (guint n = 0; n < walk->chain->len; n++)
        add_seen (world, g_ptr_array_index (walk->chain, n));
    }
}

/* a QEMU of the service with the chain of vda open, node `aN` on file N */
static void
run_guest (QsFacts *facts)
{
  static const char *const commands[] = { "block-commit",
                                          "block-stream",
                                          "job-complete",
                                          "job-finalize",
                                          "job-dismiss",
                                          "blockdev-del",
                                          "x-debug-query-block-graph",
                                          NULL };
  const QsDiskFacts *disk = g_ptr_array_index (facts->disks, 0);
  g_autoptr (GStrvBuilder) below = g_strv_builder_new ();
  QsNode *node = g_new0 (QsNode, 1);

  node->target = g_strdup ("vda");
  node->node_name = g_strdup ("a0");
  node->path = g_strdup ("/a");
  node->format = g_strdup ("qcow2");
  for (guint i = 1; i < disk->chain->len; i++)
    {
      g_autofree char *name = g_strdup_printf ("a%u", i);

      g_strv_builder_add (below, name);
    }
  node->below = g_strv_builder_end (below);
  g_ptr_array_add (facts->nodes, node);
  facts->state = QS_DOMAIN_RUNNING;
  facts->commands = g_strdupv ((char **)commands);
}

/* what is found where the records say it is */
QsDiskFacts *
delete_walk (const QsFacts *facts, const char *target, const char *path)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);
  const QsFile *file = qs_facts_find_file (facts, path);

  disk->target = g_strdup (target);
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  for (; file != NULL;
       file = file->backing != NULL ? qs_facts_find_file (facts, file->backing) : NULL)
    g_ptr_array_add (disk->chain, delete_image (file));
  return disk;
}

void
delete_scene_clear (DeleteScene *scene)
{
  qs_domain_unref (scene->domain);
  qs_facts_unref (scene->facts);
  qs_request_unref (scene->request);
}

void
delete_scene_init (DeleteScene *scene, const DeleteWorld *world)
{
  g_autoptr (QsDomain) domain = world->is_on ? fixture_running_domain (1) : fixture_domain (1);
  g_autoptr (GVariant) changes = make_changes (world);
  g_autoptr (GError) error = NULL;
  QsFacts *facts = qs_facts_new ();

  scene->facts = facts;
  facts->op = g_strdup ("0badcafe");
  scene->domain = qs_domain_apply (domain, changes, &error);
  g_assert_no_error (error);
  scene->request = fixture_request (QS_VERB_SNAPSHOT_DELETE, 0, world->deleted);
  qs_facts_imagine (facts, changes);
  qs_facts_imagine_snapshot (facts, world->deleted, facts, changes);
  g_ptr_array_add (facts->disks, delete_walk (facts, "vda", "/a"));
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (facts->snapshot_files, i);

      g_ptr_array_add (facts->snapshot_disks, delete_walk (facts, row->target, row->path));
    }
  for (guint i = 0; i < facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (facts->files, i);

      if (file->backing != NULL)
        g_ptr_array_add (facts->above, delete_walk (facts, file->path, file->path));
    }
  see_all (world, facts->disks);
  see_all (world, facts->snapshot_disks);
  see_all (world, facts->above);
  if (world->is_on)
    run_guest (facts);
}

QsPlan *
delete_plan (const DeleteScene *scene, GError **error)
{
  return qs_operation_get (QS_VERB_SNAPSHOT_DELETE)
      ->plan (scene->domain, scene->request, scene->facts, error);
}
