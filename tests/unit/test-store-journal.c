/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <string.h>

#define UUID "11111111-2222-3333-4444-555555555555"

typedef QsJournal Journal;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, qs_journal_free)

static QsRequest *
make_request (guint32 flags)
{
  QsRequest *request = qs_request_new (QS_VERB_SNAPSHOT_DELETE, flags);

  request->snapshot = g_strdup ("s-1");
  request->caller = 1234;
  request->options = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  return request;
}

static QsPlan *
make_plan (void)
{
  QsPlan *plan = qs_plan_new ();

  qs_plan_add (plan, QS_STEP_NVRAM_CREATE, QS_PHASE_PREPARE, "d",
               g_variant_new_parsed ("{'path': <'/i/over'>, 'template': <'/t'>}"));
  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "d",
               g_variant_new_parsed ("{'changes': <@a(sa{sv}) []>}"));
  qs_plan_note (plan, "a note");
  return plan;
}

static guint64
begin (QsStore *store, const char *name)
{
  g_autoptr (QsRequest) request = make_request (1);
  g_autoptr (GError) error = NULL;
  guint64 op = qs_store_begin_op (store, UUID, name, request, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (op, !=, 0);
  return op;
}

static GPtrArray *
load (const StoreFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *ops = qs_store_load_open_ops (fixture->store, &error);

  g_assert_no_error (error);
  return ops;
}

static gboolean
is_pending (const StoreFixture *fixture)
{
  g_autofree char *path = store_path (fixture, "pending");

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
put_step (QsJournal *journal, guint index, QsStepState state, const char *result)
{
  g_autoptr (GVariant) value =
      result != NULL ? g_variant_ref_sink (g_variant_new_parsed (result)) : NULL;

  g_assert_true (journal->vtable->step (journal, 0, index, state, value, NULL));
}

static QsStepState
step_state (const QsPartRecord *record, guint index)
{
  return g_array_index (record->steps, QsStepState, index);
}

static void
test_reopen (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (Journal) journal = NULL;
  g_autoptr (QsPlan) plan = make_plan ();
  g_autoptr (GPtrArray) ops = NULL;
  g_autofree char *expected = qs_plan_to_text (plan);
  g_autofree char *text = NULL;
  g_autofree char *result = NULL;
  const QsOpenOp *op;
  const QsPartRecord *record;

  store_fixture_open (&fixture);
  journal = qs_store_get_journal (fixture.store, begin (fixture.store, "0badcafe"));
  g_assert_true (journal->vtable->begin_part (journal, 0, plan, NULL));
  put_step (journal, 0, QS_STEP_STATE_BEGUN, NULL);
  put_step (journal, 0, QS_STEP_STATE_BEGUN, "{'ino': <uint64 18446744073709551615>}");
  put_step (journal, 0, QS_STEP_STATE_DONE, NULL);
  store_reopen (&fixture);

  ops = load (&fixture);
  g_assert_cmpuint (ops->len, ==, 1);
  op = g_ptr_array_index (ops, 0);
  g_assert_cmpstr (op->domain, ==, UUID);
  g_assert_cmpstr (op->name, ==, "0badcafe");
  g_assert_cmpuint (op->caller, ==, 1234);
  g_assert_cmpuint (op->n_parts, ==, 1);
  g_assert_cmpstr (op->request->snapshot, ==, "s-1");
  g_assert_cmpuint (op->requests->len, ==, 1);
  g_assert_cmpuint (op->parts->len, ==, 1);

  record = g_ptr_array_index (op->parts, 0);
  text = qs_plan_to_text (record->plan);
  g_assert_cmpstr (text, ==, expected);
  g_assert_cmpint (record->state, ==, QS_PART_OPEN);
  g_assert_cmpuint (record->steps->len, ==, 2);
  g_assert_cmpint (step_state (record, 0), ==, QS_STEP_STATE_DONE);
  g_assert_cmpint (step_state (record, 1), ==, QS_STEP_STATE_NONE);
  result = g_variant_print (g_ptr_array_index (record->results, 0), TRUE);
  g_assert_cmpstr (result, ==, "{'ino': <uint64 18446744073709551615>}");
  g_assert_null (g_ptr_array_index (record->results, 1));
}

static void
test_parts (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsRequest) request = make_request (1);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_request_unref);
  g_autoptr (GPtrArray) ops = NULL;
  g_autoptr (Journal) journal = NULL;
  g_autoptr (QsPlan) plan = make_plan ();
  const QsOpenOp *open;
  guint64 op;

  store_fixture_open (&fixture);
  for (guint i = 0; i < 3; i++)
    g_ptr_array_add (parts, make_request (10 + i));
  op = qs_store_begin_op (fixture.store, UUID, "n", request, parts, NULL);
  journal = qs_store_get_journal (fixture.store, op);
  g_assert_true (journal->vtable->begin_part (journal, 0, plan, NULL));
  g_assert_true (journal->vtable->part (journal, 0, QS_PART_CLOSED, NULL));
  g_assert_true (journal->vtable->begin_part (journal, 1, plan, NULL));
  g_assert_true (journal->vtable->part (journal, 1, QS_PART_COMMITTED, NULL));
  store_reopen (&fixture);

  ops = load (&fixture);
  open = g_ptr_array_index (ops, 0);
  g_assert_cmpuint (open->n_parts, ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (((QsRequest *)g_ptr_array_index (open->requests, i))->flags, ==, 10 + i);
  g_assert_cmpuint (open->parts->len, ==, 2);
  g_assert_cmpint (((QsPartRecord *)g_ptr_array_index (open->parts, 0))->state, ==, QS_PART_CLOSED);
  g_assert_cmpint (((QsPartRecord *)g_ptr_array_index (open->parts, 1))->state, ==,
                   QS_PART_COMMITTED);
}

/* as if it had never been begun before */
static void
test_part_anew (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GPtrArray) ops = NULL;
  g_autoptr (Journal) journal = NULL;
  g_autoptr (QsPlan) plan = make_plan ();
  g_autoptr (GVariant) result = g_variant_ref_sink (g_variant_new_parsed ("{'ino': <uint64 5>}"));
  const QsPartRecord *record;

  store_fixture_open (&fixture);
  journal = qs_store_get_journal (fixture.store, begin (fixture.store, "n"));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (journal->vtable->begin_part (journal, i, plan, NULL));
      g_assert_true (journal->vtable->step (journal, i, 0, QS_STEP_STATE_DONE, result, NULL));
    }
  g_assert_true (journal->vtable->part (journal, 1, QS_PART_UNDOING, NULL));
  g_assert_true (journal->vtable->part (journal, 1, QS_PART_UNDONE, NULL));
  g_assert_true (journal->vtable->begin_part (journal, 1, plan, NULL));
  store_reopen (&fixture);

  ops = load (&fixture);
  record = g_ptr_array_index (((QsOpenOp *)g_ptr_array_index (ops, 0))->parts, 1);
  g_assert_cmpint (record->state, ==, QS_PART_OPEN);
  g_assert_cmpint (step_state (record, 0), ==, QS_STEP_STATE_NONE);
  g_assert_null (g_ptr_array_index (record->results, 0));
  record = g_ptr_array_index (((QsOpenOp *)g_ptr_array_index (ops, 0))->parts, 0);
  g_assert_cmpint (step_state (record, 0), ==, QS_STEP_STATE_DONE);
}

/* nothing of a part is taken without its intent */
static void
test_step_without_part (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (Journal) journal = NULL;
  g_autoptr (GError) error = NULL;

  store_fixture_open (&fixture);
  journal = qs_store_get_journal (fixture.store, begin (fixture.store, "n"));
  g_assert_false (journal->vtable->step (journal, 0, 0, QS_STEP_STATE_BEGUN, NULL, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
}

static void
test_pending (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GError) outcome = g_error_new_literal (QS_ERROR, QS_ERROR_TIMEOUT, "too slow");
  g_autoptr (QsRequest) request = make_request (1);
  g_autoptr (GPtrArray) ops = NULL;
  guint64 first, second;

  store_fixture_open (&fixture);
  g_assert_false (is_pending (&fixture));
  first = begin (fixture.store, "n");
  second = qs_store_begin_op (fixture.store, "other", "m", request, NULL, NULL);
  g_assert_true (is_pending (&fixture));
  store_reopen (&fixture);
  g_assert_true (is_pending (&fixture));
  g_assert_true (qs_store_close_op (fixture.store, first, NULL, NULL));
  g_assert_true (is_pending (&fixture));
  g_assert_true (qs_store_close_op (fixture.store, second, outcome, NULL));
  g_assert_false (is_pending (&fixture));
  store_reopen (&fixture);
  ops = load (&fixture);
  g_assert_cmpuint (ops->len, ==, 0);
}

static void
test_busy (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (QsRequest) request = make_request (1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) state = NULL;
  QsChangeList list;
  guint64 first;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s", "paused", NULL);
  state = g_variant_ref_sink (qs_changes_end (&list));
  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("vm", UUID, 1000));
  first = begin (fixture.store, "n");
  g_assert_cmpuint (qs_store_begin_op (fixture.store, UUID, "m", request, NULL, &error), ==, 0);
  g_assert_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY);
  g_clear_error (&error);
  /* the records stay as those of the operation were planned on, too */
  g_assert_false (qs_store_apply (fixture.store, UUID, state, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DOMAIN_BUSY);
  g_assert_true (qs_store_close_op (fixture.store, first, NULL, NULL));
  apply_now (fixture.store, UUID, state);
  g_assert_cmpuint (begin (fixture.store, "m"), >, first);
}

static GVariant *
make_record (void)
{
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_FILE_PUT, "path", "s", "/i/over", "format", "s", "qcow2", "role",
                  "s", "disk", "ours", "b", TRUE, "step", "u", 0u, NULL);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s", "paused", NULL);
  return g_variant_ref_sink (qs_changes_end (&list));
}

static guint64
begin_with_file (QsStore *store)
{
  g_autoptr (QsPlan) plan = make_plan ();
  guint64 op = begin (store, "n");
  g_autoptr (Journal) journal = qs_store_get_journal (store, op);

  g_assert_true (journal->vtable->begin_part (journal, 0, plan, NULL));
  put_step (journal, 0, QS_STEP_STATE_DONE,
            "{'dev': <uint64 5>, 'ino': <uint64 6>, 'btime': <int64 7>}");
  return op;
}

static void
test_record (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) changes = make_record ();
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) domain = NULL;
  g_autofree char *files = NULL;
  guint64 op;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  op = begin_with_file (fixture.store);
  g_assert_false (qs_store_is_recorded (fixture.store, op, 0, 1, &error));
  g_assert_no_error (error);
  g_assert_true (qs_store_record (fixture.store, op, 0, 1, changes, &error));
  store_reopen (&fixture);
  g_assert_true (qs_store_is_recorded (fixture.store, op, 0, 1, &error));

  /* once done it is not done again */
  g_assert_true (qs_store_record (fixture.store, op, 0, 1, changes, &error));
  domain = load_domain (fixture.store, UUID);
  g_assert_cmpuint (domain->rev, ==, 3);
  g_assert_cmpint (domain->state, ==, QS_DOMAIN_PAUSED);
  files = describe_files (fixture.store, UUID);
  g_assert_cmpstr (files, ==,
                   "/i/over qcow2 disk backing (null) ours 1 5:6 7 state of [] tags [] of [] "
                   "active of (null) mode 0\n");
}

static void
test_record_refused (void)
{
  g_auto (StoreFixture) fixture = { 0 };
  g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (
      "[('domain-state', {'state': <'paused'>}), ('current', {'uuid': <'s-9'>})]"));
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomain) domain = NULL;
  guint64 op;

  store_fixture_open (&fixture);
  apply_now (fixture.store, UUID, make_domain_put ("d", UUID, 7));
  op = begin_with_file (fixture.store);
  g_assert_false (qs_store_record (fixture.store, op, 0, 1, changes, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT);
  g_assert_false (qs_store_is_recorded (fixture.store, op, 0, 1, NULL));
  domain = load_domain (fixture.store, UUID);
  g_assert_cmpint (domain->state, ==, QS_DOMAIN_SHUTOFF);
  g_clear_error (&error);

  g_assert_true (qs_store_close_op (fixture.store, op, NULL, NULL));
  g_assert_false (qs_store_record (fixture.store, op, 0, 1, changes, &error));
  g_assert_nonnull (strstr (error->message, "is not open"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-journal/reopen", test_reopen);
  g_test_add_func ("/store-journal/parts", test_parts);
  g_test_add_func ("/store-journal/part-anew", test_part_anew);
  g_test_add_func ("/store-journal/step-without-part", test_step_without_part);
  g_test_add_func ("/store-journal/pending", test_pending);
  g_test_add_func ("/store-journal/busy", test_busy);
  g_test_add_func ("/store-journal/record", test_record);
  g_test_add_func ("/store-journal/record-refused", test_record_refused);
  return g_test_run ();
}
