/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-map.h"
#include "qs-tree.h"

/* shared by the files that make up QsTree */
struct QsTree
{
  QsMap *by_uuid;
  QsMap *by_name;
  QsMap *by_parent; /* and rev: the children of one snapshot stand together */
  char *current;    /* uuid, or "" */
};

extern const QsMapType qs_tree_parents;

int qs_snapshot_compare_revs (gconstpointer a, gconstpointer b);
QsSnapshot *qs_snapshot_with_parent (const QsSnapshot *snapshot, const char *parent);
GPtrArray *qs_tree_root (GPtrArray *snapshots);
