/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

/* a task that goes on with what an earlier run of the service has begun */

static void
take_plan (QsTask *task, const QsPartRecord *record)
{
  g_ptr_array_add (task->plans, qs_plan_ref (record->plan));
  for (guint i = 0; i < record->plan->notes->len; i++)
    qs_task_add_note (task, g_ptr_array_index (record->plan->notes, i));
}

/**
 * qs_task_new_found:
 * @op: its parts are closed, can be gone on with, or were undone to be begun anew
 *
 * What QEMU and the journal know it by stays its name; later parts are planned when they begin.
 */
QsTask *
qs_task_new_found (QsEngine *engine, const QsDomain *domain, const QsOpenOp *op)
{
  QsTask *task = qs_task_new (engine, domain, op->request);

  g_free (task->op);
  task->op = g_strdup (op->name);
  task->found = op->id;
  g_ptr_array_unref (task->parts);
  task->parts = g_ptr_array_ref (op->requests);
  task->records = g_ptr_array_ref (op->parts);
  for (guint i = 0; i < task->records->len; i++)
    take_plan (task, g_ptr_array_index (task->records, i));
  qs_task_begin_control (task);
  return task;
}

/**
 * qs_task_find_record:
 *
 * Returns: (transfer none) (nullable): of part @n, if that was begun and is not to be begun anew
 */
const QsPartRecord *
qs_task_find_record (const QsTask *task, guint n)
{
  const QsPartRecord *record =
      task->records != NULL && n < task->records->len ? g_ptr_array_index (task->records, n) : NULL;

  return record != NULL && record->state != QS_PART_UNDONE ? record : NULL;
}

/**
 * qs_task_find_first:
 *
 * Returns: the first part that is not done
 */
guint
qs_task_find_first (const QsTask *task)
{
  guint n = 0;

  while (task->records != NULL && n < task->records->len
         && ((const QsPartRecord *)g_ptr_array_index (task->records, n))->state == QS_PART_CLOSED)
    n++;
  return n;
}
