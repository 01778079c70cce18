/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-create.h"

#include "qs-flags.h"

/**
 * qs_create_add_freeze:
 *
 * Adds the step that freezes the guest's file systems, the last one before the disks' point in time.
 */
gboolean
qs_create_add_freeze (QsCreate *create, QsPlan *plan, GError **error)
{
  if (!(create->request->flags & QS_CREATE_QUIESCE))
    return TRUE;
  create->freeze = plan->steps->len;
  qs_plan_add (plan, QS_STEP_FREEZE, QS_PHASE_PREPARE, create->domain->name, NULL);
  return TRUE;
}

/**
 * qs_create_add_thaw:
 *
 * Adds the step that thaws them, the first one after it.
 */
gboolean
qs_create_add_thaw (QsCreate *create, QsPlan *plan, GError **error)
{
  if (create->request->flags & QS_CREATE_QUIESCE)
    qs_plan_add (plan, QS_STEP_THAW, create->committed ? QS_PHASE_FINISH : QS_PHASE_PREPARE,
                 create->domain->name, g_variant_new_parsed ("{'freeze': <%u>}", create->freeze));
  return TRUE;
}
