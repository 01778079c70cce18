/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-real-world.h"

#include "qs-error.h"

/* what is saved one after the other while the guest stands still is of one moment only if nobody has
   let it go on in between, and be it for an instant */

/* in the result of the step that made it stand still */
#define RESUMES "resumes"

/**
 * qs_step_add_resumes:
 * @result: (transfer full)
 * @resumes: of qs_qmp_get_resumes(), from when nobody but QEMU itself may have let the guest go on
 *
 * Returns: (transfer full): @result with it
 */
GVariant *
qs_step_add_resumes (GVariant *result, guint64 resumes)
{
  g_autoptr (GVariant) before = result;
  GVariantDict dict;

  g_variant_dict_init (&dict, before);
  g_variant_dict_insert (&dict, RESUMES, "t", resumes);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* of the last step before this one that has noted it */
static gboolean
find_resumes (const QsStepCall *call, guint64 *resumes)
{
  for (guint i = MIN (call->index, call->results->len); i-- > 0;)
    {
      GVariant *learnt = g_ptr_array_index (call->results, i);

      if (learnt != NULL && g_variant_lookup (learnt, RESUMES, "t", resumes))
        return TRUE;
    }
  return FALSE;
}

/**
 * qs_step_call_check_still:
 *
 * Whether the guest has stood still since the step that stopped it, or found it so; TRUE where the
 * plan has none before this step.
 */
gboolean
qs_step_call_check_still (const QsStepCall *call, QsGuest *guest, GError **error)
{
  guint64 resumes = 0;
  QsDomainState state;

  if (!find_resumes (call, &resumes))
    return TRUE;
  if (!qs_guest_query_state (guest, &state, NULL, error))
    return FALSE;
  if (state != QS_DOMAIN_RUNNING && qs_qmp_get_resumes (qs_guest_get_qmp (guest)) == resumes)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                       "the guest was continued by somebody else meanwhile; try again");
  return FALSE;
}

static gboolean
check (QsStepCall *call, GError **error)
{
  g_autoptr (QsGuest) guest = qs_step_call_need_guest (call, error);

  return guest != NULL && qs_step_call_check_still (call, guest, error);
}

/* a commit is not looked at again: it is one only where nothing was saved before it, and all that it
   does is of one moment */
gboolean
qs_run_transaction (QsStepCall *call, GVariant **result, GError **error)
{
  return check (call, error) && qs_run_guest_step (call, result, error)
         && (call->step->phase == QS_PHASE_COMMIT || check (call, error));
}
