/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-map.h"

#include <string.h>

#define N_ROUNDS 8
#define N_CHANGES 400
#define N_KEYS 200

/* values are counted, so that a reference too many or too few shows */
typedef struct
{
  int references;
  int key;
  int payload;
} Value;

static guint n_alive;

static Value *
value_new (int key, int payload)
{
  Value *value = g_new (Value, 1);

  *value = (Value){ 1, key, payload };
  n_alive++;
  return value;
}

static gpointer
value_ref (gpointer data)
{
  ((Value *)data)->references++;
  return data;
}

static void
value_unref (gpointer data)
{
  Value *value = data;

  if (--value->references > 0)
    return;
  n_alive--;
  g_free (value);
}

static int
compare_values (gconstpointer a, gconstpointer b)
{
  return ((const Value *)a)->key - ((const Value *)b)->key;
}

static const QsMapType values = { compare_values, value_ref, value_unref };

static int
compare_keys (gconstpointer a, gconstpointer b, gpointer user_data)
{
  return compare_values (a, b);
}

static gboolean
print_value (gpointer data, gpointer text)
{
  const Value *value = data;

  g_string_append_printf (text, "%d=%d ", value->key, value->payload);
  return TRUE;
}

static gboolean
print_pair (gpointer key, gpointer data, gpointer text)
{
  print_value (data, text);
  return FALSE;
}

static char *
print_map (const QsMap *map)
{
  GString *text = g_string_new (NULL);

  qs_map_foreach (map, &values, NULL, print_value, text);
  return g_string_free (text, FALSE);
}

static char *
print_model (GTree *model)
{
  GString *text = g_string_new (NULL);

  g_tree_foreach (model, print_pair, text);
  return g_string_free (text, FALSE);
}

static void
assert_same (const QsMap *map, GTree *model)
{
  g_autofree char *is = print_map (map);
  g_autofree char *should = print_model (model);

  g_assert_cmpstr (is, ==, should);
  g_assert_cmpuint (qs_map_size (map), ==, g_tree_nnodes (model));
}

/* one random change of both; the old map must be as it was */
static QsMap *
change (QsMap *map, GTree *model, int payload)
{
  g_autofree char *before = print_map (map);
  g_autofree char *after = NULL;
  Value *value = value_new (g_test_rand_int_range (0, N_KEYS), payload);
  QsMap *changed;

  if (g_test_rand_int_range (0, 5) < 3)
    {
      changed = qs_map_insert (map, &values, value);
      g_tree_replace (model, value, value_ref (value));
    }
  else
    {
      changed = qs_map_remove (map, &values, value);
      g_tree_remove (model, value);
    }
  value_unref (value);
  after = print_map (map);
  g_assert_cmpstr (before, ==, after);
  return changed;
}

static void
test_model (void)
{
  for (guint round = 0; round < N_ROUNDS; round++)
    {
      g_autoptr (GTree) model = g_tree_new_full (compare_keys, NULL, NULL, value_unref);
      QsMap *map = NULL;

      for (guint i = 0; i < N_CHANGES; i++)
        {
          QsMap *changed = change (map, model, i);

          qs_map_unref (map, &values);
          map = changed;
          assert_same (map, model);
        }
      qs_map_unref (map, &values);
    }
  g_assert_cmpuint (n_alive, ==, 0);
}

static QsMap *
map_of_even (guint n)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new_with_free_func (value_unref);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (sorted, value_new (2 * i, i));
  return qs_map_new_sorted (&values, sorted->pdata, sorted->len);
}

static void
test_lookup (void)
{
  for (guint n = 0; n < 40; n++)
    {
      QsMap *map = map_of_even (n);

      g_assert_cmpuint (qs_map_size (map), ==, n);
      for (int key = -1; key <= (int)(2 * n); key++)
        {
          Value *found = qs_map_lookup (map, &values, &(Value){ .key = key });

          g_assert_true ((found != NULL) == (key >= 0 && key % 2 == 0 && key / 2 < (int)n));
          if (found != NULL)
            g_assert_cmpint (found->payload, ==, key / 2);
        }
      qs_map_unref (map, &values);
    }
  g_assert_cmpuint (n_alive, ==, 0);
}

static gboolean
take_two (gpointer data, gpointer list)
{
  g_ptr_array_add (list, data);
  return ((GPtrArray *)list)->len < 2;
}

static void
assert_from (QsMap *map, int key, int first, guint n)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  g_assert_true (qs_map_foreach (map, &values, &(Value){ .key = key }, take_two, list)
                 == (list->len < 2));
  g_assert_cmpuint (list->len, ==, n);
  if (n > 0)
    g_assert_cmpint (((Value *)g_ptr_array_index (list, 0))->key, ==, first);
}

static void
test_foreach (void)
{
  QsMap *map = map_of_even (10);

  assert_from (map, -5, 0, 2);
  assert_from (map, 6, 6, 2);
  assert_from (map, 7, 8, 2);
  assert_from (map, 18, 18, 1);
  assert_from (map, 19, 0, 0);
  qs_map_unref (map, &values);
  g_assert_cmpuint (n_alive, ==, 0);
}

/* ascending keys are the worst a tree that does not balance can get */
static void
test_balance (void)
{
  QsMap *map = NULL;

  for (int i = 0; i < 50000; i++)
    {
      Value *value = value_new (i, i);
      QsMap *changed = qs_map_insert (map, &values, value);

      value_unref (value);
      qs_map_unref (map, &values);
      map = changed;
    }
  g_assert_cmpuint (qs_map_size (map), ==, 50000);
  qs_map_unref (map, &values);
  g_assert_cmpuint (n_alive, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/map/model", test_model);
  g_test_add_func ("/map/lookup", test_lookup);
  g_test_add_func ("/map/foreach", test_foreach);
  g_test_add_func ("/map/balance", test_balance);
  return g_test_run ();
}
