/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-error.h"
#include "qs-image-header.h"

#include <string.h>

#define QS_IMAGE_TAG_BYTES 40 /* at least, of one entry of the snapshot table */

/**
 * QsImageInput:
 *
 * The first bytes of a file; all of it is hostile. A field is read only behind qs_input_has().
 */
typedef struct
{
  const guint8 *data;
  gsize length;
  guint64 file_size;
} QsImageInput;

static inline gboolean
qs_input_has (const QsImageInput *in, guint64 offset, guint64 length)
{
  return offset <= in->length && length <= in->length - offset;
}

static inline gboolean
qs_input_in_file (const QsImageInput *in, guint64 offset, guint64 length)
{
  return offset <= in->file_size && length <= in->file_size - offset;
}

static inline guint32
qs_input_u32 (const QsImageInput *in, gsize offset)
{
  guint32 value;

  memcpy (&value, in->data + offset, sizeof value);
  return GUINT32_FROM_BE (value);
}

static inline guint64
qs_input_u64 (const QsImageInput *in, gsize offset)
{
  guint64 value;

  memcpy (&value, in->data + offset, sizeof value);
  return GUINT64_FROM_BE (value);
}

static inline guint16
qs_input_u16 (const QsImageInput *in, gsize offset)
{
  return in->data[offset] << 8 | in->data[offset + 1];
}

static inline guint32
qs_input_u32le (const QsImageInput *in, gsize offset)
{
  return GUINT32_SWAP_LE_BE (qs_input_u32 (in, offset));
}

static inline guint64
qs_input_u64le (const QsImageInput *in, gsize offset)
{
  return GUINT64_SWAP_LE_BE (qs_input_u64 (in, offset));
}

static inline gboolean
qs_input_damaged (GError **error, const char *what)
{
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "the image header is damaged: %s", what);
  return FALSE;
}

static inline gboolean
qs_input_refused (GError **error, const char *what)
{
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "the image is refused: %s", what);
  return FALSE;
}

gboolean qs_image_read_backing_name (const QsImageInput *in, QsImageHeader *header, guint64 offset,
                                     guint64 length, GError **error);
gboolean qs_qed_header_read (const QsImageInput *in, QsImageHeader *header, GError **error);
