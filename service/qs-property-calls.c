/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-standard.h"

#include "qs-dbus-error.h"
#include "qs-names.h"
#include "qs-properties.h"
#include "qs-slow-properties.h"

static QsSubject
subject_of (const QsCall *call)
{
  return (QsSubject){ call->service, call->domain, call->snapshot, call->job };
}

static void
refuse (GDBusMethodInvocation *invocation, const char *what, const char *name)
{
  qs_dbus_error_return (invocation, g_error_new (QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                                                 "no such %s: ‘%s’", what, name));
}

/* an empty name stands for any interface; those of D-Bus itself have no properties */
static gboolean
is_our_interface (const QsCall *call, const char *interface)
{
  return *interface == '\0'
         || g_strcmp0 (qs_properties_interface (call->path.kind), interface) == 0;
}

static GVariant *
read_one (const QsRead *read, GError **error)
{
  const char *name;
  GVariant *value;

  g_variant_get (read->parameters, "(&s&s)", NULL, &name);
  value = qs_slow_property (read, name, error);
  return value != NULL ? g_variant_new ("(v)", value) : NULL;
}

void
qs_get_property (GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);
  QsSubject subject = subject_of (call);
  const QsProperty *property;
  g_autoptr (GVariant) value = NULL;
  const char *interface;
  const char *name;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s&s)", &interface, &name);
  property = is_our_interface (call, interface) ? qs_properties_find (call->path.kind, name) : NULL;
  if (property == NULL)
    {
      refuse (invocation, "property", name);
      return;
    }
  if (property->get == NULL)
    {
      qs_read_start (invocation, read_one, NULL);
      return;
    }
  value = g_variant_take_ref (property->get (&subject));
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(v)", value));
}

/* what has to be looked up is added to what is at hand; what cannot be read is left out */
static GVariant *
read_all (const QsRead *read, GError **error)
{
  const QsCall *call = qs_call_get (read->invocation);
  g_autoptr (GVariantDict) values = g_variant_dict_new (read->at_hand);

  for (const char *const *name = qs_slow_property_names (call->path.kind); *name != NULL; name++)
    {
      g_autoptr (GError) local = NULL;
      GVariant *value = qs_slow_property (read, *name, &local);

      if (value != NULL)
        g_variant_dict_insert_value (values, *name, value);
    }
  return g_variant_new ("(@a{sv})", g_variant_dict_end (values));
}

void
qs_get_all_properties (GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);
  QsSubject subject = subject_of (call);
  const char *interface;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s)", &interface);
  if (g_str_has_prefix (interface, "org.freedesktop.DBus."))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a{sv})", NULL));
  else if (!is_our_interface (call, interface))
    refuse (invocation, "interface", interface);
  else if (call->path.domain != NULL)
    qs_read_start (invocation, read_all, qs_properties_get_all (call->path.kind, &subject));
  else
    g_dbus_method_invocation_return_value (
        invocation, g_variant_new ("(@a{sv})", qs_properties_get_all (call->path.kind, &subject)));
}

void
qs_set_property (GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_error_literal (
      invocation, G_DBUS_ERROR, G_DBUS_ERROR_PROPERTY_READ_ONLY, "no property can be set");
}
