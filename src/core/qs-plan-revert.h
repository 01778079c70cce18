/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-exchange.h"
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

void qs_revert_ask_targets (const QsDomain *domain, QsQuestions *questions);
char *qs_revert_overlay_path (const QsDomain *domain, const char *target, gint64 now, char **stem,
                              GError **error);
QsPlan *qs_revert_build (QsRevert *revert, GError **error);

/* a file with the changes since the snapshot */
typedef struct
{
  const QsFile *file;
  char *path; /* where it is when it is unlinked */
} QsDropped;

/* a disk of an attached domain whose fresh overlay takes over the active name */
typedef struct
{
  QsExchange names;
  char *kept;
  char *aside;
  guint step; /* that makes the overlay */
} QsRevertExchange;

typedef struct
{
  QsRevert *revert;
  QsPlan *plan;
  GHashTable *overlays; /* target -> path of the fresh overlay */
  GPtrArray *dropped;   /* of QsDropped */
  GPtrArray
      *given_up; /* of char: paths of such files that are the caller's: forgotten, left alone */
  GPtrArray *exchanges; /* of QsRevertExchange */
  GArray *protections;  /* of QsProtection, that a QEMU that goes on must not meet */
  GPtrArray *nodes;     /* of guint: the steps that open overlays in a QEMU that goes on */
  QsDomain *after;      /* the domain as it will be, for the definition that is started */
  gboolean was_active;
  gboolean in_place; /* in the process that runs, which is not ours to end */
  guint n_tags;
} QsRevertBuild;

void qs_revert_build_init (QsRevertBuild *build, QsRevert *revert, QsPlan *plan);
void qs_revert_build_clear (QsRevertBuild *build);
gboolean qs_revert_plan_overlays (QsRevertBuild *build, QsChangeList *changes, GError **error);

QsPhase qs_revert_plan_exchanges (QsRevertBuild *build, QsPhase phase, gboolean off);

/* qs-plan-revert-in-place.c */
gboolean qs_revert_is_in_place (const QsDomain *domain);
gboolean qs_revert_check_in_place (const QsRevert *revert, GError **error);

/* qs-plan-revert-definition.c */
gboolean qs_revert_check_definition (QsRevert *revert, GError **error);
gboolean qs_revert_add_node (QsRevertBuild *build, const char *target, GError **error);
void qs_revert_plan_in_place (QsRevertBuild *build, QsChangeList *changes);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevert, qs_revert_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsRevertBuild, qs_revert_build_clear)
