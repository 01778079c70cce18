/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

gboolean qs_attach_is_watched (const QsDiskDef *disk);
gboolean qs_attach_is_same (const QsFile *file, const QsImage *image);
const QsFile *qs_attach_find_file (const QsFacts *facts, const QsImage *image);
gboolean qs_attach_is_bound (const QsDomain *domain, const QsFile *recorded);
char *qs_attach_fault (const QsDomain *domain, const QsDiskDef *disk, const QsFacts *facts);
char *qs_attach_misuse (const QsDomain *domain, const QsFacts *facts);
/* qs-plan-detach.c: the end of a quarantine */
gboolean qs_ask_accept (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                        GError **error);
QsPlan *qs_plan_accept (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                        GError **error);
void qs_attach_record_fault (QsPlan *plan, QsChangeList *changes, const char *reason);
void qs_attach_record_disks (QsPlan *plan, QsChangeList *changes, const QsDomain *domain,
                             const QsRequest *request, const QsFacts *facts);
