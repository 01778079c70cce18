/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/* the questions and steps of a merge down of what a domain writes to, for plans that need one */

/**
 * QsMergeDown:
 * @disk: its chain, the active file first
 * @layers: how many files of the chain go into the next one
 * @node: (nullable): NULL: no QEMU runs
 */
typedef struct
{
  const char *target;
  const QsDiskFacts *disk;
  guint layers;
  const QsNode *node;
} QsMergeDown;

void qs_merge_down_ask (const QsDomain *domain, QsQuestions *questions);
const QsImage *qs_merge_down_image (const QsMergeDown *merge, guint index);
const QsImage *qs_merge_down_base (const QsMergeDown *merge);
guint64 qs_merge_down_bytes (const QsMergeDown *merge);
gboolean qs_merge_down_check (const QsMergeDown *merge, const QsDomain *domain,
                              const QsFacts *facts, GError **error);
void qs_merge_down_plan_modes (const QsMergeDown *merge, const QsFacts *facts, QsPlan *plan,
                               QsChangeList *changes);
void qs_merge_down_plan (const QsMergeDown *merge, const QsFacts *facts, QsPlan *plan,
                         QsChangeList *changes);
