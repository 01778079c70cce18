/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-safety.h"

/**
 * qs_parts_revert:
 *
 * With a safety snapshot: its create, the revert, and the deletes of those that are one too many.
 */
GPtrArray *
qs_parts_revert (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  const QsSnapshot *snapshot;

  if (!qs_safety_check (request, error))
    return NULL;
  if (!qs_safety_is_wanted (request))
    return NULL;
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_revert_flag_set, request->flags, error))
    return NULL;

  parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  g_ptr_array_add (parts, qs_safety_make_create (domain, request, snapshot, given));
  g_ptr_array_add (parts, qs_safety_make_revert (request, given));
  qs_safety_add_deletes (domain, request, parts);
  return g_steal_pointer (&parts);
}
