/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-input.h"
#include "qs-qed.h"

static gboolean
check_qed_sizes (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  guint32 cluster = header->cluster_size;
  guint32 table = qs_input_u32le (in, 8);
  guint64 entries = (guint64)cluster * table / 8;

  if (cluster < QS_QED_MIN_CLUSTER || cluster > QS_QED_MAX_CLUSTER
      || (cluster & (cluster - 1)) != 0)
    return qs_input_damaged (error, "the cluster size");
  if (table == 0 || table > QS_QED_MAX_TABLE || (table & (table - 1)) != 0)
    return qs_input_damaged (error, "the table size");
  if (qs_input_u32le (in, 12) == 0
      || !qs_input_in_file (in, 0, (guint64)qs_input_u32le (in, 12) * cluster))
    return qs_input_damaged (error, "the length of the header");
  if (header->virtual_size > G_MAXINT64 || header->virtual_size % 512 != 0
      || header->virtual_size / cluster > entries * entries)
    return qs_input_damaged (error, "the virtual size");
  if (qs_input_u64le (in, 40) % cluster != 0
      || !qs_input_in_file (in, qs_input_u64le (in, 40), (guint64)cluster * table))
    return qs_input_damaged (error, "the first-level table lies outside of the file");
  header->table_offset = qs_input_u64le (in, 40);
  header->table_bytes = (guint64)cluster * table;
  return TRUE;
}

/**
 * qs_qed_header_read:
 *
 * All numbers of qed are little endian.
 */
gboolean
qs_qed_header_read (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  guint64 features;
  guint64 header_bytes;

  if (!qs_input_has (in, 0, QS_QED_HEADER_BYTES) || qs_input_u32le (in, 0) != QS_QED_MAGIC)
    return qs_input_damaged (error, "this is not a qed file");
  header->cluster_size = qs_input_u32le (in, 4);
  header->virtual_size = qs_input_u64le (in, 48);
  features = qs_input_u64le (in, 16);
  if (features & ~(guint64)(QS_QED_BACKING | QS_QED_NEED_CHECK | QS_QED_NO_PROBE))
    return qs_input_refused (error, "it needs a feature of qed that is not known here");
  if (!check_qed_sizes (in, header, error))
    return FALSE;
  header->dirty = (features & QS_QED_NEED_CHECK) != 0;
  if ((features & QS_QED_BACKING) == 0)
    return TRUE;

  header_bytes = (guint64)qs_input_u32le (in, 12) * header->cluster_size;
  if ((guint64)qs_input_u32le (in, 56) + qs_input_u32le (in, 60) > header_bytes)
    return qs_input_damaged (error, "the backing file name lies outside of the header");
  if (features & QS_QED_NO_PROBE)
    header->backing_format = g_strdup ("raw");
  return qs_image_read_backing_name (in, header, qs_input_u32le (in, 56), qs_input_u32le (in, 60),
                                     error);
}
