/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-tree.h"

#include "qs-tree-private.h"

#include <string.h>

static int
compare_uuids (gconstpointer a, gconstpointer b)
{
  return strcmp (((const QsSnapshot *)a)->uuid, ((const QsSnapshot *)b)->uuid);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (((const QsSnapshot *)a)->name, ((const QsSnapshot *)b)->name);
}

int
qs_snapshot_compare_revs (gconstpointer a, gconstpointer b)
{
  const QsSnapshot *left = a, *right = b;

  if (left->rev != right->rev)
    return left->rev < right->rev ? -1 : 1;
  return compare_uuids (a, b);
}

static int
compare_parents (gconstpointer a, gconstpointer b)
{
  int order = strcmp (((const QsSnapshot *)a)->parent, ((const QsSnapshot *)b)->parent);

  return order != 0 ? order : qs_snapshot_compare_revs (a, b);
}

#define MAP_TYPE(compare)                                                                          \
  {                                                                                                \
    (compare), (gpointer)qs_snapshot_ref, (GDestroyNotify)qs_snapshot_unref                        \
  }
static const QsMapType uuids = MAP_TYPE (compare_uuids);
static const QsMapType names = MAP_TYPE (compare_names);
const QsMapType qs_tree_parents = MAP_TYPE (compare_parents);

static QsTree *
tree_new (QsMap *by_uuid, QsMap *by_name, QsMap *by_parent, const char *current)
{
  QsTree *tree = g_atomic_rc_box_new (QsTree);

  tree->by_uuid = by_uuid;
  tree->by_name = by_name;
  tree->by_parent = by_parent;
  tree->current = g_strdup (current);
  return tree;
}

QsTree *
qs_tree_new (void)
{
  return tree_new (NULL, NULL, NULL, "");
}

static QsMap *
map_of (GPtrArray *snapshots, const QsMapType *type, GCompareFunc compare)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_sized_new (snapshots->len);

  g_ptr_array_extend (sorted, snapshots, NULL, NULL);
  g_ptr_array_sort (sorted, compare);
  return qs_map_new_sorted (type, sorted->pdata, sorted->len);
}

#define DEFINE_SORT(name, compare)                                                                 \
  static int name (gconstpointer a, gconstpointer b)                                               \
  {                                                                                                \
    return compare (*(gconstpointer *)a, *(gconstpointer *)b);                                     \
  }
DEFINE_SORT (sort_uuids, compare_uuids)
DEFINE_SORT (sort_names, compare_names)
DEFINE_SORT (sort_parents, compare_parents)

/**
 * qs_tree_new_full:
 * @snapshots: (element-type QsSnapshot) (transfer none): in any order
 * @current: (nullable): uuid, or ""
 *
 * A snapshot whose parent is not there, or whose line of parents leads back to it, is made a root:
 * a damaged store shows all that it has.
 */
QsTree *
qs_tree_new_full (GPtrArray *snapshots, const char *current)
{
  g_autoptr (GPtrArray) rooted = qs_tree_root (snapshots);
  g_autoptr (QsTree) tree =
      tree_new (map_of (rooted, &uuids, sort_uuids), map_of (rooted, &names, sort_names),
                map_of (rooted, &qs_tree_parents, sort_parents), "");

  return qs_tree_set_current (tree, current);
}

QsTree *
qs_tree_ref (QsTree *tree)
{
  return g_atomic_rc_box_acquire (tree);
}

static void
tree_clear (gpointer data)
{
  QsTree *tree = data;

  qs_map_unref (tree->by_uuid, &uuids);
  qs_map_unref (tree->by_name, &names);
  qs_map_unref (tree->by_parent, &qs_tree_parents);
  g_free (tree->current);
}

void
qs_tree_unref (QsTree *tree)
{
  if (tree != NULL)
    g_atomic_rc_box_release_full (tree, tree_clear);
}

/* the three maps, to be changed: each function below replaces them by changed ones */
typedef struct
{
  QsMap *by_uuid;
  QsMap *by_name;
  QsMap *by_parent;
} Maps;

static void
replace (QsMap **map, const QsMapType *type, QsMap *changed)
{
  qs_map_unref (*map, type);
  *map = changed;
}

static void
take_out (Maps *maps, QsSnapshot *snapshot)
{
  QsSnapshot *namesake = qs_map_lookup (maps->by_name, &names, snapshot);

  if (namesake == snapshot)
    replace (&maps->by_name, &names, qs_map_remove (maps->by_name, &names, snapshot));
  replace (&maps->by_parent, &qs_tree_parents,
           qs_map_remove (maps->by_parent, &qs_tree_parents, snapshot));
  replace (&maps->by_uuid, &uuids, qs_map_remove (maps->by_uuid, &uuids, snapshot));
}

static void
put_in (Maps *maps, QsSnapshot *snapshot)
{
  QsSnapshot *old = qs_map_lookup (maps->by_uuid, &uuids, snapshot);

  if (old != NULL)
    take_out (maps, old);
  replace (&maps->by_uuid, &uuids, qs_map_insert (maps->by_uuid, &uuids, snapshot));
  replace (&maps->by_name, &names, qs_map_insert (maps->by_name, &names, snapshot));
  replace (&maps->by_parent, &qs_tree_parents,
           qs_map_insert (maps->by_parent, &qs_tree_parents, snapshot));
}

static Maps
maps_of (const QsTree *tree)
{
  return (Maps){ qs_map_ref (tree->by_uuid), qs_map_ref (tree->by_name),
                 qs_map_ref (tree->by_parent) };
}

static QsTree *
tree_of (const Maps *maps, const char *current)
{
  return tree_new (maps->by_uuid, maps->by_name, maps->by_parent, current);
}

/* a snapshot that is new has no children, so only a known one can be put below itself */
static gboolean
can_have_parent (const QsTree *tree, const QsSnapshot *snapshot)
{
  if (*snapshot->parent == '\0')
    return TRUE;
  return qs_tree_lookup (tree, snapshot->parent) != NULL
         && !g_str_equal (snapshot->parent, snapshot->uuid)
         && (qs_tree_lookup (tree, snapshot->uuid) == NULL
             || !qs_tree_is_ancestor (tree, snapshot->uuid, snapshot->parent));
}

/**
 * qs_tree_put:
 * @tree: (transfer none): is not changed
 * @snapshot: (transfer none): replaces the one with its uuid; a root if its parent is unknown
 *
 * Returns: (transfer full): the tree with @snapshot in it
 */
QsTree *
qs_tree_put (QsTree *tree, QsSnapshot *snapshot)
{
  g_autoptr (QsSnapshot) rooted = NULL;
  Maps maps = maps_of (tree);

  if (can_have_parent (tree, snapshot))
    rooted = qs_snapshot_ref (snapshot);
  else
    rooted = qs_snapshot_with_parent (snapshot, "");
  put_in (&maps, rooted);
  return tree_of (&maps, tree->current);
}

/**
 * qs_tree_remove:
 * @tree: (transfer none): is not changed
 *
 * Its children move to its parent. If it was the current one, there is none.
 *
 * Returns: (transfer full): the tree without the snapshot @uuid
 */
QsTree *
qs_tree_remove (QsTree *tree, const char *uuid)
{
  QsSnapshot *snapshot = qs_tree_lookup (tree, uuid);
  g_autoptr (GPtrArray) children = NULL;
  Maps maps;

  if (snapshot == NULL)
    return qs_tree_ref (tree);
  maps = maps_of (tree);
  children = qs_tree_list (tree, uuid, 0);
  for (guint i = 0; i < children->len; i++)
    {
      g_autoptr (QsSnapshot) moved =
          qs_snapshot_with_parent (g_ptr_array_index (children, i), snapshot->parent);

      put_in (&maps, moved);
    }
  take_out (&maps, snapshot);
  return tree_of (&maps, g_str_equal (tree->current, uuid) ? "" : tree->current);
}

/**
 * qs_tree_set_current:
 * @uuid: (nullable): "", NULL or an unknown one: none is current
 */
QsTree *
qs_tree_set_current (QsTree *tree, const char *uuid)
{
  Maps maps = maps_of (tree);

  if (uuid == NULL || qs_tree_lookup (tree, uuid) == NULL)
    uuid = "";
  return tree_of (&maps, uuid);
}

/**
 * qs_tree_lookup:
 *
 * Returns: (transfer none) (nullable): lives as long as @tree
 */
QsSnapshot *
qs_tree_lookup (const QsTree *tree, const char *uuid)
{
  QsSnapshot key = { .uuid = uuid };

  return qs_map_lookup (tree->by_uuid, &uuids, &key);
}

QsSnapshot *
qs_tree_lookup_name (const QsTree *tree, const char *name)
{
  QsSnapshot key = { .name = name };

  return qs_map_lookup (tree->by_name, &names, &key);
}

QsSnapshot *
qs_tree_get_current (const QsTree *tree)
{
  return qs_tree_lookup (tree, tree->current);
}

guint
qs_tree_size (const QsTree *tree)
{
  return qs_map_size (tree->by_uuid);
}

/**
 * qs_tree_is_ancestor:
 *
 * Returns: TRUE if @ancestor is the parent of @uuid, or the parent of that one, …
 */
gboolean
qs_tree_is_ancestor (const QsTree *tree, const char *ancestor, const char *uuid)
{
  QsSnapshot *snapshot = qs_tree_lookup (tree, uuid);

  while (snapshot != NULL && *snapshot->parent != '\0')
    {
      if (g_str_equal (snapshot->parent, ancestor))
        return TRUE;
      snapshot = qs_tree_lookup (tree, snapshot->parent);
    }
  return FALSE;
}

/**
 * qs_tree_diff:
 * @func: called with each snapshot that differs: @before is NULL if it was added, @after if it was
 *   removed
 *
 * Costs what was changed, not what there is, if @after was made from @before.
 */
void
qs_tree_diff (const QsTree *before, const QsTree *after, QsMapDiffFunc func, gpointer user_data)
{
  qs_map_diff (before->by_uuid, after->by_uuid, &uuids, func, user_data);
}
