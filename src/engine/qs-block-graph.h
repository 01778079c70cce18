/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-guest.h"

/* which block node stands on which, as QEMU tells it at any time, also while a job is concluded */
JsonNode *qs_block_graph_query (QsGuest *guest, GError **error);

/**
 * qs_block_graph_child:
 * @edge: file, backing
 *
 * Returns: (nullable) (transfer none): name of the node below
 */
const char *qs_block_graph_child (JsonNode *graph, const char *node, const char *edge);

/**
 * qs_block_graph_has_parent:
 *
 * Whether another node, a device, a job or an export stands on @node.
 */
gboolean qs_block_graph_has_parent (JsonNode *graph, const char *node);
