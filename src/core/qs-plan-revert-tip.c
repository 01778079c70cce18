/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

/* an overlay that a revert has left behind waits as the tip of the snapshot that was current then */

static void
name_tips (const QsDomain *domain, const QsSnapshot *snapshot, GString *names)
{
  g_autoptr (GPtrArray) below = qs_tree_list (domain->tree, snapshot->uuid, QS_LIST_DESCENDANTS);
  const QsSnapshot *current = qs_tree_get_current (domain->tree);

  for (guint i = 0; i < below->len; i++)
    {
      const QsSnapshot *child = g_ptr_array_index (below, i);

      if (child->has_tip || child == current)
        g_string_append_printf (names, "%s‘%s’", names->len > 0 ? ", " : "", child->name);
    }
}

static const QsSnapshot *
refuse (const QsDomain *domain, const QsSnapshot *snapshot, const QsSnapshot *fork, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);

  if (fork != NULL)
    name_tips (domain, fork, names);
  if (names->len > 0)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "snapshot ‘%s’ has several lines of later changes; name the one to go to: %s",
                 snapshot->name, names->str);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "no later changes of snapshot ‘%s’ are kept; revert to it without TIP",
                 snapshot->name);
  return NULL;
}

/**
 * qs_revert_find_holder:
 *
 * With TIP: the snapshot whose later changes are meant, which is @snapshot itself or the end of the one
 * line below it. The changes of the current one are what the disks hold now.
 */
const QsSnapshot *
qs_revert_find_holder (const QsDomain *domain, const QsSnapshot *snapshot, GError **error)
{
  const QsSnapshot *current = qs_tree_get_current (domain->tree);
  const QsSnapshot *holder = snapshot;

  if (snapshot->kind != QS_KIND_EXTERNAL && !snapshot->has_tip)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_UNSUPPORTED,
                   "snapshot ‘%s’ is not external: later changes are kept of such only",
                   snapshot->name);
      return NULL;
    }
  while (holder != current && !holder->has_tip)
    {
      g_autoptr (GPtrArray) children = qs_tree_list (domain->tree, holder->uuid, 0);

      if (children->len != 1)
        return refuse (domain, snapshot, children->len == 0 ? NULL : holder, error);
      holder = qs_tree_lookup (domain->tree,
                               ((const QsSnapshot *)g_ptr_array_index (children, 0))->uuid);
    }
  return holder;
}

/**
 * qs_revert_find_tip:
 *
 * Returns: (transfer none) (nullable): the file that waits with the later changes of a disk
 */
const char *
qs_revert_find_tip (const QsFacts *facts, const char *snapshot, const char *target)
{
  for (guint i = 0; i < facts->tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (facts->tips, i);

      if (g_str_equal (tip->snapshot, snapshot) && g_str_equal (tip->target, target))
        return tip->path;
    }
  return NULL;
}

/**
 * qs_revert_is_there:
 *
 * Whether the domain is at the tip that it is to go to.
 */
gboolean
qs_revert_is_there (const QsRevert *revert)
{
  return (revert->request->flags & QS_REVERT_TIP) != 0
         && revert->holder == qs_tree_get_current (revert->domain->tree);
}
