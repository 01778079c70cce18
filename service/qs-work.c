/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-work.h"

#include "qs-limits.h"

/* running jobs, and as many calls that survey or read */
#define MAX_THREADS (2 * QS_MAX_RUNNING_JOBS)

struct QsWork
{
  GThreadPool *pool;
};

typedef struct
{
  QsWorkFunc func;
  QsWorkFunc done;
  gpointer data;
} QsWorkItem;

static gboolean
on_done (gpointer data)
{
  g_autofree QsWorkItem *item = data;

  item->done (item->data);
  return G_SOURCE_REMOVE;
}

static void
run_item (gpointer data, gpointer user_data)
{
  QsWorkItem *item = data;

  item->func (item->data);
  g_main_context_invoke (NULL, on_done, item);
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
 * Waits for what runs; its end is not told any more.
 */
void
qs_work_free (QsWork *self)
{
  if (self == NULL)
    return;
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

  *item = (QsWorkItem){ func, done, data };
  /* an error means that no thread could be made now: the item waits for one that there is */
  g_thread_pool_push (self->pool, item, NULL);
}
