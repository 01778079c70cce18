/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-store-sql.h"

#include <sqlite3.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3, sqlite3_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (sqlite3_stmt, sqlite3_finalize)

#define QS_STORE_FILE "snapshotd.db"
#define QS_STORE_NEW_FILE "snapshotd.db.new"

/**
 * QsDb:
 * @degraded: why nothing may be written, or NULL
 * @is_lost: it cannot come back by itself, as after a full disk
 * @touched: (nullable): id of the domain that the transaction under way changes
 *
 * The database, its statements and its folder. Only the store's thread touches it.
 */
typedef struct
{
  sqlite3 *sqlite;
  sqlite3_stmt *statements[QS_N_SQL];
  char *folder;
  int folder_fd;
  int lock_fd;
  char *degraded;
  gboolean is_lost;
  char *touched;
} QsDb;

QsDb *qs_db_open (const char *folder, GError **error);
void qs_db_free (QsDb *db);

/* of qs-store-open.c, -check.c and -backup.c; for qs_db_open() */
gboolean qs_db_open_folder (QsDb *db, GError **error);
gboolean qs_db_create (QsDb *db, GError **error);
gboolean qs_db_check_header (QsDb *db, GError **error);
gboolean qs_db_check_content (QsDb *db, GError **error);
gboolean qs_db_upgrade (QsDb *db, guint version, GError **error);
gboolean qs_db_vacuum_into (QsDb *db, const char *path, GError **error);
gboolean qs_db_add_functions (sqlite3 *sqlite);
guint64 qs_db_schema_hash (sqlite3 *sqlite);

typedef enum
{
  QS_DB_ROW,
  QS_DB_DONE,
  QS_DB_FAILED,
} QsDbResult;

/**
 * qs_db_bind:
 * @types: one letter a value: `s` const char *, `i` gint64
 *
 * Returns: the statement, ready to be stepped until it is done, fails or is given to sqlite3_reset()
 */
sqlite3_stmt *qs_db_bind (QsDb *db, QsSql id, const char *types, ...);
QsDbResult qs_db_step (QsDb *db, sqlite3_stmt *statement, GError **error);
gboolean qs_db_run (QsDb *db, GError **error, QsSql id, const char *types, ...);
gboolean qs_db_get_text (QsDb *db, char **text, GError **error, QsSql id, const char *types, ...);
gboolean qs_db_exec (sqlite3 *sqlite, const char *sql, GError **error);
const char *qs_db_text (sqlite3_stmt *statement, int column);

typedef gboolean (*QsDbFunc) (QsDb *db, gpointer data, GError **error);
gboolean qs_db_transact (QsDb *db, QsDbFunc func, gpointer data, GError **error);
gboolean qs_db_transact_lazily (QsDb *db, QsDbFunc func, gpointer data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsDb, qs_db_free)
