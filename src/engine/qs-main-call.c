/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-main-call.h"

typedef struct
{
  QsMainFunc func;
  gpointer data;
  GDestroyNotify destroy;
  GAsyncQueue *done; /* NULL: nobody waits */
} MainCall;

static gboolean
run_call (gpointer data)
{
  MainCall *call = data;

  call->func (call->data);
  if (call->done != NULL)
    g_async_queue_push (call->done, call);
  return G_SOURCE_REMOVE;
}

static void
free_call (gpointer data)
{
  MainCall *call = data;

  if (call->destroy != NULL)
    call->destroy (call->data);
  g_free (call);
}

static void
attach_call (MainCall *call, int priority, GDestroyNotify destroy)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  /* not g_main_context_invoke(): that runs the function here and now while no thread owns the
     context, as before the main loop has started */
  g_source_set_priority (source, priority);
  g_source_set_callback (source, run_call, call, destroy);
  g_source_attach (source, NULL);
}

/**
 * qs_main_call:
 *
 * Runs @func on the main context and waits until it has run. Never to be used while the main thread
 * waits for the calling one.
 */
void
qs_main_call (QsMainFunc func, gpointer data)
{
  MainCall call = { .func = func, .data = data };

  if (g_main_context_is_owner (NULL))
    {
      func (data);
      return;
    }
  call.done = g_async_queue_new ();
  attach_call (&call, G_PRIORITY_HIGH, NULL);
  g_async_queue_pop (call.done);
  g_async_queue_unref (call.done);
}

/**
 * qs_main_post:
 *
 * Runs @func on the main context some time later; nobody waits for it.
 */
void
qs_main_post (QsMainFunc func, gpointer data, GDestroyNotify destroy)
{
  MainCall *call = g_new0 (MainCall, 1);

  call->func = func;
  call->data = data;
  call->destroy = destroy;
  attach_call (call, G_PRIORITY_DEFAULT, free_call);
}
