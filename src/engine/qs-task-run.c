/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-task-run.h"

#include "qs-error.h"
#include "qs-real-world.h"
#include "qs-safety.h"

/* the task's notes are read when it has come to its end */
static void
take_notes (QsTask *task, GPtrArray *results)
{
  for (guint i = 0; i < results->len; i++)
    {
      GVariant *learnt = g_ptr_array_index (results, i);
      const char *note;

      if (learnt != NULL && g_variant_lookup (learnt, "note", "&s", &note))
        qs_task_add_note (task, note);
    }
}

/* of the guest that a snapshot is made of */
static QsGuest *
find_clock (QsTask *task, guint64 *stopped)
{
  g_autoptr (QsGuest) guest = NULL;

  if (task->request->verb != QS_VERB_SNAPSHOT_CREATE)
    return NULL;
  guest = qs_registry_get_guest (task->engine->registry, task->domain);
  if (guest != NULL)
    *stopped = qs_qmp_get_stopped_time (qs_guest_get_qmp (guest));
  return g_steal_pointer (&guest);
}

static void
add_pause (GVariantDict *result, QsGuest *guest, guint64 before)
{
  guint64 after = guest != NULL ? qs_qmp_get_stopped_time (qs_guest_get_qmp (guest)) : 0;

  if (guest != NULL)
    g_variant_dict_insert (result, "pause-time", "t", (after - before + 500) / 1000);
}

static void
quarantine (QsTask *task, const GError *error)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_QUARANTINE, "reason", "s",
                  error != NULL ? error->message : "reality contradicts the plan", NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (task->engine->registry, task->domain, changes, NULL);
}

/* what was foreseen of a part does not hold if one of its steps says what came of it instead */
static void
add_part (QsTaskRun *run, guint n, GPtrArray *results)
{
  if (qs_task_result_replace (run->result, results))
    qs_task_drop_notes (run->task, n);
  else
    qs_task_result_add (run->result, g_ptr_array_index (run->task->plans, n));
  qs_task_result_learn (run->result, results);
  take_notes (run->task, results);
}

/* one that an earlier run of the service began, and that was looked at, is gone on with */
static QsOutcome
carry_out (QsTaskRun *run, QsRealWorld *world, GPtrArray **results, GError **error)
{
  const QsPartRecord *record = qs_task_find_record (run->task, run->part);
  const QsRunner runner = { world->journal, &world->world, run->part, &qs_task_runner_sink, run };

  world->recovering = record != NULL;
  if (record != NULL)
    return qs_runner_continue (&runner, record, run->cancellable, results, error);
  return qs_runner_run (&runner, g_ptr_array_index (run->task->plans, run->part), run->cancellable,
                        results, error);
}

static gboolean
run_part (QsTaskRun *run, guint64 op, guint n, QsOutcome *outcome, GError **error)
{
  QsTask *task = run->task;
  const QsPlan *plan = g_ptr_array_index (task->plans, n);
  g_auto (QsRealWorld) world = { 0 };
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) failure = NULL;
  guint64 stopped = 0;
  g_autoptr (QsGuest) clock = find_clock (task, &stopped);

  qs_real_world_init (&world, task->engine, task->domain, task->owner, op, n);
  world.world.control = task->control;
  world.world.tell = qs_task_tell_amount;
  world.world.tell_ready = qs_task_tell_ready;
  world.world.user_data = run;
  *outcome = carry_out (run, &world, &results, &failure);
  if (*outcome == QS_OUTCOME_DONE)
    {
      add_part (run, n, results);
      add_pause (run->result, clock, stopped);
      return qs_plan_check_results (plan, results, run->result, error);
    }
  if (*outcome == QS_OUTCOME_QUARANTINE)
    quarantine (task, failure);
  qs_error_fold (&failure);
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

static const QsStep *
only_record (const QsTask *task)
{
  const QsPlan *plan = task->plans->len > 0 ? g_ptr_array_index (task->plans, 0) : NULL;
  const QsStep *step = plan != NULL && plan->steps->len == 1 ? qs_plan_step (plan, 0) : NULL;

  return task->found == 0 && task->parts->len == 1 && step != NULL && step->kind == QS_STEP_RECORD
             ? step
             : NULL;
}

/* what changes the records alone is done by one transaction, or not at all: there is no intent to
   write down before it, and nothing to undo or to finish after a crash */
static gboolean
run_record (QsTaskRun *run, const QsStep *step, GError **error)
{
  QsTask *task = run->task;
  const QsPlan *plan = g_ptr_array_index (task->plans, 0);
  g_autoptr (GVariant) planned = qs_step_value (step, "changes");
  g_autoptr (GVariant) changes = qs_changes_resolve (planned, NULL, error);

  if (changes == NULL || g_cancellable_set_error_if_cancelled (run->cancellable, error))
    return FALSE;
  qs_task_tell_step (run, plan, 0, FALSE);
  if (!qs_store_apply (task->engine->store, task->domain, changes, error))
    return FALSE;
  qs_task_tell_committed (run);
  qs_task_result_add (run->result, plan);
  return qs_registry_apply (task->engine->registry, task->domain, changes, error);
}

static void
unref_result (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

/* the same of one step, while the journal belongs to another operation */
static gboolean
run_beside (QsTaskRun *run, GError **error)
{
  QsTask *task = run->task;
  const QsPlan *plan = g_ptr_array_index (task->plans, 0);
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (unref_result);
  g_auto (QsRealWorld) world = { 0 };
  GVariant *learnt = NULL;
  gboolean done;

  if (g_cancellable_set_error_if_cancelled (run->cancellable, error))
    return FALSE;
  qs_real_world_init (&world, task->engine, task->domain, task->owner, 0, 0);
  g_ptr_array_set_size (results, (gint)plan->steps->len);
  qs_task_tell_step (run, plan, 0, FALSE);
  done = world.world.vtable->run (&world.world, plan, 0, results, &learnt, error);
  if (learnt != NULL)
    unref_result (g_variant_take_ref (learnt));
  if (done)
    qs_task_tell_committed (run);
  return done;
}

static gboolean
look (QsTaskRun *run, QsRealWorld *world, guint index, GPtrArray *results, GError **error)
{
  const QsPlan *plan = g_ptr_array_index (run->task->plans, 0);
  g_autoptr (GVariant) findings = NULL;
  GVariant *learnt = NULL;

  if (g_cancellable_set_error_if_cancelled (run->cancellable, error))
    return FALSE;
  qs_task_tell_step (run, plan, index, FALSE);
  if (!world->world.vtable->run (&world->world, plan, index, results, &learnt, error))
    return FALSE;
  if (learnt == NULL)
    return TRUE;
  g_ptr_array_index (results, index) = g_variant_ref_sink (learnt);
  findings = g_variant_lookup_value (learnt, "findings", G_VARIANT_TYPE ("aa{sv}"));
  if (findings != NULL)
    qs_task_result_put (run->result, "findings", findings);
  return TRUE;
}

/* no step changes anything: there is nothing to write down, to undo or to finish, and it can be called
   off at any time */
static gboolean
run_looks (QsTaskRun *run, GError **error)
{
  QsTask *task = run->task;
  const QsPlan *plan = g_ptr_array_index (task->plans, 0);
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (unref_result);
  g_auto (QsRealWorld) world = { 0 };

  qs_real_world_init (&world, task->engine, task->domain, task->owner, 0, 0);
  world.world.tell = qs_task_tell_amount;
  world.world.user_data = run;
  world.world.cancellable = run->cancellable;
  g_ptr_array_set_size (results, (gint)plan->steps->len);
  qs_task_result_add (run->result, plan);
  for (guint i = 0; i < plan->steps->len; i++)
    if (!look (run, &world, i, results, error))
      return FALSE;
  return TRUE;
}

static void
put_plan (QsTask *task, guint n, QsPlan *plan)
{
  if (n < task->plans->len)
    qs_plan_unref (g_ptr_array_index (task->plans, n));
  else
    g_ptr_array_set_size (task->plans, (gint)n + 1);
  g_ptr_array_index (task->plans, n) = plan;
}

/* the first part runs as it was shown to the caller; later ones are planned on what there is then.
   @left_out: such a part is not needed, and cannot be done */
static gboolean
plan_again (QsTask *task, guint n, gboolean *left_out, GError **error)
{
  g_autoptr (QsDomain) domain = qs_registry_get (task->engine->registry, task->domain);
  g_autoptr (GError) refusal = NULL;
  QsPlan *plan;

  if ((n == 0 && task->found == 0) || qs_task_find_record (task, n) != NULL)
    return TRUE;
  if (domain == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_DOMAIN, "the domain is gone");
      return FALSE;
    }
  qs_task_drop_notes (task, n);
  plan = qs_task_plan_part (task, domain, g_ptr_array_index (task->parts, n), &refusal);
  *left_out = plan == NULL && refusal == NULL;
  if (refusal != NULL)
    g_propagate_error (error, g_steal_pointer (&refusal));
  if (plan == NULL)
    return *left_out;
  put_plan (task, n, plan);
  return TRUE;
}

/* one that is not needed and was undone is not the failure of the whole */
static gboolean
forgive (QsTask *task, guint n, QsOutcome *outcome, GError *error)
{
  g_autofree char *note = NULL;

  if (*outcome != QS_OUTCOME_UNDONE || !qs_safety_is_optional (g_ptr_array_index (task->parts, n)))
    return FALSE;
  note = g_strdup_printf ("an old safety snapshot stays: %s", error->message);
  qs_task_add_note (task, note);
  *outcome = QS_OUTCOME_DONE;
  return TRUE;
}

static gboolean
run_one (QsTaskRun *run, guint64 op, guint n, QsOutcome *outcome, GError **error)
{
  g_autoptr (GError) failure = NULL;
  gboolean left_out = FALSE;

  if (!plan_again (run->task, n, &left_out, error))
    return FALSE;
  if (left_out)
    *outcome = QS_OUTCOME_DONE;
  if (left_out || run_part (run, op, n, outcome, &failure)
      || forgive (run->task, n, outcome, failure))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* between two parts */
static gboolean
may_begin (QsTaskRun *run, QsOutcome *outcome, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (run->cancellable, error))
    {
      qs_error_fold (error);
      return FALSE;
    }
  if (!qs_control_is_left (run->task->control))
    return TRUE;
  *outcome = QS_OUTCOME_OPEN;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "the service ends; part %u of the operation begins when it is started again",
               run->part + 1);
  return FALSE;
}

static gboolean
run_parts (QsTaskRun *run, guint64 op, QsOutcome *outcome, GError **error)
{
  const QsTask *task = run->task;
  guint first = qs_task_find_first (task);

  for (guint n = 0; n < first; n++)
    add_part (run, n, qs_task_find_record (task, n)->results);
  for (guint n = first; n < task->parts->len; n++)
    {
      *outcome = QS_OUTCOME_UNDONE;
      run->part = n;
      if (n > 0 && qs_task_find_record (task, n) == NULL && !may_begin (run, outcome, error))
        return FALSE;
      qs_task_tell_begun (run);
      if (!run_one (run, op, n, outcome, error))
        return FALSE;
    }
  return TRUE;
}

/* what is closed here was done or undone; anything else stays open for the next start */
static gboolean
close_op (QsTask *task, guint64 op, QsOutcome outcome, const GError *failure, GError **error)
{
  if (outcome == QS_OUTCOME_OPEN || outcome == QS_OUTCOME_QUARANTINE)
    return TRUE;
  return qs_store_close_op (task->engine->store, op, failure, error);
}

static void
run_journaled (QsTaskRun *run, GError **error)
{
  QsTask *task = run->task;
  QsOutcome outcome = QS_OUTCOME_DONE;
  g_autoptr (GError) failure = NULL;
  g_autoptr (GError) closing = NULL;
  guint64 op = task->found;

  if (op == 0)
    op = qs_store_begin_op (task->engine->store, task->domain, task->op, task->request, task->parts,
                            error);
  if (op == 0)
    return;
  run_parts (run, op, &outcome, &failure);
  task->left = outcome == QS_OUTCOME_OPEN && qs_control_is_left (task->control);
  if (!close_op (task, op, outcome, failure, &closing))
    g_warning ("operation %s: %s, ignoring", task->op, closing->message);
  if (failure != NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
}

static gboolean
run_unjournaled (QsTaskRun *run, const QsStep *record, GError **error)
{
  if (run->task->request->beside)
    return run_beside (run, error);
  return record != NULL ? run_record (run, record, error) : run_looks (run, error);
}

gboolean
qs_task_run (QsTask *task, const QsTaskSink *sink, gpointer user_data, GCancellable *cancellable,
             GVariant **result, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  QsTaskRun run = {
    .task = task, .sink = sink, .user_data = user_data, .cancellable = cancellable, .result = &dict
  };
  gboolean looks = qs_operation_get (task->request->verb)->looks;
  const QsStep *record = only_record (task);
  g_autoptr (GError) failure = NULL;

  if (record == NULL && !looks && !task->request->beside)
    run_journaled (&run, &failure);
  else if (!run_unjournaled (&run, record, &failure))
    qs_error_fold (&failure);
  *result = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (failure == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

gboolean
qs_task_is_left (QsTask *task)
{
  return task->left;
}
