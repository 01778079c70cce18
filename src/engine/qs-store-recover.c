/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PENDING "pending"

void
qs_result_unref (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

static gboolean
fail_pending (QsDb *db, const char *what, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "cannot %s ‘%s/" PENDING "’: %s", what,
               db->folder, g_strerror (errno));
  return FALSE;
}

gboolean
qs_db_mark_pending (QsDb *db, GError **error)
{
  int fd = openat (db->folder_fd, PENDING, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    return fail_pending (db, "make", error);
  close (fd);
  return fsync (db->folder_fd) == 0 || fail_pending (db, "make", error);
}

/**
 * qs_db_update_pending:
 *
 * Makes the file `pending` agree with the journal, and with what is still to be thawed.
 */
gboolean
qs_db_update_pending (QsDb *db, GError **error)
{
  g_autofree char *count = NULL;

  if (!qs_db_get_text (db, &count, error, QS_SQL_PENDING_COUNT, ""))
    return FALSE;
  if (!g_str_equal (count, "0"))
    return qs_db_mark_pending (db, error);
  return unlinkat (db->folder_fd, PENDING, 0) == 0 || errno == ENOENT
         || fail_pending (db, "remove", error);
}

void
qs_open_op_free (QsOpenOp *op)
{
  if (op == NULL)
    return;
  g_free (op->domain);
  g_free (op->name);
  g_clear_pointer (&op->request, qs_request_unref);
  g_clear_pointer (&op->requests, g_ptr_array_unref);
  g_clear_pointer (&op->parts, g_ptr_array_unref);
  g_free (op);
}

static gboolean
take_step (sqlite3_stmt *row, GArray *states, GPtrArray *results, GError **error)
{
  guint n = (guint)sqlite3_column_int64 (row, 0);
  const char *text = qs_db_text (row, 2);
  GVariant *result = NULL;

  if (text != NULL
      && (result = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, error)) == NULL)
    return FALSE;
  if (n >= states->len)
    {
      g_array_set_size (states, n + 1);
      g_ptr_array_set_size (results, (int)n + 1);
    }
  g_array_index (states, QsStepState, n) = (QsStepState)sqlite3_column_int (row, 1);
  g_ptr_array_index (results, n) = result;
  return TRUE;
}

/**
 * qs_db_load_steps:
 * @part: two numbers: operation, part
 * @states: of QsStepState, by index; grows as needed, as does @results
 */
gboolean
qs_db_load_steps (QsDb *db, const gint64 *part, GArray *states, GPtrArray *results, GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, QS_SQL_STEP_LIST, "ii", part[0], part[1]);
  QsDbResult result;

  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    if (!take_step (row, states, results, error))
      {
        sqlite3_reset (row);
        return FALSE;
      }
  return result == QS_DB_DONE;
}

static gboolean
take_part (sqlite3_stmt *row, GPtrArray *parts, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_from_text (qs_db_text (row, 1), error);
  QsPartRecord *record;

  if (plan == NULL)
    return FALSE;
  record = qs_part_record_new ((guint)sqlite3_column_int64 (row, 0), plan);
  record->state = (QsPartState)sqlite3_column_int (row, 2);
  g_ptr_array_add (parts, record);
  return TRUE;
}

static gboolean
take_request (sqlite3_stmt *row, GPtrArray *requests, GError **error)
{
  QsRequest *request = qs_request_from_text (qs_db_text (row, 0), error);

  if (request == NULL)
    return FALSE;
  g_ptr_array_add (requests, request);
  return TRUE;
}

static gboolean
take_op (sqlite3_stmt *row, GPtrArray *ops, GError **error)
{
  g_autoptr (QsOpenOp) op = g_new0 (QsOpenOp, 1);

  op->id = (guint64)sqlite3_column_int64 (row, 0);
  op->domain = g_strdup (qs_db_text (row, 1));
  op->name = g_strdup (qs_db_text (row, 2));
  op->request = qs_request_from_text (qs_db_text (row, 3), error);
  op->n_parts = (guint)sqlite3_column_int64 (row, 4);
  op->caller = (guint32)sqlite3_column_int64 (row, 5);
  op->requests = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  op->parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_part_record_free);
  if (op->request == NULL)
    return FALSE;
  g_ptr_array_add (ops, g_steal_pointer (&op));
  return TRUE;
}

typedef gboolean (*TakeFunc) (sqlite3_stmt *row, GPtrArray *list, GError **error);

/* one after the other: rows of an inner list are read when the outer one has ended */
static gboolean
take_rows (QsDb *db, sqlite3_stmt *row, TakeFunc take, GPtrArray *list, GError **error)
{
  QsDbResult result;

  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    if (!take (row, list, error))
      {
        sqlite3_reset (row);
        return FALSE;
      }
  return result == QS_DB_DONE;
}

static gboolean
load_part (QsDb *db, const QsOpenOp *op, QsPartRecord *record, GError **error)
{
  gint64 part[] = { (gint64)op->id, record->n };
  guint n_steps = record->steps->len;

  if (!qs_db_load_steps (db, part, record->steps, record->results, error))
    return FALSE;
  if (record->steps->len == n_steps)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "part %u has more steps than its plan", record->n);
  return FALSE;
}

static gboolean
load_op (QsDb *db, QsOpenOp *op, GError **error)
{
  gint64 id = (gint64)op->id;

  if (!take_rows (db, qs_db_bind (db, QS_SQL_REQUEST_LIST, "i", id), take_request, op->requests,
                  error)
      || !take_rows (db, qs_db_bind (db, QS_SQL_PART_LIST, "i", id), take_part, op->parts, error))
    return FALSE;
  if (op->requests->len == 0)
    g_ptr_array_add (op->requests, qs_request_ref (op->request));
  for (guint i = 0; i < op->parts->len; i++)
    if (!load_part (db, op, g_ptr_array_index (op->parts, i), error))
      return FALSE;
  return TRUE;
}

static gboolean
load_open_ops (QsDb *db, gpointer data, GError **error)
{
  GPtrArray *ops = data;

  if (!take_rows (db, qs_db_bind (db, QS_SQL_OP_LIST_OPEN, ""), take_op, ops, error))
    return FALSE;
  for (guint i = 0; i < ops->len; i++)
    {
      QsOpenOp *op = g_ptr_array_index (ops, i);

      if (!load_op (db, op, error))
        {
          g_prefix_error (error, "cannot read operation %s of domain ‘%s’: ", op->name, op->domain);
          return FALSE;
        }
    }
  return TRUE;
}

/**
 * qs_store_load_open_ops:
 *
 * Returns: (transfer full) (element-type QsOpenOp): in the order in which they were begun
 */
GPtrArray *
qs_store_load_open_ops (QsStore *store, GError **error)
{
  g_autoptr (GPtrArray) ops = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_open_op_free);

  if (!qs_store_read (store, load_open_ops, ops, error))
    return NULL;
  return g_steal_pointer (&ops);
}
