/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

/* what is asked of the block jobs of a task while it is at work */

gboolean
qs_task_set_paused (QsTask *task, gboolean paused, GError **error)
{
  return qs_control_set_paused (task->control, paused, error);
}

gboolean
qs_task_set_speed (QsTask *task, guint64 speed, GError **error)
{
  return qs_control_set_speed (task->control, speed, error);
}

gboolean
qs_task_enter_passage (QsTask *task)
{
  return qs_passage_enter (qs_control_get_passage (task->control));
}

void
qs_task_leave_passage (QsTask *task)
{
  qs_passage_leave (qs_control_get_passage (task->control));
}

gboolean
qs_task_pivot (QsTask *task, GError **error)
{
  return qs_control_set_end (task->control, QS_CONTROL_PIVOT, error);
}

gboolean
qs_task_finish (QsTask *task, GError **error)
{
  return qs_control_set_end (task->control, QS_CONTROL_FINISH, error);
}

void
qs_task_get_wishes (QsTask *task, gboolean *paused, guint64 *speed)
{
  *paused = qs_control_get_paused (task->control);
  *speed = qs_control_get_speed (task->control);
}

gboolean
qs_task_leave (QsTask *task)
{
  if (!qs_operation_resumes (task->request, task->request))
    return FALSE;
  qs_control_leave (task->control);
  return TRUE;
}

/* without a QEMU a file is merged by qemu-img, which goes as it likes */
static gboolean
is_block_job (const QsStep *step, gboolean has_guest)
{
  g_autoptr (GVariant) storage = NULL;

  if (!qs_control_reaches (step->kind))
    return FALSE;
  storage = qs_step_value (step, "storage");
  return has_guest || storage != NULL;
}

/* of the steps from @from on; G_MAXUINT: there is none */
static guint
find_block_job (const QsPlan *plan, guint from, gboolean has_guest)
{
  for (guint i = from; i < plan->steps->len; i++)
    if (is_block_job (qs_plan_step (plan, i), has_guest))
      return i;
  return G_MAXUINT;
}

static QsControlReach
find_reach (const QsTask *task, guint part, guint index)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (task->engine->registry, task->domain);
  guint found = find_block_job (g_ptr_array_index (task->plans, part), index, guest != NULL);

  if (found == index)
    return QS_CONTROL_NOW;
  for (guint n = part + 1; found == G_MAXUINT && n < task->plans->len; n++)
    found = find_block_job (g_ptr_array_index (task->plans, n), 0, guest != NULL);
  return found == G_MAXUINT ? QS_CONTROL_NEVER : QS_CONTROL_LATER;
}

/* steps of the same plan that need the guest as they have left it */
static gboolean
holds_guest (const QsPlan *plan, guint index)
{
  for (guint i = 0; i < index; i++)
    if (qs_step_type (qs_plan_step (plan, i)->kind)->phases & QS_RELEASES_GUEST)
      return TRUE;
  return FALSE;
}

static gboolean
holds (const QsPlan *plan, guint from)
{
  for (guint i = from; i < plan->steps->len; i++)
    if (qs_plan_step (plan, i)->kind == QS_STEP_JOB_HOLD)
      return TRUE;
  return FALSE;
}

/* the step itself tells when it waits */
static QsControlReach
find_hold (const QsTask *task, guint part, guint index)
{
  gboolean found = holds (g_ptr_array_index (task->plans, part), index);

  for (guint n = part + 1; !found && n < task->plans->len; n++)
    found = holds (g_ptr_array_index (task->plans, n), 0);
  return found ? QS_CONTROL_LATER : QS_CONTROL_NEVER;
}

/**
 * qs_task_begin_control:
 *
 * Before the first step: a task that waits for its turn can be asked already.
 */
void
qs_task_begin_control (QsTask *task)
{
  QsControlReach reach = QS_CONTROL_NEVER;
  guint first = qs_task_find_first (task);

  if (first < task->plans->len && find_reach (task, first, 0) != QS_CONTROL_NEVER)
    reach = QS_CONTROL_LATER;
  qs_control_set_step (task->control, NULL, reach);
  qs_control_set_hold (task->control,
                       first < task->plans->len ? find_hold (task, first, 0) : QS_CONTROL_NEVER);
}

/**
 * qs_task_steer:
 * @undoing: what was begun ends as fast as it can
 */
void
qs_task_steer (QsTask *task, guint part, guint index, gboolean undoing)
{
  const QsPlan *plan = g_ptr_array_index (task->plans, part);

  gboolean may_pass = !undoing && qs_control_reaches (qs_plan_step (plan, index)->kind);

  qs_control_set_step (task->control, qs_plan_step (plan, index),
                       undoing ? QS_CONTROL_NEVER : find_reach (task, part, index));
  qs_passage_allow (qs_control_get_passage (task->control), may_pass && !holds_guest (plan, index));
  qs_control_set_hold (task->control, undoing ? QS_CONTROL_NEVER : find_hold (task, part, index));
}
