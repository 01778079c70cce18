/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-db.h"

#include "qs-error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THOROUGH_BYTES (64 * 1024 * 1024)
#define HEADER_BYTES 100
#define HEADER_MAGIC "SQLite format 3"
#define HEADER_PAGE_SIZE 16
#define HEADER_PAGE_COUNT 28
#define HEADER_APPLICATION_ID 68

/* FNV-1a: each step is a bijection, so one changed byte always changes the sum */
static guint64
hash_bytes (guint64 hash, gconstpointer data, gsize length)
{
  const guint8 *bytes = data;

  for (gsize i = 0; i < length; i++)
    hash = (hash ^ bytes[i]) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash;
}
#define HASH_START G_GUINT64_CONSTANT (0xcbf29ce484222325)

static guint64
hash_value (guint64 hash, sqlite3_value *value)
{
  guint8 type = (guint8)sqlite3_value_type (value);

  hash = hash_bytes (hash, &type, sizeof type);
  if (type == SQLITE_INTEGER)
    {
      gint64 number = GINT64_TO_LE (sqlite3_value_int64 (value));

      return hash_bytes (hash, &number, sizeof number);
    }
  if (type == SQLITE_TEXT)
    {
      const void *text = sqlite3_value_text (value);
      gint64 length = sqlite3_value_bytes (value);
      gint64 stored = GINT64_TO_LE (length);

      return hash_bytes (hash_bytes (hash, &stored, sizeof stored), text, (gsize)length);
    }
  return hash;
}

static void
row_hash (sqlite3_context *context, int n_values, sqlite3_value **values)
{
  guint64 hash = HASH_START;

  for (int i = 0; i < n_values; i++)
    hash = hash_value (hash, values[i]);
  sqlite3_result_int64 (context, (gint64)hash);
}

/**
 * qs_db_add_functions:
 *
 * row_hash (column, …): what the `hash` of every row is made with.
 */
gboolean
qs_db_add_functions (sqlite3 *sqlite)
{
  return sqlite3_create_function (sqlite, "row_hash", -1,
                                  SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                  row_hash, NULL, NULL)
         == SQLITE_OK;
}

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error_literal (error, QS_ERROR, QS_ERROR_DEGRADED, why);
  return FALSE;
}

static guint32
header_number (const guint8 *header, guint offset)
{
  guint32 number;

  memcpy (&number, header + offset, sizeof number);
  return GUINT32_FROM_BE (number);
}

static gboolean
check_header (const guint8 *header, gsize length, GError **error)
{
  if (length < HEADER_BYTES || memcmp (header, HEADER_MAGIC, sizeof HEADER_MAGIC) != 0)
    return refuse (error, "it is damaged: this is no SQLite database");
  if (header_number (header, HEADER_APPLICATION_ID) != QS_STORE_APPLICATION_ID)
    return refuse (error, "it belongs to another program");
  return TRUE;
}

/* with a log left by a crash the file may rightly be shorter; SQLite fills up a short page silently */
static gboolean
check_size (QsDb *db, const guint8 *header, gint64 size, GError **error)
{
  gint64 page_bytes = (header[HEADER_PAGE_SIZE] << 8) | header[HEADER_PAGE_SIZE + 1];
  struct stat log;

  if (page_bytes == 1)
    page_bytes = 65536;
  if (fstatat (db->folder_fd, QS_STORE_FILE "-wal", &log, AT_SYMLINK_NOFOLLOW) == 0
      && log.st_size > 0)
    return TRUE;
  return size == page_bytes * header_number (header, HEADER_PAGE_COUNT)
         || refuse (error, "it is damaged: it is not as long as it was");
}

/**
 * qs_db_check_header:
 *
 * Looks at the first bytes before SQLite is let near the file.
 */
gboolean
qs_db_check_header (QsDb *db, GError **error)
{
  guint8 header[HEADER_BYTES];
  struct stat info;
  gssize length = -1;
  int fd = openat (db->folder_fd, QS_STORE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode))
    length = pread (fd, header, sizeof header, 0);
  if (fd >= 0)
    close (fd);
  if (length < 0)
    return refuse (error, "it cannot be read");
  return check_header (header, (gsize)length, error)
         && check_size (db, header, info.st_size, error);
}

/* the first column of the first row; "" if there is none */
static char *
query_text (sqlite3 *sqlite, const char *sql, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int code = sqlite3_prepare_v2 (sqlite, sql, -1, &statement, NULL);

  if (code == SQLITE_OK)
    code = sqlite3_step (statement);
  if (code == SQLITE_ROW && qs_db_text (statement, 0) != NULL)
    return g_strdup (qs_db_text (statement, 0));
  if (code == SQLITE_DONE)
    return g_strdup ("");
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "it is damaged: %s", sqlite3_errmsg (sqlite));
  return NULL;
}

/**
 * qs_db_schema_hash:
 *
 * Over the text of tables, indices and triggers: a flipped bit in a trigger would stay unseen else.
 */
guint64
qs_db_schema_hash (sqlite3 *sqlite)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  guint64 hash = HASH_START;

  if (sqlite3_prepare_v2 (sqlite,
                          "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                          "WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
                          -1, &statement, NULL)
      != SQLITE_OK)
    return 0;
  while (sqlite3_step (statement) == SQLITE_ROW)
    for (int i = 0; i < 4; i++)
      hash = hash_value (hash, sqlite3_column_value (statement, i));
  return hash;
}

static gboolean
check_schema (QsDb *db, GError **error)
{
  g_autofree char *found =
      g_strdup_printf ("%016" G_GINT64_MODIFIER "x", qs_db_schema_hash (db->sqlite));
  g_autofree char *recorded =
      query_text (db->sqlite, "SELECT value FROM meta WHERE key = 'schema-hash'", error);

  if (recorded == NULL)
    return FALSE;
  return g_str_equal (recorded, found) || refuse (error, "it is damaged: its schema was changed");
}

static gboolean
check_version (QsDb *db, guint *version, GError **error)
{
  g_autofree char *text =
      query_text (db->sqlite, "SELECT value FROM meta WHERE key = 'schema'", error);
  guint64 found;

  if (text == NULL)
    return FALSE;
  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT, &found, NULL))
    return refuse (error, "it is damaged: it has no schema version");
  if (found > QS_STORE_VERSION)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED,
                   "it was written by a newer snapshotd (schema %s, this one knows %d); install "
                   "that one again",
                   text, QS_STORE_VERSION);
      return FALSE;
    }
  *version = (guint)found;
  return TRUE;
}

/* the thorough check looks up every row in every index, which for a huge store is too much to do at
   each start */
static const char *
choose_check (QsDb *db)
{
  struct stat info;

  if (fstatat (db->folder_fd, QS_STORE_FILE, &info, AT_SYMLINK_NOFOLLOW) == 0
      && info.st_size <= THOROUGH_BYTES)
    return "PRAGMA integrity_check (1)";
  return "PRAGMA quick_check (1)";
}

static gboolean
check_rows (QsDb *db, guint version, GError **error)
{
  g_autofree char *pages = query_text (db->sqlite, choose_check (db), error);
  g_autofree char *table = NULL;

  if (pages == NULL)
    return FALSE;
  if (!g_str_equal (pages, "ok"))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "it is damaged: %s", pages);
      return FALSE;
    }
  table = query_text (db->sqlite, qs_sql_verify[version - 1], error);
  if (table == NULL)
    return FALSE;
  if (*table == '\0')
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED,
               "it is damaged: a row of ‘%s’ is not as it was written", table);
  return FALSE;
}

/* what a failed or unwanted upgrade can be taken back with */
static gboolean
keep_old_version (QsDb *db, guint version, GError **error)
{
  g_autofree char *name = g_strdup_printf ("pre-migrate-%u.db", version);
  g_autofree char *path = g_build_filename (db->folder, name, NULL);

  return qs_db_vacuum_into (db, path, error);
}

/**
 * qs_db_check_content:
 *
 * Reads all pages and rows but the documents of snapshots, and brings an older schema up to date.
 * Nothing is written before all is known to be good.
 */
gboolean
qs_db_check_content (QsDb *db, GError **error)
{
  guint version;

  if (!qs_db_exec (db->sqlite, "PRAGMA query_only = ON", error)
      || !check_version (db, &version, error) || !check_schema (db, error)
      || !check_rows (db, version, error)
      || !qs_db_exec (db->sqlite, "PRAGMA query_only = OFF", error))
    return FALSE;
  return version == QS_STORE_VERSION
         || (keep_old_version (db, version, error) && qs_db_upgrade (db, version, error));
}

static gboolean
put_meta (QsDb *db, const char *key, const char *value, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;

  if (sqlite3_prepare_v2 (db->sqlite,
                          "INSERT INTO meta (key, value) VALUES (?1, ?2) "
                          "ON CONFLICT (key) DO UPDATE SET value = ?2",
                          -1, &statement, NULL)
          == SQLITE_OK
      && sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC) == SQLITE_OK
      && sqlite3_bind_text (statement, 2, value, -1, SQLITE_STATIC) == SQLITE_OK
      && sqlite3_step (statement) == SQLITE_DONE)
    return TRUE;
  return refuse (error, sqlite3_errmsg (db->sqlite));
}

static gboolean
run_upgrades (QsDb *db, guint version, GError **error)
{
  g_autofree char *number = g_strdup_printf ("%d", QS_STORE_VERSION);
  g_autofree char *hash = NULL;

  for (; version < QS_STORE_VERSION; version++)
    for (guint i = 0; qs_sql_upgrades[version][i] != NULL; i++)
      if (!qs_db_exec (db->sqlite, qs_sql_upgrades[version][i], error))
        return FALSE;
  hash = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", qs_db_schema_hash (db->sqlite));
  return put_meta (db, "schema", number, error) && put_meta (db, "schema-hash", hash, error);
}

/**
 * qs_db_upgrade:
 * @version: what the schema is now; 0: there is none
 *
 * All steps in one transaction.
 */
gboolean
qs_db_upgrade (QsDb *db, guint version, GError **error)
{
  if (!qs_db_exec (db->sqlite, "BEGIN IMMEDIATE", error))
    return FALSE;
  if (run_upgrades (db, version, error) && qs_db_exec (db->sqlite, "COMMIT", error))
    return TRUE;
  if (!sqlite3_get_autocommit (db->sqlite))
    (void)qs_db_exec (db->sqlite, "ROLLBACK", NULL);
  return FALSE;
}
