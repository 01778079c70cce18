/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-block.h"

/**
 * QsBlockCommit:
 * @leaving: of char: uuids of snapshots that lie in one of the files, and whose records go;
 *   NULL-terminated
 *
 * Files of the chain of a disk that go into one below, on their way to a plan.
 */
typedef struct
{
  QsBlock *block;
  GPtrArray *leaving;
} QsBlockCommit;

/* qs-plan-block-commit-check.c */
gboolean qs_block_commit_check (QsBlockCommit *commit, GError **error);

/* qs-plan-block-commit-force.c */
gboolean qs_block_commit_check_leaving (const QsBlockCommit *commit, GError **error);
void qs_block_commit_add_leaving (const QsBlockCommit *commit, QsChangeList *changes);
