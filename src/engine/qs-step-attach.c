/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

/* steps that begin and end talking to a QEMU that somebody else has started */

static gboolean
is_process_of (const QsDomain *domain, const QsStep *step)
{
  const QsProcess *process = domain != NULL ? domain->process : NULL;

  return process != NULL && process->pid == (gint64)qs_step_uint64 (step, "pid")
         && process->start_time == qs_step_uint64 (step, "start-time");
}

/* the domain is recorded whether it can be talked to or not: one that cannot is shown unconnected,
   and found again when it is needed */
gboolean
qs_run_connect (QsStepCall *call, GVariant **result, GError **error)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);
  g_autoptr (GError) problem = NULL;

  if (!is_process_of (domain, call->step))
    return TRUE;
  if (!qs_candidate_hand_over (engine, domain) && !qs_watch_find (engine, domain, &problem))
    g_message ("%s", problem->message);
  qs_follow_look (engine, domain->id);
  return TRUE;
}

gboolean
qs_run_disconnect (QsStepCall *call, GVariant **result, GError **error)
{
  QsRegistry *registry = call->world->engine->registry;
  g_autoptr (QsGuest) guest = qs_registry_get_guest (registry, call->world->domain);

  if (guest != NULL
      && qs_guest_get_process (guest)->pid == (gint64)qs_step_uint64 (call->step, "pid"))
    {
      qs_registry_set_guest (registry, call->world->domain, NULL);
      qs_guest_close (guest);
    }
  return TRUE;
}
