/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-plan.h"

typedef enum
{
  QS_STEP_STATE_NONE,
  QS_STEP_STATE_BEGUN,
  QS_STEP_STATE_DONE,
  QS_STEP_STATE_UNDONE,
} QsStepState;

typedef enum
{
  QS_PART_OPEN,      /* commit not known to be reached */
  QS_PART_COMMITTED, /* finish steps are left */
  QS_PART_CLOSED,
  QS_PART_UNDONE,
  QS_PART_UNDOING, /* it failed or was cancelled, or was given up: what was done is taken back */
} QsPartState;

/**
 * QsJournal:
 *
 * Intent before effect. Every call is one COMMIT when it returns TRUE. Durable are the intents and what
 * is taken back. That a part begins, that a step is DONE, that a part is COMMITTED or CLOSED is so with
 * the next durable COMMIT, which comes before the next effect that outlives a power failure: without them
 * the journal is as after a crash just before them. @step_later: an intent that waits in the same way. The
 * store implements it, tests have one in memory.
 */
typedef struct QsJournal QsJournal;

typedef struct
{
  gboolean (*begin_part) (QsJournal *journal, guint part, const QsPlan *plan, GError **error);
  gboolean (*step) (QsJournal *journal, guint part, guint index, QsStepState state,
                    GVariant *result, GError **error);
  gboolean (*step_later) (QsJournal *journal, guint part, guint index, QsStepState state,
                          GVariant *result, GError **error);
  gboolean (*part) (QsJournal *journal, guint part, QsPartState state, GError **error);
} QsJournalVTable;

struct QsJournal
{
  const QsJournalVTable *vtable;
};

gboolean qs_journal_intend (QsJournal *journal, guint part, const QsPlan *plan, guint index,
                            GVariant *result, GError **error);

/**
 * QsPartRecord:
 *
 * What the journal knew of a part after a restart.
 */
typedef struct
{
  guint n;
  QsPlan *plan;
  QsPartState state;
  GArray *steps;      /* of QsStepState, as many as the plan has */
  GPtrArray *results; /* of GVariant or NULL, as many as the plan has */
} QsPartRecord;

QsPartRecord *qs_part_record_new (guint n, QsPlan *plan);
void qs_part_record_free (QsPartRecord *record);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPartRecord, qs_part_record_free)
