/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-errands.h"

struct QsErrands
{
  GThreadPool *pool; /* NULL: closed */
  guint pending;     /* atomic: pushed and not ended */
  gboolean closed;   /* atomic */
};

typedef struct
{
  QsErrands *errands;
  QsErrandFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Errand;

static void
free_errand (gpointer data)
{
  Errand *errand = data;

  if (errand->destroy != NULL)
    errand->destroy (errand->data);
  qs_errands_unref (errand->errands);
  g_free (errand);
}

static void
run_errand (gpointer data, gpointer user_data)
{
  Errand *errand = data;
  QsErrands *errands = user_data;

  if (!qs_errands_is_closed (errands))
    errand->func (errand->data);
  free_errand (errand);
  g_atomic_int_add (&errands->pending, -1);
  g_main_context_wakeup (NULL);
}

QsErrands *
qs_errands_new (guint n_threads)
{
  QsErrands *errands = g_atomic_rc_box_new0 (QsErrands);

  /* not exclusive: then a thread that cannot be made now is tried again, and does not end us */
  errands->pool = g_thread_pool_new (run_errand, errands, (int)n_threads, FALSE, NULL);
  return errands;
}

QsErrands *
qs_errands_ref (QsErrands *errands)
{
  return g_atomic_rc_box_acquire (errands);
}

void
qs_errands_unref (QsErrands *errands)
{
  if (errands != NULL)
    g_atomic_rc_box_release (errands);
}

static Errand *
new_errand (QsErrands *errands, QsErrandFunc func, gpointer data, GDestroyNotify destroy)
{
  Errand *errand = g_new0 (Errand, 1);

  *errand = (Errand){ qs_errands_ref (errands), func, data, destroy };
  return errand;
}

static void
push (Errand *errand)
{
  QsErrands *errands = errand->errands;

  /* counted before the look: who closes waits for it then */
  g_atomic_int_inc (&errands->pending);
  if (!qs_errands_is_closed (errands))
    {
      g_thread_pool_push (errands->pool, errand, NULL);
      return;
    }
  g_atomic_int_add (&errands->pending, -1);
  free_errand (errand);
}

void
qs_errands_push (QsErrands *errands, QsErrandFunc func, gpointer data, GDestroyNotify destroy)
{
  push (new_errand (errands, func, data, destroy));
}

static gboolean
on_due (gpointer data)
{
  Errand *errand = data;
  GDestroyNotify destroy = errand->destroy;

  errand->destroy = NULL;
  qs_errands_push (errand->errands, errand->func, errand->data, destroy);
  return G_SOURCE_REMOVE;
}

void
qs_errands_push_later (QsErrands *errands, guint seconds, QsErrandFunc func, gpointer data,
                       GDestroyNotify destroy)
{
  g_autoptr (GSource) source = g_timeout_source_new_seconds (seconds);

  g_source_set_callback (source, on_due, new_errand (errands, func, data, destroy), free_errand);
  g_source_attach (source, NULL);
}

static gboolean
on_timeout (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_CONTINUE;
}

void
qs_errands_wait (QsErrands *errands, guint seconds)
{
  g_autoptr (GSource) timeout = g_timeout_source_new_seconds (seconds);
  gboolean late = FALSE;

  g_source_set_callback (timeout, on_timeout, &late, NULL);
  g_source_attach (timeout, NULL);
  while (!late && g_atomic_int_get (&errands->pending) > 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_destroy (timeout);
}

/**
 * qs_errands_close:
 *
 * Waits for those that run; drops those that do not yet.
 */
void
qs_errands_close (QsErrands *errands)
{
  g_atomic_int_set (&errands->closed, TRUE);
  while (g_atomic_int_get (&errands->pending) > 0)
    g_main_context_iteration (NULL, TRUE);
  if (errands->pool != NULL)
    g_thread_pool_free (g_steal_pointer (&errands->pool), TRUE, TRUE);
}

gboolean
qs_errands_is_closed (QsErrands *errands)
{
  return g_atomic_int_get (&errands->closed);
}

gboolean
qs_errands_is_busy (QsErrands *errands)
{
  return g_atomic_int_get (&errands->pending) > 0;
}
