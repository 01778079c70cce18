/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-passage.h"

enum
{
  CLOSED,
  OPEN,
  TAKEN,
};

struct QsPassage
{
  int state;         /* atomic */
  GAsyncQueue *left; /* a word from each who has left */
  gboolean allowed;
};

QsPassage *
qs_passage_new (void)
{
  QsPassage *passage = g_new0 (QsPassage, 1);

  passage->left = g_async_queue_new ();
  return passage;
}

void
qs_passage_free (QsPassage *passage)
{
  if (passage == NULL)
    return;
  g_async_queue_unref (passage->left);
  g_free (passage);
}

static gboolean
change (QsPassage *passage, int from, int to)
{
  return g_atomic_int_compare_and_exchange (&passage->state, from, to);
}

gboolean
qs_passage_enter (QsPassage *passage)
{
  return change (passage, OPEN, TAKEN);
}

void
qs_passage_leave (QsPassage *passage)
{
  change (passage, TAKEN, OPEN);
  g_async_queue_push (passage->left, passage);
}

void
qs_passage_allow (QsPassage *passage, gboolean may)
{
  passage->allowed = may;
}

void
qs_passage_open (QsPassage *passage)
{
  if (passage->allowed)
    change (passage, CLOSED, OPEN);
}

/* a word of one who has left long ago only makes it look once more */
void
qs_passage_close (QsPassage *passage)
{
  while (!change (passage, OPEN, CLOSED) && g_atomic_int_get (&passage->state) != CLOSED)
    g_async_queue_pop (passage->left);
}
