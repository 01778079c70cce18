/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

typedef struct
{
  gint64 step[3];
  const char *domain;
  GVariant *changes;
  gboolean is_recorded;
} Record;

static gboolean
read_recorded (QsDb *db, gpointer data, GError **error)
{
  Record *record = data;
  g_autofree char *state = NULL;
  g_autofree char *done = g_strdup_printf ("%d", QS_STEP_STATE_DONE);

  if (!qs_db_get_text (db, &state, error, QS_SQL_STEP_STATE, "iii", record->step[0],
                       record->step[1], record->step[2]))
    return FALSE;
  record->is_recorded = g_strcmp0 (state, done) == 0;
  return TRUE;
}

static GVariant *
resolve (QsDb *db, const Record *record, GError **error)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (qs_result_unref);
  g_autoptr (GArray) states = g_array_new (FALSE, TRUE, sizeof (QsStepState));

  if (!qs_db_load_steps (db, record->step, states, results, error))
    return NULL;
  return qs_changes_resolve (record->changes, results, error);
}

static gboolean
record_changes (QsDb *db, gpointer data, GError **error)
{
  Record *record = data;
  g_autofree char *domain = NULL;
  g_autoptr (GVariant) changes = NULL;

  if (!read_recorded (db, record, error) || record->is_recorded)
    return record->is_recorded;
  if (!qs_db_get_text (db, &domain, error, QS_SQL_OP_GET_DOMAIN, "i", record->step[0]))
    return FALSE;
  if (domain == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "operation %" G_GINT64_FORMAT " is not open",
                   record->step[0]);
      return FALSE;
    }
  changes = resolve (db, record, error);
  return changes != NULL && qs_db_apply (db, domain, changes, error)
         && qs_db_put_step (db, record->step, QS_STEP_STATE_DONE, NULL, error);
}

/**
 * qs_store_record:
 * @changes: a(sa{sv}); `step` in them means a step of the same part, whose result the journal has
 *
 * Applies @changes and marks the step done, in one transaction. Once done, doing it again changes
 * nothing.
 */
gboolean
qs_store_record (QsStore *store, guint64 op, guint part, guint index, GVariant *changes,
                 GError **error)
{
  Record record = { .step = { (gint64)op, part, index }, .changes = changes };

  return qs_store_write (store, record_changes, &record, error);
}

/**
 * qs_store_is_recorded:
 *
 * Returns: whether qs_store_record() has come to its end; FALSE with @error set if nobody can tell
 */
gboolean
qs_store_is_recorded (QsStore *store, guint64 op, guint part, guint index, GError **error)
{
  Record record = { .step = { (gint64)op, part, index } };

  return qs_store_read (store, read_recorded, &record, error) && record.is_recorded;
}

static gboolean
apply_changes (QsDb *db, gpointer data, GError **error)
{
  Record *record = data;

  return qs_db_check_not_busy (db, record->domain, error)
         && qs_db_apply (db, record->domain, record->changes, error);
}

/**
 * qs_store_apply:
 * @changes: a(sa{sv}), without `step`
 *
 * Refused with DOMAIN_BUSY while an operation of the domain is open, as another operation is.
 */
gboolean
qs_store_apply (QsStore *store, const char *domain, GVariant *changes, GError **error)
{
  g_autoptr (GVariant) resolved = qs_changes_resolve (changes, NULL, error);
  Record record = { .domain = domain, .changes = resolved };

  return resolved != NULL && qs_store_write (store, apply_changes, &record, error);
}
