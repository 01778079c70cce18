/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan.h"

/**
 * QsBlockJobPhase:
 *
 * RUNNING: it copies; READY: source and destination are kept equal until somebody says how it is to
 * end; PENDING: all is copied, and it will be ended; ABORTING: what it did is taken back.
 */
typedef enum
{
  QS_BLOCK_JOB_PHASE_RUNNING,
  QS_BLOCK_JOB_PHASE_READY,
  QS_BLOCK_JOB_PHASE_PENDING,
  QS_BLOCK_JOB_PHASE_ABORTING,
} QsBlockJobPhase;

/**
 * QsBlockJobRow:
 * @id: what QEMU calls it; no two have the same
 * @target: of the disk; a path where the files are no disk's
 * @type: copy, pull, commit or active-commit
 * @destination: path of the file that is written
 * @at_work: the step that is carried out is one of this job
 *
 * A block job that an operation has in a QEMU.
 */
typedef struct
{
  char *id;
  char *target;
  const char *type;
  char *destination;
  QsBlockJobPhase phase;
  gboolean at_work;
} QsBlockJobRow;

GPtrArray *qs_block_jobs_find (const QsPlan *plan, guint index, gboolean undoing);
gboolean qs_block_jobs_equal (const GPtrArray *one, const GPtrArray *other);
