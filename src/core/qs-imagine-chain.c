/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-imagine.h"

#include "qs-limits.h"

/* of a file that is yet to be made */
#define CLUSTER_SIZE 65536

static QsImage *
make_image (const QsFile *file)
{
  QsImage *image = qs_image_new ();

  image->path = g_strdup (file->path);
  image->format = g_strdup (file->format);
  image->cluster_size = CLUSTER_SIZE;
  image->n_links = 1;
  image->mode = 0600;
  image->writable = TRUE;
  image->linkable = TRUE;
  image->backing_name = g_strdup (file->backing);
  return image;
}

/**
 * qs_imagined_top:
 * @path: as it will be
 * @chain: files that are yet to be made are added to it, as they will be when nothing was written to
 *   them
 * @format: (inout): of @path; of the file that is returned
 *
 * Returns: (nullable): what the first file is called now that is there already
 */
const char *
qs_imagined_top (const QsFacts *imagined, const char *path, GPtrArray *chain, const char **format)
{
  /* records cannot loop, but a bound costs nothing */
  for (guint i = 0; path != NULL && i < QS_MAX_CHAIN_FILES; i++)
    {
      const QsFile *file = qs_facts_find_file (imagined, path);
      const QsFile *below;

      if (file == NULL)
        return path;
      if (!file->is_planned)
        return file->as_yet != NULL ? file->as_yet : path;
      g_ptr_array_add (chain, make_image (file));
      path = file->backing;
      below = path != NULL ? qs_facts_find_file (imagined, path) : NULL;
      *format = below != NULL ? below->format : *format;
    }
  return NULL;
}

static const QsFile *
find_as_yet (const QsFacts *imagined, const char *path)
{
  for (guint i = 0; i < imagined->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (imagined->files, i);

      if (!file->is_planned && g_strcmp0 (file->as_yet, path) == 0)
        return file;
    }
  return NULL;
}

/* the disk that is not made yet is as large as the one it stands on */
static void
settle_size (GPtrArray *chain)
{
  for (guint i = chain->len; i > 1; i--)
    {
      const QsImage *below = g_ptr_array_index (chain, i - 1);
      QsImage *above = g_ptr_array_index (chain, i - 2);

      if (above->ino == 0)
        above->virtual_size = below->virtual_size;
    }
}

/**
 * qs_imagined_rename:
 * @chain: (element-type QsImage): as it was walked, with what qs_imagined_top() has added to it
 *
 * Gives the files the names that they will have.
 */
void
qs_imagined_rename (const QsFacts *imagined, GPtrArray *chain)
{
  settle_size (chain);
  for (guint i = 0; i < chain->len; i++)
    {
      QsImage *image = g_ptr_array_index (chain, i);
      const QsFile *file = image->ino != 0 ? find_as_yet (imagined, image->path) : NULL;

      if (file != NULL)
        {
          g_free (image->path);
          image->path = g_strdup (file->path);
        }
    }
}
