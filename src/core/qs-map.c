/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-map.h"

struct QsMap
{
  gatomicrefcount references;
  guint height;
  guint size;
  QsMap *left;
  QsMap *right;
  gpointer value;
};

static guint
height_of (const QsMap *map)
{
  return map == NULL ? 0 : map->height;
}

QsMap *
qs_map_ref (QsMap *map)
{
  if (map != NULL)
    g_atomic_ref_count_inc (&map->references);
  return map;
}

/* deep only as the tree is high */
void
qs_map_unref (QsMap *map, const QsMapType *type)
{
  if (map == NULL || !g_atomic_ref_count_dec (&map->references))
    return;
  qs_map_unref (map->left, type);
  qs_map_unref (map->right, type);
  type->unref (map->value);
  g_free (map);
}

/* takes over @left and @right */
static QsMap *
map_new (const QsMapType *type, QsMap *left, gpointer value, QsMap *right)
{
  QsMap *map = g_new (QsMap, 1);

  g_atomic_ref_count_init (&map->references);
  map->height = 1 + MAX (height_of (left), height_of (right));
  map->size = 1 + qs_map_size (left) + qs_map_size (right);
  map->left = left;
  map->right = right;
  map->value = type->ref (value);
  return map;
}

/* @left is two higher than @right: a rotation, or two */
static QsMap *
lean_right (const QsMapType *type, QsMap *left, gpointer value, QsMap *right)
{
  QsMap *middle = left->right;
  QsMap *map;

  if (height_of (left->left) >= height_of (middle))
    map = map_new (type, qs_map_ref (left->left), left->value,
                   map_new (type, qs_map_ref (middle), value, right));
  else
    map = map_new (type,
                   map_new (type, qs_map_ref (left->left), left->value, qs_map_ref (middle->left)),
                   middle->value, map_new (type, qs_map_ref (middle->right), value, right));
  qs_map_unref (left, type);
  return map;
}

static QsMap *
lean_left (const QsMapType *type, QsMap *left, gpointer value, QsMap *right)
{
  QsMap *middle = right->left;
  QsMap *map;

  if (height_of (right->right) >= height_of (middle))
    map = map_new (type, map_new (type, left, value, qs_map_ref (middle)), right->value,
                   qs_map_ref (right->right));
  else
    map = map_new (
        type, map_new (type, left, value, qs_map_ref (middle->left)), middle->value,
        map_new (type, qs_map_ref (middle->right), right->value, qs_map_ref (right->right)));
  qs_map_unref (right, type);
  return map;
}

/* takes over @left and @right, of which one may be two higher than the other */
static QsMap *
balance (const QsMapType *type, QsMap *left, gpointer value, QsMap *right)
{
  if (height_of (left) > height_of (right) + 1)
    return lean_right (type, left, value, right);
  if (height_of (right) > height_of (left) + 1)
    return lean_left (type, left, value, right);
  return map_new (type, left, value, right);
}

/**
 * qs_map_new_sorted:
 * @values: (transfer none): in strictly ascending order
 */
QsMap *
qs_map_new_sorted (const QsMapType *type, gpointer *values, guint n_values)
{
  guint middle = n_values / 2;

  if (n_values == 0)
    return NULL;
  return map_new (type, qs_map_new_sorted (type, values, middle), values[middle],
                  qs_map_new_sorted (type, values + middle + 1, n_values - middle - 1));
}

/**
 * qs_map_insert:
 * @map: (nullable) (transfer none): is not changed
 * @value: (transfer none): replaces one that compares equal
 *
 * Returns: (transfer full): the map with @value in it
 */
QsMap *
qs_map_insert (QsMap *map, const QsMapType *type, gpointer value)
{
  int order;

  if (map == NULL)
    return map_new (type, NULL, value, NULL);
  order = type->compare (map->value, value);
  if (order > 0)
    return balance (type, qs_map_insert (map->left, type, value), map->value,
                    qs_map_ref (map->right));
  if (order < 0)
    return balance (type, qs_map_ref (map->left), map->value,
                    qs_map_insert (map->right, type, value));
  return map_new (type, qs_map_ref (map->left), value, qs_map_ref (map->right));
}

static const QsMap *
first_of (const QsMap *map)
{
  while (map->left != NULL)
    map = map->left;
  return map;
}

static QsMap *
remove_first (QsMap *map, const QsMapType *type)
{
  if (map->left == NULL)
    return qs_map_ref (map->right);
  return balance (type, remove_first (map->left, type), map->value, qs_map_ref (map->right));
}

/* the value of @key is in @map */
static QsMap *
remove_known (QsMap *map, const QsMapType *type, gconstpointer key)
{
  int order = type->compare (map->value, key);

  if (order > 0)
    return balance (type, remove_known (map->left, type, key), map->value, qs_map_ref (map->right));
  if (order < 0)
    return balance (type, qs_map_ref (map->left), map->value, remove_known (map->right, type, key));
  if (map->right == NULL)
    return qs_map_ref (map->left);
  return balance (type, qs_map_ref (map->left), first_of (map->right)->value,
                  remove_first (map->right, type));
}

/**
 * qs_map_remove:
 * @map: (nullable) (transfer none): is not changed
 *
 * Returns: (transfer full) (nullable): the map without the value of @key
 */
QsMap *
qs_map_remove (QsMap *map, const QsMapType *type, gconstpointer key)
{
  if (qs_map_lookup (map, type, key) == NULL)
    return qs_map_ref (map);
  return remove_known (map, type, key);
}

gpointer
qs_map_lookup (const QsMap *map, const QsMapType *type, gconstpointer key)
{
  while (map != NULL)
    {
      int order = type->compare (map->value, key);

      if (order == 0)
        return map->value;
      map = order > 0 ? map->left : map->right;
    }
  return NULL;
}

guint
qs_map_size (const QsMap *map)
{
  return map == NULL ? 0 : map->size;
}

/**
 * qs_map_foreach:
 *
 * Returns: FALSE if @func ended it
 */
gboolean
qs_map_foreach (const QsMap *map, const QsMapType *type, gconstpointer key, QsMapFunc func,
                gpointer user_data)
{
  if (map == NULL)
    return TRUE;
  if (key != NULL && type->compare (map->value, key) < 0)
    return qs_map_foreach (map->right, type, key, func, user_data);
  return qs_map_foreach (map->left, type, key, func, user_data) && func (map->value, user_data)
         && qs_map_foreach (map->right, type, NULL, func, user_data);
}

/* what is left of one map, in order: subtrees not looked into yet, and single values */
typedef struct
{
  const QsMap *map;
  gboolean whole;
} Rest;

static void
rest_push (GArray *rest, const QsMap *map, gboolean whole)
{
  Rest item = { map, whole };

  if (map != NULL)
    g_array_append_val (rest, item);
}

static const Rest *
rest_top (const GArray *rest)
{
  return rest->len == 0 ? NULL : &g_array_index (rest, Rest, rest->len - 1);
}

static const QsMap *
rest_pop (GArray *rest)
{
  const QsMap *map = rest_top (rest)->map;

  g_array_set_size (rest, rest->len - 1);
  return map;
}

static void
rest_open (GArray *rest)
{
  const QsMap *map = rest_pop (rest);

  rest_push (rest, map->right, TRUE);
  rest_push (rest, map, FALSE);
  rest_push (rest, map->left, TRUE);
}

/* the higher one is opened first, so that a subtree that both share comes to the top of both */
static gboolean
open_higher (GArray *before, GArray *after)
{
  const Rest *a = rest_top (before), *b = rest_top (after);
  guint height_a = a != NULL && a->whole ? a->map->height : 0;
  guint height_b = b != NULL && b->whole ? b->map->height : 0;

  if (height_a == 0 && height_b == 0)
    return FALSE;
  if (height_a == height_b && a->map == b->map)
    {
      rest_pop (before);
      rest_pop (after);
    }
  else
    rest_open (height_a >= height_b ? before : after);
  return TRUE;
}

static void
tell_next (GArray *before, GArray *after, const QsMapType *type, QsMapDiffFunc func,
           gpointer user_data)
{
  const Rest *a = rest_top (before), *b = rest_top (after);
  int order = a == NULL ? 1 : b == NULL ? -1 : type->compare (a->map->value, b->map->value);
  gpointer old = order <= 0 ? rest_pop (before)->value : NULL;
  gpointer new = order >= 0 ? rest_pop (after)->value : NULL;

  if (old != new)
    func (old, new, user_data);
}

/**
 * qs_map_diff:
 * @func: called in order with each value that is not in both: @before is NULL if it was added,
 *   @after if it was removed
 *
 * Parts that the two maps share are not looked at, so that the cost is that of the changes.
 */
void
qs_map_diff (const QsMap *before, const QsMap *after, const QsMapType *type, QsMapDiffFunc func,
             gpointer user_data)
{
  g_autoptr (GArray) a = g_array_new (FALSE, FALSE, sizeof (Rest));
  g_autoptr (GArray) b = g_array_new (FALSE, FALSE, sizeof (Rest));

  rest_push (a, before, TRUE);
  rest_push (b, after, TRUE);
  while (a->len > 0 || b->len > 0)
    if (!open_higher (a, b))
      tell_next (a, b, type, func, user_data);
}
