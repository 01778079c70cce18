/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-exchange.h"

/* what one disk after the other cannot be */
#define ALL_OR_NOTHING (QS_CREATE_ATOMIC | QS_CREATE_REUSE_EXT)

/* the overlay names the recorded file as its base: QEMU must have that very one open. QEMU writes
   a file with options of its own as json: text, which tells no name */
static gboolean
check_node_file (const QsSelected *selected, const QsNode *node, GError **error)
{
  if (node->path == NULL || g_str_has_prefix (node->path, "json:")
      || g_str_equal (node->path, selected->active))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: the running QEMU has ‘%s’ open, but ‘%s’ is recorded; shut the guest "
               "down first",
               selected->disk->target, node->path, selected->active);
  return FALSE;
}

/* whoever has started this QEMU may have named the file as he liked: what it has open, and as many
   files below as the image leads to, tells more */
static gboolean
check_foreign_node (const QsCreate *create, const QsSelected *selected, const QsNode *node,
                    GError **error)
{
  const QsDiskFacts *disk = qs_facts_find_disk (create->facts, selected->disk->target);
  const QsImage *image = disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

  if (image != NULL && !qs_facts_has_open (create->facts, image))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’: QEMU does not write to ‘%s’ as it is there now; was it moved, or "
                   "replaced by another file?",
                   selected->disk->target, image->path);
      return FALSE;
    }
  if (image != NULL && disk->error == NULL && node->depth + 1 != (gint64)disk->chain->len)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "disk ‘%s’: QEMU has %" G_GINT64_FORMAT " files open below the image, but the "
                   "images name %u",
                   selected->disk->target, node->depth, disk->chain->len - 1);
      return FALSE;
    }
  /* a name that tells the file at all must tell this one */
  return create->facts->open_files != NULL || node->path == NULL || *node->path != '/'
         || qs_exchange_is_aside (node->path) || check_node_file (selected, node, error);
}

/**
 * qs_create_find_node:
 *
 * Returns: (transfer none): the block node that a disk has in the running QEMU, seen to be that of
 *   the recorded file
 */
const QsNode *
qs_create_find_node (const QsCreate *create, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);

  if (node == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU has no such disk", selected->disk->target);
      return NULL;
    }
  if (create->domain->attachment != NULL ? !check_foreign_node (create, selected, node, error)
                                         : !check_node_file (selected, node, error))
    return NULL;
  return node;
}

/* a file that will get another name must never be opened by this one again, as QEMU does when it
   makes a node read-only or writable by itself */
static GVariant *
node_arguments (const QsCreate *create, const QsSelected *selected, const QsNode *node,
                const char *name)
{
  return g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <%s>,"
                               " 'direct': <%b>, 'no-flush': <%b>, 'detect-zeroes': <%s>,"
                               " 'auto-read-only': <%b>}",
                               selected->disk->target, name, qs_create_file_path (create, selected),
                               selected->format, node->direct, node->no_flush,
                               node->detect_zeroes != NULL ? node->detect_zeroes : "off",
                               !qs_create_is_exchanged (create, selected));
}

static gboolean
plan_node (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_create_find_node (create, selected, error);
  g_autofree char *name = g_strdup_printf ("snapd-%s-%u", create->facts->op, plan->steps->len);

  if (node == NULL)
    return FALSE;
  qs_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, selected->disk->target,
               node_arguments (create, selected, node, name));
  return TRUE;
}

/* of an overlay that is not new: what tells later whether it is still this one, and whether the guest
   has written to it */
static void
add_before (const QsCreate *create, const QsSelected *selected, GVariantBuilder *arguments)
{
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, selected->path);
  const QsImage *image = reused != NULL ? g_ptr_array_index (reused->chain, 0) : NULL;
  guint64 dev;
  guint64 ino;

  if (image == NULL)
    return;
  qs_image_identity (image, &dev, &ino);
  g_variant_builder_add_parsed (arguments, "{'before', <(%t, %t, %b)>}", image->size, image->mtime,
                                reused->has_data);
  g_variant_builder_add_parsed (arguments, "{'dev', <%t>}", dev);
  g_variant_builder_add_parsed (arguments, "{'ino', <%t>}", ino);
  g_variant_builder_add_parsed (arguments, "{'btime', <%x>}",
                                image->rdev != 0 ? (gint64)0 : image->btime);
}

/* it is the commit unless something comes after it that may fail: beside memory and mirrors, a look whether the
   guest has stood still all the time */
static gboolean
is_last_to_fail (const QsCreate *create)
{
  return create->selection->save == QS_SAVE_NONE && !qs_create_copies_firmware (create)
         && !qs_create_has_mirrors (create);
}

/* an overlay is taken back by merging it: what it held before would go down with it into the file that
   the guest went on with */
static gboolean
check_undo (const QsCreate *create, const QsSelected *selected, GError **error)
{
  const QsDiskFacts *reused = qs_facts_find_reused (create->facts, selected->path);
  const char *way = "shut the guest down first";

  if (reused == NULL || !reused->has_data || is_last_to_fail (create))
    return TRUE;
  if (qs_create_has_mirrors (create))
    way = "leave <mirror> out";
  else if (create->selection->save != QS_SAVE_NONE)
    way = "take a disk-only snapshot (DISK_ONLY)";
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "disk ‘%s’: target ‘%s’ holds data already, and cannot be told from what the guest "
               "writes if this snapshot has to be taken back; give an empty overlay, or %s",
               selected->disk->target, selected->path, way);
  return FALSE;
}

/* by the node that stands in the plan before it */
static gboolean
add_external_row (QsCreate *create, const QsPlan *plan, const QsSelected *selected,
                  GVariantBuilder *disks, GError **error)
{
  const QsStep *added = qs_create_find_added (plan, selected->disk->target);
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);

  if (!check_undo (create, selected, error))
    return FALSE;
  g_variant_builder_open (disks, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add_parsed (disks, "{'target', <%s>}", selected->disk->target);
  g_variant_builder_add_parsed (disks, "{'node', <%s>}", node->node_name);
  g_variant_builder_add_parsed (disks, "{'overlay', <%s>}", qs_step_string (added, "node"));
  g_variant_builder_add_parsed (disks, "{'path', <%s>}", qs_step_string (added, "path"));
  g_variant_builder_add_parsed (disks, "{'active', <%s>}", node->path);
  g_variant_builder_add_parsed (disks, "{'format', <%s>}", selected->format);
  add_before (create, selected, disks);
  g_variant_builder_close (disks);
  return TRUE;
}

static gboolean
add_internal_row (QsCreate *create, const QsPlan *plan, const QsSelected *selected,
                  GVariantBuilder *disks, GError **error)
{
  const QsNode *node;
  const QsImage *image;

  if (qs_create_saves_disk (create, selected))
    return TRUE;
  node = qs_create_find_node (create, selected, error);
  image = node == NULL ? NULL : qs_check_disk_image (selected, create->facts, error);
  if (image == NULL)
    return FALSE;
  g_variant_builder_add_parsed (disks,
                                "{'target': <%s>, 'node': <%s>, 'tag': <%s>, 'path': <%s>,"
                                " 'format': <'qcow2'>, 'dev': <%t>, 'ino': <%t>}",
                                selected->disk->target, node->node_name, create->tag, image->path,
                                image->dev, image->ino);
  return TRUE;
}

typedef gboolean (*AddRow) (QsCreate *create, const QsPlan *plan, const QsSelected *selected,
                            GVariantBuilder *disks, GError **error);

static gboolean
add_rows (QsCreate *create, const QsPlan *plan, GVariantBuilder *disks, GError **error)
{
  static const AddRow add[] = {
    [QS_LOCATION_INTERNAL] = add_internal_row, [QS_LOCATION_EXTERNAL] = add_external_row
  };

  for (guint i = 0; i < create->selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (create->selection->disks, i);

      if (selected->choice < G_N_ELEMENTS (add) && add[selected->choice] != NULL
          && !add[selected->choice](create, plan, selected, disks, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
switch_at_once (QsCreate *create, QsPlan *plan, GError **error)
{
  g_auto (GVariantBuilder) rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) disks = NULL;

  if (!add_rows (create, plan, &rows, error))
    return FALSE;
  qs_create_add_firmware_row (create, plan, &rows);
  disks = g_variant_ref_sink (g_variant_builder_end (&rows));
  if (g_variant_n_children (disks) == 0)
    return TRUE;
  create->committed = is_last_to_fail (create);
  qs_plan_add (plan, QS_STEP_TRANSACTION, create->committed ? QS_PHASE_COMMIT : QS_PHASE_PREPARE,
               create->selection->name, g_variant_new_parsed ("{'disks': <%@aa{sv}>}", disks));
  return TRUE;
}

/* the first one that takes effect cannot be taken back */
static gboolean
plan_sync (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_create_find_node (create, selected, error);
  QsPhase phase = g_hash_table_size (create->syncs) == 0 ? QS_PHASE_COMMIT : QS_PHASE_FINISH;
  g_autofree char *name = g_strdup_printf ("snapd-%s-%u", create->facts->op, plan->steps->len);
  g_auto (GVariantBuilder) arguments = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (node == NULL)
    return FALSE;
  g_hash_table_insert (create->syncs, selected->disk->target, GUINT_TO_POINTER (plan->steps->len));
  g_variant_builder_add_parsed (&arguments, "{'target', <%s>}", selected->disk->target);
  g_variant_builder_add_parsed (&arguments, "{'node', <%s>}", node->node_name);
  g_variant_builder_add_parsed (&arguments, "{'overlay', <%s>}", name);
  g_variant_builder_add_parsed (&arguments, "{'path', <%s>}",
                                qs_create_file_path (create, selected));
  g_variant_builder_add_parsed (&arguments, "{'format', <%s>}", selected->format);
  g_variant_builder_add_parsed (&arguments, "{'size', <%t>}", node->virtual_size);
  add_before (create, selected, &arguments);
  qs_plan_add (plan, QS_STEP_BLOCKDEV_SNAPSHOT_SYNC, phase, selected->disk->target,
               g_variant_builder_end (&arguments));
  return TRUE;
}

/* what was made for a disk that could not be switched */
static gboolean
plan_discard (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const char *target = selected->disk->target;
  guint sync = GPOINTER_TO_UINT (g_hash_table_lookup (create->syncs, target));
  gpointer image;

  if (qs_plan_step (plan, sync)->phase == QS_PHASE_FINISH
      && g_hash_table_lookup_extended (create->steps, target, NULL, &image))
    qs_plan_add (plan, QS_STEP_IMAGE_DISCARD, QS_PHASE_FINISH, target,
                 g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'image': <%u>,"
                                       " 'switch': <%u>}",
                                       target, selected->path, GPOINTER_TO_UINT (image), sync));
  return TRUE;
}

static gboolean
refuse_one_by_one (const QsCreate *create, GError **error)
{
  const QsSelection *selection = create->selection;
  gboolean together = selection->n_external > 1 && (create->request->flags & ALL_OR_NOTHING) != 0;

  if (selection->n_internal > 0 || selection->save != QS_SAVE_NONE)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                         "this QEMU has no ‘transaction’: of a running guest only external "
                         "snapshots of disks can be taken, without memory");
  else if (together)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                 "this QEMU has no ‘transaction’ and cannot switch %u disks at once, as %s wants "
                 "it; leave the flag out, or snapshot one disk at a time",
                 selection->n_external,
                 create->request->flags & QS_CREATE_REUSE_EXT ? "REUSE_EXT" : "ATOMIC");
  else
    return FALSE;
  return TRUE;
}

static gboolean
switch_one_by_one (QsCreate *create, QsPlan *plan, GError **error)
{
  if (refuse_one_by_one (create, error)
      || !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, plan_sync, error)
      || !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, plan_discard, error))
    return FALSE;
  create->committed = TRUE;
  if (create->selection->n_external > 1)
    qs_plan_note (plan, "this QEMU has no ‘transaction’: the disks were switched one after the "
                        "other, not at one point in time");
  return TRUE;
}

/* the ways to switch, best first */
static const struct
{
  const char *commands[4];
  gboolean (*add) (QsCreate *create, QsPlan *plan, GError **error);
} ways[] = {
  { { "transaction", "blockdev-add", "blockdev-del" }, switch_at_once },
  { { "blockdev-snapshot-sync" }, switch_one_by_one },
};

/**
 * qs_create_switches_at_once:
 *
 * Whether QEMU can go over to all overlays in one step.
 */
gboolean
qs_create_switches_at_once (const QsCreate *create)
{
  return qs_facts_has_commands (create->facts, ways[0].commands);
}

/**
 * qs_create_add_nodes:
 *
 * Adds the steps by which QEMU opens the overlays, unused as yet.
 */
gboolean
qs_create_add_nodes (QsCreate *create, QsPlan *plan, GError **error)
{
  return !qs_create_switches_at_once (create)
         || qs_create_each (create, plan, QS_LOCATION_EXTERNAL, plan_node, error);
}

/**
 * qs_create_add_switch:
 *
 * Adds the steps of the disks' point in time: all disks in one `transaction`; where QEMU has none,
 * one `blockdev-snapshot-sync` after the other, as the seed of ATOMIC has it.
 */
gboolean
qs_create_add_switch (QsCreate *create, QsPlan *plan, GError **error)
{
  if (!qs_planning_check_block_jobs (create->facts, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    if (qs_facts_has_commands (create->facts, ways[i].commands))
      return ways[i].add (create, plan, error);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                       "this QEMU has neither ‘transaction’ nor ‘blockdev-snapshot-sync’");
  return FALSE;
}
