/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"

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

static gboolean
plan_node (QsCreate *create, QsPlan *plan, const QsSelected *selected, GError **error)
{
  const QsNode *node = qs_facts_find_node (create->facts, selected->disk->target);
  g_autofree char *name = g_strdup_printf ("snapd-%s-%u", create->facts->op, plan->steps->len);

  if (node == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: the running QEMU has no such disk", selected->disk->target);
      return FALSE;
    }
  if (!check_node_file (selected, node, error))
    return FALSE;
  qs_plan_add (plan, QS_STEP_NODE_ADD, QS_PHASE_PREPARE, selected->disk->target,
               g_variant_new_parsed ("{'target': <%s>, 'node': <%s>, 'path': <%s>,"
                                     " 'format': <'qcow2'>, 'direct': <%b>, 'no-flush': <%b>,"
                                     " 'detect-zeroes': <%s>}",
                                     selected->disk->target, name, selected->path, node->direct,
                                     node->no_flush,
                                     node->detect_zeroes != NULL ? node->detect_zeroes : "off"));
  return TRUE;
}

/* one transaction for all disks: the nodes stand in the plan just before it */
static void
add_transaction (QsCreate *create, QsPlan *plan)
{
  g_auto (GVariantBuilder) disks = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const QsStep *step = g_ptr_array_index (plan->steps, i);
      const QsNode *node = qs_facts_find_node (create->facts, step->target);

      if (step->kind == QS_STEP_NODE_ADD)
        g_variant_builder_add_parsed (&disks,
                                      "{'target': <%s>, 'node': <%s>, 'overlay': <%s>,"
                                      " 'path': <%s>, 'active': <%s>}",
                                      step->target, node->node_name, qs_step_string (step, "node"),
                                      qs_step_string (step, "path"), node->path);
    }
  qs_plan_add (plan, QS_STEP_BLOCKDEV_SNAPSHOT, QS_PHASE_COMMIT, create->selection->name,
               g_variant_new_parsed ("{'disks': <%@aa{sv}>}", g_variant_builder_end (&disks)));
}

/**
 * qs_create_add_switch:
 *
 * Adds the steps by which a running QEMU goes over to overlays that are there, the commit among
 * them.
 */
gboolean
qs_create_add_switch (QsCreate *create, QsPlan *plan, GError **error)
{
  static const char *const needed[] = { "transaction", "blockdev-add", "blockdev-del" };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    if (!qs_facts_has_command (create->facts, needed[i]))
      {
        g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                     "this QEMU lacks the command ‘%s’", needed[i]);
        return FALSE;
      }
  if (!qs_planning_check_block_jobs (create->facts, error)
      || !qs_create_each (create, plan, QS_LOCATION_EXTERNAL, plan_node, error))
    return FALSE;
  add_transaction (create, plan);
  return TRUE;
}
