/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-revert.h"

#include "qs-users.h"

#include "qs-safety.h"

/* what the disks were on until now, and what waited for nobody any more */

static gboolean
has_others (const GPtrArray *uuids, const char *but)
{
  for (guint i = 0; uuids != NULL && i < uuids->len; i++)
    if (g_strcmp0 (g_ptr_array_index (uuids, i), but) != 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_unused (const QsRevertBuild *build, const QsFile *file)
{
  const QsFacts *facts = build->revert->facts;
  g_autofree char *user = qs_users_describe (facts, file->path);

  if (user != NULL || has_others (file->state_of, NULL) || has_others (file->tag_of, NULL)
      || has_others (file->tip_of, build->revert->snapshot->uuid))
    return FALSE;
  for (guint i = 0; i < facts->files->len; i++)
    if (g_strcmp0 (((QsFile *)g_ptr_array_index (facts->files, i))->backing, file->path) == 0)
      return FALSE;
  return TRUE;
}

/**
 * qs_revert_drops_left:
 *
 * Whether what the disks hold now are later changes of the snapshot itself, or of one that is
 * discarded.
 */
gboolean
qs_revert_drops_left (const QsRevert *revert)
{
  const QsTree *tree = revert->domain->tree;
  const QsSnapshot *current = qs_tree_get_current (tree);

  if (revert->request->flags & QS_REVERT_DISCARD)
    return current == NULL || current == revert->snapshot
           || qs_tree_is_ancestor (tree, revert->snapshot->uuid, current->uuid);
  return current == revert->snapshot && !(revert->request->flags & QS_REVERT_TIP);
}

/* nobody asks for it any more, or it holds nothing that the safety snapshot does not */
static gboolean
is_to_go (const QsRevertBuild *build, const char *target)
{
  const QsRevert *revert = build->revert;

  return qs_revert_drops_left (revert)
         || qs_safety_has_all (revert->domain, revert->request, revert->facts, target);
}

/* (nullable): the file of a disk that goes. One that somebody has put in its place, or given another
   name, is kept */
static const QsFile *
find_dropped (QsRevertBuild *build, const char *target, gboolean *kept)
{
  const QsActive *active = qs_domain_find_active (build->revert->domain, target);
  const QsImage *image = qs_revert_active_image (build->revert, target);
  const QsFile *record =
      active != NULL ? qs_facts_find_file (build->revert->facts, active->path) : NULL;

  if (record == NULL || !is_to_go (build, target) || !is_unused (build, record))
    return NULL;
  if (!record->ours || image == NULL || (image->n_links == 1 && qs_file_is (record, image)))
    return record;
  *kept = TRUE;
  return NULL;
}

/**
 * qs_revert_is_dropped:
 *
 * Whether the file that disk @target is on now is unlinked in the end.
 */
gboolean
qs_revert_is_dropped (QsRevertBuild *build, const char *target)
{
  gboolean kept = FALSE;
  const QsFile *file = find_dropped (build, target, &kept);

  return file != NULL && file->ours;
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

/**
 * qs_revert_drop_tips:
 *
 * The later changes that wait for the snapshot itself go with a plain revert to it; those that the
 * domain goes to wait no more.
 */
void
qs_revert_drop_tips (QsRevertBuild *build, QsChangeList *changes)
{
  const QsRevert *revert = build->revert;
  const GPtrArray *tips = revert->facts->tips;
  gboolean goes_there = revert->onto_tip || (revert->request->flags & QS_REVERT_TIP) != 0;

  if (qs_revert_is_there (revert))
    return;
  if (revert->holder->has_tip)
    qs_changes_add (changes, QS_CHANGE_TIP_FORGET, "uuid", "s", revert->holder->uuid, NULL);
  for (guint i = 0; !goes_there && i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);
      const QsFile *file = qs_facts_find_file (revert->facts, tip->path);

      if (g_str_equal (tip->snapshot, revert->snapshot->uuid) && file != NULL
          && is_unused (build, file) && file->active_of == NULL)
        drop (build, file, file->path);
    }
}

/* an owner who starts QEMU between two exchanges would mix the states of two disks: without the write
   bits of those that are still to come, that fails. And what is left behind is not to be started
   from either. @path: where the file is found later; NULL: it goes */
static void
protect (QsRevertBuild *build, const QsProtection *file, QsChangeList *changes, const char *path)
{
  guint32 owner = build->revert->domain->owner;

  /* a QEMU that runs needs them until it has gone over, to go back */
  if (build->revert->in_place)
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

/* (nullable): the snapshot that can come back to what the disks hold now */
static const char *
find_keeper (const QsRevert *revert)
{
  const QsSnapshot *current = qs_tree_get_current (revert->domain->tree);

  if (current == NULL || current == revert->snapshot)
    return qs_revert_text (revert->request, "safety");
  return current->uuid;
}

static void
keep_tip (QsRevertBuild *build, QsChangeList *changes, const char *target, const char *path)
{
  const char *keeper = find_keeper (build->revert);

  if (keeper != NULL && !qs_revert_drops_left (build->revert))
    qs_changes_add (changes, QS_CHANGE_TIP, "uuid", "s", keeper, "target", "s", target, "path", "s",
                    path, NULL);
}

/**
 * qs_revert_leave_behind:
 * @exchange: (nullable): by which its name goes to another file
 *
 * Settles what becomes of the file that a disk is on now: it waits for the snapshot that was current, or
 * goes.
 */
void
qs_revert_leave_behind (QsRevertBuild *build, QsChangeList *changes, const char *target,
                        const QsRevertExchange *exchange)
{
  const QsProtection file = { target, qs_revert_active_path (build->revert, target),
                              qs_revert_active_image (build->revert, target) };
  gboolean kept = FALSE;
  const QsFile *dropped = find_dropped (build, target, &kept);
  gboolean goes = dropped != NULL && dropped->ours;
  const char *path = exchange != NULL ? exchange->kept : file.path;

  if (kept)
    qs_plan_note (build->plan,
                  "disk ‘%s’: ‘%s’ is kept: it has other names, or is not the file that was made "
                  "for the disk",
                  target, file.path);
  if (dropped != NULL && (goes || exchange == NULL))
    drop (build, dropped, exchange != NULL ? exchange->kept : dropped->path);
  else if (path != NULL)
    keep_tip (build, changes, target, path);
  if (build->revert->domain->attachment == NULL || file.path == NULL || file.image == NULL)
    return;
  if (exchange != NULL)
    protect (build, &file, changes, goes ? NULL : exchange->kept);
  else if (!goes)
    protect (build, &file, changes, file.path);
}
