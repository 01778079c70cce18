/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-block-job.h"
#include "qs-real-world.h"
#include "qs-step-qmp-private.h"

/* the end of a mirror that is not gone over to, however far it has come, or failed before */

static gboolean
end_mirror (QsGuest *guest, const QsStep *step, GError **error)
{
  /* the node may be asked for only when no job is left that has ended */
  return qs_block_job_cancel (qs_guest_get_qmp (guest), qs_step_string (step, "job"), error)
         && qs_node_drop (guest, qs_step_string (step, "node"), error);
}

gboolean
qs_run_mirror_end (QsStepCall *call, GVariant **result, GError **error)
{
  g_autoptr (QsGuest) guest = NULL;

  if (!qs_step_call_find_guest (call, &guest, error))
    return FALSE;
  return guest == NULL || end_mirror (guest, call->step, error);
}
