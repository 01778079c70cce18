/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-qcow2.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

/* below this qemu-img leaves the feature names out */
#define MIN_ROOM_FOR_NAMES 4096

#define N_METADATA_CLUSTERS 3 /* header, refcount table, one refcount block */

typedef struct
{
  guint8 type; /* 0 incompatible, 1 compatible, 2 autoclear */
  guint8 bit;
  const char *name;
} FeatureName;

static const FeatureName feature_names[] = {
  { 0, 0, "dirty bit" },        { 0, 1, "corrupt bit" },         { 0, 2, "external data file" },
  { 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
  { 2, 0, "bitmaps" },          { 2, 1, "raw external data" },
};

static void
put_u32 (GByteArray *bytes, guint32 value)
{
  guint32 be = GUINT32_TO_BE (value);

  g_byte_array_append (bytes, (const guint8 *)&be, sizeof be);
}

static void
put_u64 (GByteArray *bytes, guint64 value)
{
  guint64 be = GUINT64_TO_BE (value);

  g_byte_array_append (bytes, (const guint8 *)&be, sizeof be);
}

static void
pad_to (GByteArray *bytes, guint length)
{
  guint old = bytes->len;

  g_byte_array_set_size (bytes, length);
  memset (bytes->data + old, 0, length - old);
}

/**
 * qs_qcow2_l1_entries:
 *
 * Returns: how many entries the first-level table needs for @virtual_size
 */
guint64
qs_qcow2_l1_entries (guint64 virtual_size, guint cluster_bits, gboolean extended_l2)
{
  guint entry_bits = extended_l2 ? 4 : 3;
  guint shift = cluster_bits + cluster_bits - entry_bits;
  guint64 mask = (G_GUINT64_CONSTANT (1) << shift) - 1;

  return (virtual_size >> shift) + ((virtual_size & mask) != 0);
}

static gboolean
check_layout (const QsQcow2Layout *layout, GError **error)
{
  guint cluster = layout->cluster_size;

  if (cluster < (1u << QS_QCOW2_MIN_CLUSTER_BITS) || cluster > (1u << QS_QCOW2_MAX_CLUSTER_BITS)
      || (cluster & (cluster - 1)) != 0 || (layout->extended_l2 && cluster < 16384))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "a qcow2 image cannot have clusters of %u bytes", cluster);
      return FALSE;
    }
  if (layout->virtual_size > G_MAXINT64 || layout->virtual_size % 512 != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "a qcow2 image cannot have a virtual size of %" G_GUINT64_FORMAT " bytes",
                   layout->virtual_size);
      return FALSE;
    }
  if (layout->backing != NULL && strlen (layout->backing) > QS_MAX_BACKING_NAME_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "the backing file name is longer than %d bytes", QS_MAX_BACKING_NAME_BYTES);
      return FALSE;
    }
  return TRUE;
}

static void
put_backing_format (GByteArray *header, const char *format)
{
  gsize length = strlen (format);

  put_u32 (header, QS_QCOW2_BACKING_FORMAT);
  put_u32 (header, length);
  g_byte_array_append (header, (const guint8 *)format, length);
  pad_to (header, (header->len + 7) & ~7u);
}

static void
put_feature_names (GByteArray *header)
{
  put_u32 (header, QS_QCOW2_FEATURE_NAMES);
  put_u32 (header, G_N_ELEMENTS (feature_names) * 48);
  for (guint i = 0; i < G_N_ELEMENTS (feature_names); i++)
    {
      guint8 row[48] = { feature_names[i].type, feature_names[i].bit };

      memcpy (row + 2, feature_names[i].name, strlen (feature_names[i].name));
      g_byte_array_append (header, row, sizeof row);
    }
}

/* extensions and backing name, which stand behind the fixed fields */
static guint64
put_extensions (GByteArray *header, const QsQcow2Layout *layout)
{
  guint64 backing_offset = 0;

  if (layout->backing != NULL)
    put_backing_format (header, layout->backing_format);
  if (layout->cluster_size - header->len >= MIN_ROOM_FOR_NAMES)
    put_feature_names (header);
  put_u64 (header, 0);
  if (layout->backing != NULL)
    {
      backing_offset = header->len;
      g_byte_array_append (header, (const guint8 *)layout->backing, strlen (layout->backing));
    }
  return backing_offset;
}

static GByteArray *
build_header (const QsQcow2Layout *layout, guint cluster_bits, guint64 l1_entries)
{
  g_autoptr (GByteArray) header = g_byte_array_new ();
  guint64 backing_offset;
  guint64 backing_be;

  put_u32 (header, QS_QCOW2_MAGIC);
  put_u32 (header, 3);
  put_u64 (header, 0); /* backing offset, below */
  put_u32 (header, layout->backing != NULL ? strlen (layout->backing) : 0);
  put_u32 (header, cluster_bits);
  put_u64 (header, layout->virtual_size);
  put_u32 (header, 0); /* no encryption */
  put_u32 (header, l1_entries);
  put_u64 (header, l1_entries != 0 ? N_METADATA_CLUSTERS * (guint64)layout->cluster_size : 0);
  put_u64 (header, layout->cluster_size); /* refcount table */
  put_u32 (header, 1);                    /* its clusters */
  put_u32 (header, 0);                    /* snapshots */
  put_u64 (header, 0);
  put_u64 (header, layout->extended_l2 ? QS_QCOW2_EXTENDED_L2 : 0);
  put_u64 (header, 0); /* compatible */
  put_u64 (header, 0); /* autoclear */
  put_u32 (header, 4); /* refcounts of 16 bits */
  put_u32 (header, QS_QCOW2_HEADER_V3_BYTES + 8);
  put_u64 (header, 0); /* zlib, padding */

  backing_offset = put_extensions (header, layout);
  backing_be = GUINT64_TO_BE (backing_offset);
  memcpy (header->data + 8, &backing_be, sizeof backing_be);
  return g_steal_pointer (&header);
}

static void
chunk_free (QsQcow2Chunk *chunk)
{
  g_bytes_unref (chunk->bytes);
  g_free (chunk);
}

/**
 * qs_qcow2_chunks_new:
 *
 * Returns: (transfer full) (element-type QsQcow2Chunk): none yet
 */
GPtrArray *
qs_qcow2_chunks_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)chunk_free);
}

/**
 * qs_qcow2_chunks_add:
 * @bytes: (transfer full)
 */
void
qs_qcow2_chunks_add (GPtrArray *chunks, guint64 offset, GByteArray *bytes)
{
  QsQcow2Chunk *chunk = g_new0 (QsQcow2Chunk, 1);

  chunk->offset = offset;
  chunk->bytes = g_byte_array_free_to_bytes (bytes);
  g_ptr_array_add (chunks, chunk);
}

static GByteArray *
build_refcounts (guint64 n_clusters)
{
  GByteArray *block = g_byte_array_sized_new (n_clusters * 2);
  const guint8 one[] = { 0, 1 };

  for (guint64 i = 0; i < n_clusters; i++)
    g_byte_array_append (block, one, sizeof one);
  return block;
}

static GByteArray *
build_refcount_table (guint cluster_size)
{
  GByteArray *table = g_byte_array_new ();

  put_u64 (table, 2 * (guint64)cluster_size);
  return table;
}

/**
 * qs_qcow2_build:
 * @file_size: how long the file is
 *
 * The contents of an empty qcow2 file, version 3, as `qemu-img create -u` writes it.
 *
 * Returns: chunks, or NULL: OPERATION_UNSUPPORTED for a layout that this leaves to qemu-img
 *   (more than one refcount block)
 */
GPtrArray *
qs_qcow2_build (const QsQcow2Layout *layout, guint64 *file_size, GError **error)
{
  g_autoptr (GPtrArray) chunks = qs_qcow2_chunks_new ();
  g_autoptr (GByteArray) header = NULL;
  guint cluster_bits = g_bit_nth_lsf (layout->cluster_size, -1);
  guint64 l1_bytes;
  guint64 n_clusters;

  if (!check_layout (layout, error))
    return NULL;
  l1_bytes = qs_qcow2_l1_entries (layout->virtual_size, cluster_bits, layout->extended_l2) * 8;
  n_clusters = N_METADATA_CLUSTERS + (l1_bytes + layout->cluster_size - 1) / layout->cluster_size;
  if (n_clusters > layout->cluster_size / 2 || l1_bytes > QS_MAX_L1_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "a first-level table of %" G_GUINT64_FORMAT " bytes needs qemu-img", l1_bytes);
      return NULL;
    }
  header = build_header (layout, cluster_bits, l1_bytes / 8);
  if (header->len > layout->cluster_size)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "the backing file name does not fit into the first cluster");
      return NULL;
    }
  qs_qcow2_chunks_add (chunks, 0, g_steal_pointer (&header));
  qs_qcow2_chunks_add (chunks, layout->cluster_size, build_refcount_table (layout->cluster_size));
  qs_qcow2_chunks_add (chunks, 2 * (guint64)layout->cluster_size, build_refcounts (n_clusters));
  *file_size = N_METADATA_CLUSTERS * (guint64)layout->cluster_size + l1_bytes;
  return g_steal_pointer (&chunks);
}
