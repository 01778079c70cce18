/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-plan-revert.h"

/* a QEMU that is its owner's goes on with fresh overlays, and its guest boots from them */

static const char *const commands[] = { "blockdev-add", "blockdev-del", "qom-set", "system_reset" };

/* those in which a guest can be stopped, and goes on when it is continued */
static const char *const run_states[] = { "running",  "paused",   "prelaunch",
                                          "io-error", "watchdog", "debug" };

/**
 * qs_revert_is_in_place:
 *
 * A QEMU that somebody else has started is not ended, and none is started in its place.
 */
gboolean
qs_revert_is_in_place (const QsDomain *domain)
{
  return domain->attachment != NULL && qs_domain_is_active (domain);
}

static gboolean
check_run_state (const QsFacts *facts, GError **error)
{
  if (facts->run_state == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (run_states); i++)
    if (g_str_equal (facts->run_state, run_states[i]))
      return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "the guest is in the state ‘%s’, in which its disks cannot be exchanged; shut it "
               "down first",
               facts->run_state);
  return FALSE;
}

static gboolean
check_process (const QsFacts *facts, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (!qs_facts_has_command (facts, commands[i]))
      {
        g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                     "this QEMU has no ‘%s’; shut the guest down first", commands[i]);
        return FALSE;
      }
  if (facts->open_files == NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                         "it cannot be seen how this QEMU was started and what it has open; shut "
                         "the guest down first");
  /* QEMU 7.2 aborts, now and then, where nodes are added to such that live in I/O threads */
  else if (facts->has_io_threads)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                         "this QEMU has I/O threads, whose disks cannot be exchanged; shut the "
                         "guest down first");
  else if (facts->ends_at_reset)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                         "this QEMU was started with -no-reboot and would end with the reset of "
                         "the guest; shut the guest down first");
  else
    return TRUE;
  return FALSE;
}

/**
 * qs_revert_check_in_place:
 *
 * What is refused whatever the files are.
 */
gboolean
qs_revert_check_in_place (const QsRevert *revert, GError **error)
{
  if (qs_domain_get_def (revert->domain)->nvram != NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "a running QEMU keeps its firmware variables and would write them back; "
                           "shut the guest down first");
      return FALSE;
    }
  for (guint i = 0; i < revert->facts->snapshot_files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (revert->facts->snapshot_files, i);

      if (file->tag == NULL || !qs_snapshot_file_is_disk (file))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’ has an internal snapshot, and bringing that back while the guest "
                   "runs is not supported by this version; shut the guest down first",
                   file->target);
      return FALSE;
    }
  return check_process (revert->facts, error) && check_run_state (revert->facts, error);
}

static gboolean
is_open (const QsFacts *facts, const QsImage *image)
{
  guint64 dev, ino;

  qs_image_identity (image, &dev, &ino);
  for (guint i = 0; i < facts->open_files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (facts->open_files, i);

      if (file->dev == dev && file->ino == ino)
        return TRUE;
    }
  return FALSE;
}

/* QEMU follows the names in the images: they must lead to what it has open already */
static gboolean
check_chain (const QsFacts *facts, const QsDiskFacts *state, GError **error)
{
  for (guint i = 0; i < state->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (state->chain, i);

      if (is_open (facts, image) && (i + 1 == state->chain->len || image->backing_name != NULL))
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU does not have the files open that the images name, "
                   "at ‘%s’; shut the guest down first",
                   state->target, image->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_active (const QsRevertBuild *build, const char *target, const QsNode *node, GError **error)
{
  const QsFacts *facts = build->revert->facts;
  const QsDiskFacts *disk = qs_facts_find_disk (facts, target);
  const QsImage *image =
      disk != NULL && disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

  if (image != NULL && disk->error == NULL && qs_facts_has_open (facts, image)
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
find_node (const QsRevertBuild *build, const char *target, GError **error)
{
  const QsFacts *facts = build->revert->facts;
  const QsNode *node = qs_facts_find_node (facts, target);
  const QsDiskFacts *state = qs_facts_find_snapshot_disk (facts, target);

  if (node == NULL || node->device == NULL || state == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU has no such disk", target);
      return NULL;
    }
  return check_active (build, target, node, error) && check_chain (facts, state, error) ? node
                                                                                        : NULL;
}

static const QsRevertExchange *
find_exchange (const QsRevertBuild *build, const char *target)
{
  for (guint i = 0; i < build->exchanges->len; i++)
    {
      const QsRevertExchange *exchange = g_ptr_array_index (build->exchanges, i);

      if (g_str_equal (exchange->names.target, target))
        return exchange;
    }
  return NULL;
}

/**
 * qs_revert_add_node:
 *
 * Opens the fresh overlay of a disk, which the last step has made, in the running QEMU.
 */
gboolean
qs_revert_add_node (QsRevertBuild *build, const char *target, GError **error)
{
  const QsNode *node = find_node (build, target, error);
  const QsStep *image = qs_plan_step (build->plan, build->plan->steps->len - 1);
  g_autofree char *name =
      g_strdup_printf ("snapd-%s-%u", build->revert->facts->op, build->plan->steps->len);

  if (node == NULL)
    return FALSE;
  g_ptr_array_add (build->nodes, GUINT_TO_POINTER (build->plan->steps->len));
  qs_plan_add (build->plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, target,
               g_variant_new_parsed (
                   "{'target': <%s>, 'node': <%s>, 'path': <%s>, 'format': <'qcow2'>,"
                   " 'direct': <%b>, 'no-flush': <%b>, 'detect-zeroes': <%s>,"
                   " 'auto-read-only': <%b>, 'open-backing': <true>}",
                   target, name, qs_step_string (image, "path"), node->direct, node->no_flush,
                   node->detect_zeroes != NULL ? node->detect_zeroes : "off",
                   find_exchange (build, target) == NULL));
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

/**
 * qs_revert_plan_in_place:
 *
 * Until the commit the old files have their names, and the guest, which stands still, can go back to
 * them. What it has in memory is of no use with the new ones, so it is reset before it runs.
 */
void
qs_revert_plan_in_place (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  QsPlan *plan = build->plan;

  each_node (build, plan_hold);
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, revert->domain->name, NULL);
  each_node (build, plan_switch);
  plan_protections (build);
  qs_planning_add_record (plan, qs_revert_plan_exchanges (build, QS_PHASE_COMMIT, FALSE),
                          revert->snapshot->name, changes);
  qs_plan_add (plan, QS_STEP_RESET, QS_PHASE_FINISH, revert->domain->name, NULL);
  if (revert->request->flags & QS_REVERT_RUNNING)
    qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_FINISH, revert->domain->name, NULL);
  each_node (build, plan_release);
  qs_plan_set_pause (plan, "short");
}
