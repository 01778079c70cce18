/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-operation.h"
#include "ctl-output.h"
#include "ctl-rows.h"
#include "qs-error.h"
#include "qs-flags.h"

static const char *const exclusive[][2] = {
  { "from", "current" }, { "roots", "from" },  { "roots", "current" }, { "roots", "tree" },
  { "parent", "roots" }, { "parent", "tree" }, { "parent", "name" },   { "tree", "name" },
  { "tree", "json" },    { "name", "json" },   { NULL, NULL },
};

static const char *
get_word (const QsCtlRow *row, const char *key)
{
  const char *word = "";

  g_variant_lookup (row->properties, key, "&s", &word);
  return word;
}

/* the snapshot that the list starts at, "" if it is the whole domain */
static char *
find_start (QsCtl *ctl, const QsCtlArguments *arguments, const char *domain, GError **error)
{
  const char *from = qs_ctl_arguments_get (arguments, "from");
  g_autofree char *path = NULL;

  if (!qs_ctl_arguments_has (arguments, "current"))
    return g_strdup (from != NULL ? from : "");
  path = qs_ctl_find_current (ctl, domain, error);
  return path != NULL ? qs_ctl_get_string (ctl, path, "DomainSnapshot.Name", error) : NULL;
}

/* a tree from a snapshot shows that one too */
static gboolean
add_start (QsCtl *ctl, const char *domain, const char *start, GPtrArray *rows, GError **error)
{
  g_autoptr (GVariant) reply =
      qs_ctl_call (ctl, domain, "Domain.SnapshotLookup", g_variant_new ("(s)", start), error);
  g_autoptr (GVariant) properties = NULL;
  const char *path;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(&o)", &path);
  properties = qs_ctl_get_properties (ctl, path, "DomainSnapshot", error);
  if (properties == NULL)
    return FALSE;
  g_ptr_array_add (rows, qs_ctl_row_new (path, properties));
  return TRUE;
}

static GPtrArray *
get_rows (QsCtl *ctl, const QsCtlArguments *arguments, GError **error)
{
  g_autofree char *domain = qs_ctl_find_domain (ctl, arguments, error);
  gboolean is_tree = qs_ctl_arguments_has (arguments, "tree");
  guint flags = arguments->flags;
  g_autofree char *start = NULL;
  g_autoptr (GPtrArray) rows = NULL;

  if (domain != NULL)
    start = find_start (ctl, arguments, domain, error);
  if (start == NULL)
    return NULL;
  if (*start != '\0' && is_tree)
    flags |= QS_LIST_DESCENDANTS;
  rows = qs_ctl_rows_get (ctl, domain, start, flags, error);
  if (rows == NULL || (*start != '\0' && is_tree && !add_start (ctl, domain, start, rows, error)))
    return NULL;
  if ((flags & QS_LIST_TOPOLOGICAL) == 0)
    qs_ctl_rows_sort (rows);
  return g_steal_pointer (&rows);
}

/* names by path; those of parents that are not in the list are asked for */
static const char *
find_parent_name (QsCtl *ctl, GHashTable *names, const QsCtlRow *row)
{
  char *name = g_hash_table_lookup (names, row->parent);

  if (name != NULL)
    return name;
  if (!g_str_equal (row->parent, "/"))
    name = qs_ctl_get_string (ctl, row->parent, "DomainSnapshot.Name", NULL);
  if (name == NULL)
    name = g_strdup ("");
  g_hash_table_insert (names, g_strdup (row->parent), name);
  return name;
}

static GHashTable *
index_names (const GPtrArray *rows)
{
  GHashTable *names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; i < rows->len; i++)
    {
      const QsCtlRow *row = g_ptr_array_index (rows, i);

      g_hash_table_insert (names, g_strdup (row->path), g_strdup (row->name));
    }
  return names;
}

/* @names: (nullable): with a column for the parent */
static void
add_row (QsCtl *ctl, QsCtlTable *table, const QsCtlRow *row, GHashTable *names)
{
  guint64 microseconds = 0;
  g_autofree char *time = NULL;
  const char *cells[] = { row->name, NULL, get_word (row, "State"), NULL };

  g_variant_lookup (row->properties, "CreationTime", "t", &microseconds);
  time = qs_ctl_format_time (microseconds);
  cells[1] = time;
  if (names != NULL)
    cells[3] = find_parent_name (ctl, names, row);
  qs_ctl_table_add (table, cells);
}

static void
print_table (QsCtl *ctl, const QsCtlArguments *arguments, const GPtrArray *rows)
{
  static const char *const header[] = { "Name", "Creation Time", "State", NULL };
  static const char *const with_parent[] = { "Name", "Creation Time", "State", "Parent", NULL };
  gboolean has_parent = qs_ctl_arguments_has (arguments, "parent");
  g_autoptr (QsCtlTable) table = qs_ctl_table_new (has_parent ? with_parent : header);
  g_autoptr (GHashTable) names = has_parent ? index_names (rows) : NULL;

  for (guint i = 0; i < rows->len; i++)
    add_row (ctl, table, g_ptr_array_index (rows, i), names);
  qs_ctl_print_table (table, ctl->quiet);
}

static void
print_json (const GPtrArray *rows)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < rows->len; i++)
    {
      const QsCtlRow *row = g_ptr_array_index (rows, i);

      g_variant_builder_add_value (&builder, qs_ctl_add_path (row->properties, row->path));
    }
  qs_ctl_print_json (g_variant_builder_end (&builder));
}

static void
print_rows (QsCtl *ctl, const QsCtlArguments *arguments, const GPtrArray *rows)
{
  g_autofree char *tree = NULL;

  if (qs_ctl_arguments_has (arguments, "json"))
    print_json (rows);
  else if (qs_ctl_arguments_has (arguments, "tree"))
    {
      tree = qs_ctl_rows_format_tree (rows);
      qs_ctl_print_document (tree);
    }
  else if (!qs_ctl_arguments_has (arguments, "name"))
    print_table (ctl, arguments, rows);
  else
    for (guint i = 0; i < rows->len; i++)
      qs_ctl_print ("%s", ((const QsCtlRow *)g_ptr_array_index (rows, i))->name);
}

static gboolean
run_list (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  g_autoptr (GPtrArray) rows = NULL;

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error))
    return FALSE;
  if (qs_ctl_arguments_has (arguments, "descendants") && !qs_ctl_arguments_has (arguments, "from")
      && !qs_ctl_arguments_has (arguments, "current"))
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                           "--descendants requires either --from or --current");
      return FALSE;
    }
  rows = get_rows (ctl, arguments, error);
  if (rows == NULL)
    return FALSE;
  print_rows (ctl, arguments, rows);
  return TRUE;
}

static const QsCtlOption list_options[] = {
  QS_CTL_DOMAIN,
  { .name = "from",
    .kind = QS_CTL_STRING,
    .subject = QS_CTL_SNAPSHOT_NAME,
    .value = "snapshot",
    .help = "list the children of this snapshot" },
  { .name = "current", .help = "list the children of the current snapshot" },
  { .name = "descendants",
    .flag = QS_LIST_DESCENDANTS,
    .help = "with --from or --current: all below, not only children" },
  { .name = "roots", .flag = QS_LIST_ROOTS, .help = "only those without a parent" },
  { .name = "leaves", .flag = QS_LIST_LEAVES, .help = "only those without children" },
  { .name = "no-leaves", .flag = QS_LIST_NO_LEAVES, .help = "only those with children" },
  { .name = "metadata", .flag = QS_LIST_METADATA, .help = "only those that are recorded: all" },
  { .name = "no-metadata",
    .flag = QS_LIST_NO_METADATA,
    .help = "only those without a record: none" },
  { .name = "inactive", .flag = QS_LIST_INACTIVE, .help = "only those taken while it was off" },
  { .name = "active", .flag = QS_LIST_ACTIVE, .help = "only those with memory" },
  { .name = "disk-only",
    .flag = QS_LIST_DISK_ONLY,
    .help = "only those taken while it ran, without memory" },
  { .name = "internal", .flag = QS_LIST_INTERNAL, .help = "only internal ones" },
  { .name = "external", .flag = QS_LIST_EXTERNAL, .help = "only external ones" },
  { .name = "mixed", .flag = QS_LIST_MIXED, .help = "only those that are partly both" },
  { .name = "topological", .flag = QS_LIST_TOPOLOGICAL, .help = "parents first, not by name" },
  { .name = "parent", .help = "also the name of the parent" },
  { .name = "name", .help = "print names only" },
  { .name = "tree", .help = "print the tree" },
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_snapshot_list_commands[] = {
  { "snapshot-list", "list the snapshots of a domain",
    "Options of one group (inactive, active, disk-only; internal, external, mixed; leaves, "
    "no-leaves) add up; between groups a snapshot has to pass all.",
    list_options, run_list },
  { NULL },
};
