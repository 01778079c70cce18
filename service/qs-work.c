/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-work.h"

#include "qs-limits.h"

/* running jobs, and as many calls that survey or read; and jobs that wait */
#define MAX_THREADS (2 * QS_MAX_RUNNING_JOBS + QS_MAX_READY_JOBS)

struct QsWork
{
  GThreadPool *pool;
  guint n_pending; /* main thread only: pushed, and its end not yet told */
};

typedef struct
{
  QsWork *work;
  QsWorkFunc func;
  QsWorkFunc done;
  gpointer data;
} QsWorkItem;

static gboolean
on_done (gpointer data)
{
  g_autofree QsWorkItem *item = data;

  item->work->n_pending--;
  item->done (item->data);
  return G_SOURCE_REMOVE;
}

/* not g_main_context_invoke(): that would tell the end in this thread when no loop runs any more */
static void
run_item (gpointer data, gpointer user_data)
{
  QsWorkItem *item = data;
  g_autoptr (GSource) source = g_idle_source_new ();

  item->func (item->data);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_done, item, NULL);
  g_source_attach (source, NULL);
}

QsWork *
qs_work_new (void)
{
  QsWork *self = g_new0 (QsWork, 1);

  self->pool = g_thread_pool_new (run_item, NULL, MAX_THREADS, FALSE, NULL);
  return self;
}

/**
 * qs_work_free:
 *
 * Waits for what was pushed and tells its end. The main context turns meanwhile, for threads may wait
 * for it.
 */
void
qs_work_free (QsWork *self)
{
  if (self == NULL)
    return;
  while (self->n_pending > 0)
    g_main_context_iteration (NULL, TRUE);
  g_thread_pool_free (self->pool, TRUE, TRUE);
  g_free (self);
}

/**
 * qs_work_push:
 * @func: called in a thread
 * @done: called on the main context afterwards
 */
void
qs_work_push (QsWork *self, QsWorkFunc func, QsWorkFunc done, gpointer data)
{
  QsWorkItem *item = g_new0 (QsWorkItem, 1);

  *item = (QsWorkItem){ self, func, done, data };
  self->n_pending++;
  /* an error means that no thread could be made now: the item waits for one that there is */
  g_thread_pool_push (self->pool, item, NULL);
}
