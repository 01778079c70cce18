/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "store-fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "11111111-2222-3333-4444-555555555555"
#define N_CRASHES 12
#define N_ROUNDS 2000

static char *
make_name (guint n)
{
  return g_strdup_printf ("s-%06u", n);
}

/* a snapshot and its file, in one record of an operation of their own; told when it is durable */
static void
put_snapshot (QsStore *store, QsJournal *journal, guint64 op, guint n)
{
  g_autofree char *name = make_name (n);
  g_autofree char *path = g_strdup_printf ("/i/%u", n);
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  add_snapshot (&list, name, name, "");
  qs_changes_add (&list, QS_CHANGE_SNAPSHOT_FILE, "uuid", "s", name, "target", "s", "vda", "path",
                  "s", path, NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  g_assert_true (journal->vtable->step (journal, 0, n, QS_STEP_STATE_BEGUN, NULL, NULL));
  g_assert_true (qs_store_record (store, op, 0, n, changes, NULL));
}

static void
run_child (const char *folder, int fd)
{
  g_autoptr (GError) error = NULL;
  QsStore *store = qs_store_open (folder, &error);
  g_autoptr (QsRequest) request = qs_request_new (QS_VERB_SUSPEND, 0);
  g_autoptr (QsPlan) plan = qs_plan_new ();
  QsJournal *journal;
  guint64 op;

  g_assert_no_error (error);
  apply_now (store, UUID, make_domain_put ("d", UUID, 7));
  op = qs_store_begin_op (store, UUID, "0badcafe", request, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < N_ROUNDS; i++)
    qs_plan_add (plan, QS_STEP_STOP, i > 0 ? QS_PHASE_FINISH : QS_PHASE_COMMIT, "d", NULL);
  journal = qs_store_get_journal (store, op);
  g_assert_true (journal->vtable->begin_part (journal, 0, plan, NULL));
  for (guint n = 0; n < N_ROUNDS; n++)
    {
      put_snapshot (store, journal, op, n);
      g_assert_cmpint (write (fd, "x", 1), ==, 1);
    }
}

/* lets a child write, kills it at some moment; returns how many records it has said are durable */
static guint
crash (const char *folder)
{
  guint wanted = (guint)g_test_rand_int_range (1, 30);
  guint n = 0;
  int fds[2];
  pid_t pid;
  char byte;

  g_assert_cmpint (pipe (fds), ==, 0);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      alarm (60);
      close (fds[0]);
      run_child (folder, fds[1]);
      _exit (0);
    }
  close (fds[1]);
  while (n < wanted && read (fds[0], &byte, 1) == 1)
    n++;
  g_assert_cmpuint (n, ==, wanted);
  g_usleep ((gulong)g_test_rand_int_range (0, 1000));
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  while (read (fds[0], &byte, 1) == 1)
    n++;
  close (fds[0]);
  return n;
}

static void
assert_steps (QsStore *store, guint n_snapshots)
{
  g_autoptr (GPtrArray) ops = qs_store_load_open_ops (store, NULL);
  const QsOpenOp *op;
  const QsPartRecord *record;

  g_assert_cmpuint (ops->len, ==, 1);
  op = g_ptr_array_index (ops, 0);
  record = g_ptr_array_index (op->parts, 0);
  for (guint i = 0; i < n_snapshots; i++)
    g_assert_cmpint (g_array_index (record->steps, QsStepState, i), ==, QS_STEP_STATE_DONE);
  g_assert_cmpint (g_array_index (record->steps, QsStepState, n_snapshots), !=, QS_STEP_STATE_DONE);
}

/* what was said to be durable is there, at most one more is, and each has its file and document */
static void
assert_prefix (QsStore *store, guint n_durable)
{
  g_autoptr (QsDomain) domain = load_domain (store, UUID);
  guint size = qs_tree_size (domain->tree);

  g_assert_cmpuint (size, >=, n_durable);
  g_assert_cmpuint (size, <=, n_durable + 1);
  g_assert_cmpuint (domain->rev, ==, 1 + 2 * size);
  for (guint i = 0; i < size; i++)
    {
      g_autofree char *name = make_name (i);
      g_autofree char *document = qs_store_get_document (store, name, NULL);
      g_autoptr (GPtrArray) files = qs_store_get_snapshot_files (store, name, NULL);

      g_assert_nonnull (qs_tree_lookup (domain->tree, name));
      g_assert_nonnull (document);
      g_assert_cmpuint (files->len, ==, 1);
    }
  assert_steps (store, size);
}

static void
test_killed (void)
{
  for (guint i = 0; i < N_CRASHES; i++)
    {
      g_auto (StoreFixture) fixture = { 0 };
      guint n_durable;

      store_fixture_open (&fixture);
      g_clear_pointer (&fixture.store, qs_store_free);
      n_durable = crash (fixture.folder);
      store_reopen (&fixture);
      assert_prefix (fixture.store, n_durable);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store-crash/killed", test_killed);
  return g_test_run ();
}
