/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

/* an outcome is of interest for a while, not for ever */
#define CLOSED_OPS_KEPT 1000

typedef struct
{
  const char *domain;
  const char *name;
  const QsRequest *request;
  const GPtrArray *parts;
  gint64 op;
} BeginOp;

/**
 * qs_db_check_not_busy:
 *
 * What an open operation goes on with, or takes back, must be as it was when it was planned.
 */
gboolean
qs_db_check_not_busy (QsDb *db, const char *domain, GError **error)
{
  g_autofree char *open = NULL;

  if (!qs_db_get_text (db, &open, error, QS_SQL_OP_FIND_OPEN, "s", domain))
    return FALSE;
  if (open == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY,
               "operation %s of domain ‘%s’ has not ended yet; it is settled when the service is "
               "started again",
               open, domain);
  return FALSE;
}

/* the parts are kept if they are not just the request once more */
static gboolean
add_requests (QsDb *db, const BeginOp *begin, GError **error)
{
  const GPtrArray *parts = begin->parts;

  if (parts == NULL || (parts->len == 1 && g_ptr_array_index (parts, 0) == begin->request))
    return TRUE;
  for (guint i = 0; i < parts->len; i++)
    {
      g_autofree char *text = qs_request_to_text (g_ptr_array_index (parts, i));

      if (!qs_db_run (db, error, QS_SQL_REQUEST_ADD, "iis", begin->op, (gint64)i, text))
        return FALSE;
    }
  return TRUE;
}

static gboolean
begin_op (QsDb *db, gpointer data, GError **error)
{
  BeginOp *begin = data;
  g_autofree char *text = qs_request_to_text (begin->request);
  gint64 n_parts = begin->parts != NULL ? begin->parts->len : 1;

  if (!qs_db_check_not_busy (db, begin->domain, error) || !qs_db_mark_pending (db, error)
      || !qs_db_run (db, error, QS_SQL_OP_ADD, "sssii", begin->domain, begin->name, text, n_parts,
                     (gint64)begin->request->caller))
    return FALSE;
  begin->op = sqlite3_last_insert_rowid (db->sqlite);
  return add_requests (db, begin, error);
}

/**
 * qs_store_begin_op:
 * @name: 8 hex digits
 * @parts: (element-type QsRequest) (nullable): NULL: @request is the one part
 *
 * The intent, durable with the first of a step that does not wait. Refused with DOMAIN_BUSY while
 * another operation of the domain is open.
 *
 * Returns: what the operation is called from now on; 0 if it could not be recorded
 */
guint64
qs_store_begin_op (QsStore *store, const char *domain, const char *name, const QsRequest *request,
                   const GPtrArray *parts, GError **error)
{
  BeginOp begin = { .domain = domain, .name = name, .request = request, .parts = parts };

  return qs_store_write_lazily (store, begin_op, &begin, error) ? (guint64)begin.op : 0;
}

typedef struct
{
  gint64 op;
  const char *error;
  const char *message;
} CloseOp;

static gboolean
close_op (QsDb *db, gpointer data, GError **error)
{
  const CloseOp *close = data;

  return qs_db_run (db, error, QS_SQL_OP_CLOSE, "iss", close->op, close->error, close->message)
         && qs_db_run (db, error, QS_SQL_PART_DELETE, "i", close->op)
         && qs_db_run (db, error, QS_SQL_REQUEST_DELETE, "i", close->op)
         && qs_db_run (db, error, QS_SQL_OP_PRUNE, "i", close->op - CLOSED_OPS_KEPT);
}

static gboolean
update_pending (QsDb *db, gpointer data, GError **error)
{
  return qs_db_update_pending (db, error);
}

/**
 * qs_store_close_op:
 * @outcome: (nullable): why it failed; NULL: it was done
 *
 * Durable with whatever is next: after a power failure an operation is closed once more of which nothing
 * is left to do.
 */
gboolean
qs_store_close_op (QsStore *store, guint64 op, const GError *outcome, GError **error)
{
  CloseOp close = { .op = (gint64)op, .error = "", .message = "" };

  if (outcome != NULL)
    {
      gboolean ours = outcome->domain == QS_ERROR;

      close.error = qs_error_get_name (ours ? (QsError)outcome->code : QS_ERROR_FAILED);
      close.message = outcome->message;
    }
  if (!qs_store_write_lazily (store, close_op, &close, error))
    return FALSE;
  return qs_store_read (store, update_pending, NULL, error);
}

typedef struct
{
  QsJournal journal;
  QsStore *store;
  gint64 op;
} StoreJournal;

typedef struct
{
  gint64 step[3]; /* op, part, index */
  const QsPlan *plan;
  gint64 state;
  GVariant *result;
} JournalCall;

static gboolean
add_part (QsDb *db, gpointer data, GError **error)
{
  const JournalCall *call = data;
  g_autofree char *text = qs_plan_to_text (call->plan);

  return qs_db_run (db, error, QS_SQL_PART_ADD, "iisi", call->step[0], call->step[1], text,
                    (gint64)QS_PART_OPEN);
}

static gboolean
journal_begin_part (QsJournal *journal, guint part, const QsPlan *plan, GError **error)
{
  StoreJournal *self = (StoreJournal *)journal;
  JournalCall call = { .step = { self->op, part }, .plan = plan };

  return qs_store_write_lazily (self->store, add_part, &call, error);
}

gboolean
qs_db_put_step (QsDb *db, const gint64 *step, QsStepState state, GVariant *result, GError **error)
{
  g_autofree char *text = result != NULL ? g_variant_print (result, TRUE) : NULL;

  return qs_db_run (db, error, QS_SQL_STEP_PUT, "iiiis", step[0], step[1], step[2], (gint64)state,
                    text);
}

static gboolean
put_step (QsDb *db, gpointer data, GError **error)
{
  const JournalCall *call = data;

  return qs_db_put_step (db, call->step, (QsStepState)call->state, call->result, error);
}

static gboolean
journal_step (QsJournal *journal, guint part, guint index, QsStepState state, GVariant *result,
              GError **error)
{
  StoreJournal *self = (StoreJournal *)journal;
  JournalCall call = { .step = { self->op, part, index },
                       .state = (gint64)state,
                       .result = result };

  return (state == QS_STEP_STATE_DONE ? qs_store_write_lazily
                                      : qs_store_write) (self->store, put_step, &call, error);
}

static gboolean
journal_step_later (QsJournal *journal, guint part, guint index, QsStepState state,
                    GVariant *result, GError **error)
{
  StoreJournal *self = (StoreJournal *)journal;
  JournalCall call = { .step = { self->op, part, index },
                       .state = (gint64)state,
                       .result = result };

  return qs_store_write_lazily (self->store, put_step, &call, error);
}

static gboolean
set_part_state (QsDb *db, gpointer data, GError **error)
{
  const JournalCall *call = data;

  return qs_db_run (db, error, QS_SQL_PART_STATE, "iii", call->step[0], call->step[1], call->state);
}

static gboolean
journal_part (QsJournal *journal, guint part, QsPartState state, GError **error)
{
  StoreJournal *self = (StoreJournal *)journal;
  JournalCall call = { .step = { self->op, part }, .state = (gint64)state };

  return (state == QS_PART_UNDONE || state == QS_PART_UNDOING
              ? qs_store_write
              : qs_store_write_lazily) (self->store, set_part_state, &call, error);
}

static const QsJournalVTable journal_vtable = {
  .begin_part = journal_begin_part,
  .step = journal_step,
  .step_later = journal_step_later,
  .part = journal_part,
};

/**
 * qs_store_get_journal:
 *
 * Returns: (transfer full): the journal of one open operation; must not outlive @store
 */
QsJournal *
qs_store_get_journal (QsStore *store, guint64 op)
{
  StoreJournal *self = g_new0 (StoreJournal, 1);

  self->journal.vtable = &journal_vtable;
  self->store = store;
  self->op = (gint64)op;
  return &self->journal;
}

void
qs_journal_free (QsJournal *journal)
{
  g_free (journal);
}
