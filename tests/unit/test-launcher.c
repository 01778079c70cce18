/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-guest.h"
#include "qs-launcher.h"
#include "worker-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"

typedef struct
{
  QsLauncher *launcher;
  char *folder;
  char *socket;
  char *chardev;
} Place;

/* no systemd on a bus that is not there */
static Place
place_new (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  Place place = { qs_launcher_new (f->pool, FALSE, f->folder) };

  place.folder = qs_launcher_folder (place.launcher, f->worker, "vm-1", &error);
  g_assert_no_error (error);
  place.socket = g_build_filename (place.folder, "qmp.sock", NULL);
  place.chardev = g_strdup_printf ("socket,id=m,path=%s,server=on,wait=off", place.socket);
  return place;
}

static void
place_clear (Place *place)
{
  qs_launcher_free (place->launcher);
  g_free (place->folder);
  g_free (place->socket);
  g_free (place->chardev);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

static QsProcess *
start (Fixture *f, const Place *place, const char *const *argv, GError **error)
{
  const QsLaunch launch = { .uid = getuid (), .id = "vm-1", .argv = argv, .socket = place->socket };

  return qs_launcher_start (place->launcher, f->worker, &launch, error);
}

static QsProcess *
start_qemu (Fixture *f, const Place *place)
{
  const char *const argv[] = { QEMU,
                               "-machine",
                               "none",
                               "-S",
                               "-display",
                               "none",
                               "-nodefaults",
                               "-chardev",
                               place->chardev,
                               "-mon",
                               "chardev=m,mode=control",
                               NULL };
  g_autoptr (GError) error = NULL;
  QsProcess *process = start (f, place, argv, &error);

  g_assert_no_error (error);
  return process;
}

static void
test_life (Fixture *f, gconstpointer data)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (QsProcess) process = start_qemu (f, &place);
  QsGuestIdentity identity = { "1", "any", getuid (), process };
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;
  GStatBuf info;

  g_assert_no_errno (g_stat (place.folder, &info));
  g_assert_cmpint (info.st_mode & 07777, ==, 0700);
  g_assert_true (qs_process_is_alive (process));
  g_assert_cmpstr (process->unit, ==, "");
  g_assert_false (qs_process_wait (process, 0));
  guest = qs_guest_connect (f->worker, &identity, NULL, &error);
  g_assert_no_error (error);
  qs_guest_check (guest, &error);
  g_assert_no_error (error);

  g_assert_true (qs_launcher_kill (place.launcher, process, &error));
  g_assert_no_error (error);
  g_assert_false (qs_process_is_alive (process));
  g_assert_true (qs_process_wait (process, 0));
  g_assert_true (qs_launcher_kill (place.launcher, process, &error));
  g_assert_true (qs_launcher_clear (place.launcher, f->worker, process, &error));
  g_assert_no_error (error);
  assert_absent (place.folder);
  g_assert_true (qs_launcher_clear (place.launcher, f->worker, process, &error));
}

/* a stopped process does not hear SIGTERM */
static void
test_kill (Fixture *f, gconstpointer data)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (QsProcess) process = start_qemu (f, &place);
  g_autoptr (GError) error = NULL;

  g_assert_no_errno (kill (process->pid, SIGSTOP));
  g_assert_true (qs_launcher_kill (place.launcher, process, &error));
  g_assert_no_error (error);
  g_assert_false (qs_process_is_alive (process));
}

/* only all of pid, start time and boot name a process */
static void
test_identity (Fixture *f, gconstpointer data)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (QsProcess) process = start_qemu (f, &place);
  g_autoptr (QsProcess) older =
      qs_process_new (process->pid, process->start_time - 1, process->boot_id, "", "");
  g_autoptr (QsProcess) earlier =
      qs_process_new (process->pid, process->start_time, "another boot", "", "");
  g_autoptr (QsProcess) none = qs_process_new (0, 0, process->boot_id, "", "");
  const QsProcess *others[] = { older, earlier, none };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_assert_false (qs_process_is_alive (others[i]));
      g_assert_true (qs_process_wait (others[i], 10));
      g_assert_true (qs_launcher_kill (place.launcher, others[i], NULL));
    }
  g_assert_true (qs_process_is_alive (process));
  g_assert_true (qs_launcher_kill (place.launcher, process, NULL));
}

static gboolean
on_started (const QsProcess *process, gpointer data, GError **error)
{
  QsProcess **started = data;

  g_assert_true (qs_process_is_alive (process));
  *started = qs_process_copy (process);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_DEGRADED, "cannot be written down");
  return FALSE;
}

/* a process that cannot be written down is not left running */
static void
test_started (Fixture *f, gconstpointer data)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (QsProcess) started = NULL;
  const char *const argv[] = { "/bin/sleep", "60", NULL };
  const QsLaunch launch = { .uid = getuid (),
                            .id = "vm-1",
                            .argv = argv,
                            .socket = place.socket,
                            .started = on_started,
                            .user_data = &started };
  g_autoptr (GError) error = NULL;

  g_assert_null (qs_launcher_start (place.launcher, f->worker, &launch, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  g_assert_false (qs_process_is_alive (started));
}

static void
test_lost (Fixture *f, gconstpointer data)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (QsProcess) process = start_qemu (f, &place);
  g_autofree char *other = g_strconcat (place.socket, "2", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (qs_launcher_kill_lost (place.launcher, getuid () + 1, place.socket, &error));
  g_assert_true (qs_launcher_kill_lost (place.launcher, getuid (), other, &error));
  g_assert_true (qs_process_is_alive (process));
  g_assert_true (qs_launcher_kill_lost (place.launcher, getuid (), place.socket, &error));
  g_assert_false (qs_process_is_alive (process));
  g_assert_true (qs_launcher_kill_lost (place.launcher, getuid (), place.socket, &error));
}

static void
check_fails (Fixture *f, const char *const *argv, QsError code, const char *part)
{
  g_auto (Place) place = place_new (f);
  g_autoptr (GError) error = NULL;

  g_assert_null (start (f, &place, argv, &error));
  g_assert_error (error, QS_ERROR, (int)code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_cmpuint (strlen (error->message), <, 2500);
}

static void
test_failures (Fixture *f, gconstpointer data)
{
  const char *const machine[] = { QEMU, "-machine", "nonsense", NULL };
  const char *const silent[] = { "/bin/true", NULL };
  const char *const absent[] = { "/nonexistent/qemu", NULL };

  check_fails (f, machine, QS_ERROR_FAILED,
               "QEMU has ended while it started: qemu-system-x86_64: unsupported machine type");
  check_fails (f, silent, QS_ERROR_FAILED, "QEMU has ended while it started: it said nothing");
  check_fails (f, absent, QS_ERROR_CONFIG_UNSUPPORTED, "‘/nonexistent/qemu’");
}

/* a program that says more than the log takes */
static void
test_talkative (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer) "/bin/ls");
  for (guint i = 0; i < 3000; i++)
    g_ptr_array_add (argv, (gpointer) "/nonexistent/with/a/rather/long/name");
  g_ptr_array_add (argv, NULL);
  check_fails (f, (const char *const *)argv->pdata, QS_ERROR_FAILED, "No such file or directory");
}

static void
test_ids (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = { "", "a/b", "..", "a b", "ä", "a.service" };
  g_autoptr (QsLauncher) launcher = qs_launcher_new (f->pool, FALSE, f->folder);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (qs_launcher_folder (launcher, f->worker, bad[i], &error));
      g_assert_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
  g_test_add ("/launcher/life", Fixture, NULL, fixture_set_up, test_life, fixture_tear_down);
  g_test_add ("/launcher/kill", Fixture, NULL, fixture_set_up, test_kill, fixture_tear_down);
  g_test_add ("/launcher/identity", Fixture, NULL, fixture_set_up, test_identity,
              fixture_tear_down);
  g_test_add ("/launcher/started", Fixture, NULL, fixture_set_up, test_started, fixture_tear_down);
  g_test_add ("/launcher/lost", Fixture, NULL, fixture_set_up, test_lost, fixture_tear_down);
  g_test_add ("/launcher/failures", Fixture, NULL, fixture_set_up, test_failures,
              fixture_tear_down);
  g_test_add ("/launcher/talkative", Fixture, NULL, fixture_set_up, test_talkative,
              fixture_tear_down);
  g_test_add ("/launcher/ids", Fixture, NULL, fixture_set_up, test_ids, fixture_tear_down);
  return g_test_run ();
}
