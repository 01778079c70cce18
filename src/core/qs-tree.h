/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-flags.h"
#include "qs-map.h"
#include "qs-snapshot.h"

/**
 * QsTree:
 *
 * The snapshots of one domain: an immutable value; a change makes a new tree in O(log n) and shares
 * the rest.
 */
typedef struct QsTree QsTree;

QsTree *qs_tree_new (void);
QsTree *qs_tree_new_full (GPtrArray *snapshots, const char *current);
QsTree *qs_tree_ref (QsTree *tree);
void qs_tree_unref (QsTree *tree);
QsTree *qs_tree_put (QsTree *tree, QsSnapshot *snapshot);
QsTree *qs_tree_remove (QsTree *tree, const char *uuid);
QsTree *qs_tree_set_current (QsTree *tree, const char *uuid);
QsSnapshot *qs_tree_lookup (const QsTree *tree, const char *uuid);
QsSnapshot *qs_tree_lookup_name (const QsTree *tree, const char *name);
QsSnapshot *qs_tree_get_current (const QsTree *tree);
guint qs_tree_size (const QsTree *tree);
guint qs_tree_n_children (const QsTree *tree, const char *uuid);
gboolean qs_tree_is_ancestor (const QsTree *tree, const char *ancestor, const char *uuid);

/* from "" = the whole domain (ROOTS is bit 0), else from a snapshot (DESCENDANTS is bit 0) */
GPtrArray *qs_tree_list (const QsTree *tree, const char *from, guint flags);
void qs_tree_diff (const QsTree *before, const QsTree *after, QsMapDiffFunc func,
                   gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsTree, qs_tree_unref)
