/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"

/* snapshot-load into a guest that stands still. QEMU reverts the disks first, then the memory is
   overwritten: a load that fails has taken the guest's memory with it. So all that can be known before
   is looked at before */

/* in the result: how it ended */
#define LOST "memory-lost" /* why, for people */
#define PARTIAL "partial"  /* some disks are reverted, and perhaps not all */

/* the job did not come as far as memory */
#define DISKS_FAILED "Could not load snapshot"

/**
 * qs_step_load_count:
 *
 * Returns: the number of disks that come back with the memory
 */
gsize
qs_step_load_count (const QsStep *step)
{
  g_autoptr (GVariant) disks = qs_step_value (step, "disks");

  return g_variant_n_children (disks);
}

static const char *
lookup_lost (GVariant *result)
{
  const char *why = NULL;

  if (result != NULL)
    (void)g_variant_lookup (result, LOST, "&s", &why);
  return why;
}

static gboolean
has_flag (GVariant *result, const char *key)
{
  gboolean set = FALSE;

  return result != NULL && g_variant_lookup (result, key, "b", &set) && set;
}

static gboolean
is_into_guest (const QsStep *step)
{
  g_autoptr (GVariant) spawn = qs_step_value (step, "spawn");

  return step->kind == QS_STEP_SNAPSHOT_LOAD && spawn == NULL;
}

/**
 * qs_step_memory_is_lost:
 *
 * Whether a step of the plan has failed to load memory into the domain's guest, and left it without
 * any: it is never continued then.
 */
gboolean
qs_step_memory_is_lost (const QsStepCall *call)
{
  for (guint i = 0; i < call->plan->steps->len && i < call->results->len; i++)
    if (is_into_guest (qs_plan_step (call->plan, i))
        && lookup_lost (g_ptr_array_index (call->results, i)) != NULL)
      return TRUE;
  return FALSE;
}

/* @guest: (out) (transfer full): NULL: the one that is meant has ended. Its owner may have started
   another one since */
static gboolean
find_guest (QsStepCall *call, const QsStep *step, QsGuest **guest, GError **error)
{
  g_autoptr (QsGuest) found = NULL;
  guint64 pid = qs_step_uint64 (step, "pid");
  guint64 start_time = qs_step_uint64 (step, "start-time");
  const QsProcess *process;

  if (!qs_step_call_find_guest (call, &found, error))
    return FALSE;
  process = found != NULL ? qs_guest_get_process (found) : NULL;
  if (process != NULL && pid != 0
      && ((guint64)process->pid != pid || process->start_time != start_time))
    return TRUE;
  *guest = g_steal_pointer (&found);
  return TRUE;
}

/* the failure of what changes nothing: nothing was tried */
static gboolean
may_load (QsStepCall *call, QsGuest **guest, GError **error)
{
  if (!find_guest (call, call->step, guest, error))
    return FALSE;
  if (*guest == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                           "the domain's QEMU has ended");
      return FALSE;
    }
  return qs_guest_check (*guest, error) && qs_snapshot_load_check (*guest, call->step, error);
}

/**
 * qs_step_load_learn:
 *
 * @result is that of the step, whatever it was before.
 */
void
qs_step_load_learn (QsStepCall *call, GVariant *result)
{
  g_autoptr (GVariant) before = g_ptr_array_index (call->results, call->index);

  g_ptr_array_index (call->results, call->index) = g_variant_ref (result);
}

static const char *
memory_path (const QsStepCall *call)
{
  const QsMemoryPlace place = qs_step_call_memory_place (call);

  return place.path != NULL ? place.path : qs_step_string (call->step, "vmstate");
}

static gboolean
is_attached (const QsStepCall *call)
{
  g_autoptr (QsDomain) domain =
      qs_registry_get (call->world->engine->registry, call->world->domain);

  return domain != NULL && domain->attachment != NULL;
}

/* its owner may want to look at it; it will not run, and what the service has started ends */
static char *
tell_lost (const QsStepCall *call, const char *problem)
{
  return g_strdup_printf (
      "cannot load memory from ‘%s’: %s; the memory of the guest is lost, and %s",
      memory_path (call), problem,
      is_attached (call) ? "it stands still: end its QEMU, and start it anew"
                         : "its QEMU was ended");
}

/**
 * qs_step_load_lost:
 * @partial: some disks may be as in the snapshot, others not
 *
 * Returns: (transfer full): the result of a load that came to nothing: it is told at the end of the plan
 */
GVariant *
qs_step_load_lost (const char *why, gboolean partial)
{
  return g_variant_ref_sink (
      g_variant_new_parsed ("{'" LOST "': <%s>, '" PARTIAL "': <%b>}", why, partial));
}

static gboolean
note (QsStepCall *call, QsStepState state, GVariant *learnt, GError **error)
{
  QsJournal *journal = call->world->journal;

  qs_step_load_learn (call, learnt);
  return journal->vtable->step (journal, call->world->part, call->index, state, learnt, error);
}

/* whatever becomes of that: QEMU is told to forget the job only when it is written down how it ended */
static void
forget_job (QsStepCall *call, QsGuest *guest, const GError *failure)
{
  g_autoptr (GError) error = NULL;

  if (failure != NULL)
    g_message ("what came of the load is kept by QEMU: %s", failure->message);
  else if (!qs_qmp_dismiss_job (qs_guest_get_qmp (guest), qs_step_string (call->step, "job"),
                                &error))
    g_message ("%s, ignoring", error->message);
}

/**
 * qs_step_load_note:
 *
 * What was loaded is written down, and QEMU forgets the job.
 */
void
qs_step_load_note (QsStepCall *call, QsGuest *guest)
{
  g_autoptr (GVariant) learnt =
      g_variant_ref_sink (g_variant_new_parsed ("{'" QS_RESULT_LOADED "': <true>}"));
  g_autoptr (GError) error = NULL;

  note (call, QS_STEP_STATE_DONE, learnt, &error);
  forget_job (call, guest, error);
}

static void
take_failure (QsStepCall *call, QsGuest *guest, const char *problem)
{
  gboolean disks = g_str_has_prefix (problem, DISKS_FAILED);
  g_autoptr (GVariant) learnt = NULL;
  g_autofree char *why = NULL;
  g_autoptr (GError) error = NULL;

  if (!disks || qs_step_load_count (call->step) > 0)
    {
      why = tell_lost (call, problem);
      learnt = qs_step_load_lost (why, disks);
      note (call, QS_STEP_STATE_BEGUN, learnt, &error);
    }
  forget_job (call, guest, error);
}

/* TRUE: the guest that is left without memory cannot run */
static gboolean
end_lost (QsStepCall *call, QsGuest *guest, GError **error)
{
  return lookup_lost (qs_step_call_result (call)) == NULL || !is_into_guest (call->step)
         || is_attached (call) || qs_step_call_end_guest (call, guest, error);
}

/* @known: (out): FALSE: no job of this step was begun, or it is all written down what came of it */
static gboolean
settle_job (QsStepCall *call, QsGuest *guest, gboolean *known, char **problem, GError **error)
{
  if (!qs_qmp_await_job (qs_guest_get_qmp (guest), qs_step_string (call->step, "job"),
                         QS_SAVE_SECONDS, known, problem, error))
    return FALSE;
  if (!*known)
    return TRUE;
  if (*problem == NULL)
    qs_step_load_note (call, guest);
  else
    take_failure (call, guest, *problem);
  return end_lost (call, guest, error);
}

GVariant *
qs_snapshot_load_arguments (const QsStep *step)
{
  g_autoptr (GVariant) devices = qs_step_value (step, "devices");

  return g_variant_new_parsed ("{'job-id': <%s>, 'tag': <%s>, 'vmstate': <%s>,"
                               " 'devices': <%@as>}",
                               qs_step_string (step, "job"), qs_step_string (step, "tag"),
                               qs_step_string (step, "vmstate"), devices);
}

static gboolean
load (QsStepCall *call, QsGuest *guest, GError **error)
{
  QsQmp *qmp = qs_guest_get_qmp (guest);
  g_autofree char *problem = NULL;
  gboolean known = FALSE;
  const char *why;

  /* after the commit, of a try before this one */
  if ((call->step->phase == QS_PHASE_FINISH
       && !qs_qmp_end_job (qmp, qs_step_string (call->step, "job"), QS_SAVE_SECONDS, error))
      || !qs_qmp_run (qmp, "snapshot-load", qs_snapshot_load_arguments (call->step),
                      QS_SAVE_SECONDS, error)
      || !settle_job (call, guest, &known, &problem, error))
    {
      g_prefix_error (error, "cannot load memory from ‘%s’: ", memory_path (call));
      qs_step_call_explain_end (call, error);
      return FALSE;
    }
  if (known && problem == NULL)
    return TRUE;
  why = lookup_lost (qs_step_call_result (call));
  if (why != NULL)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, why);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "cannot load memory from ‘%s’: %s",
                 memory_path (call), known ? problem : "QEMU does not know what came of it");
  return FALSE;
}

/* QEMU continues a guest that somebody has continued just before it began */
static gboolean
keep_still (QsGuest *guest, GError **error)
{
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  return state != QS_DOMAIN_RUNNING
         || qs_qmp_run (qs_guest_get_qmp (guest), "stop", NULL, QS_QMP_COMMAND_SECONDS, error);
}

gboolean
qs_run_snapshot_load (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) ignored = NULL;

  if (!is_into_guest (call->step))
    return qs_run_load_beside (call, result, error);
  if (!may_load (call, &guest, error))
    {
      /* of a commit: nothing was tried */
      if (error != NULL && *error != NULL)
        (*error)->code = QS_ERROR_OPERATION_INVALID;
      return FALSE;
    }
  if (!load (call, guest, error))
    return FALSE;
  if (!keep_still (guest, &ignored))
    g_message ("%s, ignoring", ignored->message);
  return TRUE;
}

gboolean
qs_undo_nothing (QsStepCall *call, GError **error)
{
  return TRUE;
}

/* QEMU ended over it: its disks may be reverted, or some of them, and can all be without it */
static QsProbe
probe_gone (QsStepCall *call)
{
  g_autofree char *why = NULL;
  g_autoptr (GVariant) learnt = NULL;

  if (qs_step_load_count (call->step) == 0)
    return QS_PROBE_NOT_DONE;
  if (lookup_lost (qs_step_call_result (call)) != NULL)
    return QS_PROBE_DONE;
  why = g_strdup_printf ("QEMU ended while it loaded memory from ‘%s’; the memory of the guest is "
                         "lost",
                         memory_path (call));
  learnt = qs_step_load_lost (why, TRUE);
  qs_step_load_learn (call, learnt);
  return QS_PROBE_DONE;
}

/* a QEMU that stays, though its guest has no memory any more */
static QsProbe
probe_standing (QsStepCall *call, GError **error)
{
  GVariant *result = qs_step_call_result (call);
  const char *why = lookup_lost (result);

  if (why == NULL || qs_step_load_count (call->step) == 0)
    return QS_PROBE_NOT_DONE;
  if (!has_flag (result, PARTIAL))
    return QS_PROBE_DONE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "%s; not all disks are reverted, the rest follows when that QEMU has ended", why);
  return QS_PROBE_UNKNOWN;
}

/**
 * qs_step_load_is_done:
 *
 * Whether it is written down that the memory was loaded.
 */
gboolean
qs_step_load_is_done (const QsStepCall *call)
{
  return has_flag (qs_step_call_result (call), QS_RESULT_LOADED);
}

QsProbe
qs_probe_snapshot_load (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  g_autofree char *problem = NULL;
  gboolean known = FALSE;

  if (!is_into_guest (call->step))
    return qs_probe_load_beside (call, error);
  if (!find_guest (call, call->step, &guest, error))
    return QS_PROBE_UNKNOWN;
  if (guest != NULL && lookup_lost (qs_step_call_result (call)) == NULL
      && !settle_job (call, guest, &known, &problem, error))
    return QS_PROBE_UNKNOWN;
  if (guest != NULL && !end_lost (call, guest, error))
    return QS_PROBE_UNKNOWN;
  if (qs_step_load_is_done (call))
    return QS_PROBE_DONE;
  g_clear_pointer (&guest, qs_guest_unref);
  if (!find_guest (call, call->step, &guest, error))
    return QS_PROBE_UNKNOWN;
  return guest != NULL ? probe_standing (call, error) : probe_gone (call);
}

/**
 * qs_step_load_find:
 * @loaded: (out): the disk is as step `load` wants it: QEMU has seen to it, or lives to have done so.
 *   FALSE also where the step names none
 */
gboolean
qs_step_load_find (QsStepCall *call, gboolean *loaded, GError **error)
{
  g_autoptr (GVariant) load = qs_step_value (call->step, "load");
  g_autoptr (QsGuest) guest = NULL;
  guint32 index;

  *loaded = FALSE;
  if (load == NULL)
    return TRUE;
  index = g_variant_get_uint32 (load);
  if (index >= call->results->len)
    return TRUE;
  *loaded = has_flag (g_ptr_array_index (call->results, index), QS_RESULT_LOADED);
  if (*loaded || !is_into_guest (qs_plan_step (call->plan, index)))
    return TRUE;
  if (!find_guest (call, qs_plan_step (call->plan, index), &guest, error))
    return FALSE;
  *loaded = guest != NULL;
  return TRUE;
}
