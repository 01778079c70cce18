/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <sys/syscall.h>
#include <unistd.h>

/* what the journal has when the power fails: only what was synchronized is on the disk */

#define UUID "11111111-2222-3333-4444-555555555555"

typedef QsJournal Journal;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, qs_journal_free)

typedef struct
{
  StoreFixture store;
  QsJournal *journal;
  guint64 op;
} Fixture;

/* the log as it was when it was synchronized last; written by the store's thread while we wait */
static GBytes *log_on_disk;
static guint n_syncs;

/* SQLite calls this one instead of that of the C library */
int
fdatasync (int fd)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree char *path = g_file_read_link (link, NULL);
  char *content = NULL;
  gsize length = 0;

  if (path != NULL && g_str_has_suffix (path, "-wal")
      && g_file_get_contents (path, &content, &length, NULL))
    {
      g_clear_pointer (&log_on_disk, g_bytes_unref);
      log_on_disk = g_bytes_new_take (content, length);
      n_syncs++;
    }
  return (int)syscall (SYS_fdatasync, fd);
}

static void
put_file (const StoreFixture *to, const char *name, const char *content, gsize length)
{
  g_autofree char *path = store_path (to, name);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, content, (gssize)length, &error);
  g_assert_no_error (error);
}

/* the open operations that the next start finds after the power failed now */
static GPtrArray *
lose_power (const Fixture *fixture)
{
  g_auto (StoreFixture) after = { .folder = g_dir_make_tmp ("qs-store-XXXXXX", NULL) };
  g_autofree char *path = store_path (&fixture->store, "snapshotd.db");
  g_autofree char *content = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  GPtrArray *ops;

  g_file_get_contents (path, &content, &length, &error);
  g_assert_no_error (error);
  put_file (&after, "snapshotd.db", content, length);
  g_assert_nonnull (log_on_disk);
  put_file (&after, "snapshotd.db-wal", g_bytes_get_data (log_on_disk, NULL),
            g_bytes_get_size (log_on_disk));
  store_reopen (&after);
  ops = qs_store_load_open_ops (after.store, &error);
  g_assert_no_error (error);
  return ops;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_SUSPEND, 0);
  g_autoptr (QsPlan) plan = qs_plan_new ();
  g_autoptr (GError) error = NULL;

  store_fixture_open (&fixture->store);
  apply_now (fixture->store.store, UUID, make_domain_put ("d", UUID, 7));
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, "d", NULL);
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_COMMIT, "d", NULL);
  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_FINISH, "d", NULL);
  fixture->op = qs_store_begin_op (fixture->store.store, UUID, "0badcafe", request, NULL, &error);
  g_assert_no_error (error);
  fixture->journal = qs_store_get_journal (fixture->store.store, fixture->op);
  g_assert_true (fixture->journal->vtable->begin_part (fixture->journal, 0, plan, NULL));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_pointer (&fixture->journal, qs_journal_free);
  store_fixture_clear (&fixture->store);
  g_clear_pointer (&log_on_disk, g_bytes_unref);
}

/* how many synchronizations that costs */
static guint
mark (Fixture *fixture, guint index, QsStepState state)
{
  g_autoptr (GVariant) result =
      g_variant_ref_sink (g_variant_new_parsed ("{'n': <%u>}", index * 10 + state));
  guint before = n_syncs;

  g_assert_true (fixture->journal->vtable->step (fixture->journal, 0, index, state, result, NULL));
  return n_syncs - before;
}

static guint
mark_part (Fixture *fixture, QsPartState state)
{
  guint before = n_syncs;

  g_assert_true (fixture->journal->vtable->part (fixture->journal, 0, state, NULL));
  return n_syncs - before;
}

/* after a power failure the one part is in this state, and its steps, as digits, in these; a step's
   result belongs to its state */
static void
assert_lost (const Fixture *fixture, QsPartState state, const char *steps)
{
  g_autoptr (GPtrArray) ops = lose_power (fixture);
  const QsOpenOp *op;
  const QsPartRecord *part;

  g_assert_cmpuint (ops->len, ==, 1);
  op = g_ptr_array_index (ops, 0);
  g_assert_cmpuint (op->parts->len, ==, 1);
  part = g_ptr_array_index (op->parts, 0);
  g_assert_cmpint (part->state, ==, state);
  for (guint i = 0; steps[i] != '\0'; i++)
    {
      QsStepState found = g_array_index (part->steps, QsStepState, i);
      GVariant *result = g_ptr_array_index (part->results, i);
      guint n = 0;

      g_assert_cmpint (found, ==, steps[i] - '0');
      g_assert_cmpint (result != NULL, ==, found != QS_STEP_STATE_NONE);
      if (result != NULL)
        g_assert_true (g_variant_lookup (result, "n", "u", &n));
      g_assert_cmpuint (n, ==, result != NULL ? i * 10 + found : 0);
    }
}

static void
test_forward (Fixture *fixture, gconstpointer data)
{
  /* with the first intent all before it is there */
  g_assert_cmpuint (mark (fixture, 0, QS_STEP_STATE_BEGUN), ==, 1);
  assert_lost (fixture, QS_PART_OPEN, "100");
  /* what was done waits for the next intent */
  g_assert_cmpuint (mark (fixture, 0, QS_STEP_STATE_DONE), ==, 0);
  assert_lost (fixture, QS_PART_OPEN, "100");
  g_assert_cmpuint (mark (fixture, 1, QS_STEP_STATE_BEGUN), ==, 1);
  assert_lost (fixture, QS_PART_OPEN, "210");
  /* so does that the commit was reached: until then it is looked for */
  g_assert_cmpuint (mark (fixture, 1, QS_STEP_STATE_DONE), ==, 0);
  g_assert_cmpuint (mark_part (fixture, QS_PART_COMMITTED), ==, 0);
  assert_lost (fixture, QS_PART_OPEN, "210");
  g_assert_cmpuint (mark (fixture, 2, QS_STEP_STATE_BEGUN), ==, 1);
  assert_lost (fixture, QS_PART_COMMITTED, "221");
  g_assert_cmpuint (mark (fixture, 2, QS_STEP_STATE_DONE), ==, 0);
  g_assert_cmpuint (mark_part (fixture, QS_PART_CLOSED), ==, 0);
  assert_lost (fixture, QS_PART_COMMITTED, "221");
}

static void
test_back (Fixture *fixture, gconstpointer data)
{
  mark (fixture, 0, QS_STEP_STATE_BEGUN);
  mark (fixture, 0, QS_STEP_STATE_DONE);
  mark (fixture, 1, QS_STEP_STATE_BEGUN);
  g_assert_cmpuint (mark (fixture, 1, QS_STEP_STATE_UNDONE), ==, 1);
  assert_lost (fixture, QS_PART_OPEN, "230");
  g_assert_cmpuint (mark (fixture, 0, QS_STEP_STATE_UNDONE), ==, 1);
  assert_lost (fixture, QS_PART_OPEN, "330");
  g_assert_cmpuint (mark_part (fixture, QS_PART_UNDONE), ==, 1);
  assert_lost (fixture, QS_PART_UNDONE, "330");
}

/* what ends with QEMU need not be known before */
static void
test_intend (Fixture *fixture, gconstpointer data)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  guint before = n_syncs;

  qs_plan_add (plan, QS_STEP_STOP, QS_PHASE_PREPARE, "d", NULL);
  qs_plan_add (plan, QS_STEP_CONT, QS_PHASE_COMMIT, "d", NULL);
  g_assert_true (qs_journal_intend (fixture->journal, 0, plan, 0, NULL, NULL));
  g_assert_cmpuint (n_syncs, ==, before);
  g_assert_true (qs_journal_intend (fixture->journal, 0, plan, 1, NULL, NULL));
  g_assert_cmpuint (n_syncs, ==, before + 1);
}

/* a finish step is done again anyhow; all before it is durable with the record, and what another step
   before it has learnt would not be */
static void
test_finish (Fixture *fixture, gconstpointer data)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();
  guint before = n_syncs;

  qs_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "d", NULL);
  qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, "d", NULL);
  qs_plan_add (plan, QS_STEP_FILE_UNLINK, QS_PHASE_FINISH, "d", NULL);
  g_assert_true (qs_journal_intend (fixture->journal, 0, plan, 1, NULL, NULL));
  g_assert_cmpuint (n_syncs, ==, before);
  g_assert_true (qs_journal_intend (fixture->journal, 0, plan, 2, NULL, NULL));
  g_assert_cmpuint (n_syncs, ==, before + 1);
}

/* that an operation has ended waits for the next one: until then nothing is left to do of it */
static void
test_end (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) ops = NULL;
  guint before;

  mark (fixture, 0, QS_STEP_STATE_BEGUN);
  before = n_syncs;
  g_assert_true (qs_store_close_op (fixture->store.store, fixture->op, NULL, NULL));
  g_assert_cmpuint (n_syncs, ==, before);
  assert_lost (fixture, QS_PART_OPEN, "100");
  apply_now (fixture->store.store, "other", make_domain_put ("e", "other", 7));
  ops = lose_power (fixture);
  g_assert_cmpuint (ops->len, ==, 0);
}

/* a lazy write leaves the next one durable */
static void
test_apply (Fixture *fixture, gconstpointer data)
{
  guint before = n_syncs;

  apply_now (fixture->store.store, "other", make_domain_put ("e", "other", 7));
  g_assert_cmpuint (n_syncs, ==, before + 1);
  assert_lost (fixture, QS_PART_OPEN, "000");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/store/power/forward", Fixture, NULL, set_up, test_forward, tear_down);
  g_test_add ("/store/power/back", Fixture, NULL, set_up, test_back, tear_down);
  g_test_add ("/store/power/intend", Fixture, NULL, set_up, test_intend, tear_down);
  g_test_add ("/store/power/finish", Fixture, NULL, set_up, test_finish, tear_down);
  g_test_add ("/store/power/end", Fixture, NULL, set_up, test_end, tear_down);
  g_test_add ("/store/power/apply", Fixture, NULL, set_up, test_apply, tear_down);
  return g_test_run ();
}
