/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-amount.h"
#include "qs-control.h"
#include "qs-plan.h"

#include <gio/gio.h>

typedef enum
{
  QS_PROBE_NOT_DONE,
  QS_PROBE_DONE,
  QS_PROBE_UNKNOWN, /* reality contradicts the plan: quarantine */
} QsProbe;

/**
 * QsWorld:
 *
 * Where steps are carried out. The real one is in qs-real-world.c; tests put a fake one in its
 * place, and the runner cannot tell.
 *
 * @run: does step @index of @plan. @result (a{sv}, may stay NULL) is what the step learnt; it is
 *   in the journal before the next step starts and is given to @undo and @probe. It may be set on
 *   failure too, for @undo. What must be durable in the middle of a step (the identity of a file
 *   before it gets its name) the world itself writes into the journal, as state BEGUN. Repeatable
 *   in phase finish
 * @undo: takes it back; succeeds if it never took effect, and if it was taken back before
 * @probe: asks reality, never memory, whether the commit took effect. Also asked when a commit
 *   failed: a request that was refused is NOT_DONE
 */
typedef struct QsWorld QsWorld;

typedef struct
{
  gboolean (*run) (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results,
                   GVariant **result, GError **error);
  gboolean (*undo) (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results,
                    GError **error);
  QsProbe (*probe) (QsWorld *world, const QsPlan *plan, guint index, GPtrArray *results,
                    GError **error);
} QsWorldVTable;

struct QsWorld
{
  const QsWorldVTable *vtable;
  QsControl *control;        /* (nullable): of the operation; NULL: nobody can have a wish */
  GCancellable *cancellable; /* set by the runner while a prepare step is carried out, else NULL */
  /* (nullable): told how far a step has come, in the thread that carries it out */
  void (*tell) (const QsAmount *amount, gpointer user_data);
  /* (nullable): told, likewise, that it waits for a wish, or does so no more */
  void (*tell_ready) (gboolean ready, gpointer user_data);
  gpointer user_data;
};
