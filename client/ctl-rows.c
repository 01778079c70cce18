/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-rows.h"

#include <string.h>

#include "ctl-tree.h"
#include "qs-error.h"
#include "qs-limits.h"

/* how often a list is begun anew because the domain changed between two pages */
#define ATTEMPTS 10

typedef struct
{
  GPtrArray *rows;
  guint total;
  guint64 revision;
} Pages;

/**
 * qs_ctl_row_new:
 * @properties: (transfer none): a{sv}
 */
QsCtlRow *
qs_ctl_row_new (const char *path, GVariant *properties)
{
  QsCtlRow *row = g_new0 (QsCtlRow, 1);

  row->path = g_strdup (path);
  row->properties = g_variant_ref (properties);
  if (!g_variant_lookup (properties, "Parent", "o", &row->parent))
    row->parent = g_strdup ("/");
  if (!g_variant_lookup (properties, "Name", "s", &row->name))
    row->name = g_strdup ("");
  return row;
}

void
qs_ctl_row_free (QsCtlRow *row)
{
  g_free (row->path);
  g_free (row->parent);
  g_free (row->name);
  g_variant_unref (row->properties);
  g_free (row);
}

/* @page: a(oa{sv}) */
static void
take_page (Pages *pages, GVariant *page)
{
  for (gsize i = 0; i < g_variant_n_children (page); i++)
    {
      g_autoptr (GVariant) properties = NULL;
      const char *path;

      g_variant_get_child (page, i, "(&o@a{sv})", &path, &properties);
      g_ptr_array_add (pages->rows, qs_ctl_row_new (path, properties));
    }
}

/* @query: (su), from where and the flags; *is_last: no page follows */
static gboolean
get_page (QsCtl *ctl, const char *domain, GVariant *query, Pages *pages, gboolean *is_last,
          GError **error)
{
  guint64 before = pages->revision;
  guint offset = pages->rows->len, flags;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) page = NULL;
  const char *from;

  g_variant_get (query, "(&su)", &from, &flags);
  reply = qs_ctl_call (ctl, domain, "Domain.GetSnapshots",
                       g_variant_new ("(suuu)", from, flags, offset, QS_MAX_PAGE_ROWS), error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(@a(oa{sv})ut)", &page, &pages->total, &pages->revision);
  if (offset > 0 && before != pages->revision)
    g_ptr_array_set_size (pages->rows, 0);
  else
    take_page (pages, page);
  *is_last = pages->rows->len >= pages->total
             || (g_variant_n_children (page) == 0 && before == pages->revision);
  return TRUE;
}

static gboolean
get_pages (QsCtl *ctl, const char *domain, GVariant *query, Pages *pages, GError **error)
{
  guint attempts = 0;
  gboolean is_last = FALSE;

  while (!is_last)
    {
      if (pages->rows->len == 0 && attempts++ == ATTEMPTS)
        {
          g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED,
                               "the snapshots change faster than they can be listed");
          return FALSE;
        }
      if (!get_page (ctl, domain, query, pages, &is_last, error))
        return FALSE;
    }
  return TRUE;
}

/**
 * qs_ctl_rows_get:
 * @domain: path of the domain
 * @from: name of a snapshot whose children are listed, or "": the whole domain
 *
 * Returns: (transfer full) (element-type QsCtlRow): one consistent list, however long
 */
GPtrArray *
qs_ctl_rows_get (QsCtl *ctl, const char *domain, const char *from, guint flags, GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_ctl_row_free);
  g_autoptr (GVariant) query = g_variant_ref_sink (g_variant_new ("(su)", from, flags));
  Pages pages = { rows, 0, 0 };

  return get_pages (ctl, domain, query, &pages, error) ? g_steal_pointer (&rows) : NULL;
}

static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  const QsCtlRow *first = *(const QsCtlRow *const *)a;
  const QsCtlRow *second = *(const QsCtlRow *const *)b;
  int order = g_ascii_strcasecmp (first->name, second->name);

  return order != 0 ? order : strcmp (first->name, second->name);
}

/**
 * qs_ctl_rows_sort:
 *
 * By name, as virsh does it.
 */
void
qs_ctl_rows_sort (GPtrArray *rows)
{
  g_ptr_array_sort (rows, compare_rows);
}

/**
 * qs_ctl_rows_format_tree:
 *
 * Returns: (transfer full): the tree; a snapshot whose parent is not in the list is a root
 */
char *
qs_ctl_rows_format_tree (const GPtrArray *rows)
{
  g_autoptr (GHashTable) indices = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree QsCtlNode *nodes = g_new (QsCtlNode, rows->len);

  for (guint i = 0; i < rows->len; i++)
    {
      QsCtlRow *row = g_ptr_array_index (rows, i);

      g_hash_table_insert (indices, row->path, GUINT_TO_POINTER (i + 1));
    }
  for (guint i = 0; i < rows->len; i++)
    {
      QsCtlRow *row = g_ptr_array_index (rows, i);
      guint index = GPOINTER_TO_UINT (g_hash_table_lookup (indices, row->parent));

      nodes[i].name = row->name;
      nodes[i].parent = (int)index - 1;
    }
  return qs_ctl_tree_format (nodes, rows->len);
}
