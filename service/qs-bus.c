/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-bus.h"

#include "qs-call.h"
#include "qs-dbus.h"
#include "qs-gate.h"
#include "qs-handlers.h"
#include "qs-names.h"
#include "qs-standard.h"

#include <string.h>

static const struct
{
  QsObjectKind kind;
  GDBusInterfaceSkeleton *(*create) (void);
  void (*connect[8]) (GDBusInterfaceSkeleton *skeleton);
} skeleton_table[] = {
  { QS_OBJECT_MANAGER,
    (gpointer)qs_dbus_manager_skeleton_new,
    { qs_manager_connect, qs_define_connect, qs_attach_connect } },
  { QS_OBJECT_DOMAIN,
    (gpointer)qs_dbus_domain_skeleton_new,
    { qs_domain_life_connect, qs_domain_create_connect, qs_domain_block_copy_connect,
      qs_domain_block_job_connect, qs_domain_block_merge_connect, qs_domain_lists_connect } },
  { QS_OBJECT_SNAPSHOT,
    (gpointer)qs_dbus_domain_snapshot_skeleton_new,
    { qs_snapshot_connect, qs_snapshot_lists_connect } },
  { QS_OBJECT_JOB, (gpointer)qs_dbus_job_skeleton_new, { qs_job_connect } },
};

static void /* NOLINTNEXTLINE(readability-function-size): GDBus's signature */
on_method_call (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  qs_gate_enter (user_data, invocation);
}

static const GDBusInterfaceVTable vtable = { on_method_call, NULL, NULL, { NULL } };

static gboolean
is_ours (GDBusMessage *message)
{
  const char *path = g_dbus_message_get_path (message);
  gsize length = strlen (QS_PATH);

  return g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL
         && path != NULL && g_str_has_prefix (path, QS_PATH)
         && (path[length] == '\0' || path[length] == '/');
}

/* in GDBus's own thread. All objects are served at one path, with the path that the caller wrote
   kept in a header field: GDBus would answer for paths that are not registered, and differently for
   missing objects and for those that the caller may not see */
static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
            gpointer user_data)
{
  GDBusMessage *copy;

  if (!incoming || !is_ours (message))
    return message;
  copy = g_dbus_message_copy (message, NULL);
  if (copy == NULL)
    return message;
  g_dbus_message_set_header (copy, QS_PATH_HEADER,
                             g_variant_new_string (g_dbus_message_get_path (message)));
  g_dbus_message_set_path (copy, QS_PATH);
  g_object_unref (message);
  return copy;
}

static gboolean
register_interface (QsService *service, GDBusInterfaceInfo *info, GError **error)
{
  guint id = g_dbus_connection_register_object (service->connection, QS_PATH, info, &vtable,
                                                service, NULL, error);

  if (id == 0)
    return FALSE;
  g_array_append_val (service->registrations, id);
  return TRUE;
}

static gboolean
register_standard (QsService *service, GError **error)
{
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (qs_standard_xml, error);

  if (node == NULL)
    return FALSE;
  for (guint i = 0; node->interfaces[i] != NULL; i++)
    if (!register_interface (service, node->interfaces[i], error))
      return FALSE;
  return TRUE;
}

/**
 * qs_bus_register:
 *
 * From here on calls are let in; the name is not owned yet.
 */
gboolean
qs_bus_register (QsService *service, GError **error)
{
  service->filter = g_dbus_connection_add_filter (service->connection, on_message, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (skeleton_table); i++)
    {
      GDBusInterfaceSkeleton *skeleton = skeleton_table[i].create ();

      service->skeletons[skeleton_table[i].kind] = skeleton;
      for (guint k = 0; skeleton_table[i].connect[k] != NULL; k++)
        skeleton_table[i].connect[k](skeleton);
      if (!register_interface (service, g_dbus_interface_skeleton_get_info (skeleton), error))
        return FALSE;
    }
  return register_standard (service, error);
}

void
qs_bus_unregister (QsService *service)
{
  for (guint i = 0; i < service->registrations->len; i++)
    g_dbus_connection_unregister_object (service->connection,
                                         g_array_index (service->registrations, guint, i));
  g_array_set_size (service->registrations, 0);
  if (service->filter != 0)
    g_dbus_connection_remove_filter (service->connection, service->filter);
  service->filter = 0;
  for (guint i = 0; i < QS_N_OBJECT_KINDS; i++)
    g_clear_object (&service->skeletons[i]);
}
