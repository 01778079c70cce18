/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-lists.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-properties.h"

/* what names take is not known before they are listed; a path is as long as this, or longer */
#define LEAST_PATH_BYTES 110

/* the children of the current snapshot where no name is given */
static const QsSnapshot *
find_parent (const QsDomain *domain, const char *name, GError **error)
{
  const QsSnapshot *snapshot =
      *name == '\0' ? qs_tree_get_current (domain->tree) : qs_tree_lookup_name (domain->tree, name);

  if (snapshot == NULL && *name == '\0')
    g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "no snapshot is current");
  else if (snapshot == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "the domain has no snapshot ‘%s’", name);
  return snapshot;
}

/**
 * qs_lists_find:
 * @scope: what @name means
 *
 * Returns: (transfer full) (element-type QsSnapshot): as qs_tree_list()
 */
GPtrArray *
qs_lists_find (const QsRead *read, QsListScope scope, const char *name, guint flags, GError **error)
{
  const QsSnapshot *parent = read->snapshot;

  if (!qs_flags_check (&qs_list_flag_set, flags, error))
    return NULL;
  if (scope == QS_SCOPE_DOMAIN)
    return qs_tree_list (read->domain->tree, "", flags);
  if (scope == QS_SCOPE_CHILDREN_OF)
    parent = find_parent (read->domain, name, error);
  if (parent == NULL)
    return NULL;
  return qs_tree_list (read->domain->tree, parent->uuid, flags);
}

GVariant *
qs_lists_paths (const QsRead *read, GPtrArray *list, GError **error)
{
  GVariantBuilder builder;

  if (list == NULL)
    return NULL;
  if (list->len > QS_MAX_REPLY_BYTES / LEAST_PATH_BYTES)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                           "too many snapshots for one answer, use GetSnapshots");
      return NULL;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
  for (guint i = 0; i < list->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (list, i);
      g_autofree char *path = qs_object_path_snapshot (read->domain->id, snapshot->uuid);

      g_variant_builder_add (&builder, "o", path);
    }
  return g_variant_new ("(ao)", &builder);
}

GVariant *
qs_lists_names (GPtrArray *list)
{
  GVariantBuilder builder;

  if (list == NULL)
    return NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < list->len; i++)
    g_variant_builder_add (&builder, "s", ((QsSnapshot *)g_ptr_array_index (list, i))->name);
  return g_variant_new ("(as)", &builder);
}

GVariant *
qs_lists_count (GPtrArray *list)
{
  return list != NULL ? g_variant_new ("(u)", list->len) : NULL;
}

static void
add_row (GVariantBuilder *rows, const QsRead *read, const QsSnapshot *snapshot)
{
  QsSubject subject = { .domain = read->domain, .snapshot = snapshot };
  g_autofree char *path = qs_object_path_snapshot (read->domain->id, snapshot->uuid);

  g_variant_builder_add (rows, "(o@a{sv})", path,
                         qs_properties_get_all (QS_OBJECT_SNAPSHOT, &subject));
}

/* the reply of GetSnapshots */
GVariant *
qs_lists_page (const QsRead *read, GPtrArray *list, guint offset, guint limit)
{
  GVariantBuilder rows;
  guint end;

  if (list == NULL)
    return NULL;
  offset = MIN (offset, list->len);
  end = offset + MIN (limit, list->len - offset);
  g_variant_builder_init (&rows, G_VARIANT_TYPE ("a(oa{sv})"));
  for (guint i = offset; i < end; i++)
    add_row (&rows, read, g_ptr_array_index (list, i));
  return g_variant_new ("(a(oa{sv})ut)", &rows, list->len, read->domain->rev);
}
