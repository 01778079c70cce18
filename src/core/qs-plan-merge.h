/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-merge.h"
#include "qs-planners.h"

/* the questions, checks and steps of merges, for plans that need one */

/**
 * QsMerging:
 * @chain: (element-type QsImage): files of which each stands on the next
 * @first: index of the topmost one that is merged
 * @layers: down: how many go into the next one; up: how many below the first go into it
 * @node: (nullable): what the running QEMU has @chain[0] open as; NULL: none of them is open
 * @leaving: (nullable) (element-type QsSnapshotFile): tags in these files are deleted before
 * @keeps: up: the files below the first may be needed by others, and none of them goes with the merge
 * @speed: bytes a second with which the job begins; 0: as fast as it goes
 * @has_storage: then a qemu-storage-daemon does the merge, which tells how far it is and can be paused
 * @storage: set by qs_merging_plan_storage(): index of its step
 * @hold: set by qs_merging_plan_hold(), with @is_held: index of the step that says whether the job is
 *   brought to its end
 * @job: set by qs_merging_plan_copy(): index of its step
 * @end: set by qs_merging_plan_end(): index of the step that knows what came of it
 *
 * Down: the content of the layers goes into the file below, and they go. Up: that of the files below
 * the first goes into the first; they are only read, and @keeps says that they stay.
 */
typedef struct
{
  const char *target;
  const GPtrArray *chain;
  guint first;
  guint layers;
  const QsNode *node;
  const GPtrArray *leaving;
  gboolean keeps;
  guint64 speed;
  gboolean has_storage;
  QsMergeDirection direction;
  gboolean is_held;
  guint storage;
  guint hold;
  guint job;
  guint end;
} QsMerging;

void qs_merging_ask (const QsDomain *domain, QsQuestions *questions);
const QsImage *qs_merging_image (const QsMerging *merge, guint index);
const QsImage *qs_merging_base (const QsMerging *merge);
const QsImage *qs_merging_above (const QsMerging *merge);
const QsImage *qs_merging_below (const QsMerging *merge);
const QsImage *qs_merging_written (const QsMerging *merge);
const QsImage *qs_merging_goner (const QsMerging *merge);
guint64 qs_merging_bytes (const QsMerging *merge);

/* qs-plan-merge-check.c */
gboolean qs_merging_loses_tags (const QsMerging *merge, guint first);
const char *qs_merging_header_obstacle (const QsImage *image, const QsFacts *facts);
const char *qs_merging_obstacle (const QsMerging *merge, const QsFacts *facts);
gboolean qs_merging_is_chain (const QsMerging *merge, const QsDomain *domain, const QsFacts *facts);
gboolean qs_merging_check (const QsMerging *merge, const QsDomain *domain, const QsFacts *facts,
                           GError **error);

/* qs-plan-merge-stand.c: who needs a file without being recorded to do so */
const char *qs_merging_find_standing (const QsFacts *facts, const QsFile *file, const char *target);

/* qs-plan-merge-steps.c */
char *qs_merging_backing_name (const QsMerging *merge, gint index, guint place);
void qs_merging_plan_mode (const QsMerging *merge, const QsImage *image, const QsFacts *facts,
                           QsPlan *plan, QsChangeList *changes);
void qs_merging_plan_protection (const QsMerging *merge, const QsImage *image, const QsFacts *facts,
                                 QsPlan *plan);
void qs_merging_plan_protection_unless (const QsMerging *merge, const QsImage *image,
                                        const QsFacts *facts, QsPlan *plan);
void qs_merging_plan_modes (const QsMerging *merge, const QsFacts *facts, QsPlan *plan,
                            QsChangeList *changes);
void qs_merging_plan_storage (QsMerging *merge, const QsDomain *domain, const QsFacts *facts,
                              QsPlan *plan);
void qs_merging_plan_copy (QsMerging *merge, QsPhase phase, const QsFacts *facts, QsPlan *plan);
void qs_merging_add_part (const QsMerging *merge, QsStepKind kind, QsPhase phase, QsPlan *plan);
guint qs_merging_plan_hold (QsMerging *merge, QsPlan *plan);
void qs_merging_plan_end (QsMerging *merge, QsPhase phase, QsPlan *plan);
void qs_merging_plan_rebase (const QsMerging *merge, const QsImage *image, const QsImage *backing,
                             QsPlan *plan);
void qs_merging_plan_down (QsMerging *merge, const QsFacts *facts, QsPlan *plan,
                           QsChangeList *changes);
