/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-standard.h"

#include "qs-names.h"
#include "qs-properties.h"

#include <string.h>

#define DOCTYPE                                                                                    \
  "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"             \
  " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"

static gboolean
has_standard (QsObjectKind kind, const char *interface)
{
  if (g_str_equal (interface, QS_OBJECT_MANAGER_INTERFACE))
    return kind == QS_OBJECT_MANAGER || kind == QS_OBJECT_DOMAIN;
  if (g_str_equal (interface, QS_PROPERTIES_INTERFACE))
    return qs_properties_interface (kind) != NULL;
  return TRUE;
}

static void
add_interfaces (GString *xml, const QsCall *call)
{
  g_autoptr (GDBusNodeInfo) standard = g_dbus_node_info_new_for_xml (qs_standard_xml, NULL);
  GDBusInterfaceSkeleton *skeleton = call->service->skeletons[call->path.kind];

  for (guint i = 0; standard->interfaces[i] != NULL; i++)
    if (has_standard (call->path.kind, standard->interfaces[i]->name))
      g_dbus_interface_info_generate_xml (standard->interfaces[i], 2, xml);
  if (skeleton != NULL)
    g_dbus_interface_info_generate_xml (g_dbus_interface_skeleton_get_info (skeleton), 2, xml);
}

/* the last element of an object path */
static void
add_node (GString *xml, const char *path)
{
  g_string_append_printf (xml, "  <node name=\"%s\"/>\n", strrchr (path, '/') + 1);
}

static GString *
begin (const QsCall *call)
{
  GString *xml = g_string_new (DOCTYPE "<node>\n");

  add_interfaces (xml, call);
  return xml;
}

/* @xml: (transfer full) */
static void
end (GDBusMethodInvocation *invocation, GString *xml)
{
  g_autofree char *text = NULL;

  g_string_append (xml, "</node>\n");
  text = g_string_free (xml, FALSE);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(s)", text));
}

static void
on_folder_visible (GDBusMethodInvocation *invocation, QsVisible *visible)
{
  const QsCall *call = qs_call_get (invocation);
  gboolean jobs = call->path.kind == QS_OBJECT_JOB_FOLDER;
  GString *xml = begin (call);

  for (guint i = 0; !jobs && i < visible->domains->len; i++)
    {
      const QsDomain *domain = g_ptr_array_index (visible->domains, i);
      g_autofree char *path = qs_object_path_domain (domain->id);

      add_node (xml, path);
    }
  for (guint i = 0; jobs && i < visible->jobs->len; i++)
    {
      g_autofree char *path =
          qs_object_path_job (qs_job_get_number (g_ptr_array_index (visible->jobs, i)));

      add_node (xml, path);
    }
  end (invocation, xml);
}

/**
 * qs_introspect:
 * @invocation: (transfer full)
 *
 * Lists the children that the caller may see; snapshots are not listed, there may be too many.
 */
void
qs_introspect (GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);
  GString *xml;

  if (call->path.kind == QS_OBJECT_DOMAIN_FOLDER || call->path.kind == QS_OBJECT_JOB_FOLDER)
    {
      qs_visible_objects (invocation, QS_INTERACTION_NONE, on_folder_visible);
      return;
    }
  xml = begin (call);
  if (call->path.kind == QS_OBJECT_MANAGER)
    g_string_append (xml, "  <node name=\"domain\"/>\n  <node name=\"job\"/>\n");
  if (call->path.kind == QS_OBJECT_DOMAIN)
    g_string_append (xml, "  <node name=\"snapshot\"/>\n");
  end (invocation, xml);
}
