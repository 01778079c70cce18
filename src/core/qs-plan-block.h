/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-flags.h"
#include "qs-plan-merge.h"

/* what block calls share: which disk and which files of its chain are meant, and what becomes of files
   that nobody needs afterwards */

/**
 * QsBlock:
 * @disk: the one that is meant
 * @merging: what is done to its chain; first: which chain that is
 * @goners: of const QsFile: they are unlinked
 * @settled: of char: paths of files that the disk does not stand on any more, NULL-terminated
 * @leaves: the guest's own file is none of the disk's afterwards
 * @stay: (nullable): why files that nobody needs stay nevertheless, for people
 * @condition: index of the step that tells whether it was done, G_MAXUINT: there is none
 *
 * A block call on its way to a plan.
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsDiskFacts *disk;
  QsMerging merging;
  QsPlan *plan;
  GPtrArray *goners;
  GPtrArray *settled;
  GStrvBuilder *removed;
  GStrvBuilder *kept;
  gboolean leaves;
  const char *stay;
  guint condition;
} QsBlock;

typedef gboolean (*QsBlockPlanner) (QsBlock *block, GError **error);

const char *qs_block_option (const QsRequest *request, const char *key);
gboolean qs_block_ask (const QsDomain *domain, const QsRequest *request, const QsFlagSet *set,
                       QsQuestions *questions, GError **error);
QsPlan *qs_block_make_plan (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                            QsBlockPlanner add, GError **error);
gboolean qs_block_find_place (const QsBlock *block, const char *name, guint *place, GError **error);
char *qs_block_describe_snapshots (const QsBlock *block, const GPtrArray *uuids);
gboolean qs_block_check_relative (const QsBlock *block, const QsImage *image, const char *name,
                                  GError **error);
void qs_block_add_nothing (QsBlock *block, const char *why);

/* qs-plan-block-left.c */
void qs_block_keep (QsBlock *block, const char *path, const char *why);
void qs_block_settle_below (QsBlock *block, QsChangeList *changes);
void qs_block_settle_left (QsBlock *block, guint n, QsChangeList *changes);
void qs_block_settle_layers (QsBlock *block, QsChangeList *changes);
void qs_block_settle_extra (QsBlock *block, const QsFile *file, QsFileFate fate,
                            QsChangeList *changes);
void qs_block_add_unlinks (QsBlock *block);
void qs_block_add_result (QsBlock *block, guint from, guint to);
GVariant *qs_block_condition (const QsBlock *block);
