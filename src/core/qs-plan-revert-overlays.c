/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-error.h"

static void
free_dropped (QsDropped *dropped)
{
  g_free (dropped->path);
  g_free (dropped);
}

static void
free_exchange (QsRevertExchange *exchange)
{
  g_free (exchange->kept);
  g_free (exchange->aside);
  g_free (exchange);
}

/**
 * qs_revert_build_init:
 *
 * For a revert that is to be planned into @plan.
 */
void
qs_revert_build_init (QsRevertBuild *build, QsRevert *revert, QsPlan *plan)
{
  *build = (QsRevertBuild){
    .revert = revert,
    .plan = plan,
    .overlays = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free),
    .dropped = g_ptr_array_new_with_free_func ((GDestroyNotify)free_dropped),
    .given_up = g_ptr_array_new (),
    .nodes = g_ptr_array_new (),
    .protections = g_array_new (FALSE, FALSE, sizeof (QsProtection)),
    .exchanges = g_ptr_array_new_with_free_func ((GDestroyNotify)free_exchange),
    .was_active = revert->facts->state != QS_DOMAIN_SHUTOFF,
  };
}

void
qs_revert_build_clear (QsRevertBuild *build)
{
  g_hash_table_unref (build->overlays);
  g_ptr_array_unref (build->dropped);
  g_ptr_array_unref (build->given_up);
  g_ptr_array_unref (build->exchanges);
  g_ptr_array_unref (build->nodes);
  g_array_unref (build->protections);
  qs_domain_unref (build->after);
}

static gboolean
check_overlay_target (QsRevertBuild *build, const char *target, const char *path, GError **error)
{
  const QsDiskDef *disk = qs_domain_def_find_disk (build->revert->domain->def, target);
  QsSelected selected = { .disk = disk, .path = (char *)path };

  return qs_check_target (&selected, build->revert->facts, error);
}

static void
add_overlay (QsRevertBuild *build, QsChangeList *changes, const QsOverlay *overlay,
             const char *final, const char *stem)
{
  qs_planning_record_overlay (changes, final, overlay->base, build->plan->steps->len);
  qs_planning_image_create (build->plan, overlay);
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", overlay->target, "path", "s", final,
                  "format", "s", "qcow2", "stem", "s", stem, NULL);
  g_hash_table_insert (build->overlays, (gpointer)overlay->target, g_strdup (final));
}

static gboolean
plan_fresh (QsRevertBuild *build, QsChangeList *changes, const QsRevertDisk *disk, GError **error)
{
  QsRevert *revert = build->revert;
  g_autofree char *stem = NULL;
  g_autofree char *path = NULL;
  QsRevertExchange *exchange;
  QsOverlay overlay;

  path = qs_revert_overlay_path (revert->domain, disk->target, revert->facts->now, &stem, error);
  if (path == NULL || !check_overlay_target (build, disk->target, path, error))
    return FALSE;
  exchange = qs_revert_settle_exchange (build, changes, disk, path);

  overlay = (QsOverlay){
    .target = disk->target,
    .path = exchange != NULL ? exchange->aside : path,
    .base = disk->path,
    .base_format = disk->format,
    .base_image = disk->image,
    .virtual_size = disk->image->virtual_size,
    .owner = revert->domain->owner,
  };
  add_overlay (build, changes, &overlay, exchange != NULL ? exchange->names.active : path, stem);
  if (revert->in_place && !qs_revert_add_node (build, disk, overlay.path, exchange != NULL, error))
    return FALSE;
  qs_revert_leave_behind (build, changes, disk->target, exchange);
  return TRUE;
}

/* a file that only waited may be written to again */
static void
unprotect (QsRevertBuild *build, QsChangeList *changes, const QsRevertDisk *disk)
{
  const QsFile *file = qs_facts_find_file (build->revert->facts, disk->path);

  if (file == NULL || file->mode == 0)
    return;
  qs_plan_add (build->plan, QS_STEP_FILE_MODE, QS_PHASE_PREPARE, disk->target,
               g_variant_new_parsed ("{'target': <%s>, 'path': <%s>, 'dev': <%t>, 'ino': <%t>,"
                                     " 'btime': <%x>, 'mode': <%u>, 'before': <%u>}",
                                     disk->target, disk->path, disk->image->dev, disk->image->ino,
                                     disk->image->btime, file->mode, disk->image->mode & 07777u));
  qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s", disk->path, "mode", "u", 0u, NULL);
}

/* to a file that is there already */
static gboolean
plan_return (QsRevertBuild *build, QsChangeList *changes, const QsRevertDisk *disk, GError **error)
{
  const QsRevert *revert = build->revert;
  const QsActive *active = qs_domain_find_active (revert->domain, disk->target);
  QsRevertExchange *exchange;
  g_autofree char *kept = NULL;

  unprotect (build, changes, disk);
  if (qs_revert_keeps_names (revert, disk->target))
    {
      kept = qs_revert_overlay_path (revert->domain, disk->target, revert->facts->now, NULL, error);
      if (kept == NULL || !check_overlay_target (build, disk->target, kept, error))
        return FALSE;
    }
  exchange = qs_revert_settle_exchange (build, changes, disk, kept);
  if (revert->in_place
      && !qs_revert_add_node (build, disk, exchange != NULL ? exchange->aside : disk->path,
                              exchange != NULL, error))
    return FALSE;
  qs_changes_add (changes, QS_CHANGE_ACTIVE, "target", "s", disk->target, "path", "s",
                  exchange != NULL ? exchange->names.active : disk->path, "format", "s",
                  disk->format, "stem", "s",
                  active != NULL && active->stem != NULL ? active->stem : "", NULL);
  qs_revert_leave_behind (build, changes, disk->target, exchange);
  return TRUE;
}

static gboolean
plan_disk (QsRevertBuild *build, QsChangeList *changes, const QsRevertDisk *disk, GError **error)
{
  if (disk->kind == QS_REVERT_DISK_FRESH)
    return plan_fresh (build, changes, disk, error);
  if (disk->kind == QS_REVERT_DISK_TAG)
    build->n_tags++;
  return !qs_revert_moves (build->revert, disk) || plan_return (build, changes, disk, error);
}

/**
 * qs_revert_plan_disks:
 *
 * Adds what each disk needs before the guest is stopped, and to @changes what it changes.
 */
gboolean
qs_revert_plan_disks (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  qs_revert_drop_tips (build, changes);
  for (guint i = 0; i < build->revert->disks->len; i++)
    if (!plan_disk (build, changes, qs_revert_disk (build->revert, i), error))
      return FALSE;
  return TRUE;
}
