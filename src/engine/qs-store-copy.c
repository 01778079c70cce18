/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include <json-glib/json-glib.h>

/* each becomes an array of its rows */
static const struct
{
  const char *name;
  QsSql id;
} tables[] = {
  { "domain", QS_SQL_COPY_DOMAIN },
  { "definition", QS_SQL_COPY_DEFINITION },
  { "attachment", QS_SQL_COPY_ATTACHMENT },
  { "active", QS_SQL_COPY_ACTIVE },
  { "file", QS_SQL_COPY_FILE },
  { "file_mode", QS_SQL_COPY_FILE_MODE },
  { "snapshot", QS_SQL_COPY_SNAPSHOT },
  { "document", QS_SQL_COPY_DOCUMENT },
  { "snap_file", QS_SQL_COPY_SNAP_FILE },
  { "quiesce", QS_SQL_COPY_QUIESCE },
  { "tip", QS_SQL_COPY_TIP },
  { "mirror", QS_SQL_COPY_MIRROR },
  { "tombstone", QS_SQL_COPY_TOMBSTONE },
};

static void
add_column (JsonBuilder *builder, sqlite3_stmt *row, int column)
{
  const char *name = sqlite3_column_name (row, column);

  /* a matter of the file alone */
  if (g_str_equal (name, "hash"))
    return;
  json_builder_set_member_name (builder, name);
  switch (sqlite3_column_type (row, column))
    {
    case SQLITE_INTEGER:
      json_builder_add_int_value (builder, sqlite3_column_int64 (row, column));
      break;
    case SQLITE_TEXT:
      json_builder_add_string_value (builder, qs_db_text (row, column));
      break;
    default:
      json_builder_add_null_value (builder);
    }
}

static gboolean
add_table (JsonBuilder *builder, QsDb *db, guint table, const char *domain, GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, tables[table].id, "s", domain);
  QsDbResult result;

  json_builder_set_member_name (builder, tables[table].name);
  json_builder_begin_array (builder);
  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    {
      json_builder_begin_object (builder);
      for (int column = 0; column < sqlite3_column_count (row); column++)
        add_column (builder, row, column);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  return result == QS_DB_DONE;
}

static char *
copy_tables (QsDb *db, const char *domain, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    if (!add_table (builder, db, i, domain, error))
      return NULL;
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

/**
 * qs_copy_head:
 *
 * Returns: (transfer full): what the copy of a domain of that revision begins with
 */
char *
qs_copy_head (gint64 rev)
{
  return g_strdup_printf ("{\"format\":1,\"seqno\":%" G_GINT64_FORMAT ",", rev);
}

static gboolean
get_rev (QsDb *db, const char *domain, char **rev, GError **error)
{
  return qs_db_get_text (db, rev, error, QS_SQL_DOMAIN_GET_REV, "s", domain);
}

/**
 * qs_db_copy_domain:
 *
 * Returns: (transfer full) (nullable): all rows of the domain as JSON, with their SHA-256; NULL with
 *   @error not set if there is no such domain
 */
char *
qs_db_copy_domain (QsDb *db, const char *domain, GError **error)
{
  g_autofree char *rev = NULL;
  g_autofree char *head = NULL;
  g_autofree char *content = NULL;
  g_autofree char *sum = NULL;

  if (!get_rev (db, domain, &rev, error) || rev == NULL)
    return NULL;
  content = copy_tables (db, domain, error);
  if (content == NULL)
    return NULL;
  head = qs_copy_head (g_ascii_strtoll (rev, NULL, 10));
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, content, -1);
  return g_strconcat (head, "\"sha256\":\"", sum, "\",\"content\":", content, "}\n", NULL);
}
