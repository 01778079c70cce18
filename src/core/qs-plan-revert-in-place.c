/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-revert.h"

/* the process that runs goes on: it gets its memory back, or boots from other disks */

/* QEMU follows the names in the images: where another has started it, they must lead to what it has open
   already */
static gboolean
check_chain (const QsRevert *revert, const QsRevertDisk *disk, GError **error)
{
  const GPtrArray *chain = disk->facts->chain;
  guint first = disk->kind == QS_REVERT_DISK_TIP ? 1 : 0;

  for (guint i = first; revert->domain->attachment != NULL && i < chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (chain, i);

      if (qs_facts_sees_open (revert->facts, image))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU does not have the files open that the images name, "
                   "at ‘%s’; shut the guest down first",
                   disk->target, image->path);
      return FALSE;
    }
  return TRUE;
}

/* what a QEMU of ours has open is what it was told */
static gboolean
has_open (const QsRevert *revert, const QsImage *image)
{
  return (revert->domain->attachment == NULL && revert->facts->open_files == NULL)
         || qs_facts_has_open (revert->facts, image);
}

static gboolean
check_active (const QsRevertBuild *build, const char *target, const QsNode *node, GError **error)
{
  const QsFacts *facts = build->revert->facts;
  const QsDiskFacts *disk = qs_facts_find_disk (facts, target);
  const QsImage *image =
      disk != NULL && disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

  if (image != NULL && disk->error == NULL && has_open (build->revert, image)
      && node->depth + 1 == (gint64)disk->chain->len)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "disk ‘%s’: the running QEMU does not write to the file that is recorded; shut the "
               "guest down first",
               target);
  return FALSE;
}

/* (nullable): the node of a disk of which all is as it is thought to be */
static const QsNode *
find_node (const QsRevertBuild *build, const QsRevertDisk *disk, GError **error)
{
  const QsNode *node = qs_facts_find_node (build->revert->facts, disk->target);

  if (node == NULL || node->device == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU has no such disk", disk->target);
      return NULL;
    }
  return check_active (build, disk->target, node, error) && check_chain (build->revert, disk, error)
             ? node
             : NULL;
}

/**
 * qs_revert_add_node:
 * @path: of the file that the disk goes to
 * @exchanged: which gets another name
 *
 * Opens that file in the QEMU that runs.
 */
gboolean
qs_revert_add_node (QsRevertBuild *build, const QsRevertDisk *disk, const char *path,
                    gboolean exchanged, GError **error)
{
  const QsNode *node = find_node (build, disk, error);
  g_autofree char *name =
      g_strdup_printf ("snapd-%s-%u", build->revert->facts->op, build->plan->steps->len);

  if (node == NULL)
    return FALSE;
  g_ptr_array_add (build->nodes, GUINT_TO_POINTER (build->plan->steps->len));
  qs_plan_add (build->plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, disk->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <%s>,"
                                     " 'direct': <%b>, 'no-flush': <%b>, 'detect-zeroes': <%s>,"
                                     " 'auto-read-only': <%b>, 'open-backing': <true>}",
                                     disk->target, name, path,
                                     disk->kind == QS_REVERT_DISK_FRESH ? "qcow2" : disk->format,
                                     node->direct, node->no_flush,
                                     node->detect_zeroes != NULL ? node->detect_zeroes : "off",
                                     !exchanged));
  return TRUE;
}

typedef void (*NodeFunc) (QsRevertBuild *build, const QsStep *added, const QsNode *node,
                          const char *holder);

static void
each_node (QsRevertBuild *build, NodeFunc func)
{
  for (guint i = 0; i < build->nodes->len; i++)
    {
      const QsStep *added =
          qs_plan_step (build->plan, GPOINTER_TO_UINT (g_ptr_array_index (build->nodes, i)));
      g_autofree char *holder = g_strconcat (qs_step_string (added, "node"), "-h", NULL);

      func (build, added, qs_facts_find_node (build->revert->facts, added->target), holder);
    }
}

static void
plan_hold (QsRevertBuild *build, const QsStep *added, const QsNode *node, const char *holder)
{
  qs_plan_add (build->plan, QS_STEP_NODE_HOLD, QS_PHASE_PREPARE, added->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'old': <%s>}", added->target,
                                     holder, node->node_name));
}

static void
plan_switch (QsRevertBuild *build, const QsStep *added, const QsNode *node, const char *holder)
{
  qs_plan_add (build->plan, QS_STEP_NODE_SWITCH, QS_PHASE_PREPARE, added->target,
               g_variant_new_parsed ("{'target': <%s>, 'device': <%s>, 'node': <%s>, 'old': <%s>}",
                                     added->target, node->device, qs_step_string (added, "node"),
                                     node->node_name));
}

static void
plan_release (QsRevertBuild *build, const QsStep *added, const QsNode *node, const char *holder)
{
  qs_plan_add (build->plan, QS_STEP_NODE_RELEASE, QS_PHASE_FINISH, added->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'old': <%s>, 'holder': <%s>}",
                                     added->target, qs_step_string (added, "node"), node->node_name,
                                     holder));
}

/* not before QEMU has let go of the old files: to go back it may have to open them again */
static void
plan_protections (QsRevertBuild *build)
{
  for (guint i = 0; i < build->protections->len; i++)
    qs_exchange_add_protection (build->plan, &g_array_index (build->protections, QsProtection, i),
                                build->revert->domain->owner);
}

/* an image that QEMU brings back is none of the file system's names: the record can come first where there
   is none */
static gboolean
plan_commit (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  const QsRevert *revert = build->revert;
  QsPhase phase = QS_PHASE_COMMIT;
  guint load = G_MAXUINT;

  if (revert->loads || build->n_tags > 0)
    {
      load = build->plan->steps->len;
      if (!qs_revert_add_load (build, phase, error))
        return FALSE;
      phase = QS_PHASE_FINISH;
    }
  if (load != G_MAXUINT)
    qs_revert_add_tags (build, QS_PHASE_FINISH, load);
  qs_planning_add_record (build->plan, qs_revert_plan_exchanges (build, phase, FALSE),
                          revert->holder->name, changes);
  return TRUE;
}

/**
 * qs_revert_plan_in_place:
 *
 * Until the commit the old files have their names, and the guest, which stands still, can go back to
 * them. What it has in memory is of no use with other ones: it is replaced by the memory of the
 * snapshot, or the guest is reset before it runs. @changes are used up.
 */
gboolean
qs_revert_plan_in_place (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  const QsRevert *revert = build->revert;
  const char *name = revert->domain->name;
  QsPlan *plan = build->plan;
  gboolean borrows = !revert->loads && build->n_tags > 0;

  if (revert->loads || borrows)
    qs_revert_add_memory_node (build);
  each_node (build, plan_hold);
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, name, NULL);
  if (borrows)
    qs_revert_add_save (build);
  each_node (build, plan_switch);
  plan_protections (build);
  if (!plan_commit (build, changes, error))
    {
      g_variant_builder_clear (changes);
      return FALSE;
    }
  if (!revert->loads)
    qs_plan_add (plan, QS_STEP_RESET, QS_PHASE_FINISH, name, NULL);
  if (revert->resumes)
    qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_FINISH, name, NULL);
  each_node (build, plan_release);
  if (revert->loads || borrows)
    qs_revert_add_memory_release (build);
  qs_plan_set_pause (plan, revert->loads || borrows ? "memory" : "short");
  return TRUE;
}
