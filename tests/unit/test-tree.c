/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-tree.h"

#include <string.h>

#define N_ROUNDS 12
#define N_CHANGES 30
#define N_UUIDS 16
#define N_MANY 100000
#define MANY_SECONDS 5. /* loading takes a tenth of one; copying the tree for each put, far more */

/* the model: a plain list of snapshots, asked by brute force */

static QsSnapshot *
model_find (GPtrArray *model, const char *uuid)
{
  for (guint i = 0; i < model->len; i++)
    if (g_str_equal (((QsSnapshot *)g_ptr_array_index (model, i))->uuid, uuid))
      return g_ptr_array_index (model, i);
  return NULL;
}

static gboolean
model_is_below (GPtrArray *model, const char *ancestor, const char *uuid)
{
  QsSnapshot *snapshot = model_find (model, uuid);

  if (snapshot == NULL || *snapshot->parent == '\0')
    return FALSE;
  return g_str_equal (snapshot->parent, ancestor)
         || model_is_below (model, ancestor, snapshot->parent);
}

static gboolean
model_has_child (GPtrArray *model, const char *uuid)
{
  for (guint i = 0; i < model->len; i++)
    if (g_str_equal (((QsSnapshot *)g_ptr_array_index (model, i))->parent, uuid))
      return TRUE;
  return FALSE;
}

/* is one of the wanted bits of a group true of it */
static gboolean
model_group (guint flags, guint group, guint bits)
{
  return (flags & group) == 0 || (flags & group & bits) != 0;
}

static gboolean
model_matches (GPtrArray *model, const QsSnapshot *snapshot, guint flags)
{
  gboolean leaf = !model_has_child (model, snapshot->uuid);
  gboolean off = snapshot->state == QS_STATE_SHUTOFF;
  gboolean disk_only = snapshot->state == QS_STATE_DISK_SNAPSHOT;

  return model_group (flags, 2 | 16, 2) && model_group (flags, 4 | 8, leaf ? 4 : 8)
         && model_group (flags, 32 | 64 | 128,
                         off         ? 32
                         : disk_only ? 128
                                     : 64)
         && model_group (flags, 256 | 512 | 2048,
                         (const guint[]){ 256, 512, 2048 }[snapshot->kind]);
}

static gboolean
model_is_in (GPtrArray *model, const QsSnapshot *snapshot, const char *from, guint flags)
{
  gboolean child = g_str_equal (snapshot->parent, from);

  if (*from == '\0')
    return (flags & 1) ? child : TRUE;
  return child || ((flags & 1) && model_is_below (model, from, snapshot->uuid));
}

static int
by_rev (gconstpointer a, gconstpointer b)
{
  const QsSnapshot *left = *(QsSnapshot *const *)a, *right = *(QsSnapshot *const *)b;

  return left->rev < right->rev ? -1 : left->rev > right->rev;
}

static char *
print_names (GPtrArray *list)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    g_string_append_printf (text, "%s ", ((QsSnapshot *)g_ptr_array_index (list, i))->name);
  return g_string_free (text, FALSE);
}

static void
assert_parents_first (GPtrArray *list)
{
  for (guint i = 0; i < list->len; i++)
    for (guint j = i + 1; j < list->len; j++)
      g_assert_cmpstr (((QsSnapshot *)g_ptr_array_index (list, i))->parent, !=,
                       ((QsSnapshot *)g_ptr_array_index (list, j))->uuid);
}

static void
assert_list (QsTree *tree, GPtrArray *model, const char *from, guint flags)
{
  g_autoptr (GPtrArray) list = qs_tree_list (tree, from, flags);
  g_autoptr (GPtrArray) should = g_ptr_array_new ();
  g_autofree char *is_text = NULL;
  g_autofree char *should_text = NULL;

  for (guint i = 0; i < model->len; i++)
    {
      QsSnapshot *snapshot = g_ptr_array_index (model, i);

      if (model_is_in (model, snapshot, from, flags) && model_matches (model, snapshot, flags))
        g_ptr_array_add (should, snapshot);
    }
  if (flags & QS_LIST_TOPOLOGICAL)
    {
      assert_parents_first (list);
      g_ptr_array_sort (list, by_rev);
    }
  g_ptr_array_sort (should, by_rev);
  is_text = print_names (list);
  should_text = print_names (should);
  g_assert_cmpstr (is_text, ==, should_text);
}

static void
assert_same (QsTree *tree, GPtrArray *model)
{
  g_assert_cmpuint (qs_tree_size (tree), ==, model->len);
  for (guint flags = 0; flags <= QS_LIST_ALL; flags += g_test_rand_int_range (1, 50))
    assert_list (tree, model, "", flags);
  for (guint i = 0; i < model->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (model, i);

      assert_list (tree, model, snapshot->uuid, g_test_rand_int_range (0, QS_LIST_ALL + 1));
      g_assert_true (qs_tree_lookup_name (tree, snapshot->name)
                     == qs_tree_lookup (tree, snapshot->uuid));
      for (guint j = 0; j < model->len; j++)
        {
          const char *other = ((QsSnapshot *)g_ptr_array_index (model, j))->uuid;

          g_assert_cmpint (qs_tree_is_ancestor (tree, other, snapshot->uuid), ==,
                           model_is_below (model, other, snapshot->uuid));
        }
    }
}

static void
model_put (GPtrArray *model, QsSnapshot *snapshot)
{
  QsSnapshot *old = model_find (model, snapshot->uuid);

  if (old != NULL)
    g_ptr_array_remove (model, old);
  g_ptr_array_add (model, qs_snapshot_ref (snapshot));
}

static void
model_remove (GPtrArray *model, const char *uuid)
{
  g_autoptr (QsSnapshot) gone = qs_snapshot_ref (model_find (model, uuid));

  g_ptr_array_remove (model, gone);
  for (guint i = 0; i < model->len; i++)
    {
      QsSnapshot *old = g_ptr_array_index (model, i);
      QsSnapshot values = *old;

      if (!g_str_equal (old->parent, uuid))
        continue;
      values.parent = gone->parent;
      model->pdata[i] = qs_snapshot_new (&values);
      qs_snapshot_unref (old);
    }
}

static QsSnapshot *
random_snapshot (GPtrArray *model, guint64 rev)
{
  static const QsSnapshotState states[] = { QS_STATE_RUNNING, QS_STATE_PAUSED, QS_STATE_SHUTOFF,
                                            QS_STATE_DISK_SNAPSHOT, QS_STATE_PMSUSPENDED };
  g_autofree char *uuid = g_strdup_printf ("u%d", g_test_rand_int_range (0, N_UUIDS));
  g_autofree char *name = g_strdup_printf ("n%s", uuid);
  QsSnapshot values = { .uuid = uuid, .name = name, .parent = "", .rev = rev };

  if (model->len > 0 && g_test_rand_int_range (0, 6) > 0)
    values.parent =
        ((QsSnapshot *)g_ptr_array_index (model, g_test_rand_int_range (0, model->len)))->uuid;
  if (g_str_equal (values.parent, uuid) || model_is_below (model, uuid, values.parent))
    values.parent = "";
  values.state = states[g_test_rand_int_range (0, G_N_ELEMENTS (states))];
  values.kind = g_test_rand_int_range (0, 3);
  return qs_snapshot_new (&values);
}

static QsTree *
change (QsTree *tree, GPtrArray *model, guint64 rev)
{
  g_autoptr (QsSnapshot) snapshot = NULL;

  if (model->len == 0 || g_test_rand_int_range (0, 3) > 0)
    {
      snapshot = random_snapshot (model, rev);
      model_put (model, snapshot);
      return qs_tree_put (tree, snapshot);
    }
  snapshot = qs_snapshot_ref (g_ptr_array_index (model, g_test_rand_int_range (0, model->len)));
  model_remove (model, snapshot->uuid);
  return qs_tree_remove (tree, snapshot->uuid);
}

static void
test_model (void)
{
  for (guint round = 0; round < N_ROUNDS; round++)
    {
      g_autoptr (GPtrArray) model =
          g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
      g_autoptr (QsTree) tree = qs_tree_new ();

      for (guint i = 0; i < N_CHANGES; i++)
        {
          g_autoptr (QsTree) before = g_steal_pointer (&tree);
          guint n_before = qs_tree_size (before);
          g_autoptr (QsTree) loaded = NULL;

          tree = change (before, model, i);
          g_assert_cmpuint (qs_tree_size (before), ==, n_before);
          assert_same (tree, model);
          loaded = qs_tree_new_full (model, NULL);
          assert_same (loaded, model);
        }
    }
}

static void
put (QsTree **tree, const char *name, const char *parent)
{
  QsSnapshot values = { .uuid = name, .name = name, .parent = parent, .rev = qs_tree_size (*tree) };
  g_autoptr (QsSnapshot) snapshot = qs_snapshot_new (&values);
  QsTree *changed = qs_tree_put (*tree, snapshot);

  qs_tree_unref (*tree);
  *tree = changed;
}

static QsTree *
acceptance_tree (void)
{
  QsTree *tree = qs_tree_new ();

  put (&tree, "s1", "");
  put (&tree, "s3", "s1");
  put (&tree, "s2", "s3");
  put (&tree, "s6", "s3");
  put (&tree, "s5", "s6");
  put (&tree, "s4", "s6");
  put (&tree, "s7", "s1");
  put (&tree, "s8", "s7");
  return tree;
}

static void
assert_names (QsTree *tree, const char *from, guint flags, const char *names)
{
  g_autoptr (GPtrArray) list = qs_tree_list (tree, from, flags);
  g_autofree char *text = print_names (list);

  g_assert_cmpstr (text, ==, names);
}

static void
test_acceptance (void)
{
  g_autoptr (QsTree) tree = acceptance_tree ();

  assert_names (tree, "", 0, "s1 s3 s2 s6 s5 s4 s7 s8 ");
  assert_names (tree, "", QS_LIST_TOPOLOGICAL, "s1 s3 s2 s6 s5 s4 s7 s8 ");
  assert_names (tree, "", QS_LIST_ROOTS, "s1 ");
  assert_names (tree, "", QS_LIST_LEAVES, "s2 s5 s4 s8 ");
  assert_names (tree, "", QS_LIST_NO_LEAVES, "s1 s3 s6 s7 ");
  assert_names (tree, "", QS_LIST_NO_METADATA, "");
  assert_names (tree, "s1", 0, "s3 s7 ");
  assert_names (tree, "s3", QS_LIST_DESCENDANTS, "s2 s6 s5 s4 ");
  assert_names (tree, "s3", QS_LIST_DESCENDANTS | QS_LIST_LEAVES, "s2 s5 s4 ");
  assert_names (tree, "nobody", QS_LIST_DESCENDANTS, "");
  g_assert_cmpuint (qs_tree_n_children (tree, "s3"), ==, 2);
  g_assert_cmpuint (qs_tree_n_children (tree, ""), ==, 1);
  g_assert_true (qs_tree_is_ancestor (tree, "s1", "s4"));
  g_assert_false (qs_tree_is_ancestor (tree, "s7", "s4"));
  g_assert_false (qs_tree_is_ancestor (tree, "s4", "s4"));
}

/* siblings by rev does not mean parents first: a redefinition may hang an old one below a new one */
static void
test_topological (void)
{
  g_autoptr (QsTree) tree = acceptance_tree ();
  QsSnapshot values = *qs_tree_lookup (tree, "s3");
  g_autoptr (QsSnapshot) moved = NULL;
  g_autoptr (QsTree) changed = NULL;

  values.parent = "s8";
  moved = qs_snapshot_new (&values);
  changed = qs_tree_put (tree, moved);
  assert_names (changed, "", 0, "s1 s3 s2 s6 s5 s4 s7 s8 ");
  assert_names (changed, "", QS_LIST_TOPOLOGICAL, "s1 s7 s8 s3 s2 s6 s5 s4 ");
}

static void
test_remove (void)
{
  g_autoptr (QsTree) tree = acceptance_tree ();
  g_autoptr (QsTree) current = qs_tree_set_current (tree, "s1");
  g_autoptr (QsTree) rootless = qs_tree_remove (current, "s1");
  g_autoptr (QsTree) without = qs_tree_remove (rootless, "s6");
  g_autoptr (QsTree) same = qs_tree_remove (without, "s6");

  g_assert_cmpstr (qs_tree_get_current (current)->name, ==, "s1");
  g_assert_null (qs_tree_get_current (rootless));
  assert_names (rootless, "", QS_LIST_ROOTS, "s3 s7 ");
  assert_names (without, "s3", 0, "s2 s5 s4 ");
  assert_names (same, "", 0, "s3 s2 s5 s4 s7 s8 ");
  assert_names (tree, "", 0, "s1 s3 s2 s6 s5 s4 s7 s8 ");
}

static void
test_rename (void)
{
  g_autoptr (QsTree) tree = acceptance_tree ();
  QsSnapshot values = *qs_tree_lookup_name (tree, "s6");
  g_autoptr (QsSnapshot) renamed = NULL;
  g_autoptr (QsTree) changed = NULL;

  values.name = "six";
  renamed = qs_snapshot_new (&values);
  changed = qs_tree_put (tree, renamed);
  g_assert_null (qs_tree_lookup_name (changed, "s6"));
  g_assert_true (qs_tree_lookup_name (changed, "six") == qs_tree_lookup (changed, "s6"));
  g_assert_nonnull (qs_tree_lookup_name (tree, "s6"));
  assert_names (changed, "s3", QS_LIST_DESCENDANTS, "s2 six s5 s4 ");
}

static void
load (GPtrArray *list, const char *name, const char *parent)
{
  QsSnapshot values = { .uuid = name, .name = name, .parent = parent, .rev = list->len };

  g_ptr_array_add (list, qs_snapshot_new (&values));
}

/* a damaged store: parents that are not there, that are a circle, and one uuid twice */
static void
test_damaged (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
  g_autoptr (QsTree) tree = NULL;

  load (list, "orphan", "nobody");
  load (list, "below", "orphan");
  load (list, "own", "own");
  load (list, "c1", "c3");
  load (list, "c2", "c1");
  load (list, "c3", "c2");
  load (list, "c4", "c2");
  load (list, "below", "c1");
  tree = qs_tree_new_full (list, "nobody");
  g_assert_cmpuint (qs_tree_size (tree), ==, 7);
  g_assert_null (qs_tree_get_current (tree));
  assert_names (tree, "orphan", 0, "below ");
  assert_names (tree, "", QS_LIST_ROOTS, "orphan own c2 ");
  assert_names (tree, "", QS_LIST_TOPOLOGICAL, "orphan below own c2 c3 c1 c4 ");
}

static void
test_no_circle (void)
{
  g_autoptr (QsTree) tree = acceptance_tree ();

  put (&tree, "s3", "s4");
  g_assert_cmpstr (qs_tree_lookup (tree, "s3")->parent, ==, "");
  put (&tree, "s9", "s9");
  g_assert_cmpstr (qs_tree_lookup (tree, "s9")->parent, ==, "");
}

static void
assert_quick (const char *what)
{
  gdouble seconds = g_test_timer_elapsed ();

  g_test_message ("%s: %.4f s", what, seconds);
  g_assert_cmpfloat (seconds, <, MANY_SECONDS);
}

static void
test_many (void)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
  g_autoptr (QsTree) tree = NULL;
  g_autoptr (GPtrArray) all = NULL;

  for (guint i = 0; i < N_MANY; i++)
    {
      g_autofree char *name = g_strdup_printf ("%08x-snapshot", i * 2654435761u);
      g_autofree char *parent =
          i == 0 ? g_strdup ("") : g_strdup_printf ("%08x-snapshot", (i - 1) * 2654435761u);

      load (list, name, parent);
    }
  g_test_timer_start ();
  tree = qs_tree_new_full (list, NULL);
  assert_quick ("load");
  g_test_timer_start ();
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("new-%u", i);

      put (&tree, name, "00000000-snapshot");
    }
  assert_quick ("1000 puts");
  g_test_timer_start ();
  all = qs_tree_list (tree, "", QS_LIST_TOPOLOGICAL | QS_LIST_LEAVES);
  assert_quick ("list");
  g_assert_cmpuint (qs_tree_size (tree), ==, N_MANY + 1000);
  g_assert_cmpuint (all->len, ==, 1001);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tree/model", test_model);
  g_test_add_func ("/tree/acceptance", test_acceptance);
  g_test_add_func ("/tree/topological", test_topological);
  g_test_add_func ("/tree/remove", test_remove);
  g_test_add_func ("/tree/rename", test_rename);
  g_test_add_func ("/tree/damaged", test_damaged);
  g_test_add_func ("/tree/no-circle", test_no_circle);
  g_test_add_func ("/tree/many", test_many);
  return g_test_run ();
}
