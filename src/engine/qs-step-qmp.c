/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-launcher.h"
#include "qs-limits.h"
#include "qs-step-qmp-private.h"
#include "qs-wake.h"

static gboolean
run_plain (QsGuest *guest, const char *command, GError **error)
{
  return qs_qmp_run (qs_guest_get_qmp (guest), command, NULL, QS_QMP_COMMAND_SECONDS, error);
}

/* whether a `stop` changes anything, which its undo must know. One that has crashed, or that somebody
   else has stopped, is never continued */
gboolean
qs_step_stop_changes (QsDomainState state)
{
  return state == QS_DOMAIN_RUNNING || state == QS_DOMAIN_PMSUSPENDED;
}

static GVariant *
changed_to (gboolean changed)
{
  return g_variant_ref_sink (g_variant_new_parsed ("{'changed': <%b>}", changed));
}

static gboolean
has_changed (GVariant *result)
{
  gboolean changed = FALSE;

  return result != NULL && g_variant_lookup (result, "changed", "b", &changed) && changed;
}

static QsProbe
probe_switch (QsGuest *guest, QsDomainState wanted, GError **error)
{
  QsDomainState state;

  if (guest == NULL)
    return QS_PROBE_NOT_DONE;
  if (!qs_guest_query_state (guest, &state, NULL, error))
    return QS_PROBE_UNKNOWN;
  return state == wanted ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

static gboolean
stop_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  *result = changed_to (qs_step_stop_changes (state));
  return !has_changed (*result) || run_plain (guest, "stop", error);
}

static gboolean
stop_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return guest == NULL || !has_changed (result)
         || qs_wake (guest, QS_WAKE_PAUSED, QS_WAKE_SECONDS, NULL, error);
}

static QsProbe
stop_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return probe_switch (guest, QS_DOMAIN_PAUSED, error);
}

/* as the call itself, whatever the guest stands still for; after a stop of ours, only for that */
QsWakeFrom
qs_step_wake_from (const QsStep *step)
{
  g_autoptr (GVariant) stop = qs_step_value (step, "stop");

  if (step->phase == QS_PHASE_COMMIT)
    return QS_WAKE_ANY;
  return stop != NULL ? QS_WAKE_PAUSED : QS_WAKE_STOPPED;
}

static gboolean
cont_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  guint seconds = step->phase == QS_PHASE_COMMIT ? 0 : QS_WAKE_SECONDS;
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  *result = changed_to (state != QS_DOMAIN_RUNNING);
  return qs_wake (guest, qs_step_wake_from (step), seconds, NULL, error);
}

static gboolean
cont_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return guest == NULL || !has_changed (result) || run_plain (guest, "stop", error);
}

static QsProbe
cont_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return probe_switch (guest, QS_DOMAIN_RUNNING, error);
}

static gboolean
powerdown_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  return run_plain (guest, "system_powerdown", error);
}

/* nothing in QEMU tells that a guest was asked; one that has ended needs no second request */
static QsProbe
powerdown_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  return guest == NULL ? QS_PROBE_DONE : QS_PROBE_NOT_DONE;
}

QsProcess *
qs_step_quit_process (const QsStep *step)
{
  return qs_process_new (qs_step_uint64 (step, "pid"), qs_step_uint64 (step, "start-time"),
                         qs_step_string (step, "boot-id"), "", qs_step_string (step, "unit"));
}

/* the answer to quit may be lost with the connection: only the end of the process counts */
static gboolean
quit_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_quit_process (step);
  gboolean connected = guest != NULL && qs_guest_is_open (guest)
                       && qs_guest_get_process (guest)->pid == process->pid;

  if (!qs_process_is_alive (process))
    return TRUE;
  if (connected)
    qs_qmp_run (qs_guest_get_qmp (guest), "quit", NULL, QS_QUIT_SECONDS, NULL);
  if (qs_process_wait (process, connected ? QS_QUIT_SECONDS : 0))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_TIMEOUT,
               connected ? "QEMU was told to quit but has not ended"
                         : "QEMU cannot be told to quit: there is no connection to it");
  return FALSE;
}

static QsProbe
quit_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  g_autoptr (QsProcess) process = qs_step_quit_process (step);

  return qs_process_is_alive (process) ? QS_PROBE_NOT_DONE : QS_PROBE_DONE;
}

/* @alone: can be run without a QEMU */
typedef struct
{
  QsStepKind kind;
  gboolean alone;
  gboolean (*run) (QsGuest *guest, const QsStep *step, GVariant **result, GError **error);
  gboolean (*undo) (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
  QsProbe (*probe) (QsGuest *guest, const QsStep *step, GVariant *result, GError **error);
} Executor;

static const Executor executors[] = {
  { QS_STEP_NODE_ADD, FALSE, qs_node_add_run, qs_node_add_undo, qs_node_add_probe },
  { QS_STEP_TRANSACTION, FALSE, qs_transaction_run, NULL, qs_transaction_probe },
  { QS_STEP_BLOCKDEV_SNAPSHOT_SYNC, FALSE, qs_blockdev_snapshot_sync_run, NULL,
    qs_blockdev_snapshot_sync_probe },
  { QS_STEP_NODE_SNAPSHOT_DELETE, FALSE, qs_node_snapshot_delete_run, NULL,
    qs_node_snapshot_delete_probe },
  { QS_STEP_SNAPSHOT_SAVE, FALSE, qs_snapshot_save_run, qs_snapshot_save_undo,
    qs_step_probe_nothing },
  { QS_STEP_NODE_REBASE, FALSE, qs_node_rebase_run, NULL, qs_node_rebase_probe },
  { QS_STEP_NODE_BACKING, FALSE, qs_node_backing_run, qs_node_backing_undo, qs_step_probe_nothing },
  { QS_STEP_NODE_HOLD, FALSE, qs_node_hold_run, qs_node_hold_undo, qs_step_probe_nothing },
  { QS_STEP_NODE_SWITCH, FALSE, qs_node_switch_run, qs_node_switch_undo, qs_node_switch_probe },
  { QS_STEP_NODE_RELEASE, FALSE, qs_node_release_run, NULL, qs_step_probe_nothing },
  { QS_STEP_RESET, FALSE, qs_reset_run, NULL, qs_step_probe_nothing },
  { QS_STEP_STOP, FALSE, stop_run, stop_undo, stop_probe },
  { QS_STEP_CONT, FALSE, cont_run, cont_undo, cont_probe },
  { QS_STEP_POWERDOWN, FALSE, powerdown_run, NULL, powerdown_probe },
  { QS_STEP_QUIT, TRUE, quit_run, NULL, quit_probe },
};

static const Executor *
find_executor (QsStepKind kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (executors); i++)
    if (executors[i].kind == kind)
      return &executors[i];
  return NULL;
}

gboolean
qs_step_qmp_handles (QsStepKind kind)
{
  return find_executor (kind) != NULL;
}

gboolean
qs_step_qmp_run (QsGuest *guest, const QsStep *step, GVariant **result, GError **error)
{
  const Executor *executor = find_executor (step->kind);

  g_return_val_if_fail (executor != NULL, FALSE);
  *result = NULL;
  if (guest != NULL || executor->alone)
    return executor->run (guest, step, result, error);
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "‘%s’ cannot be done: there is no connection to the domain’s QEMU",
               qs_step_type (step->kind)->name);
  return FALSE;
}

gboolean
qs_step_qmp_undo (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  const Executor *executor = find_executor (step->kind);

  g_return_val_if_fail (executor != NULL, FALSE);
  /* a step that nothing takes back is undone only where it never took effect */
  return executor->undo == NULL || executor->undo (guest, step, result, error);
}

QsProbe
qs_step_qmp_probe (QsGuest *guest, const QsStep *step, GVariant *result, GError **error)
{
  const Executor *executor = find_executor (step->kind);

  g_return_val_if_fail (executor != NULL, QS_PROBE_UNKNOWN);
  return executor->probe (guest, step, result, error);
}
