/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-passage.h"

#define TURNS 20000

static void
test_passage (void)
{
  g_autoptr (QsPassage) passage = qs_passage_new ();

  qs_passage_open (passage);
  g_assert_false (qs_passage_enter (passage));
  qs_passage_close (passage);
  qs_passage_allow (passage, TRUE);
  g_assert_false (qs_passage_enter (passage));
  qs_passage_open (passage);
  g_assert_true (qs_passage_enter (passage));
  g_assert_false (qs_passage_enter (passage));
  qs_passage_leave (passage);
  g_assert_true (qs_passage_enter (passage));
  qs_passage_leave (passage);
  qs_passage_close (passage);
  g_assert_false (qs_passage_enter (passage));
}

typedef struct
{
  QsPassage *passage;
  int n_inside; /* atomic */
} Shared;

static gpointer
pass (gpointer data)
{
  Shared *shared = data;

  for (guint i = 0; i < TURNS; i++)
    if (qs_passage_enter (shared->passage))
      {
        g_atomic_int_inc (&shared->n_inside);
        g_thread_yield ();
        g_atomic_int_add (&shared->n_inside, -1);
        qs_passage_leave (shared->passage);
      }
  return NULL;
}

/* whoever has closed is alone */
static void
test_threads (void)
{
  g_autoptr (QsPassage) passage = qs_passage_new ();
  Shared shared = { passage, 0 };
  GThread *threads[2];

  qs_passage_allow (passage, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("pass", pass, &shared);
  for (guint i = 0; i < TURNS; i++)
    {
      qs_passage_open (passage);
      g_thread_yield ();
      qs_passage_close (passage);
      g_assert_cmpint (g_atomic_int_get (&shared.n_inside), ==, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/passage/passage", test_passage);
  g_test_add_func ("/passage/threads", test_threads);
  return g_test_run ();
}
