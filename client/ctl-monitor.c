/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-monitor.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "ctl-output.h"
#include "qs-error.h"
#include "qs-names.h"

typedef struct
{
  QsCtlMonitorForm form;
  gboolean is_over;
} Monitor;

static void
format_changes (GVariant *values, GString *text)
{
  GVariantIter iter;
  g_autoptr (GVariant) changed = g_variant_get_child_value (values, 1);
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *printed = g_variant_print (value, FALSE);

      g_string_append_printf (text, " %s=%s", name, printed);
    }
}

/**
 * qs_ctl_monitor_format:
 *
 * Returns: (transfer full): a line that tells of a signal
 */
char *
qs_ctl_monitor_format (const char *path, const char *signal, GVariant *values)
{
  GString *text = g_string_new (NULL);
  g_autofree char *printed = NULL;
  g_autofree char *short_values = NULL;

  if (g_variant_is_of_type (values, G_VARIANT_TYPE ("(sa{sv}as)")))
    {
      g_string_append_printf (text, "%s changed:", path);
      format_changes (values, text);
    }
  else if (g_variant_is_of_type (values, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    {
      g_variant_get_child (values, 0, "o", &short_values);
      g_string_append_printf (text, "%s added", short_values);
    }
  else if (g_variant_is_of_type (values, G_VARIANT_TYPE ("(oas)")))
    {
      g_variant_get_child (values, 0, "o", &short_values);
      g_string_append_printf (text, "%s removed", short_values);
    }
  else
    {
      printed = g_variant_print (values, FALSE);
      g_string_append_printf (text, "%s %s %s", path, signal, printed);
    }
  return g_string_free (text, FALSE);
}

static void
print_text (const char *path, const char *signal, GVariant *values)
{
  g_autofree char *line = qs_ctl_monitor_format (path, signal, values);
  g_autofree char *time = qs_ctl_format_time ((guint64)g_get_real_time ());

  qs_ctl_print ("%s %s", time, line);
}

static void
print_json (const char *path, const char *interface, const char *signal, GVariant *values)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) event = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *line = NULL;

  g_variant_dict_insert (&dict, "time", "t", (guint64)g_get_real_time ());
  g_variant_dict_insert (&dict, "path", "s", path);
  g_variant_dict_insert (&dict, "interface", "s", interface);
  g_variant_dict_insert (&dict, "signal", "s", signal);
  g_variant_dict_insert_value (&dict, "arguments", values);
  event = g_variant_ref_sink (g_variant_dict_end (&dict));
  node = json_gvariant_serialize (event);
  line = json_to_string (node, FALSE);
  qs_ctl_print_document (line);
}

static void /* NOLINTNEXTLINE(readability-function-size): GIO's signature */
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *values, gpointer user_data)
{
  const Monitor *monitor = user_data;

  if (monitor->form == QS_CTL_MONITOR_JSON)
    print_json (path, interface, signal, values);
  else
    print_text (path, signal, values);
  fflush (stdout);
}

static gboolean
on_timeout (gpointer user_data)
{
  Monitor *monitor = user_data;

  monitor->is_over = TRUE;
  return G_SOURCE_REMOVE;
}

static void
on_closed (GDBusConnection *bus, gboolean vanished, GError *error, gpointer user_data)
{
  Monitor *monitor = user_data;

  monitor->is_over = TRUE;
}

static void
listen (QsCtl *ctl, guint seconds, Monitor *monitor)
{
  guint timeout = seconds > 0 ? g_timeout_add_seconds (seconds, on_timeout, monitor) : 0;
  gulong closed = g_signal_connect (ctl->bus, "closed", G_CALLBACK (on_closed), monitor);

  while (!monitor->is_over && ctl->interrupts == 0)
    g_main_context_iteration (NULL, TRUE);
  g_signal_handler_disconnect (ctl->bus, closed);
  if (timeout > 0 && ctl->interrupts > 0)
    g_source_remove (timeout);
}

/**
 * qs_ctl_monitor_run:
 * @seconds: until the end; 0: until Ctrl-C
 *
 * Prints each signal of the service that this user may see.
 */
gboolean
qs_ctl_monitor_run (QsCtl *ctl, guint seconds, QsCtlMonitorForm form, GError **error)
{
  Monitor monitor = { .form = form };
  g_autoptr (GVariant) reply = NULL;
  guint subscription;

  if (!qs_ctl_connect (ctl, error))
    return FALSE;
  subscription =
      g_dbus_connection_signal_subscribe (ctl->bus, QS_BUS_NAME, NULL, NULL, NULL, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &monitor, NULL);
  reply = qs_ctl_call (ctl, QS_PATH, "Manager.Subscribe", NULL, error);
  if (reply != NULL)
    listen (ctl, seconds, &monitor);
  g_dbus_connection_signal_unsubscribe (ctl->bus, subscription);
  return reply != NULL;
}
