/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-merge.h"

/* a file of a disk goes when nobody needs it, and takes along what only it stood on; one that a single
   file still stands on becomes one file with that */

/**
 * qs_delete_book:
 *
 * The recorded files as they are without the snapshot.
 */
QsFileBook
qs_delete_book (const QsDelete *delete)
{
  return (QsFileBook){ delete->facts->files, delete->leaving,
                       (const char *const *)delete->gone->pdata, delete->facts->foreign_images };
}

static QsFileFate
find_fate (const QsDelete *delete, const QsFile *file)
{
  const QsFileBook book = qs_delete_book (delete);

  return qs_file_book_fate (&book, file);
}

/**
 * qs_delete_is_gone:
 *
 * Whether the file goes as a whole.
 */
gboolean
qs_delete_is_gone (const QsDelete *delete, const char *path)
{
  return g_strv_contains ((const char *const *)delete->gone->pdata, path);
}

static gboolean
refuse_open (const QsFile *file, const char *who, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
               "‘%s’ is in use by %s, although no disk is recorded to need it; shut that down "
               "first",
               file->path, who);
  return FALSE;
}

static gboolean
is_open (const QsFacts *facts, const QsFile *file)
{
  for (guint i = 0; facts->open_files != NULL && i < facts->open_files->len; i++)
    {
      const QsOpenFile *open = g_ptr_array_index (facts->open_files, i);

      if (g_strcmp0 (open->path, file->path) == 0
          || (open->dev == file->dev && open->ino == file->ino))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_in_chain (const QsDiskFacts *disk, const QsFile *file)
{
  for (guint i = 0; i < disk->chain->len; i++)
    {
      const QsImage *image = g_ptr_array_index (disk->chain, i);

      if (g_str_equal (image->path, file->path) || (file->ino != 0 && qs_file_is (file, image)))
        return TRUE;
    }
  return FALSE;
}

/* what QEMU would open now, by the headers of the files */
static gboolean
check_chains (const QsFacts *facts, const QsFile *file, GError **error)
{
  for (guint i = 0; i < facts->disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (facts->disks, i);

      if (is_in_chain (disk, file))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
                       "disk ‘%s’ stands on ‘%s’, against what is recorded; the file is not "
                       "deleted",
                       disk->target, file->path);
          return FALSE;
        }
      if (disk->error == NULL)
        continue;
      g_set_error (error, disk->error->domain, disk->error->code,
                   "‘%s’ is not deleted before it is sure that disk ‘%s’ does not need it: %s",
                   file->path, disk->target, disk->error->message);
      return FALSE;
    }
  return TRUE;
}

/**
 * qs_delete_is_below:
 *
 * Whether the guest has the file open, as far as it can be seen, below what it writes to.
 */
gboolean
qs_delete_is_below (const QsDelete *delete, const QsFile *file)
{
  const GPtrArray *disks = delete->facts->disks;

  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (disks, i);

      if (disk->error != NULL || is_in_chain (disk, file))
        return TRUE;
    }
  return is_open (delete->facts, file);
}

/* as it was seen, where it was looked at */
static gboolean
is_in_use (const GPtrArray *disks, const QsFile *file)
{
  for (guint i = 0; i < disks->len; i++)
    {
      const QsDiskFacts *disk = g_ptr_array_index (disks, i);
      const QsImage *image = disk->chain->len > 0 ? g_ptr_array_index (disk->chain, 0) : NULL;

      if (image != NULL && g_str_equal (image->path, file->path) && image->in_use)
        return TRUE;
    }
  return FALSE;
}

/* the records say that nobody needs it; so must all that can be seen */
static gboolean
check_unneeded (const QsFacts *facts, const QsFile *file, GError **error)
{
  if (is_open (facts, file))
    return refuse_open (file, "the running QEMU", error);
  if (is_in_use (facts->snapshot_disks, file) || is_in_use (facts->tip_disks, file))
    return refuse_open (file, "a program", error);
  return check_chains (facts, file, error);
}

/* a layer that no snapshot stands for is looked at again whenever one above it goes. One that is none is
   the state of a snapshot of which only the record was deleted */
static const QsFile *
find_layer (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  const QsFile *below =
      file->backing != NULL ? qs_facts_find_file (delete->facts, file->backing) : NULL;

  if (below == NULL || qs_file_is_of (below, delete->snapshot->uuid)
      || find_fate (delete, below) != QS_FILE_UNLINK)
    return NULL;
  if (qs_file_is_layer (below))
    return below;
  qs_delete_keep_file (delete, below, "only the record of its snapshot was deleted");
  qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", below->path, NULL);
  return NULL;
}

/* with the layers that only it stood on */
static gboolean
unlink_from (QsDelete *delete, const QsFile *file, QsChangeList *changes, GError **error)
{
  for (guint i = 0; file != NULL && i < QS_MAX_CHAIN_FILES; i++)
    {
      if (qs_delete_keep_used (delete, file, changes))
        return TRUE;
      if (!check_unneeded (delete->facts, file, error))
        return FALSE;
      qs_delete_unlink_file (delete, file, changes);
      file = find_layer (delete, file, changes);
    }
  return TRUE;
}

/* by anybody but the snapshot */
static const char *
describe_need (const QsDelete *delete, const QsFile *file)
{
  if (file->active_of != NULL)
    return "a disk uses it";
  if (qs_file_has_other_users (file, delete->snapshot->uuid))
    return "another snapshot uses it, too";
  return "another domain uses it";
}

/* what the snapshot does not need any more */
static gboolean
settle_disk (QsDelete *delete, const QsFile *file, QsChangeList *changes, GError **error)
{
  switch (find_fate (delete, file))
    {
    case QS_FILE_KEEP:
      qs_delete_keep_file (delete, file, describe_need (delete, file));
      return TRUE;
    case QS_FILE_HIDE:
      qs_delete_keep_layer (delete, file, "several files stand on it", changes);
      return TRUE;
    case QS_FILE_MERGE:
      return qs_delete_add_merge (delete, file, changes, error);
    case QS_FILE_UNLINK:
      return unlink_from (delete, file, changes, error);
    case QS_FILE_LEAVE:
      qs_delete_keep_file (delete, file, "it was not made here");
      qs_changes_add (changes, QS_CHANGE_FILE_FORGET, "path", "s", file->path, NULL);
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
settle_tips (QsDelete *delete, QsChangeList *changes, GError **error)
{
  const GPtrArray *tips = delete->facts->tips;

  for (guint i = 0; i < tips->len; i++)
    {
      const QsTip *tip = g_ptr_array_index (tips, i);
      const QsFile *file = qs_facts_find_file (delete->facts, tip->path);

      if (g_str_equal (tip->snapshot, delete->snapshot->uuid) && file != NULL
          && !qs_delete_is_gone (delete, file->path) && !settle_disk (delete, file, changes, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
stands_on (const QsFacts *facts, const QsFile *file, const QsFile *below)
{
  for (guint i = 0; file != NULL && file->backing != NULL && i < QS_MAX_CHAIN_FILES; i++)
    {
      if (g_str_equal (file->backing, below->path))
        return TRUE;
      file = qs_facts_find_file (facts, file->backing);
    }
  return FALSE;
}

/* (nullable): what the snapshot was the state of, and that nobody else needs */
static const QsFile *
find_freed (const QsDelete *delete, const QsSnapshotFile *row)
{
  const QsFile *file = row->tag == NULL && qs_snapshot_file_is_disk (row)
                           ? qs_facts_find_file (delete->facts, row->path)
                           : NULL;
  QsFileFate fate = file != NULL ? find_fate (delete, file) : QS_FILE_KEEP;

  return fate == QS_FILE_UNLINK || fate == QS_FILE_LEAVE ? file : NULL;
}

/* whether one of the files that are freed stands on @state */
static gboolean
is_covered (const QsDelete *delete, const QsFile *state)
{
  const GPtrArray *rows = delete->facts->snapshot_files;

  for (guint i = 0; i < rows->len; i++)
    {
      const QsFile *file = find_freed (delete, g_ptr_array_index (rows, i));

      if (file != NULL && stands_on (delete->facts, file, state))
        return TRUE;
    }
  return FALSE;
}

/* (nullable): the parent, if the state of the snapshot is all that was changed after it: it is
   elsewhere, has no later changes of its own, and each of its disks is below one of the snapshot's */
static const QsSnapshot *
find_heir (const QsDelete *delete)
{
  const QsTree *tree = delete->domain->tree;
  const QsSnapshot *parent = qs_tree_lookup (tree, delete->snapshot->parent);
  guint n_states = 0;

  if (parent == NULL || parent == qs_tree_get_current (tree) || parent->has_tip
      || delete->snapshot->kind != QS_KIND_EXTERNAL || parent->kind != QS_KIND_EXTERNAL)
    return NULL;
  for (guint i = 0; i < delete->facts->files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (delete->facts->files, i);

      if (!qs_file_is_disk (file) || !qs_file_is_of (file, parent->uuid))
        continue;
      if (!is_covered (delete, file))
        return NULL;
      n_states++;
    }
  return n_states > 0 ? parent : NULL;
}

/* FALSE: it stands on none of the parent's */
static gboolean
inherit (QsDelete *delete, const QsSnapshot *heir, const QsSnapshotFile *row, QsChangeList *changes)
{
  const QsFile *file = find_freed (delete, row);
  g_autofree char *why = g_strdup_printf ("it holds the later changes of ‘%s’ now", heir->name);

  for (guint i = 0; file != NULL && i < delete->facts->files->len; i++)
    {
      const QsFile *state = g_ptr_array_index (delete->facts->files, i);

      if (!qs_file_is_of (state, heir->uuid) || !stands_on (delete->facts, file, state))
        continue;
      qs_changes_add (changes, QS_CHANGE_TIP, "uuid", "s", heir->uuid, "target", "s", row->target,
                      "path", "s", file->path, NULL);
      qs_delete_keep_file (delete, file, why);
      return TRUE;
    }
  return FALSE;
}

/* a file with a tag in it that others need, or that is not ours, loses the tag alone */
static gboolean
settle_row (QsDelete *delete, const QsSnapshotFile *row, QsChangeList *changes, GError **error)
{
  const QsFile *file = qs_facts_find_file (delete->facts, row->path);

  QsFileFate fate = file != NULL ? find_fate (delete, file) : QS_FILE_KEEP;

  if (file == NULL || qs_delete_is_gone (delete, file->path)
      || (row->tag != NULL && (fate == QS_FILE_KEEP || fate == QS_FILE_LEAVE)))
    return TRUE;
  return settle_disk (delete, file, changes, error);
}

/**
 * qs_delete_settle_disks:
 *
 * First what was changed after the snapshot, then its own state.
 */
gboolean
qs_delete_settle_disks (QsDelete *delete, QsChangeList *changes, GError **error)
{
  const GPtrArray *rows = delete->facts->snapshot_files;
  const QsSnapshot *heir;

  if (delete->metadata_only)
    return TRUE;
  if (!settle_tips (delete, changes, error))
    return FALSE;
  heir = find_heir (delete);
  for (guint i = 0; i < rows->len; i++)
    {
      const QsSnapshotFile *row = g_ptr_array_index (rows, i);

      if (!qs_snapshot_file_is_disk (row) || (heir != NULL && inherit (delete, heir, row, changes)))
        continue;
      if (!settle_row (delete, row, changes, error))
        return FALSE;
    }
  qs_delete_look_at_layers (delete, changes);
  return TRUE;
}
