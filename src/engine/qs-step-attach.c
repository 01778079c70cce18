/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-step-process.h"

/* steps that begin and end talking to a QEMU that somebody else has started, or another step */

static gboolean
is_process_of (const QsDomain *domain, const QsStep *step)
{
  const QsProcess *process = domain != NULL ? domain->process : NULL;

  return process != NULL && process->pid == (gint64)qs_step_uint64 (step, "pid")
         && process->start_time == qs_step_uint64 (step, "start-time");
}

static void
note_end (QsStepCall *call, const char *name, GVariant **result)
{
  g_autofree char *note = g_strdup_printf ("domain ‘%s’ is off: its new QEMU has ended meanwhile. "
                                           "Nothing is lost that the snapshot has; "
                                           "revert to it again",
                                           name);

  g_message ("%s", note);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'note': <%s>}", note));
}

/* a console that cannot be had is no reason to give up a guest that is where it was wanted */
static void
take_consoles (QsStepCall *call, GVariant **result)
{
  QsRegistry *registry = call->world->engine->registry;
  g_autoptr (QsGuest) guest = qs_registry_get_guest (registry, call->world->domain);
  guint64 step = qs_step_uint64 (call->step, "spawn");
  GVariant *learnt = step < call->results->len ? g_ptr_array_index (call->results, step) : NULL;
  g_autoptr (GVariant) display =
      learnt != NULL ? g_variant_lookup_value (learnt, "display", G_VARIANT_TYPE_VARDICT) : NULL;
  g_autoptr (GError) problem = NULL;
  g_autofree char *note = NULL;

  if (guest == NULL || qs_step_take_consoles (call, guest, display, &problem))
    return;
  note = g_strdup_printf ("a console of the guest is missing until it is started anew: %s",
                          problem->message);
  g_message ("%s", note);
  *result = g_variant_ref_sink (g_variant_new_parsed ("{'note': <%s>}", note));
}

/* the record has made the process the domain's already: all that is left is to talk to it. As often as
   it is tried: an earlier try, or the start of the service, may have done so. Where that process has
   ended the domain is off, as after any end of a QEMU */
static gboolean
connect_spawned (QsStepCall *call, GVariant **result, GError **error)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (QsProcess) process = qs_step_process_of (call, qs_step_uint64 (call->step, "spawn"));
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);

  if (process == NULL || domain == NULL || !qs_process_is_same (domain->process, process))
    return TRUE;
  if (!qs_process_is_alive (process))
    note_end (call, domain->name, result);
  else if (qs_beside_adopt (call->world, process))
    {
      take_consoles (call, result);
      return TRUE;
    }
  if (!qs_watch_find (engine, domain, error))
    return FALSE;
  if (*result == NULL)
    take_consoles (call, result);
  return TRUE;
}

/* the domain is recorded whether it can be talked to or not: one that cannot is shown unconnected,
   and found again when it is needed */
gboolean
qs_run_connect (QsStepCall *call, GVariant **result, GError **error)
{
  QsEngine *engine = call->world->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, call->world->domain);
  g_autoptr (GVariant) spawn = qs_step_value (call->step, "spawn");
  g_autoptr (GError) problem = NULL;

  if (spawn != NULL)
    return connect_spawned (call, result, error);
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
