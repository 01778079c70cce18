/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-migration.h"
#include "qs-wake.h"
#include "real-qemu.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* a real QEMU saves memory as the stream of a migration */

typedef struct
{
  RealQemu *qemu;
  QsGuest *guest;
  GVariant *learnt;
} Fixture;

/* somebody else has set what would spoil it */
static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->qemu = real_qemu_new ();
  f->guest = real_qemu_guest (f->qemu, NULL);
  real_qemu_do (f->qemu, "migrate-set-capabilities",
                "{'capabilities': <[{'capability': <'xbzrle'>, 'state': <true>},"
                " {'capability': <'release-ram'>, 'state': <true>}]>}");
  real_qemu_do (f->qemu, "migrate-set-parameters",
                "{'max-bandwidth': <1000>, 'tls-creds': <'nobody'>}");
  real_qemu_do (f->qemu, "cont", "@a{sv} {}");
  f->learnt = qs_migration_learn (f->guest, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) after = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_migration_restore (f->guest, f->learnt, &error));
  g_assert_no_error (error);
  after = qs_migration_learn (f->guest, NULL);
  g_assert_true (g_variant_equal (f->learnt, after));
  g_variant_unref (f->learnt);
  qs_guest_unref (f->guest);
  real_qemu_free (f->qemu);
}

static int
open_file (Fixture *f, char **path)
{
  int fd;

  *path = real_qemu_path (f->qemu, "memory");
  fd = open (*path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  g_assert_no_errno (fd);
  return fd;
}

static void
start (Fixture *f, int fd, QsMigrateWay way)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_migration_set (f->guest, f->learnt, way, &error));
  g_assert_no_error (error);
  g_assert_true (qs_migration_start (f->guest, fd, &error));
  g_assert_no_error (error);
  g_assert_no_errno (close (fd));
}

static void
wait_for (Fixture *f, QsMigrationPhase wanted, QsMigrationState *state)
{
  do
    {
      g_assert_true (qs_migration_query (f->guest, state, NULL));
      if (state->phase != wanted)
        {
          g_assert_cmpint (state->phase, ==, QS_MIGRATION_UNDERWAY);
          qs_qmp_wait_news (qs_guest_get_qmp (f->guest), 20000);
        }
    }
  while (state->phase != wanted);
}

static void
assert_state (Fixture *f, const char *expected)
{
  g_autofree char *word = NULL;
  QsDomainState state;

  g_assert_true (qs_guest_query_state (f->guest, &state, &word, NULL));
  g_assert_cmpstr (word, ==, expected);
}

static void
cancel (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *word = NULL;

  g_assert_true (qs_migration_cancel (f->guest, &error));
  g_assert_no_error (error);
  g_assert_true (qs_migration_settle (f->guest, &word, &error));
  g_assert_no_error (error);
  if (g_str_equal (word, "postmigrate"))
    qs_wake (f->guest, QS_WAKE_MIGRATED, 0, NULL, &error);
  g_assert_no_error (error);
}

/* to the end: all of it is in the file, and the guest stands until it is resumed */
static void
finish (Fixture *f, const char *path)
{
  g_auto (QsMigrationState) state = { 0 };
  g_autofree char *word = NULL;
  struct stat info;

  wait_for (f, QS_MIGRATION_COMPLETED, &state);
  g_assert_true (qs_migration_settle (f->guest, &word, NULL));
  g_assert_cmpstr (word, ==, "postmigrate");
  g_assert_cmpuint (state.done, >, 50000);
  g_assert_cmpuint (state.remaining, ==, 0);
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_size, >=, state.done);
  /* what is completed stays so, however often it is taken back */
  cancel (f);
  cancel (f);
  assert_state (f, "running");
}

static void
test_stopped (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL;
  int fd = open_file (f, &path);

  real_qemu_do (f->qemu, "stop", "@a{sv} {}");
  start (f, fd, QS_MIGRATE_STOPPED);
  finish (f, path);
}

static void
test_live (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL;
  int fd = open_file (f, &path);
  g_auto (QsMigrationState) state = { 0 };

  start (f, fd, QS_MIGRATE_LIVE);
  wait_for (f, QS_MIGRATION_WAITING, &state);
  assert_state (f, "finish-migrate");
  real_qemu_do (f->qemu, "blockdev-snapshot-internal-sync",
                "{'device': <'snapd-vda'>, 'name': <'t'>}");
  real_qemu_do (f->qemu, "migrate-continue", "{'state': <'pre-switchover'>}");
  finish (f, path);
  g_assert_cmpuint (qs_qmp_get_stopped_time (qs_guest_get_qmp (f->guest)), >, 0);
}

/* the guest goes on by itself */
static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL;
  g_auto (QsMigrationState) state = { 0 };
  int fd;

  cancel (f);
  assert_state (f, "running");
  start (f, open_file (f, &path), QS_MIGRATE_LIVE);
  wait_for (f, QS_MIGRATION_WAITING, &state);
  cancel (f);
  assert_state (f, "running");

  /* and one that stood still stands still, whoever has to continue it */
  g_clear_pointer (&path, g_free);
  real_qemu_do (f->qemu, "stop", "@a{sv} {}");
  g_assert_true (qs_migration_set (f->guest, f->learnt, QS_MIGRATE_STOPPED, NULL));
  real_qemu_do (f->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
  fd = open_file (f, &path);
  g_assert_true (qs_migration_start (f->guest, fd, NULL));
  g_assert_no_errno (close (fd));
  g_assert_true (qs_migration_query (f->guest, &state, NULL));
  g_assert_cmpint (state.phase, ==, QS_MIGRATION_UNDERWAY);
  cancel (f);
  assert_state (f, "paused");
}

static void
test_full (Fixture *f, gconstpointer data)
{
  g_auto (QsMigrationState) state = { 0 };
  int fd = open ("/dev/full", O_RDWR | O_CLOEXEC);

  g_assert_no_errno (fd);
  start (f, fd, QS_MIGRATE_LIVE);
  wait_for (f, QS_MIGRATION_FAILED, &state);
  g_assert_cmpstr (state.problem, ==, "Unable to write to file: No space left on device");
  cancel (f);
  assert_state (f, "running");
}

/* nothing of it stays in QEMU */
static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL;
  int fd = open_file (f, &path);
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_migration_set (f->guest, f->learnt, QS_MIGRATE_STOPPED, NULL));
  real_qemu_do (f->qemu, "migrate-set-parameters", "{'max-bandwidth': <1000>}");
  g_assert_true (qs_migration_start (f->guest, fd, NULL));
  g_assert_false (qs_migration_start (f->guest, fd, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
  g_assert_nonnull (strstr (error->message, "migration process in progress"));
  g_assert_no_errno (close (fd));
  cancel (f);
}

#define add(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/migration/stopped", test_stopped);
  add ("/migration/live", test_live);
  add ("/migration/cancel", test_cancel);
  add ("/migration/full", test_full);
  add ("/migration/refused", test_refused);
  return g_test_run ();
}
