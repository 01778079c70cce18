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
    .in_place = qs_revert_is_in_place (revert->domain),
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
is_unused (const QsFacts *facts, const QsFile *file)
{
  if (qs_planning_is_foreign (facts, file->path) || qs_file_is_tip (file))
    return FALSE;
  if ((file->state_of != NULL && file->state_of->len > 0)
      || (file->tag_of != NULL && file->tag_of->len > 0))
    return FALSE;
  for (guint i = 0; i < facts->files->len; i++)
    if (g_strcmp0 (((QsFile *)g_ptr_array_index (facts->files, i))->backing, file->path) == 0)
      return FALSE;
  return TRUE;
}

static const QsImage *
active_image (const QsRevertBuild *build, const char *target)
{
  const QsDiskFacts *disk = qs_facts_find_disk (build->revert->facts, target);

  return disk != NULL && disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;
}

/* (nullable): the changes since the snapshot, which a revert to it drops. A file that somebody has
   put in their place, or given another name, is kept */
static const QsFile *
find_dropped (QsRevertBuild *build, const QsSnapshotFile *file)
{
  const QsActive *active = qs_domain_find_active (build->revert->domain, file->target);
  const QsImage *image = active_image (build, file->target);
  const QsFile *record =
      active != NULL ? qs_facts_find_file (build->revert->facts, active->path) : NULL;

  if (record == NULL || g_str_equal (record->path, file->path)
      || !is_unused (build->revert->facts, record))
    return NULL;
  if (!record->ours || image == NULL || (image->n_links == 1 && qs_file_is (record, image)))
    return record;
  qs_plan_note (build->plan,
                "disk ‘%s’: ‘%s’ is kept: it has other names, or is not the file that "
                "was made for the disk",
                file->target, record->path);
  return NULL;
}

/* what is not ours stays where it is; its caller may use it anew, or lend it again */
static void
drop (QsRevertBuild *build, const QsFile *file, const char *path)
{
  QsDropped *dropped;

  if (!file->ours)
    {
      g_ptr_array_add (build->given_up, file->path);
      return;
    }
  dropped = g_new0 (QsDropped, 1);
  dropped->file = file;
  dropped->path = g_strdup (path);
  g_ptr_array_add (build->dropped, dropped);
}

static gboolean
check_overlay_target (QsRevertBuild *build, const char *target, const char *path, GError **error)
{
  const QsDiskDef *disk = qs_domain_def_find_disk (build->revert->domain->def, target);
  QsSelected selected = { .disk = disk, .path = (char *)path };

  return qs_check_target (&selected, build->revert->facts, error);
}

/* (nullable): the names of a disk whose overlay is to have that of its active file. @path is where
   the overlay would be otherwise: the old file goes there, unless it is dropped */
static QsRevertExchange *
settle_exchange (QsRevertBuild *build, const char *target, const char *path, gboolean dropped)
{
  const QsRevert *revert = build->revert;
  const QsActive *active = qs_domain_find_active (revert->domain, target);
  const QsImage *image = active_image (build, target);
  const char *obstacle;
  QsRevertExchange *exchange;
  guint n = 2 * build->exchanges->len;

  if (revert->domain->attachment == NULL || active == NULL || image == NULL)
    return NULL;
  obstacle = qs_exchange_obstacle (revert->domain, revert->facts, image);
  if (obstacle != NULL)
    {
      qs_plan_note (build->plan,
                    "disk ‘%s’: start QEMU with ‘%s’ (format qcow2) from now on, not with ‘%s’: %s",
                    target, path, active->path, obstacle);
      return NULL;
    }
  exchange = g_new0 (QsRevertExchange, 1);
  exchange->aside = qs_exchange_aside (active->path, revert->facts->op, n);
  exchange->kept =
      dropped ? qs_exchange_aside (active->path, revert->facts->op, n + 1) : g_strdup (path);
  exchange->names =
      (QsExchange){ active->target, active->path, exchange->kept, exchange->aside, image };
  g_ptr_array_add (build->exchanges, exchange);
  return exchange;
}

static void
begin_exchange (QsRevertBuild *build, QsRevertExchange *exchange, QsChangeList *changes)
{
  qs_exchange_add_link (build->plan, &exchange->names);
  exchange->step = build->plan->steps->len;
  qs_changes_add (changes, QS_CHANGE_FILE_RENAME, "path", "s", exchange->names.active, "to", "s",
                  exchange->kept, NULL);
}

/* an owner who starts QEMU between two exchanges would mix the states of two disks: without the write
   bits of those that are still to come, that fails. And what is left behind is not to be started
   from either. @path: where the file is found later; NULL: it goes */
static void
protect (QsRevertBuild *build, const QsProtection *file, QsChangeList *changes, const char *path)
{
  guint32 owner = build->revert->domain->owner;

  /* a QEMU that runs needs them until it has gone over, to go back */
  if (build->in_place)
    g_array_append_val (build->protections, *file);
  else
    qs_exchange_add_protection (build->plan, file, owner);
  if (!qs_exchange_is_protectable (file->image, owner))
    qs_plan_note (build->plan,
                  "disk ‘%s’: ‘%s’ cannot be write-protected; do not start QEMU before "
                  "the revert is done",
                  file->target, file->path);
  else if (path != NULL && qs_exchange_is_protected (file->image, owner))
    qs_changes_add (changes, QS_CHANGE_FILE_MODE, "path", "s", path, "mode", "u",
                    file->image->mode & 07777u, NULL);
}

/* what the disk was on until now */
static void
leave_behind (QsRevertBuild *build, QsChangeList *changes, const char *target,
              const QsFile *dropped, const QsRevertExchange *exchange)
{
  const QsActive *active = qs_domain_find_active (build->revert->domain, target);
  const QsProtection file = { target, active != NULL ? active->path : NULL,
                              active_image (build, target) };
  gboolean goes = dropped != NULL && dropped->ours;

  if (dropped != NULL && (goes || exchange == NULL))
    drop (build, dropped, exchange != NULL ? exchange->kept : dropped->path);
  if (build->revert->domain->attachment == NULL || file.path == NULL || file.image == NULL)
    return;
  if (exchange != NULL)
    protect (build, &file, changes, goes ? NULL : exchange->kept);
  else if (!goes)
    protect (build, &file, changes, file.path);
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
plan_overlay (QsRevertBuild *build, QsChangeList *changes, const QsSnapshotFile *file,
              GError **error)
{
  QsRevert *revert = build->revert;
  const QsImage *image = qs_planning_snapshot_image (revert->facts, file->target, error);
  const QsFile *dropped = find_dropped (build, file);
  g_autofree char *stem = NULL;
  g_autofree char *path = NULL;
  QsRevertExchange *exchange;
  QsOverlay overlay;

  if (image == NULL)
    return FALSE;
  path = qs_revert_overlay_path (revert->domain, file->target, revert->facts->now, &stem, error);
  if (path == NULL || !check_overlay_target (build, file->target, path, error))
    return FALSE;
  exchange = settle_exchange (build, file->target, path, dropped != NULL && dropped->ours);
  if (exchange != NULL)
    begin_exchange (build, exchange, changes);

  overlay = (QsOverlay){
    .target = file->target,
    .path = exchange != NULL ? exchange->aside : path,
    .base = file->path,
    .base_format = image->format,
    .base_image = image,
    .virtual_size = image->virtual_size,
    .owner = revert->domain->owner,
  };
  add_overlay (build, changes, &overlay, exchange != NULL ? exchange->names.active : path, stem);
  if (build->in_place && !qs_revert_add_node (build, file->target, error))
    return FALSE;
  leave_behind (build, changes, file->target, dropped, exchange);
  return TRUE;
}

/**
 * qs_revert_plan_overlays:
 *
 * Adds a fresh overlay for every external disk of the snapshot, and to @changes what it changes.
 */
gboolean
qs_revert_plan_overlays (QsRevertBuild *build, QsChangeList *changes, GError **error)
{
  const GPtrArray *files = build->revert->facts->snapshot_files;

  for (guint i = 0; i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);

      if (!qs_snapshot_file_is_disk (file))
        continue;
      if (file->tag != NULL)
        build->n_tags++;
      else if (!plan_overlay (build, changes, file, error))
        return FALSE;
    }
  return TRUE;
}
