/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

#define QS_QCOW2_MAGIC 0x514649fb
#define QS_QCOW2_HEADER_V2_BYTES 72
#define QS_QCOW2_HEADER_V3_BYTES 104
#define QS_QCOW2_BACKING_FORMAT 0xe2792aca
#define QS_QCOW2_FEATURE_NAMES 0x6803f857

#define QS_QCOW2_DIRTY (1u << 0)
#define QS_QCOW2_CORRUPT (1u << 1)
#define QS_QCOW2_DATA_FILE (1u << 2)
#define QS_QCOW2_COMPRESSION (1u << 3)
#define QS_QCOW2_EXTENDED_L2 (1u << 4)

#define QS_QCOW2_MIN_CLUSTER_BITS 9
#define QS_QCOW2_MAX_CLUSTER_BITS 21

/**
 * QsQcow2Layout:
 *
 * An image to be written. @backing_format is needed with a @backing.
 */
typedef struct
{
  guint64 virtual_size;
  guint cluster_size;
  gboolean extended_l2;
  const char *backing; /* NULL: none */
  const char *backing_format;
} QsQcow2Layout;

/**
 * QsQcow2Chunk:
 *
 * Bytes to be written at an offset; between chunks the file reads as zeros.
 */
typedef struct
{
  guint64 offset;
  GBytes *bytes;
} QsQcow2Chunk;

GPtrArray *qs_qcow2_chunks_new (void);
void qs_qcow2_chunks_add (GPtrArray *chunks, guint64 offset, GByteArray *bytes);
guint64 qs_qcow2_l1_entries (guint64 virtual_size, guint cluster_bits, gboolean extended_l2);
GPtrArray *qs_qcow2_build (const QsQcow2Layout *layout, guint64 *file_size, GError **error);
