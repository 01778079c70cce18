/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-facts.h"

/* what the gate wants of a file: its first bytes, as many as there are */
#define QS_IMAGE_HEADER_BYTES (64 * 1024)

/**
 * QsImageHeader:
 *
 * What the first bytes of an image file say; all bounds and sums are checked, no tool has seen the
 * file yet.
 */
typedef struct
{
  guint64 virtual_size;
  guint cluster_size; /* 0: raw */
  gboolean dirty;     /* dirty, corrupt or need-check: no mutation */
  gboolean encrypted;
  gboolean extended_l2;
  char *backing_name;   /* as written, or NULL */
  char *backing_format; /* or NULL: none written, as always in qed */
  guint n_tags;
  guint64 tags_offset;
  guint64 table_offset; /* of the first-level table: numbers of 64 bits, 0 for what is not there */
  guint64 table_bytes;  /* 0: raw */
} QsImageHeader;

QsImageHeader *qs_image_header_parse (const char *format, const guint8 *data, gsize length,
                                      guint64 file_size, GError **error);
void qs_image_header_free (QsImageHeader *header);
void qs_image_header_fill (const QsImageHeader *header, QsImage *image);

gsize qs_image_header_tags_length (const QsImageHeader *header, guint64 file_size);
GPtrArray *qs_image_header_parse_tags (const QsImageHeader *header, const guint8 *data,
                                       gsize length, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsImageHeader, qs_image_header_free)
