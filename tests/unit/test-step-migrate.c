/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-migration.h"
#include "qs-real-world.h"
#include "real-qemu.h"
#include "worker-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* the steps that save memory as a stream, with a real QEMU and a real worker, where all does not go
   as it should: what is taken back leaves nothing behind */

#define FILE_STEP 0
#define STOP_STEP 1
#define MIGRATE_STEP 2

typedef struct
{
  RealQemu *qemu;
  QsGuest *guest;
  QsEngine engine;
  QsJournal journal;
  QsRealWorld world;
  QsPlan *plan;
  GPtrArray *results;
  char *path;
  GVariant *before; /* QEMU's settings */
  int throttled;    /* atomic: somebody keeps QEMU from writing */
} Bench;

static void
nobody_heeds (const QsDomain *before, QsDomain *after, gpointer user_data)
{
}

static gboolean
note (QsJournal *journal, guint part, guint index, QsStepState state, GVariant *result,
      GError **error)
{
  return TRUE;
}

static const QsJournalVTable journal_table = { NULL, note, note, NULL };

static void
unref_result (gpointer result)
{
  if (result != NULL)
    g_variant_unref (result);
}

static void
make_plan (Bench *b, gboolean live)
{
  b->plan = qs_plan_new ();
  qs_plan_add (b->plan, QS_STEP_FILE_CREATE, QS_PHASE_PREPARE, "@memory",
               g_variant_new_parsed ("{'target': <'@memory'>, 'path': <%s>, 'mode': <%u>,"
                                     " 'gid': <%u>}",
                                     b->path, 0600u, (guint32)getgid ()));
  qs_plan_add (b->plan, QS_STEP_STOP, QS_PHASE_PREPARE, "real", NULL);
  qs_plan_add (b->plan, QS_STEP_MIGRATE, QS_PHASE_PREPARE, "@memory",
               g_variant_new_parsed ("{'path': <%s>, 'file': <%u>, 'live': <%b>,"
                                     " 'timeout': <%u>}",
                                     b->path, (guint32)FILE_STEP, live, live ? 1u : 0u));
}

static QsStepCall
make_call (Bench *b, guint index)
{
  return (QsStepCall){ .world = &b->world,
                       .plan = b->plan,
                       .step = qs_plan_step (b->plan, index),
                       .index = index,
                       .results = b->results };
}

static void
set_result (Bench *b, guint index, GVariant *result)
{
  unref_result (g_ptr_array_index (b->results, index));
  g_ptr_array_index (b->results, index) = result;
}

/* @live: (gconstpointer): whether the guest is to run meanwhile */
static void
set_up (Bench *b, gconstpointer live)
{
  QsStepCall call;
  GVariant *result = NULL;
  g_autoptr (GError) error = NULL;

  b->qemu = real_qemu_new ();
  b->guest = real_qemu_guest (b->qemu, NULL);
  b->engine.registry = qs_registry_new (nobody_heeds, NULL);
  b->engine.workers = qs_worker_pool_new (worker_program (), FALSE);
  qs_registry_put (b->engine.registry, b->qemu->domain);
  qs_registry_set_guest (b->engine.registry, "1", b->guest);
  b->journal.vtable = &journal_table;
  b->world.engine = &b->engine;
  b->world.journal = &b->journal;
  b->world.domain = g_strdup ("1");
  b->world.owner = getuid ();
  b->path = real_qemu_path (b->qemu, "memory");
  b->results = g_ptr_array_new_with_free_func (unref_result);
  g_ptr_array_set_size (b->results, 3);
  make_plan (b, live != NULL);

  real_qemu_do (b->qemu, "cont", "@a{sv} {}");
  if (live == NULL)
    real_qemu_do (b->qemu, "stop", "@a{sv} {}");
  if (live == NULL)
    set_result (b, STOP_STEP, g_variant_ref_sink (g_variant_new_parsed ("{'changed': <true>}")));
  b->before = qs_migration_learn (b->guest, &error);
  g_assert_no_error (error);
  call = make_call (b, FILE_STEP);
  g_assert_true (qs_run_file_create (&call, &result, &error));
  g_assert_no_error (error);
  set_result (b, FILE_STEP, result);
}

static void
tear_down (Bench *b, gconstpointer live)
{
  unref_result (b->before);
  g_ptr_array_unref (b->results);
  qs_plan_unref (b->plan);
  g_free (b->path);
  g_free (b->world.domain);
  g_clear_pointer (&b->world.worker, qs_worker_release);
  qs_worker_pool_free (b->engine.workers);
  qs_registry_free (b->engine.registry);
  qs_guest_unref (b->guest);
  real_qemu_free (b->qemu);
}

static void
assert_run_state (Bench *b, const char *expected)
{
  g_autofree char *word = NULL;
  QsDomainState state;

  g_assert_true (qs_guest_query_state (b->guest, &state, &word, NULL));
  g_assert_cmpstr (word, ==, expected);
}

/* QEMU writes as good as nothing, whatever is set */
static gpointer
throttle (gpointer data)
{
  Bench *b = data;

  while (g_atomic_int_get (&b->throttled))
    {
      real_qemu_do (b->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
      g_usleep (1000);
    }
  return NULL;
}

static GThread *
start_throttling (Bench *b)
{
  real_qemu_do (b->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
  g_variant_unref (b->before);
  b->before = qs_migration_learn (b->guest, NULL);
  g_atomic_int_set (&b->throttled, TRUE);
  return g_thread_new ("throttle", throttle, b);
}

static void
stop_throttling (Bench *b, GThread *thread)
{
  g_atomic_int_set (&b->throttled, FALSE);
  g_thread_join (thread);
}

static void
must_fail (Bench *b, GCancellable *cancellable, int code, const char *text)
{
  QsStepCall call = make_call (b, MIGRATE_STEP);
  GVariant *result = NULL;
  g_autoptr (GError) error = NULL;

  call.cancellable = cancellable;
  g_assert_false (qs_run_migrate (&call, &result, &error));
  qs_error_fold (&error);
  g_assert_error (error, QS_ERROR, code);
  g_assert_nonnull (strstr (error->message, text));
  if (result != NULL)
    set_result (b, MIGRATE_STEP, result);
}

/* as often as it likes */
static void
must_undo (Bench *b)
{
  for (guint i = 0; i < 2; i++)
    {
      QsStepCall migrate = make_call (b, MIGRATE_STEP);
      QsStepCall file = make_call (b, FILE_STEP);
      g_autoptr (GError) error = NULL;

      qs_undo_migrate (&migrate, &error);
      g_assert_no_error (error);
      qs_undo_image_create (&file, &error);
      g_assert_no_error (error);
    }
}

static void
assert_as_before (Bench *b, const char *run_state)
{
  g_autoptr (GVariant) after = qs_migration_learn (b->guest, NULL);

  assert_absent (b->path);
  assert_run_state (b, run_state);
  g_assert_true (g_variant_equal (b->before, after));
}

/* the guest changes its memory faster than it can be written */
static void
test_slow (Bench *b, gconstpointer live)
{
  GThread *thread = start_throttling (b);

  must_fail (b, NULL, QS_ERROR_OPERATION_UNSUPPORTED, "leave out LIVE");
  stop_throttling (b, thread);
  must_undo (b);
  assert_as_before (b, "running");
}

static gpointer
cancel_later (gpointer cancellable)
{
  g_usleep (300000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_cancel (Bench *b, gconstpointer live)
{
  QsStepCall migrate = make_call (b, MIGRATE_STEP);
  GThread *thread = start_throttling (b);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GThread *other = g_thread_new ("cancel", cancel_later, cancellable);

  must_fail (b, cancellable, QS_ERROR_CANCELLED, "");
  g_thread_join (other);
  stop_throttling (b, thread);
  /* what is taken back after this may need the room */
  qs_undo_migrate (&migrate, NULL);
  assert_contents (b->path, "");
  must_undo (b);
  assert_as_before (b, live != NULL ? "running" : "paused");
}

/* somebody else's goes on */
static void
test_busy (Bench *b, gconstpointer live)
{
  g_auto (QsMigrationState) state = { 0 };

  real_qemu_do (b->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
  real_qemu_do (b->qemu, "migrate", "{'uri': <'exec:cat > /dev/null'>}");
  must_fail (b, NULL, QS_ERROR_DOMAIN_BUSY, "somebody else");
  must_undo (b);
  g_assert_true (qs_migration_query (b->guest, &state, NULL));
  g_assert_cmpint (state.phase, ==, QS_MIGRATION_UNDERWAY);
  assert_absent (b->path);
}

/* a guest that we would have to continue, and must not */
static void
test_changed_meanwhile (Bench *b, gconstpointer live)
{
  real_qemu_do (b->qemu, live != NULL ? "stop" : "cont", "@a{sv} {}");
  must_fail (b, NULL, QS_ERROR_OPERATION_INVALID, live != NULL ? "paused by" : "continued by");
  must_undo (b);
  assert_as_before (b, live != NULL ? "paused" : "running");
}

static void
test_paused_by_others (Bench *b, gconstpointer live)
{
  set_result (b, STOP_STEP, g_variant_ref_sink (g_variant_new_parsed ("{'changed': <false>}")));
  must_fail (b, NULL, QS_ERROR_OPERATION_INVALID, "paused by");
  must_undo (b);
  assert_as_before (b, "paused");
}

/* what has taken the name is not touched */
static void
test_other_file (Bench *b, gconstpointer live)
{
  g_assert_cmpint (g_unlink (b->path), ==, 0);
  write_file (b->path, "dear data");
  must_fail (b, NULL, QS_ERROR_IMAGE_FAILED, "no longer the file");
  must_undo (b);
  assert_contents (b->path, "dear data");
  assert_run_state (b, "running");
}

static void
test_killed (Bench *b, gconstpointer live)
{
  g_subprocess_force_exit (b->qemu->child);
  g_subprocess_wait (b->qemu->child, NULL, NULL);
  while (qs_guest_is_open (b->guest))
    g_usleep (1000);
  must_fail (b, NULL, QS_ERROR_OPERATION_INVALID, "has ended");
  set_result (b, MIGRATE_STEP, g_variant_ref (b->before));
  must_undo (b);
  assert_absent (b->path);
}

/* what the step writes down before it begins */
static void
note_begun (Bench *b)
{
  set_result (b, MIGRATE_STEP, g_variant_ref (b->before));
}

static void
migrate_to (Bench *b, const char *uri, QsMigrationPhase wanted)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (g_variant_new_parsed ("{'uri': <%s>}", uri));
  g_autofree char *text = g_variant_print (arguments, FALSE);
  g_auto (QsMigrationState) state = { 0 };
  g_autofree char *word = NULL;

  real_qemu_do (b->qemu, "migrate", text);
  while (qs_migration_query (b->guest, &state, NULL) && state.phase != wanted)
    g_usleep (5000);
  if (wanted == QS_MIGRATION_COMPLETED)
    g_assert_true (qs_migration_settle (b->guest, &word, NULL));
}

static void
must_not_undo (Bench *b, guint index)
{
  QsStepCall call = make_call (b, index);
  g_autoptr (GError) error = NULL;

  g_assert_false (index == STOP_STEP ? qs_undo_guest_step (&call, &error)
                                     : qs_undo_migrate (&call, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID);
  g_assert_nonnull (strstr (error->message, "may have been migrated by somebody else"));
  assert_run_state (b, "postmigrate");
}

/* after an interruption: the intent is written down, and the owner migrates the guest away */
static void
test_migrated_away (Bench *b, gconstpointer live)
{
  note_begun (b);
  migrate_to (b, "exec:cat > /dev/null", QS_MIGRATION_COMPLETED);
  must_not_undo (b, MIGRATE_STEP);
  must_not_undo (b, MIGRATE_STEP);
  set_result (b, STOP_STEP, g_variant_ref_sink (g_variant_new_parsed ("{'changed': <true>}")));
  must_not_undo (b, STOP_STEP);
}

static void
test_foreign_under_way (Bench *b, gconstpointer live)
{
  g_auto (QsMigrationState) state = { 0 };

  note_begun (b);
  real_qemu_do (b->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
  migrate_to (b, "exec:cat > /dev/null", QS_MIGRATION_UNDERWAY);
  must_undo (b);
  g_assert_true (qs_migration_query (b->guest, &state, NULL));
  g_assert_cmpint (state.phase, ==, QS_MIGRATION_UNDERWAY);
  assert_run_state (b, "running");
}

/* what is complete is ours by what is in the file, or by what was counted then; a later one is not */
static void
test_complete (Bench *b, gconstpointer counted)
{
  QsStepCall call = make_call (b, MIGRATE_STEP);
  GVariant *result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_run_migrate (&call, &result, &error));
  g_assert_no_error (error);
  assert_run_state (b, "postmigrate");
  set_result (b, MIGRATE_STEP, result);
  call = make_call (b, STOP_STEP);
  g_assert_true (qs_undo_guest_step (&call, &error));
  g_assert_no_error (error);
  assert_run_state (b, "running");
  migrate_to (b, "exec:cat > /dev/null", QS_MIGRATION_COMPLETED);
  must_not_undo (b, MIGRATE_STEP);
  must_not_undo (b, STOP_STEP);
}

static void
test_interrupted (Bench *b, gconstpointer live)
{
  QsStepCall call = make_call (b, MIGRATE_STEP);
  GVariant *result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_run_migrate (&call, &result, &error));
  g_assert_no_error (error);
  unref_result (result);
  note_begun (b);
  must_undo (b);
  assert_as_before (b, "running");
}

#define add(path, live, func) g_test_add (path, Bench, live, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* as the main thread of the daemon has it */
  g_assert_true (g_main_context_acquire (NULL));
  add ("/step-migrate/slow", "live", test_slow);
  add ("/step-migrate/cancel-live", "live", test_cancel);
  add ("/step-migrate/cancel", NULL, test_cancel);
  add ("/step-migrate/busy", "live", test_busy);
  add ("/step-migrate/paused-meanwhile", "live", test_changed_meanwhile);
  add ("/step-migrate/continued-meanwhile", NULL, test_changed_meanwhile);
  add ("/step-migrate/paused-by-others", NULL, test_paused_by_others);
  add ("/step-migrate/other-file", "live", test_other_file);
  add ("/step-migrate/killed", "live", test_killed);
  add ("/step-migrate/migrated-away", "live", test_migrated_away);
  add ("/step-migrate/foreign-under-way", "live", test_foreign_under_way);
  add ("/step-migrate/complete", NULL, test_complete);
  add ("/step-migrate/interrupted", NULL, test_interrupted);
  return g_test_run ();
}
