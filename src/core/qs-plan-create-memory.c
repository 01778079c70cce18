/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-limits.h"

static char *
side_car_node (const QsCreate *create)
{
  return g_strdup_printf ("snapd-%s-m", create->facts->op);
}

/**
 * qs_create_add_memory_node:
 *
 * Adds the step by which QEMU opens the side-car.
 */
gboolean
qs_create_add_memory_node (QsCreate *create, QsPlan *plan, GError **error)
{
  g_autofree char *node = side_car_node (create);

  if (create->selection->save == QS_SAVE_IN_FILE)
    qs_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
                 g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>,"
                                       " 'format': <'qcow2'>, 'direct': <false>,"
                                       " 'no-flush': <false>}",
                                       QS_MEMORY_TARGET, node, qs_create_memory_path (create)));
  return TRUE;
}

/* once memory is in it, it is a file like others */
gboolean
qs_create_add_memory_release (QsCreate *create, QsPlan *plan, GError **error)
{
  g_autofree char *node = side_car_node (create);

  if (create->selection->save == QS_SAVE_IN_FILE)
    qs_plan_add (plan, QS_STEP_NODE_RELEASE, QS_PHASE_FINISH, QS_MEMORY_TARGET,
                 g_variant_new_parsed ("{'target': <%s>, 'old': <%s>}", QS_MEMORY_TARGET, node));
  return TRUE;
}

/**
 * qs_create_saves_disk:
 *
 * Whether the internal snapshot of a disk is made by the step that saves memory: of all disks if
 * they all have one, else of the one that holds memory.
 */
gboolean
qs_create_saves_disk (const QsCreate *create, const QsSelected *selected)
{
  const QsSelection *selection = create->selection;

  if (selection->save != QS_SAVE_IN_DISK || selected->choice != QS_LOCATION_INTERNAL)
    return FALSE;
  return selection->recipe == QS_RECIPE_SAVEVM
         || g_str_equal (selected->disk->target, selection->memory_disk);
}

typedef struct
{
  GVariantBuilder devices; /* as: nodes that get the tag */
  GVariantBuilder rows;    /* aa{sv}: those of disks */
  char *vmstate;
} Save;

static gboolean
add_saved_disk (const QsCreate *create, const QsSelected *selected, Save *save, GError **error)
{
  const QsNode *node = qs_create_find_node (create, selected, error);
  const QsImage *image = node == NULL ? NULL : qs_check_disk_image (selected, create->facts, error);

  if (image == NULL)
    return FALSE;
  g_variant_builder_add (&save->devices, "s", node->node_name);
  g_variant_builder_add_parsed (&save->rows,
                                "{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <'qcow2'>,"
                                " 'dev': <%t>, 'ino': <%t>}",
                                selected->disk->target, node->node_name, image->path, image->dev,
                                image->ino);
  if (g_str_equal (selected->disk->target, create->selection->memory_disk))
    save->vmstate = g_strdup (node->node_name);
  return TRUE;
}

static gboolean
collect_saved (const QsCreate *create, Save *save, GError **error)
{
  if (create->selection->save == QS_SAVE_IN_FILE)
    {
      save->vmstate = side_car_node (create);
      g_variant_builder_add (&save->devices, "s", save->vmstate);
      return TRUE;
    }
  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);

      if (qs_create_saves_disk (create, selected)
          && !add_saved_disk (create, selected, save, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_snapshot_save (QsCreate *create, QsPlan *plan, GError **error)
{
  Save save = { G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("as")),
                G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}")), NULL };
  g_autofree char *job = g_strdup_printf ("snapd-%s-s", create->facts->op);
  gboolean collected = collect_saved (create, &save, error);
  g_autofree char *vmstate = save.vmstate;

  if (!collected)
    {
      g_variant_builder_clear (&save.devices);
      g_variant_builder_clear (&save.rows);
      return FALSE;
    }
  qs_plan_add (plan, QS_STEP_SNAPSHOT_SAVE, QS_PHASE_PREPARE, create->selection->name,
               g_variant_new_parsed ("{'job': <%s>, 'tag': <%s>, 'vmstate': <%s>,"
                                     " 'devices': <%@as>, 'disks': <%@aa{sv}>}",
                                     job, create->tag, vmstate,
                                     g_variant_builder_end (&save.devices),
                                     g_variant_builder_end (&save.rows)));
  return TRUE;
}

static gboolean
add_migrate (QsCreate *create, QsPlan *plan)
{
  gboolean live = create->selection->save == QS_SAVE_STREAM_LIVE;

  create->migrate = plan->steps->len;
  qs_plan_add (plan, QS_STEP_MIGRATE, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
               g_variant_new_parsed ("{'path': <%s>, 'file': <%u>, 'live': <%b>, 'timeout': <%u>}",
                                     qs_create_memory_path (create), create->memory_file, live,
                                     live ? create->facts->live_seconds : 0u));
  return TRUE;
}

/**
 * qs_create_add_save:
 *
 * Adds the step that saves memory before the disks: all of it into an image, or, while the guest
 * runs, so much that it can be stopped for the rest.
 */
gboolean
qs_create_add_save (QsCreate *create, QsPlan *plan, GError **error)
{
  switch (create->selection->save)
    {
    case QS_SAVE_IN_DISK:
    case QS_SAVE_IN_FILE:
      return add_snapshot_save (create, plan, error);
    case QS_SAVE_STREAM_LIVE:
      return add_migrate (create, plan);
    case QS_SAVE_STREAM:
    case QS_SAVE_NONE:
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

/**
 * qs_create_add_stream:
 *
 * Adds the step that saves memory after the disks: when it is done, QEMU has given up its images,
 * and no internal snapshot could be made.
 */
gboolean
qs_create_add_stream (QsCreate *create, QsPlan *plan, GError **error)
{
  const QsSelection *selection = create->selection;

  if (selection->save == QS_SAVE_STREAM)
    return add_migrate (create, plan);
  if (selection->save == QS_SAVE_STREAM_LIVE)
    qs_plan_add (plan, QS_STEP_MIGRATE_CONTINUE, QS_PHASE_PREPARE, QS_MEMORY_TARGET,
                 g_variant_new_parsed ("{'path': <%s>, 'file': <%u>, 'migrate': <%u>}",
                                       qs_create_memory_path (create), create->memory_file,
                                       create->migrate));
  return TRUE;
}

/**
 * qs_create_describe_memory:
 *
 * Fills in what the document of the snapshot says of memory.
 */
void
qs_create_describe_memory (const QsCreate *create, QsSnapshotDef *def)
{
  const QsSelection *selection = create->selection;
  gboolean external = selection->memory == QS_LOCATION_EXTERNAL;

  def->memory = selection->memory;
  if (selection->save == QS_SAVE_IN_DISK)
    def->memory_disk = g_strdup (selection->memory_disk);
  else if (external)
    def->memory_file = g_strdup (selection->memory_path);
  else
    def->memory_sidecar = g_strdup (selection->memory_path);
  if (external)
    def->memory_format = g_strdup (qs_create_is_stream (create) ? "migrate" : "qcow2");
}

/**
 * qs_create_record_memory:
 *
 * The file that holds memory, and that the snapshot uses it.
 */
void
qs_create_record_memory (const QsCreate *create, QsChangeList *changes, gboolean metadata)
{
  const QsSelection *selection = create->selection;
  const char *tag = qs_create_is_stream (create) ? "" : create->tag;

  if (selection->memory_path == NULL || !metadata)
    return;
  qs_changes_add (changes, QS_CHANGE_FILE_PUT, "path", "s", selection->memory_path, "format", "s",
                  qs_create_is_stream (create) ? "migrate" : "qcow2", "role", "s", "memory",
                  "backing", "s", "", "ours", "b", TRUE, "step", "u", create->memory_file, NULL);
  qs_changes_add (changes, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", create->facts->fresh_uuid,
                  "target", "s", QS_MEMORY_TARGET, "path", "s", selection->memory_path, "tag", "s",
                  tag, NULL);
}
