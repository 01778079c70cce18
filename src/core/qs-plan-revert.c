/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-plan-revert-commit.h"

/**
 * qs_revert_option:
 *
 * Returns: whether option @key of a request is set; parts of a larger request have such that no caller
 *   can give: `onto-tip`, `halt`
 */
gboolean
qs_revert_option (const QsRequest *request, const char *key)
{
  gboolean value = FALSE;

  return request->options != NULL && g_variant_lookup (request->options, key, "b", &value) && value;
}

/**
 * qs_revert_text:
 *
 * Returns: (transfer none) (nullable): the same of an option that is text: `safety`, the uuid of the
 *   snapshot that was taken of what the revert leaves behind
 */
const char *
qs_revert_text (const QsRequest *request, const char *key)
{
  const char *value = NULL;

  if (request->options != NULL)
    g_variant_lookup (request->options, key, "&s", &value);
  return value;
}

void
qs_revert_clear (QsRevert *revert)
{
  qs_snapshot_def_unref (revert->def);
  g_free (revert->definition);
  g_free (revert->renewed);
  g_clear_pointer (&revert->disks, g_array_unref);
}

static gboolean
read_document (QsRevert *revert, GError **error)
{
  if (revert->facts->snapshot_document == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED, "snapshot ‘%s’ has no document",
                   revert->snapshot->name);
      return FALSE;
    }
  revert->def = qs_snapshot_def_parse_record (revert->facts->snapshot_document, error);
  return revert->def != NULL;
}

static gboolean
settle_holder (QsRevert *revert, GError **error)
{
  revert->holder = revert->snapshot;
  if (revert->request->flags & QS_REVERT_TIP)
    revert->holder = qs_revert_find_holder (revert->domain, revert->snapshot, error);
  return revert->holder != NULL;
}

/* what the guest is to be afterwards. One that is attached and off is started by its owner */
static void
settle_end (QsRevert *revert)
{
  guint flags = revert->request->flags;
  gboolean active = qs_domain_is_active (revert->domain);

  if (qs_revert_is_there (revert) && active)
    return;
  revert->loads = revert->save != QS_SAVE_NONE && !qs_revert_option (revert->request, "halt")
                  && (revert->domain->attachment == NULL || active);
  revert->runs = revert->loads || (flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED)) != 0;
  if (flags & (QS_REVERT_RUNNING | QS_REVERT_PAUSED))
    revert->resumes = (flags & QS_REVERT_RUNNING) != 0;
  else
    revert->resumes = revert->loads && revert->snapshot->state == QS_STATE_RUNNING;
}

static gboolean
check_covered (const QsRevert *revert, GError **error)
{
  const QsDiskDef *disk = revert->loads ? qs_revert_uncovered (revert) : NULL;

  if (disk == NULL || (revert->request->flags & QS_REVERT_FORCE))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
               "disk ‘%s’ is not in snapshot ‘%s’ and would stay as it is now, below a guest whose "
               "memory knows it as it was then; FORCE reverts all the same",
               disk->target, revert->snapshot->name);
  return FALSE;
}

static gboolean
check (QsRevert *revert, GError **error)
{
  return qs_planning_check_block_jobs (revert->facts, error)
         && qs_revert_collect_disks (revert, error) && qs_revert_check_tree (revert, error)
         && qs_revert_check_files (revert, error) && qs_revert_find_memory (revert, error)
         && qs_revert_check_definition (revert, error);
}

QsPlan *
qs_plan_revert (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                GError **error)
{
  g_auto (QsRevert) revert = {
    .domain = domain,
    .request = request,
    .facts = facts,
    .onto_tip = qs_revert_option (request, "onto-tip"),
    .disks = g_array_new (FALSE, TRUE, sizeof (QsRevertDisk)),
  };

  if (request->flags & QS_REVERT_COMMIT)
    return qs_plan_revert_commit (domain, request, facts, error);
  revert.snapshot = qs_planning_snapshot (domain, request, error);
  if (revert.snapshot == NULL || !qs_redefine_check_verified (domain, revert.snapshot, facts, error)
      || !read_document (&revert, error) || !settle_holder (&revert, error)
      || !check (&revert, error))
    return NULL;
  settle_end (&revert);
  if (!check_covered (&revert, error) || !qs_revert_choose_way (&revert, error)
      || !qs_revert_renew_genid (&revert, error))
    return NULL;
  return qs_revert_build (&revert, error);
}
