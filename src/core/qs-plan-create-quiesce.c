/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-error.h"
#include "qs-flags.h"

/**
 * qs_create_check_quiesce:
 *
 * A guest that stands still cannot be frozen: the request would wait for it, and come true when
 * nobody expects it any more.
 */
gboolean
qs_create_check_quiesce (const QsRequest *request, QsDomainState state, GError **error)
{
  if (!(request->flags & QS_CREATE_QUIESCE) || state == QS_DOMAIN_RUNNING)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "flag QUIESCE needs a running guest, and this one is %s",
               qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state));
  return FALSE;
}

/* NULL: it can be asked */
static const char *
agent_fault (const QsCreate *create)
{
  const QsFacts *facts = create->facts;

  if (facts->agent == NULL && create->domain->attachment != NULL)
    return "QEMU has no socket for the guest agent that can be connected to; name it when "
           "attaching "
           "(guest-agent), or start QEMU with a virtserialport ‘org.qemu.guest_agent.0’ on a "
           "chardev of its own, a UNIX socket with server=on";
  if (facts->agent == NULL)
    return "the domain has no channel for the guest agent; add one of type unix with the target "
           "name ‘org.qemu.guest_agent.0’ to its definition and start it anew";
  if (!facts->agent_open)
    return "no guest agent runs in the guest; install and start qemu-guest-agent there";
  if (facts->thaw_owed)
    return "the guest agent has not answered an earlier request to freeze or thaw yet, and is "
           "being asked until it does; look after the guest first";
  return NULL;
}

/**
 * qs_create_check_thawed:
 *
 * Memory holds that the file systems are frozen: reverting to it would bring back a guest that stays
 * so, for nobody would thaw that one.
 */
gboolean
qs_create_check_thawed (const QsCreate *create, GError **error)
{
  if (!create->facts->thaw_owed || create->selection->save == QS_SAVE_NONE)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                       "the memory of a guest that may be frozen still is not saved: its agent has "
                       "not answered an earlier request to thaw it yet, and is being asked until "
                       "it does; look after the guest first, or take the disks only (DISK_ONLY)");
  return FALSE;
}

/**
 * qs_create_add_freeze:
 *
 * Adds the step that freezes the guest's file systems, the last one before the disks' point in time.
 */
gboolean
qs_create_add_freeze (QsCreate *create, QsPlan *plan, GError **error)
{
  const char *fault;

  if (!(create->request->flags & QS_CREATE_QUIESCE))
    return TRUE;
  if (!qs_create_check_quiesce (create->request, create->facts->state, error))
    return FALSE;
  fault = agent_fault (create);
  if (fault != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                   "%s, or take the snapshot without QUIESCE", fault);
      return FALSE;
    }
  create->freeze = plan->steps->len;
  qs_plan_add (plan, QS_STEP_FREEZE, QS_PHASE_PREPARE, create->domain->name,
               g_variant_new_parsed ("{'socket': <%s>}", create->facts->agent));
  qs_plan_set_pause (plan, "short");
  return TRUE;
}

/**
 * qs_create_add_thaw:
 *
 * Adds the step that thaws them, the first one after it. A guest that is to be halted stands still
 * from then on: only one that runs can be thawed.
 */
gboolean
qs_create_add_thaw (QsCreate *create, QsPlan *plan, GError **error)
{
  QsPhase phase = create->committed ? QS_PHASE_FINISH : QS_PHASE_PREPARE;

  if (!(create->request->flags & QS_CREATE_QUIESCE))
    return TRUE;
  create->thaw = plan->steps->len;
  qs_plan_add (plan, QS_STEP_THAW, phase, create->domain->name,
               g_variant_new_parsed ("{'freeze': <%u>}", create->freeze));
  if (create->request->flags & QS_CREATE_HALT)
    qs_plan_add (plan, QS_STEP_STOP, phase, create->domain->name, NULL);
  return TRUE;
}

/**
 * qs_create_record_quiesce:
 *
 * How long the guest was frozen, and whether it was all the time, is known when it is thawed.
 */
void
qs_create_record_quiesce (const QsCreate *create, QsChangeList *changes)
{
  if (create->request->flags & QS_CREATE_QUIESCE)
    qs_changes_add (changes, QS_CHANGE_SNAPSHOT_QUIESCE, "uuid", "s", create->facts->fresh_uuid,
                    "step", "u", create->thaw, "if-done", "au", qs_create_condition (create, NULL),
                    NULL);
}
