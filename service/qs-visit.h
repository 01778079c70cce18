/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/**
 * QsVisitFunc:
 * @candidate: (transfer full) (nullable): NULL with @error
 * @error: (transfer full)
 */
typedef void (*QsVisitFunc) (QsCandidate *candidate, GError *error, gpointer user_data);

void qs_visit_start (QsService *service, QsUser *user, const QsVisit *visit, QsVisitFunc func,
                     gpointer user_data);
void qs_visit_leave (QsService *service, QsCandidate *candidate);
