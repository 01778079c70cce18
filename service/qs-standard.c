/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-standard.h"

#include "qs-names.h"
#include "qs-visibility.h"

#include <stdlib.h>

/* signals are declared, for introspection says what an object sends */
const char qs_standard_xml[] =
    "<node>"
    "  <interface name='org.freedesktop.DBus.Introspectable'>"
    "    <method name='Introspect'><arg name='xml' type='s' direction='out'/></method>"
    "  </interface>"
    "  <interface name='org.freedesktop.DBus.Properties'>"
    "    <method name='Get'>"
    "      <arg name='interface' type='s' direction='in'/>"
    "      <arg name='name' type='s' direction='in'/>"
    "      <arg name='value' type='v' direction='out'/>"
    "    </method>"
    "    <method name='GetAll'>"
    "      <arg name='interface' type='s' direction='in'/>"
    "      <arg name='values' type='a{sv}' direction='out'/>"
    "    </method>"
    "    <method name='Set'>"
    "      <arg name='interface' type='s' direction='in'/>"
    "      <arg name='name' type='s' direction='in'/>"
    "      <arg name='value' type='v' direction='in'/>"
    "    </method>"
    "    <signal name='PropertiesChanged'>"
    "      <arg name='interface' type='s'/>"
    "      <arg name='changed' type='a{sv}'/>"
    "      <arg name='invalidated' type='as'/>"
    "    </signal>"
    "  </interface>"
    "  <interface name='org.freedesktop.DBus.ObjectManager'>"
    "    <method name='GetManagedObjects'>"
    "      <arg name='objects' type='a{oa{sa{sv}}}' direction='out'/>"
    "    </method>"
    "    <signal name='InterfacesAdded'>"
    "      <arg name='object' type='o'/>"
    "      <arg name='interfaces' type='a{sa{sv}}'/>"
    "    </signal>"
    "    <signal name='InterfacesRemoved'>"
    "      <arg name='object' type='o'/>"
    "      <arg name='interfaces' type='as'/>"
    "    </signal>"
    "  </interface>"
    "</node>";

static const struct
{
  const char *method;
  void (*handle) (GDBusMethodInvocation *invocation);
} standard_methods[] = {
  { "Introspect", qs_introspect },
  { "Get", qs_get_property },
  { "GetAll", qs_get_all_properties },
  { "Set", qs_set_property },
  { "GetManagedObjects", qs_get_managed_objects },
};

void
qs_standard_call (QsCall *call)
{
  for (guint i = 0; i < G_N_ELEMENTS (standard_methods); i++)
    if (g_str_equal (standard_methods[i].method, qs_call_get_method (call)))
      {
        standard_methods[i].handle (call->invocation);
        return;
      }
  g_dbus_method_invocation_return_error_literal (call->invocation, G_DBUS_ERROR,
                                                 G_DBUS_ERROR_UNKNOWN_METHOD, "no such method");
}

typedef struct
{
  GDBusMethodInvocation *invocation;
  QsVisibleObjectsFunc func;
} QsVisibleWait;

static int
compare_domains (gconstpointer a, gconstpointer b)
{
  const QsDomain *left = *(QsDomain **)a, *right = *(QsDomain **)b;
  int order = g_strcmp0 (left->name, right->name);

  return order != 0 ? order : g_strcmp0 (left->id, right->id);
}

static int
compare_jobs (gconstpointer a, gconstpointer b)
{
  guint64 left = qs_job_get_number (*(QsJob **)a), right = qs_job_get_number (*(QsJob **)b);

  return left < right ? -1 : left > right;
}

static gboolean
is_in (GHashTable *ids, const char *id)
{
  return ids != NULL && g_hash_table_contains (ids, id);
}

static void
add_domains (QsVisible *visible, const QsCall *call, GHashTable *ids)
{
  GHashTableIter iter;
  QsDomain *domain;

  g_hash_table_iter_init (&iter, call->service->domains);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&domain))
    if (domain->owner == qs_call_get_uid (call) || is_in (ids, domain->id))
      g_ptr_array_add (visible->domains, domain);
  g_ptr_array_sort (visible->domains, compare_domains);
}

static void
add_jobs (QsVisible *visible, const QsCall *call, GHashTable *ids)
{
  g_autoptr (GPtrArray) jobs = qs_jobs_list (call->service->jobs);
  guint32 uid = qs_call_get_uid (call);

  for (guint i = 0; i < jobs->len; i++)
    {
      QsJob *job = g_ptr_array_index (jobs, i);

      if (qs_call_is_privileged (call) || qs_job_get_owner (job) == uid
          || qs_job_get_starter (job) == uid || is_in (ids, qs_job_get_domain (job)))
        g_ptr_array_add (visible->jobs, job);
    }
  g_ptr_array_sort (visible->jobs, compare_jobs);
}

static void
on_gathered (GHashTable *ids, gpointer user_data)
{
  g_autofree QsVisibleWait *wait = user_data;
  g_autoptr (GPtrArray) domains = g_ptr_array_new ();
  g_autoptr (GPtrArray) jobs = g_ptr_array_new ();
  QsVisible visible = { domains, jobs };
  const QsCall *call = qs_call_get (wait->invocation);

  add_domains (&visible, call, ids);
  add_jobs (&visible, call, ids);
  wait->func (wait->invocation, &visible);
}

/**
 * qs_visible_objects:
 * @invocation: (transfer full): handed on to @func
 * @func: called with what the caller may see; the arrays are valid during the call
 */
void
qs_visible_objects (GDBusMethodInvocation *invocation, QsInteraction interaction,
                    QsVisibleObjectsFunc func)
{
  const QsCall *call = qs_call_get (invocation);
  QsVisibleWait *wait = g_new0 (QsVisibleWait, 1);

  *wait = (QsVisibleWait){ invocation, func };
  qs_visibility_gather (call->service, call->peer, interaction, on_gathered, wait);
}

/* the same for those who want the caller's own only: nobody is asked */
void
qs_own_objects (GDBusMethodInvocation *invocation, QsVisibleObjectsFunc func)
{
  QsVisibleWait *wait = g_new0 (QsVisibleWait, 1);

  *wait = (QsVisibleWait){ invocation, func };
  on_gathered (NULL, wait);
}
