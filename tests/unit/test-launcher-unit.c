/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-error.h"
#include "qs-unit.h"
#include "worker-fixture.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"

/* a systemd that knows one transient service at a time, on a bus of its own, in a thread */

static const char interface_xml[] =
    "<node><interface name='org.freedesktop.systemd1.Manager'>"
    "<method name='Subscribe'/>"
    "<method name='StartTransientUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a(sv)' direction='in'/><arg type='a(sa(sv))' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='GetUnit'><arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='StopUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<signal name='JobRemoved'><arg type='u'/><arg type='o'/><arg type='s'/><arg "
    "type='s'/></signal>"
    "<signal name='UnitRemoved'><arg type='s'/><arg type='o'/></signal>"
    "</interface><interface name='org.freedesktop.systemd1.Service'>"
    "<property name='MainPID' type='u' access='read'/></interface></node>";

typedef struct
{
  GTestDBus *bus;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GDBusConnection *connection;
  GAsyncQueue *ready;
  GSubprocess *child;
  char *printed;  /* the properties that were asked for */
  guint refusals; /* how often the name is still taken */
} Systemd;

static const char *
find_property (GVariant *list, const char *name, GVariant **value)
{
  GVariantIter iter;
  const char *key;
  GVariant *item;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&sv)", &key, &item))
    {
      if (g_str_equal (key, name))
        {
          *value = item;
          return key;
        }
      g_variant_unref (item);
    }
  return NULL;
}

static GStrv
read_command (GVariant *list)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariantIter) commands = NULL;
  g_auto (GStrv) flags = NULL;
  const char *program;
  GStrv argv = NULL;

  g_assert_nonnull (find_property (list, "ExecStartEx", &value));
  g_variant_get (value, "a(sasas)", &commands);
  g_assert_true (g_variant_iter_next (commands, "(&s^as^as)", &program, &argv, &flags));
  g_assert_cmpstr (program, ==, argv[0]);
  g_assert_cmpstr (flags[0], ==, "no-env-expand"); /* else a `$` would be expanded */
  g_assert_null (flags[1]);
  return argv;
}

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* like a service of type exec: the job is done when the program runs */
static void
run_service (Systemd *systemd, GVariant *list, GUnixFDList *fds)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_auto (GStrv) argv = read_command (list);
  g_autoptr (GVariant) folders = NULL;
  g_autofree char *path = NULL;
  const char **names;

  g_assert_nonnull (find_property (list, "RuntimeDirectory", &folders));
  names = g_variant_get_strv (folders, NULL);
  path = g_build_filename (g_get_user_runtime_dir (), names[0], NULL);
  g_free (names);
  g_assert_no_errno (g_mkdir_with_parents (path, 0700));
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  g_subprocess_launcher_take_stderr_fd (launcher, g_unix_fd_list_get (fds, 0, NULL));
  g_clear_object (&systemd->child);
  systemd->child = g_subprocess_launcher_spawnv (launcher, (const char *const *)argv, NULL);
}

static void
emit (Systemd *systemd, const char *name, GVariant *values)
{
  g_dbus_connection_emit_signal (systemd->connection, NULL, "/org/freedesktop/systemd1",
                                 "org.freedesktop.systemd1.Manager", name, values, NULL);
}

static void
start_service (Systemd *systemd, GVariant *arguments, GDBusMethodInvocation *invocation)
{
  GUnixFDList *fds =
      g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (invocation));
  g_autoptr (GVariant) list = NULL;
  const char *unit;

  g_variant_get (arguments, "(&s&s@a(sv)@a(sa(sv)))", &unit, NULL, &list, NULL);
  if (systemd->refusals > 0)
    {
      systemd->refusals--;
      g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.systemd1.UnitExists",
                                                  "it is there");
      emit (systemd, "UnitRemoved", g_variant_new ("(so)", unit, "/unit"));
      return;
    }
  g_free (systemd->printed);
  systemd->printed = g_variant_print (list, FALSE);
  run_service (systemd, list, fds);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", "/job"));
  emit (systemd, "JobRemoved", g_variant_new ("(uoss)", 1, "/other", "other.service", "failed"));
  emit (systemd, "JobRemoved",
        g_variant_new ("(uoss)", 2, "/job", unit, systemd->child == NULL ? "failed" : "done"));
}

static void
stop_service (Systemd *systemd, GVariant *arguments, GDBusMethodInvocation *invocation)
{
  const char *unit;

  g_variant_get (arguments, "(&s&s)", &unit, NULL);
  if (systemd->child == NULL)
    {
      g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.systemd1.NoSuchUnit",
                                                  "it is not there");
      return;
    }
  g_subprocess_send_signal (systemd->child, SIGTERM);
  g_subprocess_wait (systemd->child, NULL, NULL);
  g_clear_object (&systemd->child);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", "/job"));
  emit (systemd, "JobRemoved", g_variant_new ("(uoss)", 3, "/job", unit, "done"));
}

static void /* NOLINTNEXTLINE(readability-function-size): GIO's signature */
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
         const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data)
{
  if (g_str_equal (method, "StartTransientUnit"))
    start_service (data, arguments, invocation);
  else if (g_str_equal (method, "StopUnit"))
    stop_service (data, arguments, invocation);
  else if (g_str_equal (method, "GetUnit"))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", "/unit"));
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

static GVariant * /* NOLINTNEXTLINE(readability-function-size): GIO's signature */
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *property, GError **error, gpointer data)
{
  Systemd *systemd = data;
  const char *pid = g_subprocess_get_identifier (systemd->child);

  return g_variant_new_uint32 (pid == NULL ? 0 : g_ascii_strtoull (pid, NULL, 10));
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };

static void
serve (Systemd *systemd)
{
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (interface_xml, NULL);
  static const char *const paths[] = { "/org/freedesktop/systemd1", "/unit" };
  g_autoptr (GError) error = NULL;

  systemd->connection =
      g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (systemd->bus),
                                              G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                  | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                              NULL, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    g_assert_cmpuint (g_dbus_connection_register_object (systemd->connection, paths[i],
                                                         info->interfaces[i], &vtable, systemd,
                                                         NULL, NULL),
                      >, 0);
  g_variant_unref (g_dbus_connection_call_sync (
      systemd->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "RequestName", g_variant_new ("(su)", "org.freedesktop.systemd1", 0), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL));
}

static gpointer
run_systemd (gpointer data)
{
  Systemd *systemd = data;

  g_main_context_push_thread_default (systemd->context);
  serve (systemd);
  g_async_queue_push (systemd->ready, systemd);
  g_main_loop_run (systemd->loop);
  g_dbus_connection_close_sync (systemd->connection, NULL, NULL);
  g_clear_object (&systemd->connection);
  while (g_main_context_iteration (systemd->context, FALSE))
    continue;
  g_main_context_pop_thread_default (systemd->context);
  return NULL;
}

static Systemd systemd;

static void
systemd_start (void)
{
  systemd.bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (systemd.bus);
  systemd.context = g_main_context_new ();
  systemd.loop = g_main_loop_new (systemd.context, FALSE);
  systemd.ready = g_async_queue_new ();
  systemd.thread = g_thread_new ("systemd", run_systemd, &systemd);
  g_assert_nonnull (g_async_queue_timeout_pop (systemd.ready, 20 * (gint64)G_USEC_PER_SEC));
}

static void
systemd_stop (void)
{
  g_main_loop_quit (systemd.loop);
  g_thread_join (systemd.thread);
  g_clear_object (&systemd.child);
  g_main_loop_unref (systemd.loop);
  g_main_context_unref (systemd.context);
  g_async_queue_unref (systemd.ready);
  g_free (systemd.printed);
  g_test_dbus_down (systemd.bus);
  g_object_unref (systemd.bus);
}

static QsProcess *
start (Fixture *f, QsLauncher *launcher, const char *machine, GError **error)
{
  g_autofree char *folder = qs_launcher_folder (launcher, f->worker, "vm-1", NULL);
  g_autofree char *socket = g_build_filename (folder, "qmp.sock", NULL);
  g_autofree char *chardev = g_strdup_printf ("socket,id=m,path=%s,server=on,wait=off", socket);
  const char *const argv[] = { QEMU,
                               "-machine",
                               machine,
                               "-S",
                               "-display",
                               "none",
                               "-nodefaults",
                               "-chardev",
                               chardev,
                               "-mon",
                               "chardev=m,mode=control",
                               NULL };
  const QsLaunch launch = { .uid = getuid (), .id = "vm-1", .argv = argv, .socket = socket };

  return qs_launcher_start (launcher, f->worker, &launch, error);
}

static void
test_start (Fixture *f, gconstpointer data)
{
  static const char *const wanted[] = { "('Type', <'exec'>)",
                                        "('NoNewPrivileges', <true>)",
                                        "('UMask', <uint32 63>)",
                                        "('LimitCORE', <uint64 0>)",
                                        "('RuntimeDirectoryMode', <uint32 448>)",
                                        "('RuntimeDirectory', <['snapshotd-vm/vm-1']>)" };
  g_autoptr (QsLauncher) launcher = qs_launcher_new (f->pool, FALSE, f->folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsProcess) process = NULL;

  systemd.refusals = GPOINTER_TO_UINT (data);
  process = start (f, launcher, "none", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (process->unit, ==, "snapshotd-vm-vm-1.service");
  g_assert_true (qs_process_is_alive (process));
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (strstr (systemd.printed, wanted[i]) == NULL)
      g_error ("%s is not in %s", wanted[i], systemd.printed);
  g_assert_true (qs_launcher_kill (launcher, process, &error));
  g_assert_true (qs_launcher_clear (launcher, f->worker, process, &error));
}

/* nobody has written down which process it is */
static void
test_unknown (Fixture *f, gconstpointer data)
{
  g_autoptr (QsLauncher) launcher = qs_launcher_new (f->pool, FALSE, f->folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (QsProcess) process = start (f, launcher, "none", &error);

  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++) /* and once more: none is there */
    {
      g_assert_true (qs_launcher_end_unknown (launcher, f->worker, getuid (), "vm-1", &error));
      g_assert_no_error (error);
      g_assert_null (systemd.child);
      g_assert_false (qs_process_is_alive (process));
    }
}

static void
test_failure (Fixture *f, gconstpointer data)
{
  g_autoptr (QsLauncher) launcher = qs_launcher_new (f->pool, FALSE, f->folder);
  g_autoptr (GError) error = NULL;

  g_assert_null (start (f, launcher, "nonsense", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "unsupported machine type"));
}

/* what the system's systemd is asked for besides: the user, and no device but these */
static void
test_system (Fixture *f, gconstpointer data)
{
  static const char *const wanted[] = {
    "('User', <'4711'>)", "('DevicePolicy', <'closed'>)",
    "('DeviceAllow', <[('/dev/kvm', 'rw'), ('/dev/disk/by-id/a', 'rw')]>)"
  };
  const char *const argv[] = { "/bin/sleep", "60", NULL };
  const char *const devices[] = { "/dev/disk/by-id/a", NULL };
  const QsLaunch launch = {
    .uid = 4711, .id = "vm-1", .argv = argv, .socket = "", .devices = devices
  };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (qs_unit_start (TRUE, &launch, STDERR_FILENO, &error), >, 0);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (strstr (systemd.printed, wanted[i]) == NULL)
      g_error ("%s is not in %s", wanted[i], systemd.printed);
}

static void
remove_runtime (const char *folder)
{
  static const char *const names[] = { "snapshotd-vm/vm-1/qmp.sock", "snapshotd-vm/vm-1",
                                       "snapshotd-vm", "" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_remove (path);
    }
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("launcher-unit-XXXXXX", NULL);
  int result;

  g_test_init (&argc, &argv, NULL);
  /* GLib remembers it from the first question on; the private bus unsets it */
  g_setenv ("XDG_RUNTIME_DIR", folder, TRUE);
  g_assert_cmpstr (g_get_user_runtime_dir (), ==, folder);
  systemd_start ();
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address (systemd.bus), TRUE);
  g_test_add ("/launcher-unit/start", Fixture, GUINT_TO_POINTER (0), fixture_set_up, test_start,
              fixture_tear_down);
  g_test_add ("/launcher-unit/name-taken", Fixture, GUINT_TO_POINTER (1), fixture_set_up,
              test_start, fixture_tear_down);
  g_test_add ("/launcher-unit/unknown", Fixture, NULL, fixture_set_up, test_unknown,
              fixture_tear_down);
  g_test_add ("/launcher-unit/failure", Fixture, NULL, fixture_set_up, test_failure,
              fixture_tear_down);
  g_test_add ("/launcher-unit/system", Fixture, NULL, fixture_set_up, test_system,
              fixture_tear_down);
  result = g_test_run ();
  systemd_stop ();
  remove_runtime (folder);
  return result;
}
