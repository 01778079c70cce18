/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-bus.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "qs-dbus.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-names.h"

#define CALL_SECONDS (QS_PROMPT_SECONDS + QS_AUTHORIZATION_SECONDS + QS_CALL_SECONDS + 10)
#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

typedef struct
{
  const char *path;
  const char *interface;
  const char *method;
  GVariant *arguments;
  const char *reply; /* its type */
  QsCtlPatience patience;
} Call;

typedef struct
{
  GVariant *reply;
  GError *error;
  gboolean is_done;
} Answer;

static GDBusInterfaceInfo *
find_interface (const char *name)
{
  GDBusInterfaceInfo *const all[] = {
    qs_dbus_domain_interface_info (),
    qs_dbus_domain_snapshot_interface_info (),
    qs_dbus_job_interface_info (),
    qs_dbus_manager_interface_info (),
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    if (g_str_equal (all[i]->name, name))
      return all[i];
  g_assert_not_reached ();
}

static char *
reply_type_of (const GDBusMethodInfo *method)
{
  GString *type = g_string_new ("(");

  for (guint i = 0; method->out_args != NULL && method->out_args[i] != NULL; i++)
    g_string_append (type, method->out_args[i]->signature);
  g_string_append_c (type, ')');
  return g_string_free (type, FALSE);
}

static gboolean
on_interrupt (gpointer user_data)
{
  QsCtl *ctl = user_data;

  ctl->interrupts++;
  return G_SOURCE_CONTINUE;
}

static gboolean
has_service (GDBusConnection *bus, const char *method, const char *name)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      bus, BUS_NAME, BUS_PATH, BUS_NAME, method, NULL, G_VARIANT_TYPE ("(as)"), 0, -1, NULL, NULL);
  g_autofree const char **names = NULL;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(^a&s)", &names);
  return g_strv_contains (names, name);
}

static GDBusConnection *
connect_system_if_served (void)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);

  if (bus != NULL
      && (has_service (bus, "ListNames", QS_BUS_NAME)
          || has_service (bus, "ListActivatableNames", QS_BUS_NAME)))
    return g_steal_pointer (&bus);
  return NULL;
}

static GDBusConnection *
open_bus (QsCtl *ctl, gboolean *is_system, GError **error)
{
  GDBusConnection *bus = NULL;

  *is_system = ctl->choice != QS_CTL_BUS_SESSION;
  if (ctl->choice == QS_CTL_BUS_SYSTEM)
    return g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (ctl->choice == QS_CTL_BUS_AUTO)
    bus = connect_system_if_served ();
  if (bus != NULL)
    return bus;
  *is_system = FALSE;
  return g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
}

/**
 * qs_ctl_connect:
 *
 * Connects to the bus, unless that was done already.
 */
gboolean
qs_ctl_connect (QsCtl *ctl, GError **error)
{
  gboolean is_system;

  if (ctl->bus != NULL)
    return TRUE;
  ctl->bus = open_bus (ctl, &is_system, error);
  if (ctl->bus == NULL)
    {
      g_prefix_error (error, "cannot connect to the %s bus: ", is_system ? "system" : "session");
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (ctl->bus, FALSE);
  ctl->may_prompt = isatty (STDIN_FILENO) && isatty (STDERR_FILENO);
  if (is_system && ctl->may_prompt && geteuid () != 0)
    ctl->agent = qs_ctl_agent_start ();
  g_unix_signal_add (SIGINT, on_interrupt, ctl);
  return TRUE;
}

void
qs_ctl_clear (QsCtl *ctl)
{
  g_clear_pointer (&ctl->agent, qs_ctl_agent_stop);
  if (ctl->bus != NULL)
    g_source_remove_by_user_data (ctl);
  g_clear_object (&ctl->bus);
}

/* messages for what the bus says instead of the service */
static const struct
{
  GDBusError code;
  QsError as;
  const char *text;
} bus_errors[] = {
  { G_DBUS_ERROR_SERVICE_UNKNOWN, QS_ERROR_FAILED,
    "the service is not there: is snapshotd running?" },
  { G_DBUS_ERROR_NAME_HAS_NO_OWNER, QS_ERROR_FAILED,
    "the service is not there: is snapshotd running?" },
  { G_DBUS_ERROR_NO_REPLY, QS_ERROR_FAILED,
    "the service went away or did not answer; it finishes or undoes what it was at when it "
    "starts" },
};

static void
replace_error (GError **error, QsError code, const char *text)
{
  g_autofree char *kept = g_strdup (text);

  g_clear_error (error);
  g_set_error_literal (error, QS_ERROR, code, kept);
}

/**
 * qs_ctl_fold_error:
 *
 * Turns an error from the bus into one of ours, without the bus's prefix.
 */
void
qs_ctl_fold_error (GError **error)
{
  g_autofree char *remote = g_dbus_error_get_remote_error (*error);
  QsError code = QS_ERROR_FAILED;

  g_dbus_error_strip_remote_error (*error);
  if (remote != NULL && g_str_has_prefix (remote, QS_ERROR_PREFIX))
    {
      qs_error_from_name (remote + strlen (QS_ERROR_PREFIX), &code);
      replace_error (error, code, (*error)->message);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (bus_errors); i++)
    if (g_error_matches (*error, G_DBUS_ERROR, (int)bus_errors[i].code))
      {
        replace_error (error, bus_errors[i].as, bus_errors[i].text);
        return;
      }
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &answer->error);
  answer->is_done = TRUE;
}

static GVariant *
call (QsCtl *ctl, const Call *what, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GDBusCallFlags flags =
      ctl->may_prompt ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : G_DBUS_CALL_FLAGS_NONE;
  guint limit = what->patience == QS_CTL_STAY ? 1 : 0;
  Answer answer = { NULL };

  g_dbus_connection_call (ctl->bus, QS_BUS_NAME, what->path, what->interface, what->method,
                          what->arguments, G_VARIANT_TYPE (what->reply), flags, CALL_SECONDS * 1000,
                          cancellable, on_answer, &answer);
  while (!answer.is_done)
    {
      g_main_context_iteration (NULL, TRUE);
      if (ctl->interrupts > limit)
        g_cancellable_cancel (cancellable);
    }
  if (answer.reply != NULL)
    return answer.reply;
  if (g_error_matches (answer.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    replace_error (&answer.error, QS_ERROR_CANCELLED, "interrupted");
  qs_ctl_fold_error (&answer.error);
  g_propagate_error (error, answer.error);
  return NULL;
}

/* @member: "Interface.Member" */
static char *
interface_of (const char *member)
{
  return g_strdup_printf (QS_BUS_NAME ".%.*s", (int)strcspn (member, "."), member);
}

static GVariant *
call_member (QsCtl *ctl, const char *path, const char *member, GVariant *arguments,
             QsCtlPatience patience, GError **error)
{
  const char *dot = strchr (member, '.');
  g_autofree char *interface = interface_of (member);
  const GDBusMethodInfo *method =
      g_dbus_interface_info_lookup_method (find_interface (interface), dot + 1);
  g_autofree char *reply = reply_type_of (method);
  g_autoptr (GVariant) sunk = arguments != NULL ? g_variant_ref_sink (arguments) : NULL;
  Call what = { path, interface, dot + 1, sunk, reply, patience };

  if (!qs_ctl_connect (ctl, error))
    return NULL;
  return call (ctl, &what, error);
}

/**
 * qs_ctl_call:
 * @member: as "Domain.Start"
 * @arguments: (nullable): a tuple, floating or not
 *
 * Calls a method that changes nothing; Ctrl-C leaves it.
 *
 * Returns: (transfer full): the answer, a tuple of the type that the interface says
 */
GVariant *
qs_ctl_call (QsCtl *ctl, const char *path, const char *member, GVariant *arguments, GError **error)
{
  return call_member (ctl, path, member, arguments, QS_CTL_LEAVE, error);
}

/**
 * qs_ctl_call_patiently:
 *
 * Like qs_ctl_call(), for what starts a job: the first Ctrl-C is left to the caller.
 */
GVariant *
qs_ctl_call_patiently (QsCtl *ctl, const char *path, const char *member, GVariant *arguments,
                       GError **error)
{
  return call_member (ctl, path, member, arguments, QS_CTL_STAY, error);
}

/**
 * qs_ctl_get_properties:
 * @interface: as "Domain"
 *
 * Returns: (transfer full): a{sv}
 */
GVariant *
qs_ctl_get_properties (QsCtl *ctl, const char *path, const char *interface, GError **error)
{
  g_autofree char *name = g_strconcat (QS_BUS_NAME ".", interface, NULL);
  g_autoptr (GVariant) arguments = g_variant_ref_sink (g_variant_new ("(s)", name));
  Call what = { path, QS_PROPERTIES_INTERFACE, "GetAll", arguments, "(a{sv})", QS_CTL_LEAVE };
  g_autoptr (GVariant) reply = NULL;

  if (!qs_ctl_connect (ctl, error))
    return NULL;
  reply = call (ctl, &what, error);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/**
 * qs_ctl_get_property:
 * @member: as "Domain.Name"
 *
 * Returns: (transfer full): its value
 */
GVariant *
qs_ctl_get_property (QsCtl *ctl, const char *path, const char *member, GError **error)
{
  const char *dot = strchr (member, '.');
  g_autofree char *interface = interface_of (member);
  g_autoptr (GVariant) arguments = g_variant_ref_sink (g_variant_new ("(ss)", interface, dot + 1));
  Call what = { path, QS_PROPERTIES_INTERFACE, "Get", arguments, "(v)", QS_CTL_LEAVE };
  g_autoptr (GVariant) reply = NULL;
  GVariant *value = NULL;

  if (!qs_ctl_connect (ctl, error))
    return NULL;
  reply = call (ctl, &what, error);
  if (reply != NULL)
    g_variant_get (reply, "(v)", &value);
  return value;
}

/**
 * qs_ctl_get_string:
 * @member: a property that is a string or a path
 *
 * Returns: (transfer full): its value
 */
char *
qs_ctl_get_string (QsCtl *ctl, const char *path, const char *member, GError **error)
{
  g_autoptr (GVariant) value = qs_ctl_get_property (ctl, path, member, error);

  if (value == NULL)
    return NULL;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
      || g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH))
    return g_variant_dup_string (value, NULL);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "property ‘%s’ is not a string", member);
  return NULL;
}

/**
 * qs_ctl_get_managed_objects:
 *
 * Returns: (transfer full): a{oa{sa{sv}}}
 */
GVariant *
qs_ctl_get_managed_objects (QsCtl *ctl, const char *path, GError **error)
{
  Call what = { path, QS_OBJECT_MANAGER_INTERFACE, "GetManagedObjects",
                NULL, "(a{oa{sa{sv}}})",           QS_CTL_LEAVE };
  g_autoptr (GVariant) reply = NULL;

  if (!qs_ctl_connect (ctl, error))
    return NULL;
  reply = call (ctl, &what, error);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}
