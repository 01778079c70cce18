/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-process.h"
#include "qs-step-process.h"
#include "qs-storage.h"
#include "storage-bed.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* merges of files that no guest has open, in a storage daemon of their own */

#define DOWN GUINT_TO_POINTER (STORAGE_DOWN_DEEP)
#define UP GUINT_TO_POINTER (STORAGE_UP)

static guint
commit_of (StorageKind kind)
{
  return storage_is_up (kind) ? UP_RECORD : DOWN_RECORD;
}

static guint
n_steps_of (StorageKind kind)
{
  return storage_is_up (kind) ? N_UP : N_DOWN;
}

typedef void (*Body) (StorageBed *bed, StorageKind kind, const QsPlan *plan);

static void
with_bed (const char *format, StorageKind kind, Body body)
{
  StorageBed bed = { 0 };
  g_autoptr (QsPlan) plan = NULL;

  storage_bed_set_up (&bed, format);
  plan = storage_plan (&bed, kind);
  body (&bed, kind, plan);
  storage_bed_tear_down (&bed, format);
}

static void
run_to_end (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = real_domain_run (bed->domain, plan, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (outcome, ==, QS_OUTCOME_DONE);
  storage_check_new (bed, kind);
}

static void
test_merge (gconstpointer format)
{
  for (StorageKind kind = 0; kind < STORAGE_N_KINDS; kind++)
    with_bed (format, kind, run_to_end);
}

static void
check_undone (StorageBed *bed)
{
  storage_check_old (bed);
  g_assert_cmpuint (storage_count (bed), ==, 0);
}

static void
resume (StorageBed *bed, QsOutcome expected, GPtrArray **results)
{
  g_autoptr (GError) error = NULL;
  QsOutcome outcome = real_domain_resume (bed->domain, results, &error);

  g_assert_no_error (error);
  g_assert_cmpint (outcome, ==, expected);
}

/* the daemon is killed after each step; its successor goes on with the process that it finds */
static void
test_daemon_killed (gconstpointer data)
{
  StorageKind kind = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < n_steps_of (kind); i++)
    {
      gboolean reached = i >= commit_of (kind);
      StorageBed bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;

      storage_bed_set_up (&bed, "qcow2");
      plan = storage_plan (&bed, kind);
      real_domain_run_until (bed.domain, plan, i, REAL_AFTER);
      resume (&bed, reached ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE, NULL);
      if (reached)
        storage_check_new (&bed, kind);
      else
        check_undone (&bed);
      storage_bed_tear_down (&bed, "qcow2");
    }
}

static gboolean
says_done (GPtrArray *results, guint index)
{
  gboolean done = FALSE;

  g_assert_true (g_variant_lookup (g_ptr_array_index (results, index), "done", "b", &done));
  return done;
}

/* what a merge up comes to that ends without its process: all files are as they were */
static void
check_given_up (StorageBed *bed, GPtrArray *results)
{
  g_assert_false (says_done (results, UP_DISMISS));
  check_undone (bed);
}

static void
check_after_kill (StorageBed *bed, StorageKind kind, guint index, GPtrArray *results)
{
  if (index < commit_of (kind))
    check_undone (bed);
  else if (storage_is_up (kind) && index <= UP_DISMISS)
    check_given_up (bed, results);
  else
    storage_check_new (bed, kind);
}

/* both end after each step */
static void
test_both_killed (gconstpointer data)
{
  StorageKind kind = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < n_steps_of (kind); i++)
    {
      StorageBed bed = { 0 };
      g_autoptr (QsPlan) plan = NULL;
      g_autoptr (GPtrArray) results = NULL;

      storage_bed_set_up (&bed, "qcow2");
      plan = storage_plan (&bed, kind);
      real_domain_run_until (bed.domain, plan, i, REAL_AFTER);
      storage_kill (&bed);
      resume (&bed, i >= commit_of (kind) ? QS_OUTCOME_DONE : QS_OUTCOME_UNDONE, &results);
      check_after_kill (&bed, kind, i, results);
      storage_bed_tear_down (&bed, "qcow2");
    }
}

static void
kill_in_job (const QsAmount *amount, gpointer bed)
{
  storage_kill (bed);
}

/* it ends in the middle of its job: what copies down is done by qemu-img, what copies up is taken back */
static void
killed_in_job (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autoptr (GError) error = NULL;
  QsOutcome outcome;

  bed->domain->tell = kill_in_job;
  bed->domain->user_data = bed;
  outcome = real_domain_run (bed->domain, plan, NULL, &error);
  if (!storage_is_up (kind))
    {
      g_assert_cmpint (outcome, ==, QS_OUTCOME_DONE);
      storage_check_new (bed, kind);
      return;
    }
  g_assert_cmpint (outcome, ==, QS_OUTCOME_UNDONE);
  g_assert_nonnull (error);
  check_undone (bed);
}

static void
cancel_in_job (const QsAmount *amount, gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
cancelled_in_job (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  bed->domain->cancellable = cancellable;
  bed->domain->tell = cancel_in_job;
  bed->domain->user_data = cancellable;
  g_assert_cmpint (real_domain_run (bed->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  check_undone (bed);
}

static void
test_killed_in_job (void)
{
  for (StorageKind kind = 0; kind < STORAGE_N_KINDS; kind++)
    with_bed ("raw", kind, killed_in_job);
}

static void
test_cancelled (void)
{
  with_bed ("qcow2", STORAGE_UP, cancelled_in_job);
}

/* somebody else's program, which has the file open until it is told to end */
static QsProcess *
hold (StorageBed *bed, const char *name, gboolean read_only)
{
  g_autofree char *path = storage_path (bed, name);
  g_autofree char *pidfile = g_strconcat (path, ".pid", NULL);
  g_autofree char *node = g_strdup_printf (
      "{\"driver\":\"qcow2\",\"node-name\":\"x\",\"read-only\":%s,\"backing\":null,"
      "\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}",
      read_only ? "true" : "false", path);
  const char *const argv[] = { "qemu-storage-daemon", "--blockdev", node, "--pidfile", pidfile,
                               "--daemonize",         NULL };
  g_autofree char *pid = NULL;

  real_run (argv);
  g_assert_true (g_file_get_contents (pidfile, &pid, NULL, NULL));
  return qs_process_identify (g_ascii_strtoll (pid, NULL, 10), getuid (), "", "");
}

static void
let_go (QsProcess *holder)
{
  g_assert_no_errno (kill (holder->pid, SIGTERM));
  g_assert_true (qs_process_wait (holder, 10));
  qs_process_free (holder);
}

static void
assert_in_use (StorageBed *bed, const QsPlan *plan, const char *name, QsOutcome expected)
{
  g_autofree char *path = storage_path (bed, name);
  g_autofree char *text = g_strdup_printf ("‘%s’ is in use", path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (real_domain_run (bed->domain, plan, NULL, &error), ==, expected);
  g_assert_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_cmpuint (storage_count (bed), ==, 0);
}

/* by somebody who writes to it; of the base, which is only read, it is the storage daemon that notices */
static void
in_use_up (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  static const char *const held[] = { "s2", "base" };

  for (guint i = 0; i < G_N_ELEMENTS (held); i++)
    {
      QsProcess *holder = hold (bed, held[i], FALSE);

      assert_in_use (bed, plan, held[i], QS_OUTCOME_UNDONE);
      let_go (holder);
      check_undone (bed);
    }
}

/* by somebody who counts on its content; what took effect is finished later */
static void
in_use_down (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  QsProcess *holder = hold (bed, "s1", TRUE);

  assert_in_use (bed, plan, "s1", QS_OUTCOME_OPEN);
  let_go (holder);
  check_undone (bed);
  resume (bed, QS_OUTCOME_DONE, NULL);
  storage_check_new (bed, kind);
}

static void
test_in_use (void)
{
  with_bed ("qcow2", STORAGE_UP, in_use_up);
  with_bed ("qcow2", STORAGE_DOWN, in_use_down);
}

/* the daemon was killed when the process was there, and its identity not in the journal yet */
static void
unknown (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autofree char *folder = NULL;
  g_autofree char *socket = NULL;
  g_autofree char *path = storage_path (bed, "s2");
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) child = NULL;

  real_domain_run_until (bed->domain, plan, UP_STORAGE, REAL_BEFORE);
  folder = g_build_filename (bed->runtime, "1-m", NULL);
  socket = g_build_filename (folder, "qmp.sock", NULL);
  argv = qs_storage_argv (
      g_variant_new_parsed ("[(%s, 'qcow2', %t, %t)]", path, (guint64)0, (guint64)0), socket);
  g_assert_no_errno (g_mkdir (folder, 0700));
  child = g_subprocess_newv ((const char *const *)argv, G_SUBPROCESS_FLAGS_NONE, NULL);
  g_assert_cmpuint (storage_count (bed), ==, 1);
  resume (bed, QS_OUTCOME_UNDONE, NULL);
  g_assert_true (g_subprocess_wait (child, NULL, NULL));
  check_undone (bed);
}

static void
test_unknown (void)
{
  with_bed ("qcow2", STORAGE_UP, unknown);
}

static void
replace (StorageBed *bed, const char *name)
{
  g_autofree char *path = storage_path (bed, name);
  g_autofree char *other = g_strconcat (path, ".other", NULL);
  const char *const argv[] = { "cp", path, other, NULL };

  real_run (argv);
  g_assert_no_errno (g_rename (other, path));
}

/* a file that is another one now, although with the same content */
static void
replaced (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autoptr (GError) error = NULL;

  replace (bed, "s1");
  g_assert_cmpint (real_domain_run (bed->domain, plan, NULL, &error), ==, QS_OUTCOME_UNDONE);
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  g_assert_nonnull (strstr (error->message, "no longer the file that was recorded"));
  check_undone (bed);
}

static GVariant *
row_now (const char *path)
{
  GStatBuf info;

  g_assert_no_errno (g_stat (path, &info));
  return g_variant_ref_sink (g_variant_new_parsed ("[(%s, 'qcow2', %t, %t)]", path,
                                                   (guint64)info.st_dev, (guint64)info.st_ino));
}

/* one that is exchanged between the look at its name and the opening */
static void
exchanged (StorageBed *bed, StorageKind kind, const QsPlan *plan)
{
  g_autofree char *path = storage_path (bed, "s2");
  g_autoptr (GVariant) before = row_now (path);
  g_autoptr (GVariant) after = NULL;
  g_auto (QsRealWorld) world = { 0 };
  QsStepCall call = { .world = &world };
  g_autoptr (QsProcess) process = NULL;
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GError) error = NULL;

  real_domain_run_until (bed->domain, plan, UP_STORAGE, REAL_AFTER);
  process = storage_process (bed);
  qs_real_world_init (&world, &bed->domain->engine, "1", getuid (), bed->domain->op, 0);
  g_assert_true (qs_storage_check (&call, process, before, &error));
  g_assert_no_error (error);
  replace (bed, "s2");
  after = row_now (path);
  g_assert_false (qs_storage_check (&call, process, after, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
}

static void
test_replaced (void)
{
  with_bed ("qcow2", STORAGE_UP, replaced);
  with_bed ("qcow2", STORAGE_UP, exchanged);
}

static QsOutcome
rebase (StorageBed *bed, const char *old, const char *backing, GError **error)
{
  g_autoptr (QsPlan) plan = qs_plan_new ();

  real_plan_add (plan, QS_STEP_RECORD, QS_PHASE_COMMIT, "{'changes': <@a(sa{sv}) []>}");
  storage_add_rebase (bed, plan, "s3", old, backing);
  return real_domain_run (bed->domain, plan, NULL, error);
}

/* a second time it does nothing, and a header that names a third file is left alone */
static void
test_rebase (void)
{
  StorageBed bed = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *named = NULL;
  g_autofree char *expected = NULL;

  storage_bed_set_up (&bed, "qcow2");
  path = storage_path (&bed, "s3");
  expected = storage_path (&bed, "s1");
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *backing = NULL;

      g_assert_cmpint (rebase (&bed, "s2", "s1", &error), ==, QS_OUTCOME_DONE);
      g_assert_no_error (error);
      backing = real_image_string (path, "backing-filename");
      g_assert_cmpstr (backing, ==, expected);
    }
  g_assert_cmpint (rebase (&bed, "s1", "base", &error), ==, QS_OUTCOME_DONE);
  g_assert_cmpint (rebase (&bed, "s2", "s1", &error), ==, QS_OUTCOME_OPEN);
  g_assert_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED);
  named = real_image_string (path, "backing-filename");
  g_assert_cmpstr (named, !=, expected);
  storage_bed_tear_down (&bed, "qcow2");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/merge-storage/qcow2", "qcow2", test_merge);
  g_test_add_data_func ("/merge-storage/raw", "raw", test_merge);
  g_test_add_data_func ("/merge-storage/down/daemon-killed", DOWN, test_daemon_killed);
  g_test_add_data_func ("/merge-storage/down/both-killed", DOWN, test_both_killed);
  g_test_add_data_func ("/merge-storage/up/daemon-killed", UP, test_daemon_killed);
  g_test_add_data_func ("/merge-storage/up/both-killed", UP, test_both_killed);
  g_test_add_func ("/merge-storage/killed-in-job", test_killed_in_job);
  g_test_add_func ("/merge-storage/cancelled", test_cancelled);
  g_test_add_func ("/merge-storage/in-use", test_in_use);
  g_test_add_func ("/merge-storage/unknown", test_unknown);
  g_test_add_func ("/merge-storage/replaced", test_replaced);
  g_test_add_func ("/merge-storage/rebase", test_rebase);
  return g_test_run ();
}
