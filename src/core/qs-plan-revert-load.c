/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-command-line.h"
#include "qs-error.h"

/* of an image for memory alone: what the guest could see of it says nothing about what it holds */
#define SIDE_CAR_BYTES (1024 * 1024)

/* of a hidden name; those of disks have their place among the disks */
#define BORROWED_INDEX 9000

/* memory goes back from an image: that of a disk, or one that no device uses */

static char *
memory_node (const QsRevertBuild *build)
{
  return g_strdup_printf ("snapd-%s-m", build->revert->facts->op);
}

/* of the process that runs, or of one that the plan starts */
static char *
disk_node (const QsRevertBuild *build, const char *target)
{
  const QsNode *node = qs_facts_find_node (build->revert->facts, target);

  if (!build->revert->in_place)
    return qs_node_name_root (target);
  return node != NULL ? g_strdup (node->node_name) : NULL;
}

typedef struct
{
  GVariantBuilder devices; /* as */
  GVariantBuilder rows;    /* aa{sv} */
  const char *tag;
} Load;

static gboolean
add_disk (const QsRevertBuild *build, const QsRevertDisk *disk, Load *load, GError **error)
{
  g_autofree char *node = disk_node (build, disk->target);

  if (node == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU has no such disk", disk->target);
      return FALSE;
    }
  if (!g_str_equal (disk->tag, load->tag))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’ has the tag ‘%s’ and memory has ‘%s’: QEMU loads one tag only",
                   disk->target, disk->tag, load->tag);
      return FALSE;
    }
  g_variant_builder_add (&load->devices, "s", node);
  g_variant_builder_add_parsed (&load->rows,
                                "{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <'qcow2'>,"
                                " 'dev': <%t>, 'ino': <%t>}",
                                disk->target, node, disk->path, disk->image->dev, disk->image->ino);
  return TRUE;
}

static gboolean
collect (const QsRevertBuild *build, Load *load, GError **error)
{
  const QsRevert *revert = build->revert;

  for (guint i = 0; i < revert->disks->len; i++)
    {
      const QsRevertDisk *disk = qs_revert_disk (revert, i);

      if (disk->kind == QS_REVERT_DISK_TAG && !add_disk (build, disk, load, error))
        return FALSE;
    }
  return TRUE;
}

static const char *
find_tag (const QsRevert *revert)
{
  if (revert->memory != NULL)
    return revert->memory->tag;
  for (guint i = 0; i < revert->disks->len; i++)
    if (qs_revert_disk (revert, i)->kind == QS_REVERT_DISK_TAG)
      return qs_revert_disk (revert, i)->tag;
  g_return_val_if_reached (NULL);
}

/* which process: one that the plan starts does not know the file yet */
static void
add_process (const QsRevertBuild *build, GVariantBuilder *arguments)
{
  const QsRevert *revert = build->revert;
  const QsDiskFacts *found = qs_facts_find_snapshot_disk (revert->facts, QS_MEMORY_TARGET);
  const QsImage *image;

  if (revert->in_place)
    {
      g_variant_builder_add_parsed (arguments, "{'pid', <%x>}", revert->domain->process->pid);
      g_variant_builder_add_parsed (arguments, "{'start-time', <%t>}",
                                    revert->domain->process->start_time);
      return;
    }
  g_variant_builder_add_parsed (arguments, "{'spawn', <%u>}", build->spawn);
  if (revert->save != QS_SAVE_IN_FILE)
    return;
  image = g_ptr_array_index (found->chain, 0);
  g_variant_builder_add_parsed (arguments, "{'file', <%s>}", revert->memory->path);
  g_variant_builder_add_parsed (arguments, "{'file-dev', <%t>}", image->dev);
  g_variant_builder_add_parsed (arguments, "{'file-ino', <%t>}", image->ino);
}

/**
 * qs_revert_add_load:
 *
 * Adds the step that loads memory, and with it the disks that have the same tag.
 */
gboolean
qs_revert_add_load (QsRevertBuild *build, QsPhase phase, GError **error)
{
  const QsRevert *revert = build->revert;
  Load load = { G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("as")),
                G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}")), find_tag (revert) };
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autofree char *job = g_strdup_printf ("snapd-%s-l", revert->facts->op);
  g_autofree char *vmstate = revert->save == QS_SAVE_IN_DISK
                                 ? disk_node (build, revert->memory_disk)
                                 : memory_node (build);

  if (revert->save != QS_SAVE_IN_DISK)
    g_variant_builder_add (&load.devices, "s", vmstate);
  if (!collect (build, &load, error))
    {
      g_variant_builder_clear (&load.devices);
      g_variant_builder_clear (&load.rows);
      return FALSE;
    }
  g_variant_builder_add_parsed (&arguments, "{'job', <%s>}", job);
  g_variant_builder_add_parsed (&arguments, "{'tag', <%s>}", load.tag);
  g_variant_builder_add_parsed (&arguments, "{'vmstate', <%s>}", vmstate);
  g_variant_builder_add (&arguments, "{sv}", "devices", g_variant_builder_end (&load.devices));
  g_variant_builder_add (&arguments, "{sv}", "disks", g_variant_builder_end (&load.rows));
  add_process (build, &arguments);
  qs_plan_add (build->plan, QS_STEP_SNAPSHOT_LOAD, phase, revert->snapshot->name,
               g_variant_builder_end (&arguments));
  return TRUE;
}

/* a file that lives as long as the plan */
static void
add_borrowed_file (QsRevertBuild *build)
{
  const QsRevertDisk *disk = qs_revert_disk (build->revert, 0);
  g_autofree char *path = qs_exchange_aside (disk->path, build->revert->facts->op, BORROWED_INDEX);
  guint32 owner = build->revert->domain->owner;

  build->vmstate = build->plan->steps->len;
  qs_plan_add (build->plan, QS_STEP_IMAGE_CREATE, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'format': <'qcow2'>,"
                                     " 'size': <%t>, 'cluster-size': <%u>, 'mode': <%u>,"
                                     " 'gid': <%u>}",
                                     QS_MEMORY_TARGET, path, (guint64)SIDE_CAR_BYTES, 64u * 1024u,
                                     qs_planning_mode (disk->image, owner), disk->image->gid));
}

/**
 * qs_revert_add_memory_node:
 *
 * Adds the steps by which the QEMU that runs opens the image with the memory. Without memory in the
 * snapshot it is a new one, that gets the memory of the moment under the tag of the disks: QEMU brings
 * disks back with memory only, and what the guest has in it is reset afterwards.
 */
void
qs_revert_add_memory_node (QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;
  g_autofree char *node = memory_node (build);
  const char *path = revert->memory != NULL ? revert->memory->path : NULL;

  if (revert->loads && revert->save == QS_SAVE_IN_DISK)
    return;
  if (path == NULL)
    {
      add_borrowed_file (build);
      path = qs_step_string (qs_plan_step (build->plan, build->vmstate), "path");
    }
  qs_plan_add (build->plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>,"
                                     " 'format': <'qcow2'>, 'direct': <false>,"
                                     " 'no-flush': <false>}",
                                     QS_MEMORY_TARGET, node, path));
}

/**
 * qs_revert_add_save:
 *
 * Adds the step that puts the memory of the moment there.
 */
void
qs_revert_add_save (QsRevertBuild *build)
{
  g_autofree char *node = memory_node (build);
  g_autofree char *job = g_strdup_printf ("snapd-%s-s", build->revert->facts->op);

  qs_plan_add (build->plan, QS_STEP_SNAPSHOT_SAVE, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'job': <%s>, 'tag': <%s>, 'vmstate': <%s>,"
                                     " 'devices': <[%s]>, 'disks': <@aa{sv} []>}",
                                     job, find_tag (build->revert), node, node));
}

/**
 * qs_revert_add_memory_release:
 *
 * Adds the steps after which that image is a file like others again, or none.
 */
void
qs_revert_add_memory_release (QsRevertBuild *build)
{
  const QsRevert *revert = build->revert;
  g_autofree char *node = memory_node (build);

  if (revert->loads && revert->save == QS_SAVE_IN_DISK)
    return;
  qs_plan_add (build->plan, QS_STEP_NODE_RELEASE, QS_PHASE_FINISH, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'target': <%s>, 'old': <%s>}", QS_MEMORY_TARGET, node));
  if (revert->memory == NULL)
    qs_plan_add (
        build->plan, QS_STEP_IMAGE_DISCARD, QS_PHASE_FINISH, QS_MEMORY_TARGET,
        g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'image': <%u>}", QS_MEMORY_TARGET,
                              qs_step_string (qs_plan_step (build->plan, build->vmstate), "path"),
                              build->vmstate));
}
