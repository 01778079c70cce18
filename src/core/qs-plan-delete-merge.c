/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-delete.h"

#include "qs-users.h"

/* files that nobody needs but the one file that stands on them: which of them become one file */

static gboolean
is_in_chain (const QsDeleteMerge *merge, const QsDeleteMerge *other)
{
  const GPtrArray *chain = merge->merging.chain;

  for (guint i = 0; i < chain->len; i++)
    for (guint n = 0; n < other->files->len; n++)
      if (qs_delete_is_at (chain, i, g_ptr_array_index (other->files, n)))
        return TRUE;
  return FALSE;
}

/* what is apart in one chain is not merged at once: it would be found changed */
static gboolean
is_taken (const QsDelete *delete, const QsDeleteMerge *merge)
{
  for (guint i = 0; i < delete->merges->len; i++)
    {
      const QsDeleteMerge *other = &g_array_index (delete->merges, QsDeleteMerge, i);

      if (is_in_chain (merge, other) || is_in_chain (other, merge))
        return TRUE;
    }
  return FALSE;
}

/**
 * qs_delete_keep_layer:
 *
 * The file stays, for what stands on it; whenever something more is deleted it is looked at again.
 */
void
qs_delete_keep_layer (QsDelete *delete, const QsFile *file, const char *why, QsChangeList *changes)
{
  qs_delete_keep_file (delete, file, why);
  if (!qs_file_is_layer (file))
    qs_changes_add (changes, QS_CHANGE_FILE_ROLE, "path", "s", file->path, "role", "s", "layer",
                    NULL);
}

/* (nullable) (transfer full): for whom the files are to stay as they are */
static char *
find_user (const QsDelete *delete, const QsDeleteMerge *merge)
{
  char *user = NULL;

  for (guint i = merge->files->len; user == NULL && i-- > 0;)
    user = qs_users_describe (delete->facts,
                              ((const QsFile *)g_ptr_array_index (merge->files, i))->path);
  return user;
}

/* of all but the uppermost, which may be a disk's own */
static gboolean
has_standing (const QsDelete *delete, const QsDeleteMerge *merge)
{
  for (guint i = 1; i < merge->files->len; i++)
    if (qs_merging_find_standing (delete->facts, g_ptr_array_index (merge->files, i), NULL) != NULL)
      return TRUE;
  return FALSE;
}

/* @why: (out) (transfer full) (nullable): why these files stay as they are; what is an @error is wrong
   with them */
static gboolean
attempt (const QsDelete *delete, QsDeleteMerge *merge, char **why, GError **error)
{
  g_autofree char *user = find_user (delete, merge);

  *why = user != NULL ? g_strconcat (user, " uses it, too", NULL) : NULL;
  if (*why != NULL)
    return TRUE;
  if (!qs_delete_merge_locate (delete, merge, error))
    return FALSE;
  if (has_standing (delete, merge))
    *why = g_strdup ("another disk stands on it, or it cannot be seen whether it does");
  else
    *why = g_strdup (is_taken (delete, merge) ? QS_DELETE_NEXT_TIME
                                              : qs_delete_choose_way (delete, merge));
  return *why != NULL || qs_merging_check (&merge->merging, delete->domain, delete->facts, error);
}

/* @merge: becomes that of @n of @files, if that can be done */
static gboolean
fit (const QsDelete *delete, const GPtrArray *files, guint from, guint n, QsDeleteMerge *merge)
{
  g_autoptr (GError) ignored = NULL;
  g_autofree char *why = NULL;
  QsDeleteMerge other;

  qs_delete_merge_init (&other, files, from, n);
  if (!attempt (delete, &other, &why, &ignored) || why != NULL)
    {
      qs_delete_merge_clear (&other);
      return FALSE;
    }
  qs_delete_merge_clear (merge);
  *merge = other;
  return TRUE;
}

/* with whatever is next to them */
static void
grow (const QsDelete *delete, const GPtrArray *files, guint from, QsDeleteMerge *merge)
{
  guint n = merge->files->len;

  while (from > 0 && fit (delete, files, from - 1, n + 1, merge))
    from--, n++;
  while (from + n < files->len && fit (delete, files, from, n + 1, merge))
    n++;
}

/* a file that cannot be merged with the one that stands on it may take in what is below */
static void
settle_alone (QsDelete *delete, const GPtrArray *files, guint index, const char *why,
              QsChangeList *changes)
{
  const QsFile *file = g_ptr_array_index (files, index);
  QsDeleteMerge merge = { 0 };

  if (index + 1 == files->len || !fit (delete, files, index, 2, &merge))
    {
      qs_delete_keep_layer (delete, file, why, changes);
      return;
    }
  grow (delete, files, index, &merge);
  if (merge.merging.direction == QS_MERGE_UP)
    qs_delete_keep_layer (delete, file, why, changes);
  else
    qs_delete_keep_file (delete, merge.below, why);
  g_array_append_val (delete->merges, merge);
}

/* what is wrong with the file, or with the one that stands on it, is told; files further away only do
   not take part then */
static gboolean
settle_with (QsDelete *delete, const GPtrArray *files, guint index, QsChangeList *changes,
             GError **error)
{
  g_autofree char *why = NULL;
  QsDeleteMerge merge;
  gboolean ok;

  qs_delete_merge_init (&merge, files, index - 1, 2);
  ok = attempt (delete, &merge, &why, error);
  if (ok && why == NULL)
    {
      grow (delete, files, index - 1, &merge);
      g_array_append_val (delete->merges, merge);
      return TRUE;
    }
  qs_delete_merge_clear (&merge);
  if (ok)
    settle_alone (delete, files, index, why, changes);
  return ok;
}

/* with another file; what goes down is a layer no more */
static gboolean
becomes_one (const QsDeleteMerge *merge, const QsFile *file)
{
  return qs_delete_merge_has (merge, file->path)
         && (file != merge->above || merge->merging.direction == QS_MERGE_DOWN);
}

/**
 * qs_delete_add_merge:
 * @file: that one other file stands on, and nobody else needs
 *
 * They become one file, together with others below and above of which the same is true, unless
 * something stands in the way; then it stays as a layer.
 */
gboolean
qs_delete_add_merge (QsDelete *delete, const QsFile *file, QsChangeList *changes, GError **error)
{
  g_autoptr (GPtrArray) files = NULL;
  QsDeleteMerge merge = { 0 };
  guint index = 0;

  for (guint i = 0; i < delete->merges->len; i++)
    if (becomes_one (&g_array_index (delete->merges, QsDeleteMerge, i), file))
      return TRUE;
  files = qs_delete_find_run (delete, file);
  g_return_val_if_fail (g_ptr_array_find (files, file, &index) && index > 0, FALSE);
  if (!fit (delete, files, 0, files->len, &merge))
    return settle_with (delete, files, index, changes, error);
  g_array_append_val (delete->merges, merge);
  return TRUE;
}

/* what stands in its way may have gone with what is deleted now; if it cannot be merged, it stays as it
   is, and is no reason to refuse */
static void
look_at_layer (QsDelete *delete, const QsFile *file, QsChangeList *changes)
{
  g_autoptr (GError) ignored = NULL;
  const QsFileBook book = qs_delete_book (delete);

  if (qs_file_is_layer (file) && !qs_delete_is_gone (delete, file->path)
      && qs_file_book_fate (&book, file) == QS_FILE_MERGE
      && !qs_delete_add_merge (delete, file, changes, &ignored))
    qs_delete_keep_file (delete, file, ignored->message);
}

/**
 * qs_delete_look_at_layers:
 *
 * All files that were kept by earlier deletes for what stood on them.
 */
void
qs_delete_look_at_layers (QsDelete *delete, QsChangeList *changes)
{
  for (guint i = 0; i < delete->facts->files->len; i++)
    look_at_layer (delete, g_ptr_array_index (delete->facts->files, i), changes);
}
