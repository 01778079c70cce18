/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-unit.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <gio/gunixfdlist.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define FOLDER "snapshotd-vm"

/* @result: how systemd's job ended, once it did; @removed: an earlier unit of the name is gone */
typedef struct
{
  GDBusConnection *bus;
  GMainContext *context;
  const QsLaunch *launch;
  const char *unit;
  int log;
  gboolean system_mode;
  char *result;
  gboolean removed;
} Start;

static GDBusConnection *
get_bus (gboolean system_mode, GError **error)
{
  return g_bus_get_sync (system_mode ? G_BUS_TYPE_SYSTEM : G_BUS_TYPE_SESSION, NULL, error);
}

static GVariant *
call_manager (GDBusConnection *bus, const char *method, GVariant *arguments, GError **error)
{
  return g_dbus_connection_call_sync (bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, method,
                                      arguments, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                                      QS_START_SECONDS * 1000, NULL, error);
}

gboolean
qs_unit_is_available (gboolean system_mode)
{
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GVariant) answer = NULL;
  gboolean has_owner = FALSE;

  if (system_mode)
    return g_file_test ("/run/systemd/system", G_FILE_TEST_IS_DIR);
  bus = get_bus (FALSE, NULL);
  if (bus == NULL)
    return FALSE;
  answer = g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "NameHasOwner",
                                        g_variant_new ("(s)", SYSTEMD), G_VARIANT_TYPE ("(b)"),
                                        G_DBUS_CALL_FLAGS_NONE, QS_CALL_SECONDS * 1000, NULL, NULL);
  if (answer != NULL)
    g_variant_get (answer, "(b)", &has_owner);
  return has_owner;
}

char *
qs_unit_folder (gboolean system_mode, const char *id)
{
  return g_build_filename (system_mode ? "/run" : g_get_user_runtime_dir (), FOLDER, id, NULL);
}

char *
qs_unit_name (const char *id)
{
  return g_strdup_printf ("snapshotd-vm-%s.service", id);
}

/* a name of a file may have a `$` in it, which plain ExecStart would expand */
static void
add_command (GVariantBuilder *list, const QsLaunch *launch)
{
  static const char *const flags[] = { "no-env-expand", NULL };
  GVariantBuilder commands;

  g_variant_builder_init (&commands, G_VARIANT_TYPE ("a(sasas)"));
  g_variant_builder_add (&commands, "(s^as^as)", launch->argv[0], launch->argv, flags);
  g_variant_builder_add (list, "(sv)", "ExecStartEx", g_variant_builder_end (&commands));
}

/* nothing but KVM and the disks that are devices; systemd adds null, zero, ptmx and the like */
static void
add_devices (GVariantBuilder *list, const QsLaunch *launch)
{
  GVariantBuilder devices;

  g_variant_builder_init (&devices, G_VARIANT_TYPE ("a(ss)"));
  g_variant_builder_add (&devices, "(ss)", "/dev/kvm", "rw");
  for (guint i = 0; launch->devices != NULL && launch->devices[i] != NULL; i++)
    g_variant_builder_add (&devices, "(ss)", launch->devices[i], "rw");
  g_variant_builder_add (list, "(sv)", "DevicePolicy", g_variant_new_string ("closed"));
  g_variant_builder_add (list, "(sv)", "DeviceAllow", g_variant_builder_end (&devices));
}

/* the user's systemd neither changes the user nor filters devices. Group= is the user's own, which
   systemd looks up */
static void
add_system_properties (GVariantBuilder *list, const QsLaunch *launch)
{
  g_autofree char *user = g_strdup_printf ("%u", launch->uid);

  g_variant_builder_add (list, "(sv)", "User", g_variant_new_string (user));
  add_devices (list, launch);
}

static GVariant *
properties (const Start *start)
{
  g_autofree char *folder = g_build_filename (FOLDER, start->launch->id, NULL);
  const char *const folders[] = { folder, NULL };
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(sv)"));
  g_variant_builder_add_parsed (&list, "('Description', <'Virtual machine of snapshotd'>)");
  g_variant_builder_add_parsed (&list, "('Type', <'exec'>)");
  g_variant_builder_add_parsed (&list, "('CollectMode', <'inactive-or-failed'>)");
  g_variant_builder_add_parsed (&list, "('KillMode', <'mixed'>)");
  g_variant_builder_add_parsed (&list, "('NoNewPrivileges', <true>)");
  g_variant_builder_add_parsed (&list, "('UMask', <uint32 0077>)");
  g_variant_builder_add_parsed (&list, "('LimitCORE', <uint64 0>)");
  g_variant_builder_add_parsed (&list, "('RuntimeDirectory', <%^as>)", folders);
  g_variant_builder_add_parsed (&list, "('RuntimeDirectoryMode', <uint32 0700>)");
  g_variant_builder_add_parsed (&list, "('StandardOutput', <'null'>)");
  g_variant_builder_add_parsed (&list, "('StandardErrorFileDescriptor', <handle 0>)");
  add_command (&list, start->launch);
  if (start->system_mode)
    add_system_properties (&list, start->launch);
  return g_variant_builder_end (&list);
}

static void /* NOLINTNEXTLINE(readability-function-size): GIO's signature */
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
           const char *name, GVariant *values, gpointer data)
{
  Start *start = data;
  const char *unit;
  const char *result;

  if (g_str_equal (name, "UnitRemoved") && g_variant_is_of_type (values, G_VARIANT_TYPE ("(so)")))
    {
      g_variant_get (values, "(&so)", &unit, NULL);
      start->removed = start->removed || g_str_equal (unit, start->unit);
    }
  if (!g_str_equal (name, "JobRemoved")
      || !g_variant_is_of_type (values, G_VARIANT_TYPE ("(uoss)")))
    return;
  g_variant_get (values, "(uo&s&s)", NULL, NULL, &unit, &result);
  if (g_str_equal (unit, start->unit) && start->result == NULL)
    start->result = g_strdup (result);
}

static gboolean
on_timeout (gpointer data)
{
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
has_result (const Start *start)
{
  return start->result != NULL;
}

static gboolean
is_removed (const Start *start)
{
  return start->removed;
}

/* turns the loop until @condition holds */
static gboolean
wait_until (Start *start, gboolean (*condition) (const Start *start), guint seconds)
{
  g_autoptr (GSource) timeout = g_timeout_source_new_seconds (seconds);
  gboolean late = FALSE;

  g_source_set_callback (timeout, on_timeout, &late, NULL);
  g_source_attach (timeout, start->context);
  while (!late && !condition (start))
    g_main_context_iteration (start->context, TRUE);
  g_source_destroy (timeout);
  return condition (start);
}

static gboolean
ask (Start *start, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (NULL, 0);
  g_autoptr (GVariant) answer = NULL;
  GVariant *arguments;

  if (g_unix_fd_list_append (fds, start->log, error) < 0)
    return FALSE;
  arguments = g_variant_new ("(ss@a(sv)@a(sa(sv)))", start->unit, "fail", properties (start),
                             g_variant_new_array (G_VARIANT_TYPE ("(sa(sv))"), NULL, 0));
  answer = g_dbus_connection_call_with_unix_fd_list_sync (
      start->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "StartTransientUnit", arguments,
      G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE, QS_START_SECONDS * 1000, fds, NULL, NULL,
      error);
  return answer != NULL;
}

/* the name may still belong to the unit of a process that has just ended */
static gboolean
ask_twice (Start *start, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *name = NULL;

  if (ask (start, &problem))
    return TRUE;
  name = g_dbus_error_is_remote_error (problem) ? g_dbus_error_get_remote_error (problem) : NULL;
  if (g_strcmp0 (name, SYSTEMD ".UnitExists") != 0)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  wait_until (start, is_removed, QS_TERM_SECONDS);
  return ask (start, error);
}

static gint64
read_pid (Start *start, GError **error)
{
  g_autoptr (GVariant) path =
      call_manager (start->bus, "GetUnit", g_variant_new ("(s)", start->unit), error);
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GVariant) value = NULL;
  const char *object;

  if (path == NULL)
    return 0;
  g_variant_get (path, "(&o)", &object);
  answer = g_dbus_connection_call_sync (
      start->bus, SYSTEMD, object, "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", SYSTEMD ".Service", "MainPID"), G_VARIANT_TYPE ("(v)"),
      G_DBUS_CALL_FLAGS_NONE, QS_CALL_SECONDS * 1000, NULL, error);
  if (answer == NULL)
    return 0;
  g_variant_get (answer, "(v)", &value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32 (value) : 0;
}

static gint64
start_and_wait (Start *start, GError **error)
{
  g_autoptr (GVariant) subscribed = call_manager (start->bus, "Subscribe", NULL, NULL);
  g_autoptr (GError) problem = NULL;
  gint64 pid = 0;

  if (ask_twice (start, &problem) && wait_until (start, has_result, QS_START_SECONDS)
      && g_str_equal (start->result, "done"))
    pid = read_pid (start, &problem);
  if (pid > 0)
    return pid;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "systemd could not start ‘%s’: %s", start->unit,
               problem != NULL         ? problem->message
               : start->result == NULL ? "it takes too long"
                                       : start->result);
  return 0;
}

static gint64
stop_and_wait (Start *start, GError **error)
{
  g_autoptr (GVariant) subscribed = call_manager (start->bus, "Subscribe", NULL, NULL);
  g_autoptr (GVariant) job = NULL;
  g_autoptr (GError) problem = NULL;
  g_autofree char *name = NULL;

  job = call_manager (start->bus, "StopUnit", g_variant_new ("(ss)", start->unit, "replace"),
                      &problem);
  if (job == NULL && g_dbus_error_is_remote_error (problem))
    name = g_dbus_error_get_remote_error (problem);
  if (g_strcmp0 (name, SYSTEMD ".NoSuchUnit") == 0
      || (job != NULL && wait_until (start, has_result, 2 * QS_TERM_SECONDS)))
    return 1;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "systemd could not stop ‘%s’: %s", start->unit,
               problem != NULL ? problem->message : "it takes too long");
  return 0;
}

/* runs @func, which turns the loop, while systemd's signals are heard */
static gint64
listen_and_run (Start *start, gint64 (*func) (Start *start, GError **error), GError **error)
{
  guint subscription;
  gint64 result;

  g_main_context_push_thread_default (start->context);
  subscription =
      g_dbus_connection_signal_subscribe (start->bus, SYSTEMD, SYSTEMD_MANAGER, NULL, SYSTEMD_PATH,
                                          NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, start, NULL);
  result = func (start, error);
  g_dbus_connection_signal_unsubscribe (start->bus, subscription);
  /* what is still queued for the subscription */
  while (g_main_context_iteration (start->context, FALSE))
    continue;
  g_main_context_pop_thread_default (start->context);
  g_clear_pointer (&start->result, g_free);
  return result;
}

gint64
qs_unit_start (gboolean system_mode, const QsLaunch *launch, int log, GError **error)
{
  g_autoptr (GDBusConnection) bus = get_bus (system_mode, error);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autofree char *unit = qs_unit_name (launch->id);
  Start start = { bus, context, launch, unit, log, system_mode, NULL, FALSE };

  return bus != NULL ? listen_and_run (&start, start_and_wait, error) : 0;
}

gboolean
qs_unit_stop (gboolean system_mode, const char *id, GError **error)
{
  g_autoptr (GDBusConnection) bus = get_bus (system_mode, error);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autofree char *unit = qs_unit_name (id);
  Start stop = { .bus = bus, .context = context, .unit = unit, .system_mode = system_mode };

  return bus != NULL && listen_and_run (&stop, stop_and_wait, error) != 0;
}
