/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"
#include "qs-genid.h"
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

/* what snapshots know must not be written to by a disk that comes back without one */
static gboolean
is_known (const QsRevert *revert, const QsDiskDef *disk)
{
  const char *active = qs_revert_active_path (revert, disk->target);
  const char *path = active != NULL ? active : disk->source;
  const QsFile *file = qs_facts_find_file (revert->facts, path);

  if (file == NULL || qs_revert_find_disk (revert, disk->target) != NULL)
    return FALSE;
  if (file->state_of->len > 0 || file->tip_of->len > 0)
    return TRUE;
  for (guint i = 0; i < revert->facts->files->len; i++)
    if (g_strcmp0 (((const QsFile *)g_ptr_array_index (revert->facts->files, i))->backing, path)
        == 0)
      return TRUE;
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
      user = is_known (revert, then) ? g_strdup ("a snapshot of this domain")
                                     : qs_users_describe (revert->facts, then->source);
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

/**
 * qs_revert_comparable:
 *
 * Returns: (transfer full): the definition of the snapshot with the files of today, to be laid beside
 *   today's
 */
char *
qs_revert_comparable (const QsDomain *domain, const QsDomainDef *recorded, GError **error)
{
  g_autoptr (GArray) patches = g_array_new (FALSE, FALSE, sizeof (QsDiskPatch));
  g_autoptr (QsDomainDef) patched = NULL;
  g_autoptr (QsDomainDef) same = NULL;
  g_autofree char *genid = qs_genid_get (domain->def);

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
  same = patched != NULL ? qs_genid_set (patched, genid, error) : NULL;
  return same != NULL ? qs_domain_def_format (same, TRUE) : NULL;
}

static char *
describe_disks (const QsDomainDef *then, const QsDomainDef *now)
{
  for (guint i = 0; i < now->disks->len; i++)
    {
      const char *target = ((const QsDiskDef *)g_ptr_array_index (now->disks, i))->target;

      if (qs_domain_def_find_disk (then, target) == NULL)
        return g_strdup_printf ("it had no disk ‘%s’ then", target);
    }
  for (guint i = 0; i < then->disks->len; i++)
    {
      const char *target = ((const QsDiskDef *)g_ptr_array_index (then->disks, i))->target;

      if (qs_domain_def_find_disk (now, target) == NULL)
        return g_strdup_printf ("it had a disk ‘%s’ then", target);
    }
  return NULL;
}

/* the first thing that people would look at */
static char *
describe_difference (const QsDomainDef *then, const QsDomainDef *now)
{
  char *disks = describe_disks (then, now);

  if (then->memory_kib != now->memory_kib)
    {
      g_free (disks);
      return g_strdup_printf ("its memory is %" G_GUINT64_FORMAT " KiB and was %" G_GUINT64_FORMAT,
                              now->memory_kib, then->memory_kib);
    }
  if (disks != NULL)
    return disks;
  if (then->vcpus != now->vcpus)
    return g_strdup_printf ("its number of vcpus is %u and was %u", now->vcpus, then->vcpus);
  if (g_strcmp0 (then->machine, now->machine) != 0)
    return g_strdup_printf ("its machine is ‘%s’ and was ‘%s’", now->machine, then->machine);
  if (g_strcmp0 (then->name, now->name) != 0)
    return g_strdup_printf ("its name is ‘%s’ and was ‘%s’", now->name, then->name);
  return g_strdup ("compare the output of dumpxml with that of snapshot-dumpxml");
}

static void
refuse_difference (const QsRevert *revert, const QsDomainDef *then, const QsDomainDef *now,
                   GError **error)
{
  g_autofree char *difference = describe_difference (then, now);

  g_set_error (error, QS_ERROR, QS_ERROR_REVERT_RISKY,
               "the domain's definition is not what it was at snapshot ‘%s’: %s; FORCE %s",
               revert->snapshot->name, difference,
               qs_revert_must_stay (revert->domain)
                   ? "reverts all the same, and QEMU stays as it is"
                   : "brings the old one back");
}

/**
 * qs_revert_is_same_machine:
 *
 * Whether the guest that runs is the one that the memory of the snapshot was saved of.
 */
gboolean
qs_revert_is_same_machine (const QsRevert *revert)
{
  g_autoptr (QsDomainDef) live = qs_domain_true_def (revert->domain, FALSE, NULL);
  g_autofree char *then = NULL;
  g_autofree char *now = NULL;

  if (live == NULL || revert->def->domain == NULL)
    return FALSE;
  then = qs_revert_comparable (revert->domain, revert->def->domain, NULL);
  now = qs_domain_def_format (live, TRUE);
  return g_strcmp0 (then, now) == 0;
}

/**
 * qs_revert_renew_genid:
 *
 * The guest is to notice that it was brought back, unless it stays where it is.
 */
gboolean
qs_revert_renew_genid (QsRevert *revert, GError **error)
{
  g_autoptr (QsDomainDef) def = NULL;
  g_autoptr (QsDomainDef) renewed = NULL;

  def = revert->definition != NULL ? qs_domain_def_new_record (revert->definition, error)
                                   : qs_domain_def_ref (revert->domain->def);
  if (def == NULL || !qs_genid_is_asked_for (def) || revert->in_place
      || qs_revert_is_there (revert))
    return def != NULL;
  renewed = qs_genid_set (def, revert->facts->fresh_uuid, error);
  if (renewed == NULL)
    return FALSE;
  revert->renewed = qs_domain_def_format (renewed, TRUE);
  return TRUE;
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

  then = qs_revert_comparable (revert->domain, recorded, error);
  if (then == NULL)
    return FALSE;
  now = qs_domain_def_format (today, TRUE);
  if (g_str_equal (then, now))
    return TRUE;
  if (!(revert->request->flags & QS_REVERT_FORCE))
    {
      refuse_difference (revert, recorded, today, error);
      return FALSE;
    }
  /* a QEMU that goes on has the devices that it has */
  if (qs_revert_must_stay (revert->domain))
    return TRUE;
  revert->definition = g_steal_pointer (&then);
  return check_scope (revert, recorded, error) && check_returning (revert, recorded, error);
}
