/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include <string.h>

/* of an attached domain: what a disk goes to takes over the name that the start script knows */

/* the script may say that the disk is a qcow2 image, and QEMU looks for what an image stands on where
   that image lies */
static const char *
find_waiting_obstacle (const QsRevertDisk *disk, const char *active)
{
  gsize folder = (gsize)(strrchr (active, '/') + 1 - active);

  if (disk->kind == QS_REVERT_DISK_FRESH)
    return NULL;
  if (g_strcmp0 (disk->format, "qcow2") != 0)
    return "they differ in format";
  if (strncmp (active, disk->path, folder) != 0 || strchr (disk->path + folder, '/') != NULL)
    return "they lie in different folders";
  return disk->image->linkable ? NULL : "it lies where a file cannot have two names";
}

static const char *
find_obstacle (const QsRevert *revert, const QsRevertDisk *disk, const char *active)
{
  const QsImage *image = qs_revert_active_image (revert, disk->target);
  const char *obstacle = qs_exchange_obstacle (revert->domain, revert->facts, image);

  return obstacle != NULL ? obstacle : find_waiting_obstacle (disk, active);
}

/**
 * qs_revert_keeps_names:
 *
 * Whether the file that disk @target is on now may get another name.
 */
gboolean
qs_revert_keeps_names (const QsRevert *revert, const char *target)
{
  return revert->domain->attachment != NULL
         && qs_domain_find_active (revert->domain, target) != NULL
         && qs_revert_active_image (revert, target) != NULL;
}

static void
note_name (QsRevertBuild *build, const QsRevertDisk *disk, const char *path, const char *active,
           const char *obstacle)
{
  qs_plan_note (build->plan,
                "disk ‘%s’: start QEMU with ‘%s’ (format %s) from now on, not with ‘%s’: %s",
                disk->target, path, disk->kind == QS_REVERT_DISK_FRESH ? "qcow2" : disk->format,
                active, obstacle);
}

static QsRevertExchange *
make_exchange (QsRevertBuild *build, const QsActive *active, const char *path)
{
  const QsRevert *revert = build->revert;
  QsRevertExchange *exchange = g_new0 (QsRevertExchange, 1);
  guint n = 2 * build->exchanges->len;

  exchange->aside = qs_exchange_aside (active->path, revert->facts->op, n);
  exchange->kept = qs_revert_is_dropped (build, active->target)
                       ? qs_exchange_aside (active->path, revert->facts->op, n + 1)
                       : g_strdup (path);
  exchange->names = (QsExchange){ active->target,
                                  active->path,
                                  exchange->kept,
                                  exchange->aside,
                                  qs_revert_active_image (revert, active->target),
                                  NULL };
  g_ptr_array_add (build->exchanges, exchange);
  return exchange;
}

/* by a second name until it has that of the active file; its own goes last */
static void
add_waiting (QsRevertBuild *build, QsRevertExchange *exchange, const QsRevertDisk *disk,
             QsChangeList *changes)
{
  const QsExchange link = { disk->target,    disk->path,  exchange->aside,
                            exchange->aside, disk->image, NULL };

  exchange->names.waiting = disk->image;
  exchange->waiting = disk->path;
  qs_exchange_add_link (build->plan, &link);
  qs_changes_add (changes, QS_CHANGE_FILE_RENAME, "path", "s", disk->path, "to", "s",
                  exchange->names.active, NULL);
}

/**
 * qs_revert_settle_exchange:
 * @path: (nullable): where a fresh overlay would be otherwise: the old file goes there, unless it is
 *   dropped
 *
 * Begins the exchange of the names of a disk; a fresh overlay is to be made by the next step of the plan
 * then, under the name `aside`. Where names cannot be exchanged, the owner is told.
 *
 * Returns: (transfer none) (nullable):
 */
QsRevertExchange *
qs_revert_settle_exchange (QsRevertBuild *build, QsChangeList *changes, const QsRevertDisk *disk,
                           const char *path)
{
  const QsRevert *revert = build->revert;
  const QsActive *active = qs_domain_find_active (revert->domain, disk->target);
  const char *obstacle;
  QsRevertExchange *exchange;

  if (!qs_revert_keeps_names (revert, disk->target))
    return NULL;
  obstacle = find_obstacle (revert, disk, active->path);
  if (obstacle != NULL)
    {
      note_name (build, disk, disk->kind == QS_REVERT_DISK_FRESH ? path : disk->path, active->path,
                 obstacle);
      return NULL;
    }
  exchange = make_exchange (build, active, path);
  qs_exchange_add_link (build->plan, &exchange->names);
  qs_changes_add (changes, QS_CHANGE_FILE_RENAME, "path", "s", active->path, "to", "s",
                  exchange->kept, NULL);
  if (disk->kind != QS_REVERT_DISK_FRESH)
    add_waiting (build, exchange, disk, changes);
  exchange->step = build->plan->steps->len;
  return exchange;
}

/**
 * qs_revert_plan_old_names:
 *
 * Adds the steps that take the names of files away under which they have waited.
 */
void
qs_revert_plan_old_names (QsRevertBuild *build)
{
  for (guint i = 0; i < build->exchanges->len; i++)
    {
      const QsRevertExchange *exchange = g_ptr_array_index (build->exchanges, i);
      const QsImage *image = exchange->names.waiting;

      if (image != NULL)
        qs_plan_add (build->plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, exchange->names.target,
                     g_variant_new_parsed ("{'path': <%s>, 'dev': <%t>, 'ino': <%t>, 'btime': <%x>,"
                                           " 'keep': <%s>}",
                                           exchange->waiting, image->dev, image->ino, image->btime,
                                           exchange->names.active));
    }
}
