/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-map.h"

#define N_ROUNDS 200
#define N_KEYS 300
#define N_MANY 100000

/* values are numbers: the key, and above it a payload */
#define KEY(value) (GPOINTER_TO_UINT (value) & 0xffffff)
#define VALUE(key, payload) GUINT_TO_POINTER ((key) | (payload) << 24)

static guint n_compared;

static int
compare_values (gconstpointer a, gconstpointer b)
{
  n_compared++;
  return (int)KEY (a) - (int)KEY (b);
}

static gpointer
value_ref (gpointer value)
{
  return value;
}

static void
value_unref (gpointer value)
{
}

static const QsMapType values = { compare_values, value_ref, value_unref };

static gboolean
print_value (gpointer value, gpointer text)
{
  g_string_append_printf (text, "%x ", GPOINTER_TO_UINT (value));
  return TRUE;
}

static char *
print_map (const QsMap *map)
{
  GString *text = g_string_new (NULL);

  qs_map_foreach (map, &values, NULL, print_value, text);
  return g_string_free (text, FALSE);
}

static void
replace (QsMap **map, QsMap *changed)
{
  qs_map_unref (*map, &values);
  *map = changed;
}

static QsMap *
change_at_random (QsMap *map, guint n, guint payload)
{
  QsMap *changed = qs_map_ref (map);

  while (n-- > 0)
    {
      gpointer value = VALUE (g_test_rand_int_range (1, N_KEYS), payload);

      if (g_test_rand_bit ())
        replace (&changed, qs_map_insert (changed, &values, value));
      else
        replace (&changed, qs_map_remove (changed, &values, value));
    }
  return changed;
}

/* carries each told change out on a third map, which must become the second */
static void
carry_out (gpointer before, gpointer after, gpointer map)
{
  g_assert_true (before != after);
  if (after == NULL)
    {
      g_assert_true (qs_map_lookup (*(QsMap **)map, &values, before) == before);
      replace (map, qs_map_remove (*(QsMap **)map, &values, before));
      return;
    }
  g_assert_true (qs_map_lookup (*(QsMap **)map, &values, after) == before);
  replace (map, qs_map_insert (*(QsMap **)map, &values, after));
}

static void
test_random (void)
{
  QsMap *before = NULL;

  for (guint round = 0; round < N_ROUNDS; round++)
    {
      QsMap *after = change_at_random (before, g_test_rand_int_range (0, 60), round % 200 + 1);
      QsMap *third = qs_map_ref (before);
      g_autofree char *should = print_map (after);
      g_autofree char *is = NULL;

      qs_map_diff (before, after, &values, carry_out, &third);
      is = print_map (third);
      g_assert_cmpstr (is, ==, should);
      replace (&third, NULL);
      replace (&before, after);
    }
  replace (&before, NULL);
}

static void
count_told (gpointer before, gpointer after, gpointer n)
{
  ++*(guint *)n;
}

static void
test_many (void)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
  QsMap *before;
  QsMap *after;
  guint n = 0;

  for (guint i = 1; i <= N_MANY; i++)
    g_ptr_array_add (sorted, VALUE (2 * i, 1u));
  before = qs_map_new_sorted (&values, sorted->pdata, sorted->len);
  after = qs_map_insert (before, &values, VALUE (777u, 2u));

  n_compared = 0;
  qs_map_diff (before, after, &values, count_told, &n);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (n_compared, <, 100);

  n = 0;
  qs_map_diff (NULL, before, &values, count_told, &n);
  g_assert_cmpuint (n, ==, N_MANY);
  replace (&after, NULL);
  replace (&before, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/map-diff/random", test_random);
  g_test_add_func ("/map-diff/many", test_many);
  return g_test_run ();
}
