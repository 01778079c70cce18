/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-create.h"

/**
 * QsBranch:
 *
 * A branch that is allowed, on its way to a plan: a second snapshot of the point of another one. Its
 * overlays are made as those of a create are, but on the state files of that one, and wait as tip.
 */
typedef struct
{
  QsCreate create;
  QsSelection *selection;  /* which @create refers to */
  const QsSnapshot *point; /* what is branched */
  QsSnapshotDef *document; /* of it */
} QsBranch;

gboolean qs_ask_branch (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_branch (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);

/* qs-plan-branch-check.c */
const QsSnapshot *qs_branch_check_point (const QsDomain *domain, const QsRequest *request,
                                         GError **error);
gboolean qs_branch_check_asked (const QsDomain *domain, const QsSelection *selection,
                                GError **error);
gboolean qs_branch_check_memory (const QsBranch *branch, GError **error);
gboolean qs_branch_settle_disks (QsBranch *branch, GError **error);
const QsImage *qs_branch_check_state_file (const QsBranch *branch, const QsSelected *selected,
                                           GError **error);

/* qs-plan-branch-record.c */
gboolean qs_branch_add_record (QsBranch *branch, QsPlan *plan, GError **error);
