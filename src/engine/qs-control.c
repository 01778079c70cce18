/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-control.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <stdatomic.h>

/* before the first step */
#define NO_STEP (-1)

/* nobody has wished for one yet */
#define NO_SPEED G_MAXUINT64

struct QsControl
{
  atomic_int paused;
  atomic_ullong speed;
  atomic_int has_paused; /* somebody has said so, or the contrary */
  atomic_int left;
  atomic_int reach; /* QsControlReach */
  atomic_int hold;  /* QsControlReach */
  atomic_int end;   /* QsControlEnd */
  atomic_int kind;  /* of the step at work: QsStepKind, or NO_STEP */
  QsPassage *passage;
  GAsyncQueue *told; /* a word for each time that @end was set */

  /* what QEMU has been told; of the thread of the operation */
  gboolean told_paused;
  guint64 told_speed;
};

QsControl *
qs_control_new (void)
{
  QsControl *control = g_new0 (QsControl, 1);

  atomic_init (&control->paused, FALSE);
  atomic_init (&control->speed, NO_SPEED);
  atomic_init (&control->has_paused, FALSE);
  atomic_init (&control->left, FALSE);
  atomic_init (&control->reach, QS_CONTROL_NEVER);
  atomic_init (&control->hold, QS_CONTROL_NEVER);
  atomic_init (&control->end, QS_CONTROL_HOLD);
  atomic_init (&control->kind, NO_STEP);
  control->passage = qs_passage_new ();
  control->told = g_async_queue_new ();
  return control;
}

void
qs_control_free (QsControl *control)
{
  if (control == NULL)
    return;
  qs_passage_free (control->passage);
  g_async_queue_unref (control->told);
  g_free (control);
}

QsPassage *
qs_control_get_passage (QsControl *control)
{
  return control->passage;
}

gboolean
qs_control_reaches (QsStepKind kind)
{
  return kind == QS_STEP_BLOCK_COMMIT || kind == QS_STEP_BLOCK_STREAM || kind == QS_STEP_MIRROR
         || kind == QS_STEP_JOB_HOLD;
}

static gboolean
check_reach (QsControl *control, const char *what, GError **error)
{
  int kind = atomic_load (&control->kind);

  if (atomic_load (&control->reach) != QS_CONTROL_NEVER)
    return TRUE;
  if (kind == NO_STEP)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "no step of this operation can be %s: none is a block job of a QEMU", what);
  else
    g_set_error (
        error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
        "this step cannot be %s: no block job of a QEMU does ‘%s’, and none comes after it", what,
        qs_step_type ((QsStepKind)kind)->name);
  return FALSE;
}

/**
 * qs_control_set_paused:
 *
 * Fails with OPERATION_INVALID where no block job is at work or to come; to let one go on that was not
 * paused is nothing.
 */
gboolean
qs_control_set_paused (QsControl *control, gboolean paused, GError **error)
{
  if (!check_reach (control, "paused", error))
    return FALSE;
  atomic_store (&control->has_paused, TRUE);
  atomic_store (&control->paused, paused);
  return TRUE;
}

/**
 * qs_control_set_speed:
 * @speed: bytes a second, 0: as fast as it goes
 */
gboolean
qs_control_set_speed (QsControl *control, guint64 speed, GError **error)
{
  if (speed > QS_MAX_JOB_SPEED)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "a speed of %" G_GUINT64_FORMAT " bytes a second is more than %" G_GUINT64_FORMAT
                   ", the most that can be set; 0 is no limit",
                   speed, QS_MAX_JOB_SPEED);
      return FALSE;
    }
  if (!check_reach (control, "slowed down", error))
    return FALSE;
  atomic_store (&control->speed, speed);
  return TRUE;
}

static const char *
find_obstacle (QsControl *control)
{
  switch ((QsControlReach)atomic_load (&control->hold))
    {
    case QS_CONTROL_LATER:
      return "the block job is not ready yet; wait until the job’s State is ready";
    case QS_CONTROL_NEVER:
      return "nothing to pivot: no block job of this operation waits to be told how to end";
    case QS_CONTROL_NOW:
      break;
    }
  return atomic_load (&control->paused) ? "the block job is paused; resume it first" : NULL;
}

/**
 * qs_control_set_end:
 * @end: PIVOT or FINISH
 *
 * Fails with OPERATION_INVALID while no block job is held. What is said last before the job is looked
 * at counts.
 */
gboolean
qs_control_set_end (QsControl *control, QsControlEnd end, GError **error)
{
  const char *why = find_obstacle (control);

  if (why == NULL)
    {
      atomic_store (&control->end, end);
      g_async_queue_push (control->told, control);
    }
  else
    g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, why);
  return why == NULL;
}

void
qs_control_set_hold (QsControl *control, QsControlReach reach)
{
  atomic_store (&control->end, QS_CONTROL_HOLD);
  atomic_store (&control->hold, reach);
}

/* what was said of an earlier job only makes its caller look once more */
void
qs_control_wait_end (QsControl *control, gint64 microseconds)
{
  g_async_queue_timeout_pop (control->told, (guint64)MAX (microseconds, 1));
}

QsControlEnd
qs_control_get_end (const QsControl *control)
{
  return (QsControlEnd)atomic_load (&control->end);
}

void
qs_control_set_step (QsControl *control, const QsStep *step, QsControlReach reach)
{
  atomic_store (&control->kind, step != NULL ? (int)step->kind : NO_STEP);
  atomic_store (&control->reach, reach);
}

void
qs_control_begin (QsControl *control, guint64 speed)
{
  unsigned long long none = NO_SPEED;

  if (speed > 0)
    atomic_compare_exchange_strong (&control->speed, &none, speed);
  control->told_paused = FALSE;
  control->told_speed = 0;
}

gboolean
qs_control_take_paused (QsControl *control, gboolean *paused)
{
  *paused = atomic_load (&control->paused);
  if (*paused == control->told_paused)
    return FALSE;
  control->told_paused = *paused;
  return TRUE;
}

gboolean
qs_control_take_speed (QsControl *control, guint64 *speed)
{
  *speed = qs_control_get_speed (control);
  if (*speed == control->told_speed)
    return FALSE;
  control->told_speed = *speed;
  return TRUE;
}

guint64
qs_control_get_speed (const QsControl *control)
{
  guint64 speed = atomic_load (&control->speed);

  return speed != NO_SPEED ? speed : 0;
}

gboolean
qs_control_get_paused (const QsControl *control)
{
  return atomic_load (&control->paused);
}

void
qs_control_adopt (QsControl *control, gboolean paused, guint64 speed)
{
  unsigned long long none = NO_SPEED;
  int nobody = FALSE;

  control->told_paused = paused;
  control->told_speed = speed;
  atomic_compare_exchange_strong (&control->speed, &none, speed);
  if (atomic_compare_exchange_strong (&control->has_paused, &nobody, TRUE))
    atomic_store (&control->paused, paused);
}

void
qs_control_leave (QsControl *control)
{
  atomic_store (&control->left, TRUE);
}

gboolean
qs_control_is_left (const QsControl *control)
{
  return atomic_load (&control->left);
}
