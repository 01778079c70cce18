/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsCtlNode:
 * @name: what is printed
 * @parent: index of the parent, -1: a root
 */
typedef struct
{
  const char *name;
  int parent;
} QsCtlNode;

char *qs_ctl_tree_format (const QsCtlNode *nodes, guint n_nodes);
