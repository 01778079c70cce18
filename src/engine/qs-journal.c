/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-journal.h"

/* a step may have no result */
static void
unref_result (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

/* it is carried out again by whoever finds it not done, begun or not, and all before it is durable with
   the record */
static gboolean
follows_record (const QsPlan *plan, guint index)
{
  return qs_plan_step (plan, index)->phase == QS_PHASE_FINISH
         && qs_plan_step (plan, index - 1)->kind == QS_STEP_RECORD;
}

/**
 * qs_journal_intend:
 * @result: (nullable): what the step has learnt before its effect
 *
 * That a step is about to have an effect.
 */
gboolean
qs_journal_intend (QsJournal *journal, guint part, const QsPlan *plan, guint index,
                   GVariant *result, GError **error)
{
  gboolean waits = (qs_step_type (qs_plan_step (plan, index)->kind)->phases & QS_NEEDS_NO_SYNC) != 0
                   || follows_record (plan, index);

  return (waits ? journal->vtable->step_later
                : journal->vtable->step) (journal, part, index, QS_STEP_STATE_BEGUN, result, error);
}

/**
 * qs_part_record_new:
 * @plan: (transfer none)
 *
 * A part of which no step has begun.
 */
QsPartRecord *
qs_part_record_new (guint n, QsPlan *plan)
{
  QsPartRecord *record = g_new0 (QsPartRecord, 1);

  record->n = n;
  record->plan = qs_plan_ref (plan);
  record->state = QS_PART_OPEN;
  record->steps = g_array_new (FALSE, TRUE, sizeof (QsStepState));
  g_array_set_size (record->steps, plan->steps->len);
  record->results = g_ptr_array_new_with_free_func (unref_result);
  g_ptr_array_set_size (record->results, (int)plan->steps->len);
  return record;
}

void
qs_part_record_free (QsPartRecord *record)
{
  if (record == NULL)
    return;
  qs_plan_unref (record->plan);
  g_array_unref (record->steps);
  g_ptr_array_unref (record->results);
  g_free (record);
}
