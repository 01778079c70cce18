/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-real-world.h"
#include "qs-runner.h"

/* how long the start of the service waits; what takes longer goes on, and its domain is busy */
#define WAIT_SECONDS 15

/* to a QEMU that lives and does not answer */
#define FIND_TRIES 3
#define PAUSE_SECONDS 30

typedef struct
{
  QsEngine *engine;
  GPtrArray *ops; /* holds @op */
  QsOpenOp *op;
} Recovery;

static Recovery *
new_recovery (QsEngine *engine, GPtrArray *ops, QsOpenOp *op)
{
  Recovery *recovery = g_new0 (Recovery, 1);

  *recovery = (Recovery){ engine, g_ptr_array_ref (ops), op };
  return recovery;
}

static void
free_recovery (gpointer data)
{
  Recovery *recovery = data;

  g_ptr_array_unref (recovery->ops);
  g_free (recovery);
}

/* the operation stays open, so that nothing else is begun: the next start tries again */
static void
quarantine (QsEngine *engine, const char *domain, const GError *error)
{
  g_autofree char *reason = g_strdup_printf (
      "%s; remove the cause and start the service anew, which then finishes or undoes what was "
      "interrupted",
      error->message);
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  g_message ("domain %s is quarantined: %s", domain, error->message);
  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_QUARANTINE, "reason", "s", reason, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (engine->registry, domain, changes, NULL);
}

static QsOutcome
resume_part (Recovery *recovery, const QsPartRecord *part, GError **error)
{
  QsOpenOp *op = recovery->op;
  g_autoptr (QsDomain) domain = qs_registry_get (recovery->engine->registry, op->domain);
  g_auto (QsRealWorld) world = { 0 };
  g_auto (GVariantDict) unused = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) results = NULL;
  QsOutcome outcome;
  QsRunner runner;

  qs_real_world_init (&world, recovery->engine, op->domain,
                      domain != NULL ? domain->owner : op->caller, op->id, part->n);
  world.recovering = TRUE;
  runner = (QsRunner){ .journal = world.journal, .world = &world.world, .part = part->n };
  outcome = qs_runner_resume (&runner, part, &results, error);
  if (outcome == QS_OUTCOME_DONE)
    qs_plan_check_results (part->plan, results, &unused, error);
  return outcome;
}

/* parts that were not begun are not begun now: then the operation has failed, whatever was done */
static QsOutcome
resume_parts (Recovery *recovery, GError **error)
{
  const QsOpenOp *op = recovery->op;
  guint n_done = 0;

  for (guint i = 0; i < op->parts->len; i++)
    {
      const QsPartRecord *part = g_ptr_array_index (op->parts, i);
      QsOutcome outcome = QS_OUTCOME_UNDONE;

      if (part->state == QS_PART_CLOSED)
        outcome = QS_OUTCOME_DONE;
      else if (part->state != QS_PART_UNDONE)
        outcome = resume_part (recovery, part, error);
      if (outcome == QS_OUTCOME_OPEN || outcome == QS_OUTCOME_QUARANTINE)
        return outcome;
      if (outcome == QS_OUTCOME_DONE)
        n_done++;
    }
  if (n_done > 0 && n_done >= op->n_parts)
    return QS_OUTCOME_DONE;
  if (error != NULL && *error != NULL)
    return QS_OUTCOME_UNDONE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "interrupted by the end of the service: %u of %u parts were done", n_done,
               op->n_parts);
  return QS_OUTCOME_UNDONE;
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
  g_message ("operation %s on domain %s: %s", op->name, op->domain,
             error == NULL ? "finished" : error->message);
  if (!qs_store_close_op (recovery->engine->store, op->id, error, &failure))
    g_warning ("operation %s: %s, ignoring", op->name, failure->message);
}

/* TRUE: its QEMU lives and cannot be asked, so that nothing is known. To end it none is asked */
static gboolean
is_out_of_reach (Recovery *recovery)
{
  QsEngine *engine = recovery->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, recovery->op->domain);
  gboolean lost =
      recovery->op->request->verb != QS_VERB_DESTROY && qs_watch_is_lost (engine, domain);

  for (guint i = 0; lost && i < FIND_TRIES; i++)
    {
      g_autoptr (GError) error = NULL;

      if (!qs_watch_find (engine, domain, &error))
        g_message ("operation %s stays open: %s", recovery->op->name, error->message);
      lost = qs_watch_is_lost (engine, domain);
    }
  return lost;
}

static void
recover (gpointer data)
{
  Recovery *recovery = data;
  g_autoptr (GError) error = NULL;
  QsOutcome outcome;

  if (is_out_of_reach (recovery))
    {
      qs_errands_push_later (recovery->engine->recoveries, PAUSE_SECONDS, recover,
                             new_recovery (recovery->engine, recovery->ops, recovery->op),
                             free_recovery);
      return;
    }
  outcome = resume_parts (recovery, &error);
  settle (recovery, outcome, error);
}

/**
 * qs_recovery_run:
 *
 * Finishes or undoes what a previous run left open; before the bus name is owned, so that no call
 * comes in between. An operation that is open still keeps others of its domain out.
 */
gboolean
qs_recovery_run (QsEngine *engine, GError **error)
{
  g_autoptr (GPtrArray) ops = qs_store_load_open_ops (engine->store, error);

  if (ops == NULL)
    return FALSE;
  for (guint i = 0; i < ops->len; i++)
    qs_errands_push (engine->recoveries, recover,
                     new_recovery (engine, ops, g_ptr_array_index (ops, i)), free_recovery);
  qs_errands_wait (engine->recoveries, WAIT_SECONDS);
  return TRUE;
}
