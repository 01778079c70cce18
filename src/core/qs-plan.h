/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-step.h"

/**
 * QsPlan:
 *
 * `prepare* · commit · finish*`: an immutable list of steps. Each prepare step names its undo, the
 * commit is the one step after which the operation counts as done, finish steps are repeatable.
 * No member is ever NULL.
 */
typedef struct
{
  GPtrArray *steps;     /* of QsStep */
  GVariant *result;     /* a{sv}: what the job's Result will hold besides what steps learn */
  GPtrArray *notes;     /* of char: sentences for people */
  char *pause_class;    /* none, short, memory, long */
  guint64 memory_bytes; /* that memory may take when it is saved; not kept in the journal */
} QsPlan;

/* in the result of a load: QEMU has brought the memory back, and the disks before it */
#define QS_RESULT_LOADED "loaded"

QsPlan *qs_plan_new (void);
void qs_plan_add (QsPlan *plan, QsStepKind kind, QsPhase phase, const char *target,
                  GVariant *arguments);
void qs_plan_note (QsPlan *plan, const char *format, ...) G_GNUC_PRINTF (2, 3);
void qs_plan_set_result (QsPlan *plan, GVariant *result);
void qs_plan_set_pause (QsPlan *plan, const char *pause_class);
gboolean qs_plan_check (const QsPlan *plan, GError **error);
gboolean qs_plan_check_looks (const QsPlan *plan, GError **error);

QsPlan *qs_plan_ref (QsPlan *plan);
void qs_plan_unref (QsPlan *plan);
const QsStep *qs_plan_step (const QsPlan *plan, guint index);
guint qs_plan_commit_index (const QsPlan *plan);
gboolean qs_plan_is_needless (const QsPlan *plan, guint index, const GPtrArray *results);
char *qs_plan_to_text (const QsPlan *plan); /* for the journal */
QsPlan *qs_plan_from_text (const char *text, GError **error);
char *qs_plan_describe (const QsPlan *plan); /* for people and golden files */
gboolean qs_plan_check_results (const QsPlan *plan, GPtrArray *results, GVariantDict *result,
                                GError **error);
GStrv qs_plan_files (const QsPlan *plan, guint trait);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsPlan, qs_plan_unref)
