/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-facts.h"
#include "qs-request.h"

/* the safety snapshot: what a revert takes of the state that it leaves, so that it can be undone */

gboolean qs_safety_is_wanted (const QsRequest *revert);
gboolean qs_safety_check (const QsRequest *revert, GError **error);
QsRequest *qs_safety_make_create (const QsDomain *domain, const QsRequest *revert,
                                  const QsSnapshot *target, const QsQuestions *given);
QsRequest *qs_safety_make_revert (const QsRequest *revert, const QsQuestions *given);
void qs_safety_add_deletes (const QsDomain *domain, const QsRequest *revert, GPtrArray *parts);

gboolean qs_safety_is_create (const QsRequest *request);
gboolean qs_safety_is_optional (const QsRequest *part);
gboolean qs_safety_has_all (const QsDomain *domain, const QsRequest *revert, const QsFacts *facts,
                            const char *target);
QsRequest *qs_safety_without (const QsRequest *part);
void qs_safety_prefix_revert (GError **error);
void qs_safety_prefix (const QsRequest *part, GError **error);
