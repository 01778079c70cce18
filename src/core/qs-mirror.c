/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"

/**
 * qs_mirror_copy:
 *
 * An empty reason is none.
 */
QsMirror *
qs_mirror_copy (const QsMirror *mirror)
{
  QsMirror *copy = g_new0 (QsMirror, 1);

  copy->target = g_strdup (mirror->target);
  copy->path = g_strdup (mirror->path);
  copy->format = g_strdup (mirror->format);
  copy->snapshot = g_strdup (mirror->snapshot);
  copy->job = g_strdup (mirror->job);
  copy->node = g_strdup (mirror->node);
  copy->reason =
      mirror->reason != NULL && *mirror->reason != '\0' ? g_strdup (mirror->reason) : NULL;
  return copy;
}

void
qs_mirror_free (QsMirror *mirror)
{
  if (mirror == NULL)
    return;
  g_free (mirror->target);
  g_free (mirror->path);
  g_free (mirror->format);
  g_free (mirror->snapshot);
  g_free (mirror->job);
  g_free (mirror->node);
  g_free (mirror->reason);
  g_free (mirror);
}

gboolean
qs_mirror_is_live (const QsMirror *mirror)
{
  return mirror->reason == NULL;
}

/**
 * qs_mirror_state:
 *
 * Returns: the word of documents
 */
const char *
qs_mirror_state (const QsMirror *mirror)
{
  return qs_mirror_is_live (mirror) ? "active" : "dropped";
}

static gboolean
find_path (const QsDomain *domain, const char *path, guint *index)
{
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (g_str_equal (mirror->path, path))
        {
          *index = i;
          return TRUE;
        }
    }
  return FALSE;
}

/**
 * qs_domain_put_mirror:
 * @mirror: takes the place of the one with its path
 *
 * Only for a domain that was not handed on yet, as the two that follow.
 */
void
qs_domain_put_mirror (QsDomain *domain, const QsMirror *mirror)
{
  QsMirror *copy = qs_mirror_copy (mirror);
  guint index;

  if (find_path (domain, copy->path, &index))
    g_ptr_array_remove_index (domain->mirrors, index);
  else
    index = domain->mirrors->len;
  g_ptr_array_insert (domain->mirrors, (int)index, copy);
}

/**
 * qs_domain_forget_mirror:
 *
 * Returns: whether there was one
 */
gboolean
qs_domain_forget_mirror (QsDomain *domain, const char *path)
{
  guint index;

  if (!find_path (domain, path, &index))
    return FALSE;
  g_ptr_array_remove_index (domain->mirrors, index);
  return TRUE;
}

/**
 * qs_domain_forget_mirrors:
 * @snapshot: uuid
 */
void
qs_domain_forget_mirrors (QsDomain *domain, const char *snapshot)
{
  for (guint i = domain->mirrors->len; i > 0; i--)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i - 1);

      if (g_str_equal (mirror->snapshot, snapshot))
        g_ptr_array_remove_index (domain->mirrors, i - 1);
    }
}

/**
 * qs_domain_find_mirror:
 * @path: of its file
 *
 * Returns: (transfer none) (nullable): live or not
 */
const QsMirror *
qs_domain_find_mirror (const QsDomain *domain, const char *path)
{
  guint index;

  return find_path (domain, path, &index) ? g_ptr_array_index (domain->mirrors, index) : NULL;
}

/**
 * qs_domain_live_mirror:
 * @target: (nullable): NULL: of any disk
 *
 * Returns: (transfer none) (nullable): the first that is kept equal to the disk
 */
const QsMirror *
qs_domain_live_mirror (const QsDomain *domain, const char *target)
{
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (qs_mirror_is_live (mirror) && (target == NULL || g_str_equal (mirror->target, target)))
        return mirror;
    }
  return NULL;
}

/**
 * qs_domain_snapshot_mirror:
 * @snapshot: uuid
 * @target: (nullable): NULL: of any disk
 *
 * Returns: (transfer none) (nullable): the first that was asked for with the snapshot, live or not
 */
const QsMirror *
qs_domain_snapshot_mirror (const QsDomain *domain, const char *snapshot, const char *target)
{
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (g_str_equal (mirror->snapshot, snapshot)
          && (target == NULL || g_str_equal (mirror->target, target)))
        return mirror;
    }
  return NULL;
}

/**
 * qs_change_mirror:
 * @arguments: of a MIRROR, which must outlive @mirror
 * @mirror: (out): not to be freed
 */
void
qs_change_mirror (GVariant *arguments, QsMirror *mirror)
{
  *mirror = (QsMirror){
    .target = (char *)qs_change_string (arguments, "target"),
    .path = (char *)qs_change_string (arguments, "path"),
    .format = (char *)qs_change_string (arguments, "format"),
    .snapshot = (char *)qs_change_string (arguments, "snapshot"),
    .job = (char *)qs_change_string (arguments, "job"),
    .node = (char *)qs_change_string (arguments, "node"),
  };
}
