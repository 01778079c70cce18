/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-qcow2.h"

#define QS_QED_MAGIC 0x00444551 /* little endian "QED\0" */
#define QS_QED_HEADER_BYTES 64
#define QS_QED_BACKING (1u << 0)
#define QS_QED_NEED_CHECK (1u << 1)
#define QS_QED_NO_PROBE (1u << 2)
#define QS_QED_MIN_CLUSTER 4096u
#define QS_QED_MAX_CLUSTER (64u * 1024 * 1024)
#define QS_QED_MAX_TABLE 16u

GPtrArray *qs_qed_build (const QsQcow2Layout *layout, guint64 *file_size, GError **error);
