/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-scope.h"
#include "qs-users.h"

/* where the record is of another caller, it may say more than this one may */
static gboolean
check_scope (const QsRevert *revert, const QsDomainDef *recorded, GError **error)
{
  if (qs_scope_check_recorded (revert->domain, revert->request, revert->facts, recorded, error))
    return TRUE;
  g_prefix_error (error, "the definition of snapshot ‘%s’: ", revert->snapshot->name);
  return FALSE;
}

/* a disk that the domain has given up may be that of another by now */
static gboolean
check_returning (const QsRevert *revert, const QsDomainDef *recorded, GError **error)
{
  for (guint i = 0; i < recorded->disks->len; i++)
    {
      const QsDiskDef *then = g_ptr_array_index (recorded->disks, i);
      const QsDiskDef *now = qs_domain_def_find_disk (revert->domain->def, then->target);
      g_autofree char *user = NULL;

      if (then->source == NULL || then->readonly || then->shareable
          || (now != NULL && qs_domain_disk_path (revert->domain, now) != NULL))
        continue;
      user = qs_users_describe (revert->facts, then->source);
      if (user == NULL)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’ would come back with ‘%s’, which %s uses; take it from there first, "
                   "or give the snapshot another definition by a redefine",
                   then->target, then->source, user);
      return FALSE;
    }
  return TRUE;
}

/* the definition of the snapshot with the files of today, to be laid beside today's */
static char *
comparable_definition (const QsDomain *domain, const QsDomainDef *recorded, GError **error)
{
  g_autoptr (GArray) patches = g_array_new (FALSE, FALSE, sizeof (QsDiskPatch));
  g_autoptr (QsDomainDef) patched = NULL;

  for (guint i = 0; i < recorded->disks->len; i++)
    {
      const QsDiskDef *then = g_ptr_array_index (recorded->disks, i);
      const QsDiskDef *now = qs_domain_def_find_disk (domain->def, then->target);
      QsDiskPatch patch = { then->target, NULL, NULL };

      if (now == NULL || qs_domain_disk_path (domain, now) == NULL)
        continue;
      patch.source = qs_domain_disk_path (domain, now);
      patch.format = qs_domain_disk_format (domain, now);
      g_array_append_val (patches, patch);
    }
  patched = qs_domain_def_patch (recorded, domain->uuid, (QsDiskPatch *)patches->data, patches->len,
                                 error);
  return patched != NULL ? qs_domain_def_format (patched, TRUE) : NULL;
}

/**
 * qs_revert_check_definition:
 *
 * Lays the definition that the snapshot has recorded beside today's. One that differs comes back with
 * FORCE only: @revert gets it then.
 */
gboolean
qs_revert_check_definition (QsRevert *revert, GError **error)
{
  const QsDomainDef *recorded =
      revert->def->inactive_domain != NULL ? revert->def->inactive_domain : revert->def->domain;
  g_autoptr (QsDomainDef) today = qs_domain_true_def (revert->domain, TRUE, error);
  g_autofree char *then = NULL;
  g_autofree char *now = NULL;

  if (today == NULL)
    return FALSE;
  if (recorded == NULL && !(revert->request->flags & QS_REVERT_FORCE))
    {
      g_set_error (
          error, QS_ERROR, QS_ERROR_REVERT_RISKY,
          "snapshot ‘%s’ holds no definition of the domain; FORCE reverts its disks all the same",
          revert->snapshot->name);
      return FALSE;
    }
  if (recorded == NULL)
    return TRUE;

  then = comparable_definition (revert->domain, recorded, error);
  if (then == NULL)
    return FALSE;
  now = qs_domain_def_format (today, TRUE);
  if (g_str_equal (then, now))
    return TRUE;
  if (!(revert->request->flags & QS_REVERT_FORCE))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
                   "the domain's definition is not what it was at snapshot ‘%s’; FORCE brings the "
                   "old one back",
                   revert->snapshot->name);
      return FALSE;
    }
  /* a QEMU that goes on has the devices that it has */
  if (qs_revert_is_in_place (revert->domain))
    return TRUE;
  revert->definition = g_steal_pointer (&then);
  return check_scope (revert, recorded, error) && check_returning (revert, recorded, error);
}
