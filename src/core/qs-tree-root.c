/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-tree-private.h"

#define NO_PARENT G_MAXUINT

typedef enum
{
  MARK_NEW,
  MARK_ON_PATH,
  MARK_ROOTED,
} Mark;

/* works on indices: 100,000 uuids are looked up once each */
typedef struct
{
  GPtrArray *snapshots;
  guint *parents;
  guint8 *marks;
  gboolean *cut;
} Rooting;

QsSnapshot *
qs_snapshot_with_parent (const QsSnapshot *snapshot, const char *parent)
{
  QsSnapshot values = *snapshot;

  values.parent = parent;
  return qs_snapshot_new (&values);
}

/* fills in the indices of the parents; of two snapshots with one uuid the first stays */
static void
find_parents (Rooting *rooting, GPtrArray *snapshots)
{
  g_autoptr (GHashTable) indices = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < snapshots->len; i++)
    {
      QsSnapshot *snapshot = g_ptr_array_index (snapshots, i);

      if (g_hash_table_contains (indices, snapshot->uuid))
        continue;
      g_hash_table_insert (indices, (gpointer)snapshot->uuid,
                           GUINT_TO_POINTER (rooting->snapshots->len));
      g_ptr_array_add (rooting->snapshots, snapshot);
    }
  for (guint i = 0; i < rooting->snapshots->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (rooting->snapshots, i);
      gpointer index = NULL;

      rooting->parents[i] = NO_PARENT;
      if (g_hash_table_lookup_extended (indices, snapshot->parent, NULL, &index))
        rooting->parents[i] = GPOINTER_TO_UINT (index);
      else
        rooting->cut[i] = *snapshot->parent != '\0';
    }
}

/* follows the parents to a root, or to one that has been followed before */
static void
follow (Rooting *rooting, guint start)
{
  guint i = start;

  while (rooting->marks[i] == MARK_NEW)
    {
      guint parent = rooting->parents[i];

      rooting->marks[i] = MARK_ON_PATH;
      if (parent != NO_PARENT && rooting->marks[parent] == MARK_ON_PATH)
        {
          rooting->cut[i] = TRUE;
          rooting->parents[i] = NO_PARENT;
        }
      else if (parent != NO_PARENT)
        i = parent;
    }
  for (i = start; i != NO_PARENT && rooting->marks[i] == MARK_ON_PATH; i = rooting->parents[i])
    rooting->marks[i] = MARK_ROOTED;
}

static GPtrArray *
cut_off (Rooting *rooting)
{
  GPtrArray *rooted =
      g_ptr_array_new_full (rooting->snapshots->len, (GDestroyNotify)qs_snapshot_unref);

  for (guint i = 0; i < rooting->snapshots->len; i++)
    {
      QsSnapshot *snapshot = g_ptr_array_index (rooting->snapshots, i);

      follow (rooting, i);
      g_ptr_array_add (rooted, rooting->cut[i] ? qs_snapshot_with_parent (snapshot, "")
                                               : qs_snapshot_ref (snapshot));
    }
  return rooted;
}

/**
 * qs_tree_root:
 *
 * Returns: (transfer full): @snapshots, those made roots that no line of parents leads to a root
 */
GPtrArray *
qs_tree_root (GPtrArray *snapshots)
{
  g_autoptr (GPtrArray) unique = g_ptr_array_sized_new (snapshots->len);
  g_autofree guint *parents = g_new0 (guint, snapshots->len);
  g_autofree guint8 *marks = g_new0 (guint8, snapshots->len);
  g_autofree gboolean *cut = g_new0 (gboolean, snapshots->len);
  Rooting rooting = { unique, parents, marks, cut };

  find_parents (&rooting, snapshots);
  return cut_off (&rooting);
}
