/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

/* a domain while its rows are gathered */
typedef struct
{
  QsDomain *domain;
  char *current;
  GPtrArray *snapshots;
} Loading;

typedef struct
{
  GHashTable *by_id; /* id → Loading, both owned by it */
  GPtrArray *in_order;
  GPtrArray *domains;
} Load;

static void
loading_free (Loading *loading)
{
  qs_domain_unref (loading->domain);
  g_free (loading->current);
  g_ptr_array_unref (loading->snapshots);
  g_free (loading);
}

typedef gboolean (*TakeFunc) (Load *load, sqlite3_stmt *row, GError **error);

static gboolean
take_rows (QsDb *db, QsSql id, TakeFunc take, Load *load, GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, id, "");
  QsDbResult result;

  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    if (!take (load, row, error))
      {
        sqlite3_reset (row);
        return FALSE;
      }
  return result == QS_DB_DONE;
}

static Loading *
find (Load *load, const char *id, GError **error)
{
  Loading *loading = g_hash_table_lookup (load->by_id, id);

  if (loading == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "a row belongs to no domain: ‘%s’", id);
  return loading;
}

static char *
column_string (sqlite3_stmt *row, int column)
{
  const char *text = qs_db_text (row, column);

  return *text != '\0' ? g_strdup (text) : NULL;
}

static gboolean
column_enum (sqlite3_stmt *row, int column, QsEnum type, guint *value, GError **error)
{
  const char *word = qs_db_text (row, column);

  if (qs_enum_from_string (type, word, value))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "‘%s’ is an unknown %s", word,
               sqlite3_column_name (row, column));
  return FALSE;
}

static gboolean
take_definition (Load *load, sqlite3_stmt *row, GError **error)
{
  const char *id = qs_db_text (row, 0);
  QsDomainDef *def = qs_domain_def_new_record (qs_db_text (row, 2), error);
  Loading *loading;

  if (def == NULL)
    {
      g_prefix_error (error, "the definition of domain ‘%s’: ", id);
      return FALSE;
    }
  loading = g_hash_table_lookup (load->by_id, id);
  if (loading == NULL)
    {
      loading = g_new0 (Loading, 1);
      loading->domain = qs_domain_new (id, 0, def);
      loading->snapshots = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_unref);
      g_hash_table_insert (load->by_id, loading->domain->id, loading);
    }
  /* rows come with the one for the next start first */
  if (sqlite3_column_int (row, 1) == 0)
    qs_domain_def_unref (def);
  else
    loading->domain->live_def = def;
  return TRUE;
}

static void
take_process (QsDomain *domain, sqlite3_stmt *row)
{
  gint64 pid = sqlite3_column_int64 (row, 6);

  if (pid != 0)
    domain->process =
        qs_process_new (pid, (guint64)sqlite3_column_int64 (row, 7), qs_db_text (row, 8),
                        qs_db_text (row, 9), qs_db_text (row, 10));
}

static gboolean
take_domain (Load *load, sqlite3_stmt *row, GError **error)
{
  Loading *loading = find (load, qs_db_text (row, 0), error);
  QsDomain *domain;
  guint state;

  if (loading == NULL || !column_enum (row, 5, QS_ENUM_DOMAIN_STATE, &state, error))
    return FALSE;
  domain = loading->domain;
  g_free (domain->uuid);
  g_free (domain->name);
  domain->owner = (guint32)sqlite3_column_int64 (row, 1);
  domain->uuid = column_string (row, 2);
  domain->name = column_string (row, 3);
  domain->rev = (guint64)sqlite3_column_int64 (row, 4);
  domain->state = state;
  take_process (domain, row);
  loading->current = g_strdup (qs_db_text (row, 11));
  domain->quarantine_reason = column_string (row, 12);
  g_ptr_array_add (load->in_order, loading);
  return TRUE;
}

static gboolean
take_attachment (Load *load, sqlite3_stmt *row, GError **error)
{
  Loading *loading = find (load, qs_db_text (row, 0), error);

  if (loading == NULL)
    return FALSE;
  loading->domain->attachment = qs_attachment_new (qs_db_text (row, 1), qs_db_text (row, 2),
                                                   sqlite3_column_int (row, 3) == QS_STABLE_PATH_ON,
                                                   sqlite3_column_int (row, 4) != 0);
  loading->domain->attachment->hindered = sqlite3_column_int (row, 3) == QS_STABLE_PATH_HINDERED;
  return TRUE;
}

static gboolean
take_active (Load *load, sqlite3_stmt *row, GError **error)
{
  Loading *loading = find (load, qs_db_text (row, 0), error);

  if (loading == NULL)
    return FALSE;
  qs_domain_put_active (loading->domain, qs_db_text (row, 1), qs_db_text (row, 2),
                        qs_db_text (row, 3), qs_db_text (row, 4));
  return TRUE;
}

static gboolean
take_mirror (Load *load, sqlite3_stmt *row, GError **error)
{
  Loading *loading = find (load, qs_db_text (row, 0), error);
  const QsMirror mirror = { .target = (char *)qs_db_text (row, 1),
                            .path = (char *)qs_db_text (row, 2),
                            .format = (char *)qs_db_text (row, 3),
                            .snapshot = (char *)qs_db_text (row, 4),
                            .job = (char *)qs_db_text (row, 5),
                            .node = (char *)qs_db_text (row, 6),
                            .reason = (char *)qs_db_text (row, 7) };

  if (loading == NULL)
    return FALSE;
  qs_domain_put_mirror (loading->domain, &mirror);
  return TRUE;
}

static gboolean
take_snapshot (Load *load, sqlite3_stmt *row, GError **error)
{
  Loading *loading = find (load, qs_db_text (row, 0), error);
  guint state, kind, memory, origin;
  QsSnapshot values;

  if (loading == NULL || !column_enum (row, 7, QS_ENUM_SNAPSHOT_STATE, &state, error)
      || !column_enum (row, 8, QS_ENUM_KIND, &kind, error)
      || !column_enum (row, 9, QS_ENUM_LOCATION, &memory, error)
      || !column_enum (row, 10, QS_ENUM_ORIGIN, &origin, error))
    return FALSE;
  values = (QsSnapshot){
    .uuid = qs_db_text (row, 1),
    .name = qs_db_text (row, 2),
    .parent = qs_db_text (row, 3),
    .description = qs_db_text (row, 4),
    .created = sqlite3_column_int64 (row, 5),
    .rev = (guint64)sqlite3_column_int64 (row, 6),
    .state = state,
    .kind = kind,
    .memory = memory,
    .origin = origin,
    .unverified = sqlite3_column_int (row, 11) != 0,
    .has_tip = sqlite3_column_int (row, 12) != 0,
    .freeze_time = (guint64)sqlite3_column_int64 (row, 13),
    .quiesced = sqlite3_column_int (row, 14) != 0,
  };
  g_ptr_array_add (loading->snapshots, qs_snapshot_new (&values));
  return TRUE;
}

static const struct
{
  QsSql id;
  TakeFunc take;
} tables[] = {
  { QS_SQL_DEFINITION_LIST, take_definition }, { QS_SQL_DOMAIN_LIST, take_domain },
  { QS_SQL_ATTACHMENT_LIST, take_attachment }, { QS_SQL_ACTIVE_LIST, take_active },
  { QS_SQL_SNAPSHOT_LIST, take_snapshot },     { QS_SQL_MIRROR_LIST, take_mirror },
};

static void
finish (Load *load)
{
  for (guint i = 0; i < load->in_order->len; i++)
    {
      Loading *loading = g_ptr_array_index (load->in_order, i);

      qs_tree_unref (loading->domain->tree);
      loading->domain->tree = qs_tree_new_full (loading->snapshots, loading->current);
      g_ptr_array_add (load->domains, qs_domain_ref (loading->domain));
    }
}

static gboolean
load_domains (QsDb *db, gpointer data, GError **error)
{
  g_autoptr (GHashTable) by_id =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)loading_free);
  g_autoptr (GPtrArray) in_order = g_ptr_array_new ();
  Load load = { .by_id = by_id, .in_order = in_order, .domains = data };

  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    if (!take_rows (db, tables[i].id, tables[i].take, &load, error))
      return FALSE;
  finish (&load);
  return TRUE;
}

/**
 * qs_store_load_domains:
 *
 * Documents of snapshots are not read: the time this takes does not grow with their size.
 *
 * Returns: (transfer full) (element-type QsDomain): with their trees, in the order of their making
 */
GPtrArray *
qs_store_load_domains (QsStore *store, GError **error)
{
  g_autoptr (GPtrArray) domains = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_domain_unref);

  if (!qs_store_read (store, load_domains, domains, error))
    return NULL;
  return g_steal_pointer (&domains);
}
