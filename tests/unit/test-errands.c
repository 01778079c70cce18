/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-errands.h"

#define THREADS 3
#define ERRANDS 40

typedef struct
{
  GMutex lock;
  guint running;
  guint most;
  guint n_run;
  guint n_destroyed;
} Count;

static void
on_run (gpointer data)
{
  Count *count = data;

  g_mutex_lock (&count->lock);
  count->running++;
  count->most = MAX (count->most, count->running);
  g_mutex_unlock (&count->lock);
  g_thread_yield ();
  g_mutex_lock (&count->lock);
  count->running--;
  count->n_run++;
  g_mutex_unlock (&count->lock);
}

static void
on_destroy (gpointer data)
{
  Count *count = data;

  g_mutex_lock (&count->lock);
  count->n_destroyed++;
  g_mutex_unlock (&count->lock);
}

static void
test_bound (void)
{
  g_autoptr (QsErrands) errands = qs_errands_new (THREADS);
  Count count = { 0 };

  for (guint i = 0; i < ERRANDS; i++)
    qs_errands_push (errands, on_run, &count, on_destroy);
  qs_errands_wait (errands, 60);
  g_assert_cmpuint (count.n_run, ==, ERRANDS);
  g_assert_cmpuint (count.n_destroyed, ==, ERRANDS);
  g_assert_cmpuint (count.most, <=, THREADS);
  qs_errands_close (errands);
}

static void
test_later (void)
{
  g_autoptr (QsErrands) errands = qs_errands_new (THREADS);
  Count count = { 0 };

  qs_errands_push_later (errands, 0, on_run, &count, on_destroy);
  g_assert_cmpuint (count.n_run, ==, 0);
  g_main_context_iteration (NULL, TRUE);
  qs_errands_wait (errands, 60);
  g_assert_cmpuint (count.n_run, ==, 1);
  g_assert_cmpuint (count.n_destroyed, ==, 1);
  qs_errands_close (errands);
}

typedef struct
{
  GAsyncQueue *begun;
  GAsyncQueue *words;
} Talk;

static void
wait_for_word (gpointer data)
{
  Talk *talk = data;

  g_async_queue_push (talk->begun, talk);
  g_async_queue_pop (talk->words);
}

/* a wait ends in time although an errand does not */
static void
test_wait_ends (void)
{
  g_autoptr (QsErrands) errands = qs_errands_new (THREADS);
  g_autoptr (GAsyncQueue) begun = g_async_queue_new ();
  g_autoptr (GAsyncQueue) words = g_async_queue_new ();
  Talk talk = { begun, words };

  qs_errands_push (errands, wait_for_word, &talk, NULL);
  g_assert_nonnull (g_async_queue_timeout_pop (begun, 60 * G_USEC_PER_SEC));
  qs_errands_wait (errands, 0);
  g_async_queue_push (words, words);
  qs_errands_close (errands);
  g_assert_cmpint (g_async_queue_length (words), ==, 0);
}

/* nothing is run any more, and nothing is left behind */
static void
test_closed (void)
{
  g_autoptr (QsErrands) errands = qs_errands_new (THREADS);
  Count count = { 0 };

  qs_errands_push_later (errands, 0, on_run, &count, on_destroy);
  qs_errands_close (errands);
  g_assert_true (qs_errands_is_closed (errands));
  qs_errands_push (errands, on_run, &count, on_destroy);
  while (count.n_destroyed < 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (count.n_run, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/errands/bound", test_bound);
  g_test_add_func ("/errands/later", test_later);
  g_test_add_func ("/errands/wait-ends", test_wait_ends);
  g_test_add_func ("/errands/closed", test_closed);
  return g_test_run ();
}
