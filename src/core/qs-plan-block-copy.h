/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-block.h"

/**
 * QsBlockCopy:
 * @source: what the guest writes to
 * @dest: where to
 * @format: of @dest
 * @target: what is at @dest
 * @reused: (nullable): the caller's own file, and what it stands on; NULL: one is made
 * @is_shallow: only what is in @source is copied
 * @waits: for the caller to say that the guest goes over, or does not
 *
 * A copy of a disk on its way to a plan.
 */
typedef struct
{
  QsBlock *block;
  const QsDiskDef *def;
  const QsImage *source;
  const char *dest;
  const char *format;
  const QsTarget *target;
  const QsDiskFacts *reused;
  gboolean is_shallow;
  gboolean waits;
} QsBlockCopy;

/* what a copy of the first file alone stands on */
const QsImage *qs_block_copy_below (const QsBlockCopy *copy);
gboolean qs_block_copy_has_own_chain (const QsBlockCopy *copy);
guint64 qs_block_copy_bytes (const QsBlockCopy *copy);

/* qs-plan-block-copy-check.c */
gboolean qs_block_copy_check (const QsBlockCopy *copy, GError **error);

/* qs-plan-block-copy-steps.c */
void qs_block_copy_add_steps (const QsBlockCopy *copy);

/* qs-plan-block-copy-record.c */
void qs_block_copy_add_commit (const QsBlockCopy *copy, guint image);
void qs_block_copy_add_protection (const QsBlockCopy *copy);
void qs_block_copy_add_result (const QsBlockCopy *copy);
