/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

struct QsStore
{
  GThread *thread;
  GAsyncQueue *calls;
};

/* lives on the stack of the caller, which waits at @reply */
typedef struct
{
  gboolean (*run) (QsDb *db, QsDbFunc func, gpointer data, GError **error); /* NULL: end */
  QsDbFunc func;
  gpointer data;
  gboolean ok;
  GError *error;
  GAsyncQueue *reply;
} Call;

typedef struct
{
  const char *folder;
  GAsyncQueue *calls;
  GAsyncQueue *reply;
  GError *error;
} Start;

static Call *
wait_for_call (QsUpkeep *upkeep, GAsyncQueue *calls)
{
  for (;;)
    {
      gint64 wait = qs_upkeep_get_due (upkeep) - g_get_monotonic_time ();
      Call *call = g_async_queue_timeout_pop (calls, (guint64)MAX (wait, 0));

      if (call != NULL)
        return call;
      qs_upkeep_run (upkeep, g_get_monotonic_time ());
    }
}

static void
serve (QsDb *db, GAsyncQueue *calls)
{
  g_autoptr (QsUpkeep) upkeep = qs_upkeep_new (db);
  Call *call;

  while ((call = wait_for_call (upkeep, calls))->run != NULL)
    {
      call->ok = call->run (db, call->func, call->data, &call->error);
      if (call->ok && db->touched != NULL)
        qs_upkeep_touch (upkeep, db->touched);
      g_clear_pointer (&db->touched, g_free);
      g_async_queue_push (call->reply, call);
    }
}

static gpointer
thread_main (gpointer data)
{
  Start *start = data;
  g_autoptr (GAsyncQueue) calls = g_async_queue_ref (start->calls);
  g_autoptr (QsDb) db = qs_db_open (start->folder, &start->error);

  if (db != NULL && !qs_db_update_pending (db, &start->error))
    g_clear_pointer (&db, qs_db_free);

  /* @start is gone once its owner is told */
  g_async_queue_push (start->reply, start);
  if (db != NULL)
    serve (db, calls);
  return NULL;
}

/**
 * qs_store_open:
 *
 * Opens the store in @folder, which is made if it is absent. A database that is damaged, newer or
 * not ours is refused and left as it is.
 */
QsStore *
qs_store_open (const char *folder, GError **error)
{
  g_autoptr (GAsyncQueue) reply = g_async_queue_new ();
  QsStore *store = g_new0 (QsStore, 1);
  Start start = { .folder = folder, .reply = reply };

  store->calls = start.calls = g_async_queue_new ();
  store->thread = g_thread_new ("store", thread_main, &start);
  g_async_queue_pop (reply);
  if (start.error == NULL)
    return store;

  g_propagate_error (error, start.error);
  g_thread_join (store->thread);
  g_async_queue_unref (store->calls);
  g_free (store);
  return NULL;
}

/**
 * qs_store_free:
 *
 * Waits for what was asked before, then closes the database.
 */
void
qs_store_free (QsStore *store)
{
  Call end = { .run = NULL };

  if (store == NULL)
    return;
  g_async_queue_push (store->calls, &end);
  g_thread_join (store->thread);
  g_async_queue_unref (store->calls);
  g_free (store);
}

static gboolean
call_thread (QsStore *store, Call *call, GError **error)
{
  g_autoptr (GAsyncQueue) reply = g_async_queue_new ();

  call->reply = reply;
  g_async_queue_push (store->calls, call);
  g_async_queue_pop (reply);
  if (call->error != NULL)
    g_propagate_error (error, call->error);
  return call->ok;
}

static gboolean
run_read (QsDb *db, QsDbFunc func, gpointer data, GError **error)
{
  return func (db, data, error);
}

gboolean
qs_store_read (QsStore *store, QsDbFunc func, gpointer data, GError **error)
{
  Call call = { .run = run_read, .func = func, .data = data };

  return call_thread (store, &call, error);
}

gboolean
qs_store_write (QsStore *store, QsDbFunc func, gpointer data, GError **error)
{
  Call call = { .run = qs_db_transact, .func = func, .data = data };

  return call_thread (store, &call, error);
}

gboolean
qs_store_write_lazily (QsStore *store, QsDbFunc func, gpointer data, GError **error)
{
  Call call = { .run = qs_db_transact_lazily, .func = func, .data = data };

  return call_thread (store, &call, error);
}

static gboolean
read_degraded (QsDb *db, gpointer data, GError **error)
{
  *(char **)data = g_strdup (db->degraded);
  return TRUE;
}

/**
 * qs_store_get_degraded:
 *
 * Returns: (transfer full) (nullable): why nothing can be written; NULL if all is well
 */
char *
qs_store_get_degraded (QsStore *store)
{
  char *reason = NULL;

  qs_store_read (store, read_degraded, &reason, NULL);
  return reason;
}
