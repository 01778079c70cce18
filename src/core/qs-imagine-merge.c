/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"

#include "qs-limits.h"

/* chains that earlier parts of the request make shorter: as yet they are as long as they were */

static const char *
name_as_yet (const QsFacts *facts, const char *path)
{
  const QsFile *file = qs_facts_find_file (facts, path);

  return file != NULL && !file->is_planned && file->as_yet != NULL ? file->as_yet : path;
}

/**
 * qs_facts_imagine_merged:
 * @path: whose content goes to @into, the next file above or below it
 * @is_down: @into is the one below
 *
 * Both by the names that they have in @facts now.
 */
void
qs_facts_imagine_merged (QsFacts *facts, const char *path, const char *into, gboolean is_down)
{
  QsMerged *merged = g_new0 (QsMerged, 1);

  merged->path = g_strdup (name_as_yet (facts, path));
  merged->into = g_strdup (name_as_yet (facts, into));
  merged->is_down = is_down;
  g_ptr_array_add (facts->merged, merged);
}

void
qs_merged_free (QsMerged *merged)
{
  g_free (merged->path);
  g_free (merged->into);
  g_free (merged);
}

/* one that is still on record is somebody's; under the name of one that went may be another one */
static gboolean
is_gone (const QsFacts *imagined, const char *path)
{
  for (guint i = 0; i < imagined->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (imagined->files, i);
      const char *name = file->as_yet != NULL ? file->as_yet : file->path;

      if (!file->is_planned && g_str_equal (name, path))
        return FALSE;
    }
  return TRUE;
}

/* (nullable): whatever was merged away later counts */
static const QsMerged *
find_merged (const QsFacts *imagined, const char *path)
{
  for (guint i = imagined->merged->len; i > 0; i--)
    {
      const QsMerged *merged = g_ptr_array_index (imagined->merged, i - 1);

      if (g_str_equal (merged->path, path))
        return is_gone (imagined, path) ? merged : NULL;
    }
  return NULL;
}

/**
 * qs_imagined_start:
 * @name: what a file is called now
 *
 * Returns: the uppermost of the files that will have been merged down into it: to walk from there
 *   tells their sizes
 */
const char *
qs_imagined_start (const QsFacts *imagined, const char *name)
{
  /* a file is merged once, so that they come to an end, but a bound costs nothing */
  for (guint n = 0; n < QS_MAX_CHAIN_FILES; n++)
    {
      const char *above = NULL;

      for (guint i = 0; i < imagined->merged->len; i++)
        {
          const QsMerged *merged = g_ptr_array_index (imagined->merged, i);

          if (merged->is_down && g_str_equal (merged->into, name)
              && find_merged (imagined, merged->path) != NULL)
            above = merged->path;
        }
      if (above == NULL)
        break;
      name = above;
    }
  return name;
}

/* (nullable): in the end, if that is in @chain */
static QsImage *
find_receiver (const QsFacts *imagined, const GPtrArray *chain, const QsMerged *merged)
{
  const char *name = merged->into;

  for (guint n = 0; n < QS_MAX_CHAIN_FILES && (merged = find_merged (imagined, name)) != NULL; n++)
    name = merged->into;
  for (guint i = 0; i < chain->len; i++)
    {
      QsImage *image = g_ptr_array_index (chain, i);

      if (g_str_equal (image->path, name))
        return image;
    }
  return NULL;
}

/* merged down, a file is made as large as the one that came into it */
static void
receive (QsImage *into, const QsImage *image, gboolean is_down)
{
  if (is_down)
    into->virtual_size = MAX (into->virtual_size, image->virtual_size);
  into->allocated += MIN (image->allocated, G_MAXUINT64 - into->allocated);
  if (into->virtual_size > 0)
    into->allocated = MIN (into->allocated, into->virtual_size);
}

static void
stand_on (QsImage *image, const QsImage *below)
{
  g_free (image->backing_name);
  image->backing_name = below != NULL ? g_strdup (below->path) : NULL;
  g_free (image->backing_format);
  image->backing_format = below != NULL ? g_strdup (below->format) : NULL;
}

static gboolean
merge_one (const QsFacts *imagined, GPtrArray *chain, guint index)
{
  const QsImage *image = g_ptr_array_index (chain, index);
  const QsMerged *merged = image->ino != 0 ? find_merged (imagined, image->path) : NULL;
  QsImage *into = merged != NULL ? find_receiver (imagined, chain, merged) : NULL;

  if (into != NULL)
    receive (into, image, merged->is_down);
  return merged != NULL;
}

/**
 * qs_imagined_merge:
 * @chain: (element-type QsImage): as it was walked, by the names of today
 *
 * Leaves out what will have been merged into others, which get its size.
 *
 * Returns: (transfer full) (element-type guint): the places in @chain that were left out
 */
GArray *
qs_imagined_merge (const QsFacts *imagined, GPtrArray *chain)
{
  GArray *places = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < chain->len; i++)
    if (merge_one (imagined, chain, i))
      g_array_append_val (places, i);
  for (guint n = places->len; n > 0; n--)
    {
      guint place = g_array_index (places, guint, n - 1);

      g_ptr_array_remove_index (chain, place);
      if (place > 0)
        stand_on (g_ptr_array_index (chain, place - 1),
                  place < chain->len ? g_ptr_array_index (chain, place) : NULL);
    }
  return places;
}

/**
 * qs_node_merge:
 * @top: what the uppermost file of the chain is called now
 * @places: (element-type guint): of the files of the chain that will be merged into others
 * @n_files: of the chain of today
 *
 * Drops the names of the nodes that will not be there any more. A stack of nodes that is not this
 * chain is left as it is.
 */
void
qs_node_merge (QsNode *node, const char *top, const GArray *places, guint n_files)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (node->below == NULL || g_strv_length (node->below) + 1 != n_files || places->len >= n_files
      || g_strcmp0 (node->path, top) != 0)
    return;
  g_ptr_array_add (names, g_steal_pointer (&node->node_name));
  for (guint i = 0; node->below[i] != NULL; i++)
    g_ptr_array_add (names, g_strdup (node->below[i]));
  for (guint n = places->len; n > 0; n--)
    g_ptr_array_remove_index (names, g_array_index (places, guint, n - 1));
  node->node_name = g_ptr_array_steal_index (names, 0);
  node->depth = (gint64)names->len;
  g_ptr_array_add (names, NULL);
  g_strfreev (node->below);
  node->below = (GStrv)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}
