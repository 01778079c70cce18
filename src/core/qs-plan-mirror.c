/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-mirror.h"

#include "qs-error.h"

gboolean
qs_mirror_check_none (const QsDomain *domain, const char *target, GError **error)
{
  const QsMirror *mirror = qs_domain_live_mirror (domain, target);
  const QsSnapshot *snapshot =
      mirror != NULL ? qs_tree_lookup (domain->tree, mirror->snapshot) : NULL;

  if (mirror == NULL)
    return TRUE;
  g_set_error (
      error, QS_ERROR, QS_ERROR_DOMAIN_BUSY,
      "disk ‘%s’ is mirrored to ‘%s’; delete snapshot ‘%s’ first, with REOPEN_MIRROR to go "
      "on with that file, or with REMOVE_MIRROR to go on without it",
      mirror->target, mirror->path, snapshot != NULL ? snapshot->name : mirror->snapshot);
  return FALSE;
}

void
qs_mirror_plan_end (const QsMirror *mirror, QsPlan *plan)
{
  qs_plan_add (plan, QS_STEP_MIRROR_END, QS_PHASE_FINISH, mirror->target,
               g_variant_new_parsed ("{'target': <%s>, 'job': <%s>, 'node': <%s>}", mirror->target,
                                     mirror->job, mirror->node));
}

/* the service asks for it whenever a mirror may have ended */
gboolean
qs_ask_mirror_drop (const QsDomain *domain, const QsRequest *request, QsQuestions *questions,
                    GError **error)
{
  questions->mirror_ends = TRUE;
  if (qs_domain_live_mirror (domain, NULL) != NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "domain ‘%s’ has no mirror",
               domain->name);
  return FALSE;
}

/**
 * qs_plan_mirror_drop:
 *
 * Those that have ended are dropped: the disks go on as they are.
 */
QsPlan *
qs_plan_mirror_drop (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                     GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  QsChangeList changes;
  guint n = 0;

  qs_changes_init (&changes);
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);
      const char *reason = g_hash_table_lookup (facts->mirror_ends, mirror->path);

      if (!qs_mirror_is_live (mirror) || reason == NULL)
        continue;
      qs_changes_add (&changes, QS_CHANGE_MIRROR_DROP, "path", "s", mirror->path, "reason", "s",
                      reason, NULL);
      n++;
    }
  if (n == 0)
    {
      g_variant_builder_clear (&changes);
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "no mirror of domain ‘%s’ has ended", domain->name);
      return NULL;
    }
  qs_planning_add_record (plan, QS_PHASE_COMMIT, domain->name, &changes);
  for (guint i = 0; qs_domain_is_active (domain) && i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (qs_mirror_is_live (mirror) && g_hash_table_contains (facts->mirror_ends, mirror->path))
        qs_mirror_plan_end (mirror, plan);
    }
  return g_steal_pointer (&plan);
}
