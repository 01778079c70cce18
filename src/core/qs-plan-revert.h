/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/**
 * QsRevert:
 *
 * A revert that is allowed, on its way to a plan.
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSnapshot *snapshot;
  QsSnapshotDef *def;
  char *definition; /* the one to bring back, NULL: today's stays */
} QsRevert;

static inline void
qs_revert_clear (QsRevert *revert)
{
  qs_snapshot_def_unref (revert->def);
  g_free (revert->definition);
}

gboolean qs_revert_ask_targets (const QsDomain *domain, QsQuestions *questions, GError **error);
char *qs_revert_overlay_path (const QsDomain *domain, const char *target, gint64 now, char **stem,
                              GError **error);
QsPlan *qs_revert_build (QsRevert *revert, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevert, qs_revert_clear)
