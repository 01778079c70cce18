/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

static QsRequest *
new_part (const QsRequest *request, QsVerb verb, guint flags, const char *snapshot)
{
  QsRequest *part = qs_request_new (verb, flags);

  part->snapshot = g_strdup (snapshot);
  part->caller = request->caller;
  part->caller_is_owner = request->caller_is_owner;
  return part;
}

static QsRequest *
make_create (const QsRequest *request, const char *uuid)
{
  guint flags = request->flags & ~(guint)(QS_CREATE_CURRENT | QS_CREATE_HALT);
  QsRequest *part = new_part (request, QS_VERB_SNAPSHOT_CREATE, flags, uuid);

  part->def = qs_snapshot_def_ref (request->def);
  return part;
}

/* to what the first part has made, not to fresh files beside it */
static QsRequest *
make_revert (const QsRequest *request, const char *uuid)
{
  QsRequest *part = new_part (request, QS_VERB_SNAPSHOT_REVERT, 0, uuid);
  gboolean halt = (request->flags & QS_CREATE_HALT) != 0;

  part->options =
      g_variant_ref_sink (g_variant_new_parsed ("{'onto-tip': <true>, 'halt': <%b>}", halt));
  return part;
}

/**
 * qs_parts_create:
 *
 * A branch that shall be current is created, then reverted to. The branch stays if that fails.
 */
GPtrArray *
qs_parts_create (const QsDomain *domain, const QsRequest *request, const QsQuestions *given,
                 GError **error)
{
  const guint both = QS_CREATE_BRANCH | QS_CREATE_CURRENT;
  GPtrArray *parts;

  if ((request->flags & both) != both
      || !qs_flags_check (&qs_create_flag_set, request->flags, error))
    return NULL;
  parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  g_ptr_array_add (parts, make_create (request, given->fresh_uuid));
  g_ptr_array_add (parts, make_revert (request, given->fresh_uuid));
  return parts;
}
