/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-db.h"

#include "qs-error.h"

#include <stdarg.h>

/* what no statement of ours can be the reason of: the file, its disk or its content is at fault */
static gboolean
is_fault_of_store (int code)
{
  static const int faults[] = { SQLITE_IOERR,  SQLITE_FULL, SQLITE_CORRUPT, SQLITE_READONLY,
                                SQLITE_NOTADB, SQLITE_PERM, SQLITE_CANTOPEN };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    if ((code & 0xff) == faults[i])
      return TRUE;
  return FALSE;
}

static void
set_degraded (QsDb *db, int code)
{
  if (db->is_lost)
    return;
  g_free (db->degraded);
  db->degraded =
      g_strdup_printf ("‘%s/" QS_STORE_FILE "’: %s", db->folder, sqlite3_errmsg (db->sqlite));
  db->is_lost = (code & 0xff) != SQLITE_FULL;
}

static gboolean
fail (QsDb *db, GError **error)
{
  int code = sqlite3_extended_errcode (db->sqlite);

  if (!is_fault_of_store (code))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the store refuses the change: %s",
                   sqlite3_errmsg (db->sqlite));
      return FALSE;
    }
  set_degraded (db, code);
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "the store cannot be used: %s", db->degraded);
  return FALSE;
}

static void
bind_values (sqlite3_stmt *statement, const char *types, va_list values)
{
  int code = SQLITE_OK;

  for (int i = 0; types[i] != '\0' && code == SQLITE_OK; i++)
    {
      if (types[i] == 's')
        code = sqlite3_bind_text (statement, i + 1, va_arg (values, const char *), -1,
                                  SQLITE_TRANSIENT);
      else
        code = sqlite3_bind_int64 (statement, i + 1, va_arg (values, gint64));
    }
  if (code == SQLITE_NOMEM)
    g_error ("out of memory");
  g_assert (code == SQLITE_OK);
}

static sqlite3_stmt *
bind_list (QsDb *db, QsSql id, const char *types, va_list values)
{
  sqlite3_stmt *statement = db->statements[id];

  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  bind_values (statement, types, values);
  return statement;
}

sqlite3_stmt *
qs_db_bind (QsDb *db, QsSql id, const char *types, ...)
{
  sqlite3_stmt *statement;
  va_list values;

  va_start (values, types);
  statement = bind_list (db, id, types, values);
  va_end (values);
  return statement;
}

/**
 * qs_db_step:
 *
 * A statement that is done or has failed is reset.
 */
QsDbResult
qs_db_step (QsDb *db, sqlite3_stmt *statement, GError **error)
{
  int code = sqlite3_step (statement);

  if (code == SQLITE_ROW)
    return QS_DB_ROW;
  if (code != SQLITE_DONE)
    fail (db, error);
  sqlite3_reset (statement);
  return code == SQLITE_DONE ? QS_DB_DONE : QS_DB_FAILED;
}

static gboolean
run_list (QsDb *db, GError **error, QsSql id, const char *types, va_list values)
{
  sqlite3_stmt *statement = bind_list (db, id, types, values);
  QsDbResult result;

  do
    result = qs_db_step (db, statement, error);
  while (result == QS_DB_ROW);
  return result == QS_DB_DONE;
}

/**
 * qs_db_run:
 *
 * Runs a statement whose rows, if any, do not matter.
 */
gboolean
qs_db_run (QsDb *db, GError **error, QsSql id, const char *types, ...)
{
  gboolean ok;
  va_list values;

  va_start (values, types);
  ok = run_list (db, error, id, types, values);
  va_end (values);
  return ok;
}

/**
 * qs_db_get_text:
 * @text: (out) (nullable): first column of the first row, NULL if there is none
 */
gboolean
qs_db_get_text (QsDb *db, char **text, GError **error, QsSql id, const char *types, ...)
{
  sqlite3_stmt *statement;
  QsDbResult result;
  va_list values;

  va_start (values, types);
  statement = bind_list (db, id, types, values);
  va_end (values);

  result = qs_db_step (db, statement, error);
  if (result == QS_DB_FAILED)
    return FALSE;
  *text = result == QS_DB_ROW ? g_strdup (qs_db_text (statement, 0)) : NULL;
  sqlite3_reset (statement);
  return TRUE;
}

const char *
qs_db_text (sqlite3_stmt *statement, int column)
{
  return (const char *)sqlite3_column_text (statement, column);
}

/**
 * qs_db_exec:
 *
 * Runs one of the constant statements of opening: settings, schema, upgrades.
 */
gboolean
qs_db_exec (sqlite3 *sqlite, const char *sql, GError **error)
{
  g_autoptr (sqlite3_stmt) statement = NULL;
  int code = sqlite3_prepare_v2 (sqlite, sql, -1, &statement, NULL);

  while (code == SQLITE_OK || code == SQLITE_ROW)
    code = sqlite3_step (statement);
  if (code == SQLITE_DONE)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "%s", sqlite3_errmsg (sqlite));
  return FALSE;
}

/* a failed statement may have ended the transaction already */
static void
roll_back (QsDb *db)
{
  if (!sqlite3_get_autocommit (db->sqlite))
    qs_db_run (db, NULL, QS_SQL_ROLLBACK, "");
}

/**
 * qs_db_transact:
 *
 * Runs @func in a transaction of its own: durable when this returns TRUE, nothing of it done when
 * it returns FALSE.
 */
gboolean
qs_db_transact (QsDb *db, QsDbFunc func, gpointer data, GError **error)
{
  if (db->is_lost)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "the store cannot be used: %s",
                   db->degraded);
      return FALSE;
    }
  if (qs_db_run (db, error, QS_SQL_BEGIN, "") && func (db, data, error)
      && qs_db_run (db, error, QS_SQL_COMMIT, ""))
    {
      g_clear_pointer (&db->degraded, g_free);
      return TRUE;
    }
  roll_back (db);
  return FALSE;
}

/**
 * qs_db_transact_lazily:
 *
 * As qs_db_transact(), but not durable by itself: the log is written in order and brought to the
 * disk as a whole, so the next transaction that is durable makes this one so, and none is without
 * those before it. A daemon that crashes loses nothing, only a machine that does.
 */
gboolean
qs_db_transact_lazily (QsDb *db, QsDbFunc func, gpointer data, GError **error)
{
  gboolean ok = qs_db_exec (db->sqlite, "PRAGMA synchronous = NORMAL", error)
                && qs_db_transact (db, func, data, error);

  if (qs_db_exec (db->sqlite, "PRAGMA synchronous = FULL", ok ? error : NULL))
    return ok;
  /* never go on with promises that are not kept */
  set_degraded (db, SQLITE_IOERR);
  return FALSE;
}
