/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-image-header.h"

#include "qs-image-input.h"
#include "qs-limits.h"
#include "qs-qcow2.h"

/* a colon before the first slash: QEMU would open something that is not a file */
static gboolean
has_scheme (const char *name)
{
  return name[strcspn (name, ":/")] == ':';
}

static gboolean
check_backing_name (const char *name, gsize length, GError **error)
{
  if (strlen (name) != length)
    return qs_input_damaged (error, "the backing file name holds a zero byte");
  if (!g_utf8_validate (name, length, NULL))
    return qs_input_refused (error, "its backing file name is not UTF-8");
  if (has_scheme (name))
    return qs_input_refused (error, "its backing file is not named as a local file");
  for (gsize i = 0; i < length; i++)
    if (g_ascii_iscntrl (name[i]))
      return qs_input_refused (error, "its backing file name holds a control character");
  return TRUE;
}

/**
 * qs_image_read_backing_name:
 *
 * Takes the name over if nothing but a local file can be meant by it.
 */
gboolean
qs_image_read_backing_name (const QsImageInput *in, QsImageHeader *header, guint64 offset,
                            guint64 length, GError **error)
{
  if (length == 0)
    return qs_input_damaged (error, "the backing file name is empty");
  if (length > QS_MAX_BACKING_NAME_BYTES)
    return qs_input_damaged (error, "the backing file name is too long");
  if (!qs_input_has (in, offset, length))
    return qs_input_damaged (error, "the backing file name lies outside of the header");
  header->backing_name = g_strndup ((const char *)in->data + offset, length);
  return check_backing_name (header->backing_name, length, error);
}

static gboolean
read_backing_format (const QsImageInput *in, QsImageHeader *header, guint64 offset, guint32 length,
                     GError **error)
{
  static const char *const known[] = { "qcow2", "raw", "qed" };

  if (header->backing_format != NULL)
    return qs_input_damaged (error, "two backing formats");
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (length == strlen (known[i]) && memcmp (in->data + offset, known[i], length) == 0)
      {
        header->backing_format = g_strdup (known[i]);
        return TRUE;
      }
  return qs_input_refused (error, "the format of its backing file is not qcow2, raw or qed");
}

/* the list ends at a zero, at the backing name or at the end of the cluster */
static gboolean
read_extensions (const QsImageInput *in, QsImageHeader *header, guint64 offset, guint64 end,
                 GError **error)
{
  while (offset + 8 <= end)
    {
      guint32 type;
      guint32 length;

      if (!qs_input_has (in, offset, 8))
        return qs_input_damaged (error, "header extensions are too long");
      type = qs_input_u32 (in, offset);
      length = qs_input_u32 (in, offset + 4);
      if (type == 0)
        return TRUE;
      offset += 8;
      if (length > end - offset || !qs_input_has (in, offset, length))
        return qs_input_damaged (error, "a header extension is too long");
      if (type == QS_QCOW2_BACKING_FORMAT
          && !read_backing_format (in, header, offset, length, error))
        return FALSE;
      offset += ((guint64)length + 7) & ~G_GUINT64_CONSTANT (7);
    }
  return TRUE;
}

static gboolean
check_features (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  guint64 bits = qs_input_u64 (in, 72);
  guint64 known = QS_QCOW2_DIRTY | QS_QCOW2_CORRUPT | QS_QCOW2_COMPRESSION | QS_QCOW2_EXTENDED_L2;

  if (bits & QS_QCOW2_DATA_FILE)
    return qs_input_refused (error, "it keeps its data in another file; make one file of both with "
                                    "qemu-img convert, or leave the disk out with snapshot='no'");
  if (bits & ~known)
    return qs_input_refused (error, "it needs a feature of qcow2 that is not known here");
  if ((bits & QS_QCOW2_EXTENDED_L2) && header->cluster_size < 16384)
    return qs_input_damaged (error, "extended second-level entries with too small clusters");
  if (qs_input_u32 (in, 96) > 6)
    return qs_input_damaged (error, "the width of the reference counts");
  header->dirty = (bits & (QS_QCOW2_DIRTY | QS_QCOW2_CORRUPT)) != 0;
  header->extended_l2 = (bits & QS_QCOW2_EXTENDED_L2) != 0;
  return TRUE;
}

/* the first cluster is the header's */
static gboolean
has_table (const QsImageInput *in, const QsImageHeader *header, guint64 offset, guint64 bytes)
{
  return offset >= header->cluster_size && offset % header->cluster_size == 0
         && qs_input_in_file (in, offset, bytes);
}

static gboolean
check_l1 (const QsImageInput *in, QsImageHeader *header, guint cluster_bits, GError **error)
{
  guint64 l1_bytes = (guint64)qs_input_u32 (in, 36) * 8;
  guint64 offset = qs_input_u64 (in, 40);

  if (header->virtual_size > G_MAXINT64)
    return qs_input_damaged (error, "the virtual size");
  if (l1_bytes > QS_MAX_L1_BYTES)
    return qs_input_damaged (error, "the first-level table is too large");
  if (l1_bytes / 8 < qs_qcow2_l1_entries (header->virtual_size, cluster_bits, header->extended_l2))
    return qs_input_damaged (error, "the first-level table is too small for the virtual size");
  if (l1_bytes != 0 && !has_table (in, header, offset, l1_bytes))
    return qs_input_damaged (error, "the first-level table lies outside of the file");
  header->table_offset = offset;
  header->table_bytes = l1_bytes;
  return TRUE;
}

static gboolean
check_refcounts (const QsImageInput *in, const QsImageHeader *header, GError **error)
{
  guint64 bytes = (guint64)qs_input_u32 (in, 56) * header->cluster_size;
  guint64 offset = qs_input_u64 (in, 48);

  if (bytes == 0 || bytes > QS_MAX_REFCOUNT_TABLE_BYTES)
    return qs_input_damaged (error, "the size of the reference count table");
  if (!has_table (in, header, offset, bytes))
    return qs_input_damaged (error, "the reference count table lies outside of the file");
  return TRUE;
}

static gboolean
check_tags (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  header->n_tags = qs_input_u32 (in, 60);
  header->tags_offset = qs_input_u64 (in, 64);
  if (header->n_tags > QS_MAX_IMAGE_TAGS)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "the image holds %u snapshots, more than %d", header->n_tags, QS_MAX_IMAGE_TAGS);
      return FALSE;
    }
  if (header->n_tags != 0
      && !has_table (in, header, header->tags_offset, header->n_tags * QS_IMAGE_TAG_BYTES))
    return qs_input_damaged (error, "the snapshot table lies outside of the file");
  return TRUE;
}

static gboolean
read_encryption (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  guint32 method = qs_input_u32 (in, 32);

  if (method > 2)
    return qs_input_refused (error, "its encryption is not known here");
  header->encrypted = method != 0;
  return TRUE;
}

static gboolean
read_qcow2_backing (const QsImageInput *in, QsImageHeader *header, guint32 header_length,
                    GError **error)
{
  guint64 offset = qs_input_u64 (in, 8);
  guint32 length = qs_input_u32 (in, 16);
  guint64 end = offset != 0 ? offset : header->cluster_size;

  if (offset != 0 && (offset > header->cluster_size || length > header->cluster_size - offset))
    return qs_input_damaged (error, "the backing file name lies outside of the first cluster");
  if (offset != 0 && offset < header_length)
    return qs_input_damaged (error, "the backing file name lies inside of the header");
  if (!read_extensions (in, header, header_length, end, error))
    return FALSE;
  /* a length without an offset is what QEMU leaves behind after `rebase -b ""` */
  return offset == 0 || length == 0
         || qs_image_read_backing_name (in, header, offset, length, error);
}

static gboolean
read_qcow2 (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  guint32 version;
  guint32 cluster_bits;
  guint32 header_length = QS_QCOW2_HEADER_V2_BYTES;

  if (!qs_input_has (in, 0, QS_QCOW2_HEADER_V2_BYTES) || qs_input_u32 (in, 0) != QS_QCOW2_MAGIC)
    return qs_input_damaged (error, "this is not a qcow2 file");
  version = qs_input_u32 (in, 4);
  if (version != 2 && version != 3)
    return qs_input_refused (error, "this version of qcow2 is not known here");
  cluster_bits = qs_input_u32 (in, 20);
  if (cluster_bits < QS_QCOW2_MIN_CLUSTER_BITS || cluster_bits > QS_QCOW2_MAX_CLUSTER_BITS)
    return qs_input_damaged (error, "the cluster size");
  header->cluster_size = 1u << cluster_bits;
  header->virtual_size = qs_input_u64 (in, 24);

  if (version == 3)
    {
      if (!qs_input_has (in, 0, QS_QCOW2_HEADER_V3_BYTES))
        return qs_input_damaged (error, "it ends in the middle");
      header_length = qs_input_u32 (in, 100);
      if (header_length < QS_QCOW2_HEADER_V3_BYTES || header_length > header->cluster_size)
        return qs_input_damaged (error, "the length of the header");
      if (!check_features (in, header, error))
        return FALSE;
    }
  return read_encryption (in, header, error) && check_l1 (in, header, cluster_bits, error)
         && check_refcounts (in, header, error) && check_tags (in, header, error)
         && read_qcow2_backing (in, header, header_length, error);
}

/* contents of a raw image are the guest's: none of its bytes is looked at */
static gboolean
read_raw (const QsImageInput *in, QsImageHeader *header, GError **error)
{
  if (in->file_size > G_MAXINT64 - 511)
    return qs_input_damaged (error, "the size of the file");
  header->virtual_size = (in->file_size + 511) & ~G_GUINT64_CONSTANT (511);
  return TRUE;
}

static const struct
{
  const char *format;
  gboolean (*read) (const QsImageInput *in, QsImageHeader *header, GError **error);
} readers[] = {
  { "qcow2", read_qcow2 },
  { "raw", read_raw },
  { "qed", qs_qed_header_read },
};

/**
 * qs_image_header_parse:
 * @format: as recorded; never found out from the contents
 * @data: the first bytes of the file, QS_IMAGE_HEADER_BYTES or all
 *
 * The gate that an image passes before any tool opens it.
 *
 * Returns: (transfer full): the header; NULL with IMAGE_FAILED if it is damaged,
 *   CONFIG_UNSUPPORTED if it is refused. The text does not name the file
 */
QsImageHeader *
qs_image_header_parse (const char *format, const guint8 *data, gsize length, guint64 file_size,
                       GError **error)
{
  const QsImageInput in = { data, length, file_size };
  g_autoptr (QsImageHeader) header = g_new0 (QsImageHeader, 1);

  for (guint i = 0; i < G_N_ELEMENTS (readers); i++)
    if (g_str_equal (readers[i].format, format))
      return readers[i].read (&in, header, error) ? g_steal_pointer (&header) : NULL;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "image format ‘%s’ is not qcow2, raw or qed", format);
  return NULL;
}

void
qs_image_header_free (QsImageHeader *header)
{
  if (header == NULL)
    return;
  g_free (header->backing_name);
  g_free (header->backing_format);
  g_free (header);
}

/**
 * qs_image_header_fill:
 *
 * Copies what the header says into @image.
 */
void
qs_image_header_fill (const QsImageHeader *header, QsImage *image)
{
  image->virtual_size = header->virtual_size;
  image->cluster_size = header->cluster_size;
  image->dirty = header->dirty;
  image->encrypted = header->encrypted;
  image->extended_l2 = header->extended_l2;
  g_free (image->backing_name);
  image->backing_name = g_strdup (header->backing_name);
  g_free (image->backing_format);
  image->backing_format = g_strdup (header->backing_format);
}
