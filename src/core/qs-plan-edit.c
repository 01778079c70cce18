/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-planners.h"

#include "qs-error.h"
#include "qs-name.h"

static const char *
option (const QsRequest *request, const char *key, const char *otherwise)
{
  const char *value = otherwise;

  if (request->options != NULL)
    g_variant_lookup (request->options, key, "&s", &value);
  return value;
}

gboolean
qs_ask_edit (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
             GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);
  const QsSnapshot *other;
  const char *name;

  if (snapshot == NULL)
    return FALSE;
  name = option (request, "name", snapshot->name);
  if (!qs_name_check (name, error)
      || !qs_description_check (option (request, "description", ""), error))
    return FALSE;

  other = qs_tree_lookup_name (domain->tree, name);
  if (other != NULL && other != snapshot)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_SNAPSHOT_EXISTS,
                   "the domain has a snapshot ‘%s’ already", name);
      return FALSE;
    }
  return TRUE;
}

/* a rename touches the record only: tags and files have names of their own */
QsPlan *
qs_plan_edit (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
              GError **error)
{
  const QsSnapshot *snapshot = qs_planning_snapshot (domain, request, error);
  g_autoptr (QsPlan) plan = qs_plan_new ();
  QsChangeList changes;

  if (snapshot == NULL)
    return NULL;
  qs_changes_init (&changes);
  qs_changes_add (&changes, QS_CHANGE_SNAPSHOT_EDIT, "uuid", "s", snapshot->uuid, "name", "s",
                  option (request, "name", snapshot->name), "description", "s",
                  option (request, "description", snapshot->description), NULL);
  qs_planning_add_record (plan, QS_PHASE_COMMIT, snapshot->name, &changes);
  return g_steal_pointer (&plan);
}
