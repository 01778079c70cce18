/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wish.h"

#include "qs-error.h"
#include "qs-fd.h"
#include "qs-place.h"
#include "qs-qed.h"

#include <string.h>

#define BLOCK_BYTES 65536

/* nothing but zeros: a copy that somebody else will fill */
static GPtrArray *
build_raw (const QsQcow2Layout *layout, guint64 *size, GError **error)
{
  *size = layout->virtual_size;
  return g_ptr_array_new ();
}

static const struct
{
  const char *format;
  GPtrArray *(*build) (const QsQcow2Layout *layout, guint64 *size, GError **error);
  gboolean on_device;
  gboolean has_backing;
} formats[] = {
  { "qcow2", qs_qcow2_build, TRUE, TRUE },
  { "qed", qs_qed_build, FALSE, TRUE },
  { "raw", build_raw, FALSE, FALSE },
};

static gint
find_format (const QsWish *wish)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (g_str_equal (formats[i].format, wish->format))
      return (gint)i;
  return -1;
}

void
qs_wish_unpack (GVariant *arguments, QsWish *wish)
{
  g_variant_get (arguments, "(&s&stubm&sm&suu(tttt))", &wish->path, &wish->format,
                 &wish->layout.virtual_size, &wish->layout.cluster_size, &wish->layout.extended_l2,
                 &wish->layout.backing, &wish->layout.backing_format, &wish->mode, &wish->gid,
                 &wish->taken.dev, &wish->taken.ino, &wish->taken.rdev, &wish->taken.diskseq);
}

gboolean
qs_wish_check (const QsWish *wish, GError **error)
{
  gint format = find_format (wish);

  if (format < 0 || (wish->layout.backing != NULL && !formats[format].has_backing))
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%s’: an overlay has the format qcow2 or qed, not ‘%s’", wish->path,
                 wish->format);
  else if ((wish->layout.backing == NULL) != (wish->layout.backing_format == NULL))
    g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                 "‘%s’: a backing file needs a name and a format", wish->path);
  else if (wish->taken.rdev != 0 && !formats[format].on_device)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "‘%s’: a %s overlay cannot grow on a block device; use qcow2", wish->path,
                 wish->format);
  else
    return TRUE;
  return FALSE;
}

/**
 * qs_wish_build:
 *
 * Returns: (transfer full) (element-type QsQcow2Chunk): the bytes, the header first; NULL with
 *   OPERATION_UNSUPPORTED, which does not name the file, for a layout that is left to qemu-img
 */
GPtrArray *
qs_wish_build (const QsWish *wish, guint64 *size, GError **error)
{
  g_autoptr (GError) failure = NULL;
  GPtrArray *chunks = formats[find_format (wish)].build (&wish->layout, size, &failure);

  if (chunks != NULL)
    return chunks;
  if (!g_error_matches (failure, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED))
    g_prefix_error (&failure, "‘%s’: ", wish->path);
  g_propagate_error (error, g_steal_pointer (&failure));
  return NULL;
}

/* what the chunks say about the bytes from @offset on; the rest are zeros */
static void
fill_expected (const GPtrArray *chunks, guint64 offset, guint8 *block, gsize length)
{
  memset (block, 0, length);
  for (guint i = 0; i < chunks->len; i++)
    {
      const QsQcow2Chunk *chunk = g_ptr_array_index (chunks, i);
      gsize n;
      const guint8 *bytes = g_bytes_get_data (chunk->bytes, &n);
      guint64 from = MAX (chunk->offset, offset);
      guint64 to = MIN (chunk->offset + n, offset + length);

      if (from < to)
        memcpy (block + (from - offset), bytes + (from - chunk->offset), to - from);
    }
}

/* a regular file may be cut off in the middle of being written: then some bytes are still zeros */
static gboolean
is_expected (const QsWish *wish, const guint8 *found, const guint8 *expected, gsize length)
{
  if (wish->taken.rdev != 0)
    return memcmp (found, expected, length) == 0;
  for (gsize i = 0; i < length; i++)
    if (found[i] != expected[i] && found[i] != 0)
      return FALSE;
  return TRUE;
}

/**
 * qs_wish_is_there:
 * @length: how much there is to be compared
 * @is_there: whether @fd holds the overlay of the wish and nothing that was written through it
 */
gboolean
qs_wish_is_there (const QsWish *wish, int fd, guint64 length, gboolean *is_there, GError **error)
{
  g_autofree guint8 *found = g_malloc (BLOCK_BYTES);
  g_autofree guint8 *expected = g_malloc (BLOCK_BYTES);
  guint64 size;
  g_autoptr (GPtrArray) chunks = qs_wish_build (wish, &size, error);

  if (chunks == NULL)
    return FALSE;
  *is_there = wish->taken.rdev != 0 ? length >= size : length <= size;
  for (guint64 offset = 0; *is_there && offset < length; offset += BLOCK_BYTES)
    {
      gsize n = MIN (BLOCK_BYTES, length - offset);

      if (qs_fd_read_at (fd, offset, found, n) != (gssize)n)
        return qs_fail_errno (error, wish->path, "read");
      fill_expected (chunks, offset, expected, n);
      *is_there = is_expected (wish, found, expected, n);
    }
  return TRUE;
}
