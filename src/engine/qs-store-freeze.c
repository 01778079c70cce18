/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

QsFreeze *
qs_freeze_copy (const QsFreeze *freeze)
{
  QsFreeze *copy = g_new0 (QsFreeze, 1);

  *copy = *freeze;
  copy->domain = g_strdup (freeze->domain);
  copy->process = qs_process_copy (freeze->process);
  return copy;
}

void
qs_freeze_free (QsFreeze *freeze)
{
  if (freeze == NULL)
    return;
  g_free (freeze->domain);
  qs_process_free (freeze->process);
  g_free (freeze);
}

/* at the next start, too, the service is to be there for it: see `pending` */
static gboolean
put_freeze (QsDb *db, gpointer data, GError **error)
{
  const QsFreeze *freeze = data;
  const QsProcess *process = freeze->process;

  return qs_db_mark_pending (db, error)
         && qs_db_run (db, error, QS_SQL_FREEZE_PUT, "siiiissii", freeze->domain,
                       (gint64)freeze->op, (gint64)freeze->owner, process->pid,
                       (gint64)process->start_time, process->boot_id, process->socket,
                       (gint64)freeze->ours, freeze->since);
}

/**
 * qs_store_put_freeze:
 *
 * Durable when it returns TRUE: only then may the guest be asked to freeze.
 */
gboolean
qs_store_put_freeze (QsStore *store, const QsFreeze *freeze, GError **error)
{
  return qs_store_write (store, put_freeze, (gpointer)freeze, error);
}

static gboolean
forget_freeze (QsDb *db, gpointer data, GError **error)
{
  const QsFreeze *freeze = data;

  return qs_db_run (db, error, QS_SQL_FREEZE_FORGET, "si", freeze->domain, (gint64)freeze->op);
}

static gboolean
update_pending (QsDb *db, gpointer data, GError **error)
{
  return qs_db_update_pending (db, error);
}

/**
 * qs_store_forget_freeze:
 *
 * The guest is thawed, or has ended. Durable, too: later somebody else may freeze it, whom we must
 * not disturb.
 */
gboolean
qs_store_forget_freeze (QsStore *store, const QsFreeze *freeze, GError **error)
{
  return qs_store_write (store, forget_freeze, (gpointer)freeze, error)
         && qs_store_read (store, update_pending, NULL, error);
}

static gboolean
load_freezes (QsDb *db, gpointer data, GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, QS_SQL_FREEZE_LIST, "");
  QsDbResult result;

  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    {
      QsFreeze *freeze = g_new0 (QsFreeze, 1);

      freeze->domain = g_strdup (qs_db_text (row, 0));
      freeze->op = (guint64)sqlite3_column_int64 (row, 1);
      freeze->owner = (guint32)sqlite3_column_int64 (row, 2);
      freeze->process =
          qs_process_new (sqlite3_column_int64 (row, 3), (guint64)sqlite3_column_int64 (row, 4),
                          qs_db_text (row, 5), qs_db_text (row, 6), "");
      freeze->ours = sqlite3_column_int64 (row, 7) != 0;
      freeze->since = sqlite3_column_int64 (row, 8);
      g_ptr_array_add (data, freeze);
    }
  return result == QS_DB_DONE;
}

GPtrArray *
qs_store_load_freezes (QsStore *store, GError **error)
{
  g_autoptr (GPtrArray) freezes = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_freeze_free);

  return qs_store_read (store, load_freezes, freezes, error) ? g_steal_pointer (&freezes) : NULL;
}
