/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-peers.h"

#include "qs-error.h"
#include "qs-limits.h"

/**
 * qs_user_take_call:
 *
 * Counts a call that is not answered yet; qs_user_drop_call() ends it.
 */
gboolean
qs_user_take_call (QsUser *user, GError **error)
{
  if (user->n_calls >= QS_MAX_CALLS_PER_UID)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "more than %d calls of uid %u are not answered yet, wait for one",
                   QS_MAX_CALLS_PER_UID, user->uid);
      return FALSE;
    }
  user->n_calls++;
  return TRUE;
}

void
qs_user_drop_call (QsUser *user)
{
  g_return_if_fail (user->n_calls > 0);
  user->n_calls--;
}

/**
 * qs_user_take_mutation:
 * @rate: how many a second; as many more may come in one burst
 * @now: monotonic time in microseconds
 *
 * Counts a call that changes something.
 */
gboolean
qs_user_take_mutation (QsUser *user, guint rate, gint64 now, GError **error)
{
  gdouble seconds = (now - user->refilled) / (gdouble)G_USEC_PER_SEC;

  if (rate == 0)
    return TRUE;
  user->spent = MAX (user->spent - seconds * rate, 0);
  user->refilled = now;
  if (user->spent + 1 > 2 * rate)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "more than %u changes a second by uid %u, try again later", rate, user->uid);
      return FALSE;
    }
  user->spent += 1;
  return TRUE;
}
