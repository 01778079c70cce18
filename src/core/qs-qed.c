/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-qed.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

#define TABLE_CLUSTERS 4 /* what qemu-img takes if it is not told otherwise */

static void
put_u32 (GByteArray *bytes, guint32 value)
{
  guint32 le = GUINT32_TO_LE (value);

  g_byte_array_append (bytes, (const guint8 *)&le, sizeof le);
}

static void
put_u64 (GByteArray *bytes, guint64 value)
{
  guint64 le = GUINT64_TO_LE (value);

  g_byte_array_append (bytes, (const guint8 *)&le, sizeof le);
}

G_GNUC_PRINTF (2, 3)
static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error != NULL)
    *error = g_error_new_valist (QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, format, arguments);
  va_end (arguments);
  return FALSE;
}

static gboolean
check_layout (const QsQcow2Layout *layout, GError **error)
{
  guint64 cluster = layout->cluster_size;
  guint64 entries = cluster * TABLE_CLUSTERS / 8;

  if (cluster < QS_QED_MIN_CLUSTER || cluster > QS_QED_MAX_CLUSTER
      || (cluster & (cluster - 1)) != 0)
    return refuse (error, "a qed image cannot have clusters of %u bytes", layout->cluster_size);
  if (layout->extended_l2)
    return refuse (error, "a qed image has no extended second-level entries");
  if (layout->virtual_size > G_MAXINT64 || layout->virtual_size % 512 != 0
      || (layout->virtual_size + cluster - 1) / cluster > entries * entries)
    return refuse (error, "a qed image cannot have a virtual size of %" G_GUINT64_FORMAT " bytes",
                   layout->virtual_size);
  if (layout->backing != NULL && strlen (layout->backing) > QS_MAX_BACKING_NAME_BYTES)
    return refuse (error, "the backing file name is longer than %d bytes",
                   QS_MAX_BACKING_NAME_BYTES);
  return TRUE;
}

/* the one thing a header can say of the format of a backing file is that it is raw */
static guint64
features_of (const QsQcow2Layout *layout)
{
  if (layout->backing == NULL)
    return 0;
  return QS_QED_BACKING | (g_str_equal (layout->backing_format, "raw") ? QS_QED_NO_PROBE : 0);
}

static GByteArray *
build_header (const QsQcow2Layout *layout)
{
  GByteArray *header = g_byte_array_new ();
  guint32 length = layout->backing != NULL ? strlen (layout->backing) : 0;

  put_u32 (header, QS_QED_MAGIC);
  put_u32 (header, layout->cluster_size);
  put_u32 (header, TABLE_CLUSTERS);
  put_u32 (header, 1); /* cluster of the header */
  put_u64 (header, features_of (layout));
  put_u64 (header, 0);                    /* compatible */
  put_u64 (header, 0);                    /* autoclear */
  put_u64 (header, layout->cluster_size); /* first-level table */
  put_u64 (header, layout->virtual_size);
  put_u32 (header, length > 0 ? QS_QED_HEADER_BYTES : 0);
  put_u32 (header, length);
  g_byte_array_append (header, (const guint8 *)layout->backing, length);
  return header;
}

/**
 * qs_qed_build:
 * @layout: without extended second-level entries
 * @file_size: how long the file is
 *
 * The contents of an empty qed file, as `qemu-img create -u` writes it.
 *
 * Returns: (transfer full) (element-type QsQcow2Chunk): chunks
 */
GPtrArray *
qs_qed_build (const QsQcow2Layout *layout, guint64 *file_size, GError **error)
{
  GPtrArray *chunks;

  if (!check_layout (layout, error))
    return NULL;
  chunks = qs_qcow2_chunks_new ();
  qs_qcow2_chunks_add (chunks, 0, build_header (layout));
  *file_size = (1 + TABLE_CLUSTERS) * (guint64)layout->cluster_size;
  return chunks;
}
