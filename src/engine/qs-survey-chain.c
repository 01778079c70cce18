/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-block-graph.h"
#include "qs-launcher.h"
#include "qs-limits.h"

/**
 * qs_survey_open_files:
 *
 * Refused where QEMU has more rights than its owner: then it is not known.
 */
void
qs_survey_open_files (QsWorker *worker, const QsProcess *process, QsFacts *facts)
{
  g_autoptr (GError) ignored = NULL;
  g_autoptr (QsProcessFiles) files = qs_worker_process_files (worker, process->pid, &ignored);

  /* what was read belongs to this process if that lives on after it */
  if (files == NULL || !qs_process_is_alive (process))
    return;
  facts->open_files = g_steal_pointer (&files->files);
  facts->ends_at_reset = files->ends_at_reset;
}

static gboolean
survey_chain (QsWorker *worker, const GPtrArray *chain, QsFacts *facts, GError **error)
{
  for (guint i = 0; i < chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (chain, i);
      QsTarget *target = NULL;

      if (qs_facts_find_target (facts, image->path) != NULL)
        continue;
      if (!qs_worker_check_target (worker, image->path, &target, error))
        return FALSE;
      g_ptr_array_add (facts->targets, target);
    }
  return TRUE;
}

static gboolean
survey_chains (QsWorker *worker, const GPtrArray *disks, QsFacts *facts, GError **error)
{
  for (guint i = 0; i < disks->len; i++)
    if (!survey_chain (worker, ((QsDiskFacts *)g_ptr_array_index (disks, i))->chain, facts, error))
      return FALSE;
  return TRUE;
}

/**
 * qs_survey_chain_files:
 *
 * Adds all files of the disks' chains to the targets, and of what stands on a snapshot.
 */
gboolean
qs_survey_chain_files (QsWorker *worker, QsFacts *facts, GError **error)
{
  return survey_chains (worker, facts->disks, facts, error)
         && survey_chains (worker, facts->above, facts, error);
}

/* the graph cannot loop, but a bound costs nothing */
static GStrv
find_below (JsonNode *graph, const char *node)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < QS_MAX_CHAIN_FILES; i++)
    {
      node = qs_block_graph_child (graph, node, "backing");
      if (node == NULL)
        break;
      g_strv_builder_add (names, node);
    }
  return g_strv_builder_end (names);
}

/**
 * qs_survey_chain_nodes:
 *
 * A QEMU that does not tell its graph leaves what is below a node unknown.
 */
gboolean
qs_survey_chain_nodes (QsGuest *guest, QsFacts *facts, GError **error)
{
  g_autoptr (JsonNode) graph = NULL;

  if (!qs_facts_has_command (facts, "x-debug-query-block-graph"))
    return TRUE;
  graph = qs_block_graph_query (guest, error);
  for (guint i = 0; graph != NULL && i < facts->nodes->len; i++)
    {
      QsNode *node = g_ptr_array_index (facts->nodes, i);

      node->below = find_below (graph, node->node_name);
    }
  return graph != NULL;
}
