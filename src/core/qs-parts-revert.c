/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-safety.h"

/* the revert as it was asked for, without another round of parts */
static QsRequest *
copy_revert (const QsRequest *request)
{
  QsRequest *part = qs_request_new (QS_VERB_SNAPSHOT_REVERT, request->flags);

  part->snapshot = g_strdup (request->snapshot);
  part->options = request->options != NULL ? g_variant_ref (request->options) : NULL;
  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  return part;
}

static gboolean
discards (const QsDomain *domain, const QsRequest *request)
{
  return (request->flags & QS_REVERT_DISCARD) != 0
         && qs_tree_n_children (domain->tree, request->snapshot) > 0;
}

/**
 * qs_parts_revert:
 *
 * With a safety snapshot: its create, the revert, and the deletes of those that are one too many.
 * With DISCARD: the revert, then the delete of each snapshot below.
 */
GPtrArray *
qs_parts_revert (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
{
  g_autoptr (GPtrArray) parts = NULL;
  const QsSnapshot *snapshot;

  if (!qs_safety_check (request, error))
    return NULL;
  if (!qs_safety_is_wanted (request) && !discards (domain, request))
    return NULL;
  snapshot = qs_planning_snapshot (domain, request, error);
  if (snapshot == NULL || !qs_flags_check (&qs_revert_flag_set, request->flags, error))
    return NULL;

  parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  if (discards (domain, request))
    {
      g_ptr_array_add (parts, copy_revert (request));
      qs_parts_add_descendants (parts, domain, request, 0);
      return g_steal_pointer (&parts);
    }
  g_ptr_array_add (parts, qs_safety_make_create (domain, request, snapshot, given));
  g_ptr_array_add (parts, qs_safety_make_revert (request, given));
  qs_safety_add_deletes (domain, request, parts);
  return g_steal_pointer (&parts);
}
