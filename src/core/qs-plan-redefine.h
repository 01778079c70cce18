/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan-create.h"

/**
 * QsClaim:
 *
 * Where a document says that a part of the snapshot lies: a disk, or the memory in a file of its
 * own. Strings are those of the document and of the domain.
 */
typedef struct
{
  const char *target;
  QsLocation choice; /* INTERNAL or EXTERNAL */
  const char *path;  /* NULL: nothing tells */
  const char *format;
  const char *tag; /* of INTERNAL; NULL: the only one that holds memory */
  gboolean below;  /* it is the backing file of @path */
} QsClaim;

/* qs-redefine.c: what a document says */
QsSnapshotDef *qs_redefine_complete (const QsDomain *domain, const QsSnapshotDef *def,
                                     const QsSnapshotDef *recorded, GError **error);
GArray *qs_redefine_claims (const QsDomain *domain, const QsSnapshotDef *def);
char *qs_redefine_part (const QsClaim *claim);
QsKind qs_redefine_kind (const QsSnapshotDef *def);

/* qs-redefine-check.c: what it may say */
gboolean qs_redefine_check (const QsDomain *domain, const QsRequest *request, GError **error);
gboolean qs_redefine_check_recorded (const QsSnapshotDef *def, const QsSnapshotDef *recorded,
                                     GError **error);

/* qs-redefine-find.c: whether it is there; (nullable): what is wrong with it */
char *qs_redefine_find (const QsDomain *domain, const QsFacts *facts, const char *uuid,
                        const QsClaim *claim, const char **tag);
const QsImage *qs_redefine_image (const QsFacts *facts, const QsClaim *claim);

gboolean qs_ask_redefine (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                          GError **error);
QsPlan *qs_plan_redefine (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                          GError **error);
