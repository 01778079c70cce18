/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-thaw.h"

/* one that stands still reads the request when nobody waits for it any more */
static gboolean
check_runs (QsGuest *guest, GError **error)
{
  QsDomainState state;

  if (!qs_guest_check (guest, error) || !qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  if (state == QS_DOMAIN_RUNNING)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "the guest does not run any more");
  return FALSE;
}

/* who has frozen it is to thaw it, and that is not us */
static gboolean
check_thawed (QsAgent *agent, gint64 deadline, GError **error)
{
  gint64 soon = g_get_monotonic_time () + (gint64)QS_AGENT_SYNC_SECONDS * G_USEC_PER_SEC;
  gboolean frozen;

  if (!qs_agent_is_frozen (agent, &frozen, MIN (soon, deadline), error))
    return FALSE;
  if (frozen)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                         "somebody else has frozen the guest’s file systems");
  return !frozen;
}

/* only one that QEMU itself has made is sure to be QEMU's */
static QsFreeze *
describe_freeze (QsStepCall *call, QsGuest *guest)
{
  const QsProcess *process = qs_guest_get_process (guest);
  g_autoptr (QsDomain) domain =
      qs_registry_get (call->world->engine->registry, call->world->domain);
  QsFreeze *wanted = g_new0 (QsFreeze, 1);

  wanted->domain = g_strdup (call->world->domain);
  wanted->op = call->world->op;
  wanted->owner = call->world->owner;
  wanted->process = qs_process_new (process->pid, process->start_time, process->boot_id,
                                    qs_step_string (call->step, "socket"), "");
  wanted->ours = domain != NULL && domain->attachment == NULL;
  wanted->since = g_get_monotonic_time ();
  return wanted;
}

static gboolean
freeze (QsAgent *agent, gint64 deadline, GError **error)
{
  gint64 n;

  if (!qs_agent_freeze (agent, &n, deadline, error))
    {
      g_prefix_error (error, "the guest was not frozen, and is thawed as soon as its agent answers "
                             "if that comes true later: ");
      return FALSE;
    }
  if (n < 1)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                         "the guest has no file system that its agent can freeze");
  return n > 0;
}

gboolean
qs_run_freeze (QsStepCall *call, GVariant **result, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)QS_AGENT_FREEZE_SECONDS * G_USEC_PER_SEC;
  QsEngine *engine = call->world->engine;
  g_autoptr (QsGuest) guest = qs_real_world_guest (call->world, error);
  g_autoptr (QsFreeze) wanted = guest != NULL ? describe_freeze (call, guest) : NULL;
  g_autoptr (QsAgent) agent = NULL;

  if (guest == NULL || !check_runs (guest, error))
    return FALSE;
  agent = qs_thaw_connect (engine, wanted, error);
  if (agent == NULL)
    return FALSE;
  qs_agent_set_cancellable (agent, call->cancellable);
  if (!check_thawed (agent, deadline, error) || !check_runs (guest, error)
      || !qs_thaw_owe (engine, wanted, error) || !freeze (agent, deadline, error))
    return FALSE;
  qs_agent_set_cancellable (agent, NULL);
  qs_thaw_keep (engine, call->world->op, g_steal_pointer (&agent));
  return TRUE;
}

/* the operation does not wait for a guest that hangs: see qs_thaw_release() */
gboolean
qs_undo_freeze (QsStepCall *call, GError **error)
{
  QsThawed thawed;

  qs_thaw_settle (call->world->engine, call->world->op, QS_AGENT_UNDO_SECONDS, &thawed);
  return TRUE;
}

static const char *
describe (const QsThawed *thawed, gboolean owed)
{
  if (!thawed->is_thawed)
    return "the guest agent does not confirm that the guest’s file systems are thawed; it is asked "
           "until it does";
  if (owed && thawed->was_held)
    return NULL;
  return "the guest’s file systems were thawed too early: the snapshot is as after a power failure";
}

/* a snapshot is not taken back for want of a thaw: the guest would stay frozen all the same */
gboolean
qs_run_thaw (QsStepCall *call, GVariant **result, GError **error)
{
  g_auto (GVariantDict) learnt = G_VARIANT_DICT_INIT (NULL);
  QsThawed thawed;
  gboolean owed =
      qs_thaw_settle (call->world->engine, call->world->op, QS_AGENT_THAW_SECONDS, &thawed);
  const char *note = describe (&thawed, owed);

  g_variant_dict_insert (&learnt, "freeze-time", "t", thawed.milliseconds);
  g_variant_dict_insert (&learnt, "quiesced", "b", note == NULL);
  if (note != NULL)
    g_variant_dict_insert (&learnt, "note", "s", note);
  *result = g_variant_ref_sink (g_variant_dict_end (&learnt));
  return TRUE;
}

gboolean
qs_undo_thaw (QsStepCall *call, GError **error)
{
  return TRUE;
}
