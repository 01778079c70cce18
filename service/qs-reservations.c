/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-reservations.h"

struct QsReservations
{
  GHashTable *holders; /* by key, of QsJob */
  GQueue waiting;      /* of QsWaiter */
};

typedef struct
{
  QsReservations *reservations;
  char *key;
  guint timeout; /* 0: waits for ever */
  QsWorkFunc func;
  gpointer data;
} QsWaiter;

QsReservations *
qs_reservations_new (void)
{
  QsReservations *self = g_new0 (QsReservations, 1);

  self->holders =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)qs_job_unref);
  g_queue_init (&self->waiting);
  return self;
}

static void
waiter_free (QsWaiter *waiter)
{
  g_clear_handle_id (&waiter->timeout, g_source_remove);
  g_free (waiter->key);
  g_free (waiter);
}

void
qs_reservations_free (QsReservations *self)
{
  if (self == NULL)
    return;
  g_queue_clear_full (&self->waiting, (GDestroyNotify)waiter_free);
  g_hash_table_unref (self->holders);
  g_free (self);
}

/* (transfer none) (nullable) */
QsJob *
qs_reservations_get (QsReservations *self, const char *key)
{
  return g_hash_table_lookup (self->holders, key);
}

/* one that holds the key already has lost it, and may not release it any more */
void
qs_reservations_put (QsReservations *self, const char *key, QsJob *job)
{
  g_hash_table_replace (self->holders, g_strdup (key), qs_job_ref (job));
}

void
qs_reservations_release (QsReservations *self, const char *key, QsJob *job)
{
  if (g_hash_table_lookup (self->holders, key) == job)
    g_hash_table_remove (self->holders, key);
}

static gboolean
on_timeout (gpointer user_data)
{
  QsWaiter *waiter = user_data;

  waiter->timeout = 0;
  g_queue_remove (&waiter->reservations->waiting, waiter);
  waiter->func (waiter->data);
  waiter_free (waiter);
  return G_SOURCE_REMOVE;
}

/**
 * qs_reservations_wait:
 * @seconds: after which @func is called although the key is not free; 0: never
 */
void
qs_reservations_wait (QsReservations *self, const char *key, guint seconds, QsWorkFunc func,
                      gpointer data)
{
  QsWaiter *waiter = g_new0 (QsWaiter, 1);

  *waiter = (QsWaiter){ self, g_strdup (key), 0, func, data };
  if (seconds > 0)
    waiter->timeout = g_timeout_add_seconds (seconds, on_timeout, waiter);
  g_queue_push_tail (&self->waiting, waiter);
}

/**
 * qs_reservations_wake:
 *
 * Calls all who wait for @key; those who find it taken by then wait again.
 */
void
qs_reservations_wake (QsReservations *self, const char *key)
{
  GQueue woken = G_QUEUE_INIT;
  QsWaiter *waiter;

  for (GList *l = self->waiting.head, *next; l != NULL; l = next)
    {
      next = l->next;
      if (!g_str_equal (((QsWaiter *)l->data)->key, key))
        continue;
      g_queue_push_tail (&woken, l->data);
      g_queue_delete_link (&self->waiting, l);
    }
  while ((waiter = g_queue_pop_head (&woken)) != NULL)
    {
      waiter->func (waiter->data);
      waiter_free (waiter);
    }
}
