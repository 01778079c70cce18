/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "commit-fixture.h"

#include "qs-change.h"
#include "qs-flags.h"

#define UUID "cccccccc-bbbb-4ccc-8ddd-%012u"
#define KIB G_GUINT64_CONSTANT (1024)

void
commit_world_clear (CommitWorld *world)
{
  qs_domain_unref (world->domain);
  qs_facts_unref (world->facts);
  g_clear_pointer (&world->request, qs_request_unref);
}

char *
commit_uuid (guint n)
{
  return g_strdup_printf (UUID, n);
}

/* layer 0 is what the disk began with, layer n what snapshot n left it on */
char *
commit_path (const char *target, guint layer)
{
  return layer == 0 ? g_strdup_printf ("/images/%s.qcow2", target)
                    : g_strdup_printf ("/images/%s.s%u", target, layer);
}

static void
add_snapshot (QsChangeList *list, guint n)
{
  g_autofree char *uuid = commit_uuid (n);
  g_autofree char *parent = n > 1 ? commit_uuid (n - 1) : g_strdup ("");
  g_autofree char *name = g_strdup_printf ("s%u", n);

  qs_changes_add (list, QS_CHANGE_SNAPSHOT_PUT, "uuid", "s", uuid, "name", "s", name, "parent", "s",
                  parent, "description", "s", "", "state", "s", "disk-snapshot", "kind", "s",
                  "external", "memory", "s", "no", "origin", "s", "user", "created", "x",
                  FIXTURE_NOW, "document", "s", "", NULL);
  qs_changes_add (list, QS_CHANGE_CURRENT, "uuid", "s", uuid, NULL);
}

QsDomain *
commit_domain (QsDomain *domain, guint n_snapshots)
{
  g_autoptr (QsDomain) before = domain;
  g_autoptr (GVariant) changes = NULL;
  g_autoptr (GError) error = NULL;
  QsChangeList list;
  QsDomain *after;

  qs_changes_init (&list);
  for (guint n = 1; n <= n_snapshots; n++)
    add_snapshot (&list, n);
  for (guint i = 0; i < domain->def->disks->len; i++)
    {
      const char *target = ((QsDiskDef *)g_ptr_array_index (domain->def->disks, i))->target;
      g_autofree char *path = commit_path (target, n_snapshots);

      qs_changes_add (&list, QS_CHANGE_ACTIVE, "target", "s", target, "path", "s", path, "format",
                      "s", "qcow2", "stem", "s", target, NULL);
    }
  changes = g_variant_ref_sink (qs_changes_end (&list));
  after = qs_domain_apply (before, changes, &error);
  g_assert_no_error (error);
  return after;
}

void
commit_add_file (CommitWorld *world, const char *target, guint layer)
{
  QsFile *file = g_new0 (QsFile, 1);

  file->path = commit_path (target, layer);
  file->format = g_strdup ("qcow2");
  file->role = g_strdup ("disk");
  file->backing = layer > 0 ? commit_path (target, layer - 1) : NULL;
  file->dev = 2049;
  file->ino = 1000 + 100 * (target[2] - 'a') + layer;
  file->btime = 5;
  file->ours = layer > 0;
  file->state_of = g_ptr_array_new_with_free_func (g_free);
  file->tags = g_ptr_array_new_with_free_func (g_free);
  file->tag_of = g_ptr_array_new_with_free_func (g_free);
  if (layer < world->n_snapshots)
    g_ptr_array_add (file->state_of, commit_uuid (layer + 1));
  g_ptr_array_add (world->facts->files, file);
}

static void
add_image (CommitWorld *world, QsDiskFacts *disk, guint layer)
{
  const QsDiskFacts *seen = qs_facts_find_disk (world->facts, disk->target);
  QsImage *image =
      layer == world->n_snapshots ? g_ptr_array_index (seen->chain, 0) : qs_image_new ();
  QsTarget *target;

  if (layer < world->n_snapshots)
    g_ptr_array_add (disk->chain, image);
  g_free (image->path);
  image->path = commit_path (disk->target, layer);
  g_free (image->format);
  image->format = g_strdup ("qcow2");
  image->dev = 2049;
  image->ino = 1000 + 100 * (disk->target[2] - 'a') + layer;
  image->btime = 5;
  image->virtual_size = COMMIT_SIZE;
  image->allocated = 256 * KIB;
  image->mode = 0600;
  image->uid = 1000;
  image->n_links = 1;
  image->writable = TRUE;
  target = qs_target_new (image->path);
  target->free_bytes = COMMIT_SIZE;
  g_ptr_array_add (world->facts->targets, target);
}

static void
answer_disk (CommitWorld *world, QsDiskFacts *disk)
{
  for (guint layer = world->n_snapshots + 1; layer-- > 0;)
    {
      add_image (world, disk, layer);
      commit_add_file (world, disk->target, layer);
    }
}

static void
answer_node (CommitWorld *world, QsNode *node)
{
  g_autoptr (GStrvBuilder) below = g_strv_builder_new ();

  for (guint layer = world->n_snapshots; layer > 0; layer--)
    {
      g_autofree char *name =
          g_strdup_printf ("%s-b%u", node->node_name, world->n_snapshots + 1 - layer);

      g_strv_builder_add (below, name);
    }
  node->below = g_strv_builder_end (below);
}

/* the revert goes to snapshot @target, of @n_snapshots that stand on each other */
void
commit_world_open (CommitWorld *world, QsDomain *domain, guint n_snapshots, guint target,
                   guint flags)
{
  g_autofree char *uuid = commit_uuid (target);
  g_autoptr (GError) error = NULL;

  world->n_snapshots = n_snapshots;
  world->domain = commit_domain (domain, n_snapshots);
  world->request = fixture_request (QS_VERB_SNAPSHOT_REVERT, QS_REVERT_COMMIT | flags, uuid);
  world->facts = fixture_facts (world->domain, world->request, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < world->facts->disks->len; i++)
    answer_disk (world, g_ptr_array_index (world->facts->disks, i));
  for (guint i = 0; i < world->facts->nodes->len; i++)
    answer_node (world, g_ptr_array_index (world->facts->nodes, i));
}

QsPlan *
commit_world_plan (CommitWorld *world, GError **error)
{
  QsPlan *plan = qs_operation_get (world->request->verb)
                     ->plan (world->domain, world->request, world->facts, error);

  if (plan != NULL)
    g_assert_true (qs_plan_check (plan, NULL));
  return plan;
}

QsImage *
commit_image (const CommitWorld *world, guint layer)
{
  const QsDiskFacts *disk = qs_facts_find_disk (world->facts, "vda");

  return g_ptr_array_index (disk->chain, world->n_snapshots - layer);
}

QsFile *
commit_file (const CommitWorld *world, guint layer)
{
  g_autofree char *path = commit_path ("vda", layer);

  return (QsFile *)qs_facts_find_file (world->facts, path);
}
