/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-change.h"
#include "qs-error.h"
#include "qs-main-call.h"
#include "qs-merge-step.h"
#include "qs-runner.h"

/* how long the start of the service waits; what takes longer goes on, and its domain is busy */
#define WAIT_SECONDS 15

/* to a QEMU that lives and does not answer */
#define FIND_TRIES 3
#define PAUSE_SECONDS 30

/**
 * Recovery:
 * @ops: holds @op
 * @goes_on: a job does the rest
 */
typedef struct
{
  QsEngine *engine;
  GPtrArray *ops;
  QsOpenOp *op;
  gboolean goes_on;
} Recovery;

static Recovery *
new_recovery (QsEngine *engine, GPtrArray *ops, QsOpenOp *op)
{
  Recovery *recovery = g_new0 (Recovery, 1);

  *recovery = (Recovery){ .engine = engine, .ops = g_ptr_array_ref (ops), .op = op };
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

static gboolean
can_resume (const QsPlan *plan, guint index)
{
  return index < plan->steps->len
         && (qs_step_type (qs_plan_step (plan, index)->kind)->phases & QS_CAN_RESUME) != 0;
}

/* whether the process that does the merge of step @index has not ended, and can be asked */
static gboolean
merge_is_alive (QsRealWorld *world, const QsPartRecord *part, guint index)
{
  QsStepCall call = { .world = world,
                      .plan = part->plan,
                      .step = qs_plan_step (part->plan, index),
                      .index = index,
                      .results = part->results };
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;
  QsMerge merge;

  if (qs_merge_read (&call, &merge, &error))
    qs_merge_find_guest (&merge, &guest, &error);
  if (error != NULL)
    g_debug ("the merge is not gone on with: %s", error->message);
  return guest != NULL;
}

/* whether what is at work on the part, or has been until @next, lives. After the commit that does not
   matter */
static gboolean
is_alive (QsRealWorld *world, const QsPartRecord *part, guint next)
{
  if (next > qs_plan_commit_index (part->plan))
    return TRUE;
  while (next > 0 && !can_resume (part->plan, next))
    next--;
  return can_resume (part->plan, next) && merge_is_alive (world, part, next);
}

/* FALSE: some part was found to be not needed */
static gboolean
has_all_parts (const QsOpenOp *op)
{
  for (guint i = 0; i < op->parts->len; i++)
    if (((const QsPartRecord *)g_ptr_array_index (op->parts, i))->n != i)
      return FALSE;
  return TRUE;
}

static gboolean
resumes (const Recovery *recovery, guint n)
{
  const QsOpenOp *op = recovery->op;

  return n < op->requests->len && has_all_parts (op)
         && qs_operation_resumes (op->request, g_ptr_array_index (op->requests, n));
}

static gboolean
may_go_on (const Recovery *recovery, QsRealWorld *world, const QsPartRecord *part)
{
  guint next;

  return resumes (recovery, part->n) && qs_runner_may_go_on (part, &next)
         && is_alive (world, part, next);
}

/* what was learnt is for the job that goes on */
static QsOutcome
bring_to_end (QsRealWorld *world, QsPartRecord *part, GError **error)
{
  const QsRunner runner = { .journal = world->journal, .world = &world->world, .part = part->n };
  g_auto (GVariantDict) unused = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GPtrArray) results = NULL;
  QsOutcome outcome = qs_runner_resume (&runner, part, &results, error);

  if (outcome == QS_OUTCOME_UNDONE)
    part->state = QS_PART_UNDONE;
  if (outcome != QS_OUTCOME_DONE)
    return outcome;
  part->state = QS_PART_CLOSED;
  g_ptr_array_unref (part->results);
  part->results = g_ptr_array_ref (results);
  qs_plan_check_results (part->plan, results, &unused, error);
  return outcome;
}

static QsOutcome
resume_part (Recovery *recovery, QsPartRecord *part, GError **error)
{
  QsOpenOp *op = recovery->op;
  g_autoptr (QsDomain) domain = qs_registry_get (recovery->engine->registry, op->domain);
  g_auto (QsRealWorld) world = { 0 };

  qs_real_world_init (&world, recovery->engine, op->domain,
                      domain != NULL ? domain->owner : op->caller, op->id, part->n);
  world.recovering = TRUE;
  recovery->goes_on = domain != NULL && may_go_on (recovery, &world, part);
  return recovery->goes_on ? QS_OUTCOME_OPEN : bring_to_end (&world, part, error);
}

/* the outcome of a part that had ended says itself whether it goes on: one that was undone had failed or
   was cancelled. Of several parts one that was only interrupted begins anew; of a single one the caller
   saw nothing yet */
static QsOutcome
look_at_part (Recovery *recovery, QsPartRecord *part, gboolean *has_failed, GError **error)
{
  gboolean was_open = part->state == QS_PART_OPEN;
  QsOutcome outcome = QS_OUTCOME_UNDONE;

  if (part->state == QS_PART_CLOSED)
    return QS_OUTCOME_DONE;
  if (part->state != QS_PART_UNDONE)
    outcome = resume_part (recovery, part, error);
  if (outcome == QS_OUTCOME_UNDONE && !was_open)
    *has_failed = TRUE;
  return outcome;
}

/* whether part @n, which was not begun or was only interrupted, is begun by a job: of a domain that is
   still there */
static gboolean
may_begin (const Recovery *recovery, guint n)
{
  const QsOpenOp *op = recovery->op;
  g_autoptr (QsDomain) domain = qs_registry_get (recovery->engine->registry, op->domain);

  return domain != NULL && op->n_parts > 1 && resumes (recovery, n);
}

/* parts that were not begun are not begun here: then the operation has failed, whatever was done, unless
   it goes on */
static QsOutcome
resume_parts (Recovery *recovery, GError **error)
{
  const QsOpenOp *op = recovery->op;
  gboolean has_failed = FALSE;
  guint n_done = 0;

  for (guint i = 0; i < op->parts->len; i++)
    {
      QsOutcome outcome =
          look_at_part (recovery, g_ptr_array_index (op->parts, i), &has_failed, error);

      if (outcome == QS_OUTCOME_OPEN || outcome == QS_OUTCOME_QUARANTINE)
        return outcome;
      if (outcome == QS_OUTCOME_DONE)
        n_done++;
    }
  if (n_done > 0 && n_done >= op->n_parts)
    return QS_OUTCOME_DONE;
  if (error != NULL && *error != NULL)
    return QS_OUTCOME_UNDONE;
  recovery->goes_on = !has_failed && may_begin (recovery, n_done);
  if (recovery->goes_on)
    return QS_OUTCOME_OPEN;
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
tell_found (gpointer data)
{
  Recovery *recovery = data;
  QsEngine *engine = recovery->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, recovery->op->domain);

  if (domain != NULL)
    engine->sink.task_found (qs_task_new_found (engine, domain, recovery->op), engine->user_data);
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
  if (recovery->goes_on)
    qs_main_call (tell_found, recovery);
  else
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
