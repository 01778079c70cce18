/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-real-world.h"
#include "qs-runner.h"

typedef struct
{
  QsEngine *engine;
  QsOpenOp *op;
  GAsyncQueue *done;
} Recovery;

static void
quarantine (QsEngine *engine, const char *domain, const GError *error)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  g_message ("domain %s is quarantined: %s", domain, error->message);
  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_QUARANTINE, "reason", "s", error->message, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (engine->registry, domain, changes, NULL);
}

static QsOutcome
resume_part (Recovery *recovery, const QsPartRecord *part, GError **error)
{
  QsOpenOp *op = recovery->op;
  g_autoptr (QsDomain) domain = qs_registry_get (recovery->engine->registry, op->domain);
  g_auto (QsRealWorld) world = { 0 };
  QsRunner runner;

  qs_real_world_init (&world, recovery->engine, op->domain,
                      domain != NULL ? domain->owner : op->caller, op->id, part->n);
  world.recovering = TRUE;
  runner = (QsRunner){ .journal = world.journal, .world = &world.world, .part = part->n };
  return qs_runner_resume (&runner, part, error);
}

static QsOutcome
resume_parts (Recovery *recovery, GError **error)
{
  for (guint i = 0; i < recovery->op->parts->len; i++)
    {
      const QsPartRecord *part = g_ptr_array_index (recovery->op->parts, i);
      QsOutcome outcome;

      if (part->state == QS_PART_CLOSED || part->state == QS_PART_UNDONE)
        continue;
      outcome = resume_part (recovery, part, error);
      if (outcome != QS_OUTCOME_DONE)
        return outcome;
    }
  return QS_OUTCOME_DONE;
}

/* what was asked for and not begun is not begun now: the caller saw the daemon go */
static void
settle (Recovery *recovery, QsOutcome outcome, GError *error)
{
  QsOpenOp *op = recovery->op;
  g_autoptr (GError) failure = NULL;

  if (outcome == QS_OUTCOME_OPEN || outcome == QS_OUTCOME_QUARANTINE)
    {
      quarantine (recovery->engine, op->domain, error);
      return;
    }
  g_message ("operation %s on domain %s was %s", op->name, op->domain,
             outcome == QS_OUTCOME_DONE ? "finished" : "undone");
  if (!qs_store_close_op (recovery->engine->store, op->id, error, &failure))
    g_warning ("operation %s: %s, ignoring", op->name, failure->message);
}

static gpointer
recover (gpointer data)
{
  Recovery *recovery = data;
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = resume_parts (recovery, &error);

  if (error == NULL && outcome != QS_OUTCOME_DONE)
    error =
        g_error_new (QS_ERROR, QS_ERROR_FAILED,
                     "operation %s was interrupted by the end of the service", recovery->op->name);
  settle (recovery, outcome, error);
  g_async_queue_push (recovery->done, recovery);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* one thread an operation; the registry needs turns of the main loop, so it is kept turning */
static void
wait_for (GAsyncQueue *done, guint n)
{
  while (n > 0)
    {
      g_autofree Recovery *recovery = g_async_queue_try_pop (done);

      if (recovery != NULL)
        n--;
      else
        g_main_context_iteration (NULL, TRUE);
    }
}

/**
 * qs_recovery_run:
 *
 * Finishes or undoes what a previous run left open; before the bus name is owned, so that no call
 * comes in between.
 */
gboolean
qs_recovery_run (QsEngine *engine, GError **error)
{
  g_autoptr (GPtrArray) ops = qs_store_load_open_ops (engine->store, error);
  g_autoptr (GAsyncQueue) done = g_async_queue_new ();

  if (ops == NULL)
    return FALSE;
  for (guint i = 0; i < ops->len; i++)
    {
      Recovery *recovery = g_new0 (Recovery, 1);

      recovery->engine = engine;
      recovery->op = g_ptr_array_index (ops, i);
      recovery->done = done;
      g_thread_unref (g_thread_new ("recovery", recover, recovery));
    }
  wait_for (done, ops->len);
  return TRUE;
}
