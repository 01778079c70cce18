/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-tree-private.h"

typedef struct
{
  const char *parent;
  guint most;
  guint n;
  GPtrArray *found; /* or NULL: only count */
} Children;

static gboolean
on_child (gpointer value, gpointer user_data)
{
  Children *children = user_data;

  if (!g_str_equal (((QsSnapshot *)value)->parent, children->parent))
    return FALSE;
  if (children->found != NULL)
    g_ptr_array_add (children->found, value);
  return ++children->n < children->most;
}

/* in the order of rev; @found may be NULL */
static guint
find_children (const QsTree *tree, const char *parent, guint most, GPtrArray *found)
{
  QsSnapshot first = { .uuid = "", .parent = parent };
  Children children = { parent, most, 0, found };

  qs_map_foreach (tree->by_parent, &qs_tree_parents, &first, on_child, &children);
  return children.n;
}

/**
 * qs_tree_n_children:
 * @uuid: "" counts the roots
 */
guint
qs_tree_n_children (const QsTree *tree, const char *uuid)
{
  return find_children (tree, uuid, G_MAXUINT, NULL);
}

/* every snapshot there is has metadata */
static guint
metadata_bits (const QsTree *tree, const QsSnapshot *snapshot)
{
  return QS_LIST_METADATA;
}

static guint
leaf_bits (const QsTree *tree, const QsSnapshot *snapshot)
{
  return find_children (tree, snapshot->uuid, 1, NULL) == 0 ? QS_LIST_LEAVES : QS_LIST_NO_LEAVES;
}

/* as in libvirt, whatever is neither off nor without memory counts as active */
static guint
state_bits (const QsTree *tree, const QsSnapshot *snapshot)
{
  if (snapshot->state == QS_STATE_SHUTOFF)
    return QS_LIST_INACTIVE;
  return snapshot->state == QS_STATE_DISK_SNAPSHOT ? QS_LIST_DISK_ONLY : QS_LIST_ACTIVE;
}

static guint
kind_bits (const QsTree *tree, const QsSnapshot *snapshot)
{
  static const guint bits[] = {
    [QS_KIND_INTERNAL] = QS_LIST_INTERNAL,
    [QS_KIND_EXTERNAL] = QS_LIST_EXTERNAL,
    [QS_KIND_MIXED] = QS_LIST_MIXED,
  };

  return bits[snapshot->kind];
}

/* OR inside a group, AND between them; no bit of a group: no filter */
static const struct
{
  guint mask;
  guint (*bits) (const QsTree *tree, const QsSnapshot *snapshot);
} groups[] = {
  { QS_LIST_METADATA | QS_LIST_NO_METADATA, metadata_bits },
  { QS_LIST_INACTIVE | QS_LIST_ACTIVE | QS_LIST_DISK_ONLY, state_bits },
  { QS_LIST_INTERNAL | QS_LIST_EXTERNAL | QS_LIST_MIXED, kind_bits },
  { QS_LIST_LEAVES | QS_LIST_NO_LEAVES, leaf_bits },
};

static gboolean
matches (const QsTree *tree, const QsSnapshot *snapshot, guint flags)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      guint wanted = flags & groups[i].mask;

      if (wanted != 0 && (wanted & groups[i].bits (tree, snapshot)) == 0)
        return FALSE;
    }
  return TRUE;
}

static gboolean
on_any (gpointer value, gpointer user_data)
{
  g_ptr_array_add (user_data, value);
  return TRUE;
}

static void
push_children (const QsTree *tree, const char *parent, GPtrArray *stack)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new ();

  find_children (tree, parent, G_MAXUINT, children);
  for (guint i = children->len; i > 0; i--)
    g_ptr_array_add (stack, g_ptr_array_index (children, i - 1));
}

/* parents first, siblings by rev; with a stack of its own, for the tree may be one long line */
static void
find_descendants (const QsTree *tree, const char *from, GPtrArray *found)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();

  push_children (tree, from, stack);
  while (stack->len > 0)
    {
      QsSnapshot *snapshot = g_ptr_array_steal_index (stack, stack->len - 1);

      g_ptr_array_add (found, snapshot);
      push_children (tree, snapshot->uuid, stack);
    }
}

static int
sort_revs (gconstpointer a, gconstpointer b)
{
  return qs_snapshot_compare_revs (*(gconstpointer *)a, *(gconstpointer *)b);
}

/* all that @from, ROOTS, DESCENDANTS and TOPOLOGICAL choose, in order */
static GPtrArray *
candidates (const QsTree *tree, const char *from, guint flags)
{
  GPtrArray *found = g_ptr_array_new ();
  gboolean whole = *from == '\0';
  gboolean direct = whole == ((flags & QS_LIST_ROOTS) != 0);

  if (direct)
    find_children (tree, from, G_MAXUINT, found);
  else if (flags & QS_LIST_TOPOLOGICAL)
    find_descendants (tree, from, found);
  else
    {
      if (whole)
        qs_map_foreach (tree->by_uuid, &qs_tree_parents, NULL, on_any, found);
      else
        find_descendants (tree, from, found);
      g_ptr_array_sort (found, sort_revs);
    }
  return found;
}

/**
 * qs_tree_list:
 * @from: "" for the whole domain, or the uuid of a snapshot for what is below it
 * @flags: of #QsListFlags
 *
 * Returns: (transfer full) (element-type QsSnapshot): by rev, with TOPOLOGICAL parents first
 */
GPtrArray *
qs_tree_list (const QsTree *tree, const char *from, guint flags)
{
  g_autoptr (GPtrArray) found = candidates (tree, from, flags);
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);

  for (guint i = 0; i < found->len; i++)
    {
      QsSnapshot *snapshot = g_ptr_array_index (found, i);

      if (matches (tree, snapshot, flags))
        g_ptr_array_add (list, qs_snapshot_ref (snapshot));
    }
  return list;
}
