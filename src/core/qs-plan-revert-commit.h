/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-merge.h"

/* a revert with COMMIT: the later changes go into the files of the snapshot, which is one no more */

gboolean qs_ask_revert_commit (const QsDomain *domain, const QsRequest *request,
                               QsQuestions *questions, GError **error);
QsPlan *qs_plan_revert_commit (const QsDomain *domain, const QsRequest *request,
                               const QsFacts *facts, GError **error);

/**
 * QsRevertCommit:
 * @leaving: of const QsSnapshot: the current one first, the target last
 * @uuids: theirs
 * @merges: of QsMerging
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSnapshot *snapshot;
  GPtrArray *leaving;
  GStrv uuids;
  GArray *merges;
} QsRevertCommit;

void qs_revert_commit_clear (QsRevertCommit *commit);
gboolean qs_revert_commit_is_of (const QsRevertCommit *commit, const GPtrArray *uuids);

/* qs-plan-revert-commit-check.c */
gboolean qs_revert_commit_find_leaving (QsRevertCommit *commit, GError **error);
gboolean qs_revert_commit_find_merges (QsRevertCommit *commit, GError **error);
gboolean qs_revert_commit_check_users (const QsRevertCommit *commit, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevertCommit, qs_revert_commit_clear)
