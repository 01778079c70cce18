/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-facts.h"
#include "qs-plan.h"
#include "qs-request.h"

/**
 * QsOperation:
 * @name: of the job's `Operation` property
 * @ask: writes down what must be looked up, and refuses what can be refused without looking
 * @plan: decides; pure
 * @parts: for a request that needs several commit points: its parts, each planned when its turn
 *   comes; NULL: the request itself is the one part. What is given (clock, chance) makes the uuid of
 *   a snapshot that one part makes and another one names
 * @looks: it changes nothing: each step of its plan only looks, none is a commit, and there is no
 *   journal
 * @passes: its plan is one step, that needs none of what another operation has under way: it may be
 *   done while that one waits for a block job
 * @resumes: if the service ends in the middle of it, the next start goes on, where QEMU can be found
 *   at it still, or between two parts; others are finished or undone
 *
 * The table of operations. A new operation is a row here, a planner, and golden plans.
 */
typedef struct
{
  const char *name;
  gboolean (*ask) (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                   GError **error);
  QsPlan *(*plan) (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                   GError **error);
  GPtrArray *(*parts) (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                       GError **error);
  gboolean looks;
  gboolean passes;
  gboolean resumes;
} QsOperation;

const QsOperation *qs_operation_get (QsVerb verb);
gboolean qs_operation_passes_quarantine (QsVerb verb);
gboolean qs_operation_resumes (const QsRequest *request, const QsRequest *part);
