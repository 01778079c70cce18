/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "branch-fixture.h"

#define DISK(target)                                                                               \
  "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source "                     \
  "file='/images/" target ".qcow2'/><target dev='" target "' bus='virtio'/></disk>"

static const char *
document_text (BranchMemory memory)
{
  static const char *const elements[] = {
    "<memory snapshot='no'/><nvram file='" VARIABLES "' format='raw'/>",
    "<memory snapshot='external' file='" MEMORY "' format='migrate'/>",
    "<memory snapshot='external' file='" MEMORY "' format='qcow2'/>",
  };

  return elements[memory];
}

/* the label of the copied document must give way, and what nobody knows stays */
static char *
point_document (BranchMemory memory)
{
  return g_strdup_printf (
      "<domainsnapshot><name>s1</name><description>first</description><state>%s</state>"
      "<creationTime>7</creationTime>%s<disks><disk name='vda' snapshot='external' type='file'>"
      "<driver type='qcow2'><metadata_cache/></driver><source file='/images/vda.s1'/></disk>"
      "<disk name='vdb' snapshot='external' type='file' mode='existing'><driver type='qcow2'/>"
      "<source file='/images/vdb.s1'/></disk></disks><domain type='qemu'><name>then</name>"
      "<uuid>" FIXTURE_UUID "</uuid><memory unit='MiB'>64</memory><devices>" DISK ("vda")
          DISK ("vdb") "</devices></domain>"
                       "<cookie>stays</cookie></domainsnapshot>",
      memory == DISKS_ONLY ? "shutoff" : "running", document_text (memory));
}

QsDomain *
branch_fixture_domain (BranchDomain kind, BranchMemory memory)
{
  QsDomain *domain = fixture_with_snapshot (
      kind == OFF ? fixture_domain (2) : fixture_running_domain (2), "s1", QS_KIND_EXTERNAL);
  QsSnapshot *point = qs_tree_lookup (domain->tree, FIXTURE_SNAPSHOT);

  if (memory != DISKS_ONLY)
    {
      point->memory = QS_LOCATION_EXTERNAL;
      point->state = QS_STATE_RUNNING;
    }
  return kind == ATTACHED || kind == FREE ? fixture_attached (domain, kind == ATTACHED) : domain;
}

void
branch_fixture_add_row (QsFacts *facts, const char *target, const char *path, const char *tag)
{
  QsSnapshotFile *row = g_new0 (QsSnapshotFile, 1);

  row->target = g_strdup (target);
  row->path = g_strdup (path);
  row->format = g_strdup ("raw");
  row->tag = g_strdup (tag);
  g_ptr_array_add (facts->snapshot_files, row);
}

/* … where it is found */
static void
add_file (QsFacts *facts, const char *path)
{
  QsTarget *target = qs_target_new (path);

  target->type = QS_TARGET_REGULAR;
  g_ptr_array_add (facts->targets, target);
}

static void
add_image (QsFacts *facts, const char *path)
{
  QsDiskFacts *disk = g_new0 (QsDiskFacts, 1);

  disk->target = g_strdup (QS_MEMORY_TARGET);
  disk->chain = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_image_free);
  g_ptr_array_add (disk->chain, qs_image_new ());
  ((QsImage *)g_ptr_array_index (disk->chain, 0))->path = g_strdup (path);
  g_ptr_array_add (facts->snapshot_disks, disk);
}

QsFacts *
branch_fixture_facts (const QsDomain *domain, const QsRequest *request, BranchMemory memory,
                      GError **error)
{
  QsFacts *facts = fixture_facts (domain, request, error);

  if (facts == NULL)
    return NULL;
  g_free (facts->snapshot_document);
  facts->snapshot_document = point_document (memory);
  if (memory == DISKS_ONLY)
    branch_fixture_add_row (facts, QS_NVRAM_TARGET, VARIABLES, NULL);
  else
    branch_fixture_add_row (facts, QS_MEMORY_TARGET, MEMORY,
                            memory == IMAGE ? "s-" FIXTURE_SNAPSHOT : NULL);
  if (memory == IMAGE)
    add_image (facts, MEMORY);
  else
    add_file (facts, memory == STREAM ? MEMORY : VARIABLES);
  return facts;
}

QsPlan *
branch_fixture_plan (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                     GError **error)
{
  QsPlan *made = qs_operation_get (request->verb)->plan (domain, request, facts, error);

  g_assert_true (made == NULL || qs_plan_check (made, NULL));
  return made;
}

void
branch_fixture_lend (QsFacts *facts)
{
  for (guint i = 0; i < facts->reused->len; i++)
    {
      QsDiskFacts *reused = g_ptr_array_index (facts->reused, i);
      QsDiskFacts *point = g_ptr_array_index (facts->snapshot_disks, i);
      const QsImage *state = g_ptr_array_index (point->chain, 0);
      QsImage *below = qs_image_new ();
      QsImage *overlay = g_ptr_array_index (reused->chain, 0);
      QsTarget *target = (QsTarget *)qs_facts_find_target (facts, reused->target);

      overlay->backing_name = g_strdup (state->path);
      below->path = g_strdup (state->path);
      below->format = g_strdup (state->format);
      below->dev = state->dev;
      below->ino = state->ino;
      g_ptr_array_add (reused->chain, below);
      target->type = QS_TARGET_REGULAR;
      target->dev = overlay->dev;
      target->ino = overlay->ino;
    }
}
