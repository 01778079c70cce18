/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-limits.h"
#include "qs-lists.h"

/* the arguments are read again in the thread, from the parameters of the call */

static GPtrArray *
find_all (const QsRead *read, GError **error)
{
  guint flags;

  g_variant_get (read->parameters, "(u)", &flags);
  return qs_lists_find (read, QS_SCOPE_DOMAIN, NULL, flags, error);
}

static GPtrArray *
find_children (const QsRead *read, GError **error)
{
  const char *name;
  guint flags;

  g_variant_get (read->parameters, "(&su)", &name, &flags);
  return qs_lists_find (read, QS_SCOPE_CHILDREN_OF, name, flags, error);
}

static GVariant *
read_snapshots (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_all (read, error);

  return qs_lists_paths (read, list, error);
}

static GVariant *
read_names (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_all (read, error);

  return qs_lists_names (list);
}

static GVariant *
read_number (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_all (read, error);

  return qs_lists_count (list);
}

static GVariant *
read_children (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_children (read, error);

  return qs_lists_paths (read, list, error);
}

static GVariant *
read_children_names (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_children (read, error);

  return qs_lists_names (list);
}

static GVariant *
read_children_number (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = find_children (read, error);

  return qs_lists_count (list);
}

static GVariant *
read_page (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  const char *from;
  guint flags, offset, limit;

  g_variant_get (read->parameters, "(&suuu)", &from, &flags, &offset, &limit);
  list = qs_lists_find (read, *from == '\0' ? QS_SCOPE_DOMAIN : QS_SCOPE_CHILDREN_OF, from, flags,
                        error);
  if (list != NULL && (limit == 0 || limit > QS_MAX_PAGE_ROWS))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "the limit is %u, it must be from 1 to %d", limit, QS_MAX_PAGE_ROWS);
      return NULL;
    }
  return qs_lists_page (read, list, offset, limit);
}

static GVariant *
read_xml (const QsRead *read, GError **error)
{
  g_autofree char *xml = NULL;
  guint flags;

  g_variant_get (read->parameters, "(u)", &flags);
  if (!qs_flags_check (&qs_xml_flag_set, flags, error))
    return NULL;
  xml = qs_engine_document (read->service->engine, read->domain,
                            read->snapshot != NULL ? read->snapshot->uuid : NULL, flags, error);
  return xml != NULL ? g_variant_new ("(s)", xml) : NULL;
}

static gboolean
handle_lookup (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *name)
{
  const QsDomain *domain = qs_call_get (invocation)->domain;
  const QsSnapshot *snapshot = qs_tree_lookup_name (domain->tree, name);
  g_autofree char *path = NULL;

  if (snapshot == NULL)
    {
      qs_dbus_error_return (invocation, g_error_new (QS_ERROR, QS_ERROR_NO_SNAPSHOT,
                                                     "the domain has no snapshot ‘%s’", name));
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  path = qs_object_path_snapshot (domain->id, snapshot->uuid);
  qs_dbus_domain_complete_snapshot_lookup (object, invocation, path);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static GVariant *
read_own_children (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  guint flags;

  g_variant_get (read->parameters, "(u)", &flags);
  list = qs_lists_find (read, QS_SCOPE_CHILDREN, NULL, flags, error);
  return qs_lists_paths (read, list, error);
}

static GVariant *
read_own_number (const QsRead *read, GError **error)
{
  g_autoptr (GPtrArray) list = NULL;
  guint flags;

  g_variant_get (read->parameters, "(u)", &flags);
  list = qs_lists_find (read, QS_SCOPE_CHILDREN, NULL, flags, error);
  return qs_lists_count (list);
}

/* which of the functions above answers a method */
static const struct
{
  QsObjectKind kind;
  const char *method;
  QsReadFunc func;
} reads[] = {
  { QS_OBJECT_DOMAIN, "ListSnapshots", read_snapshots },
  { QS_OBJECT_DOMAIN, "ListSnapshotNames", read_names },
  { QS_OBJECT_DOMAIN, "NumSnapshots", read_number },
  { QS_OBJECT_DOMAIN, "ListChildren", read_children },
  { QS_OBJECT_DOMAIN, "ListChildrenNames", read_children_names },
  { QS_OBJECT_DOMAIN, "NumChildren", read_children_number },
  { QS_OBJECT_DOMAIN, "GetSnapshots", read_page },
  { QS_OBJECT_DOMAIN, "GetXMLDesc", read_xml },
  { QS_OBJECT_SNAPSHOT, "GetXMLDesc", read_xml },
  { QS_OBJECT_SNAPSHOT, "ListChildren", read_own_children },
  { QS_OBJECT_SNAPSHOT, "NumChildren", read_own_number },
};

/* for every method above: the arguments behind the invocation are not looked at */
static gboolean
handle_read (GDBusInterfaceSkeleton *object, GDBusMethodInvocation *invocation)
{
  const QsCall *call = qs_call_get (invocation);

  for (guint i = 0; i < G_N_ELEMENTS (reads); i++)
    if (reads[i].kind == call->path.kind
        && g_str_equal (reads[i].method, qs_call_get_method (call)))
      {
        qs_read_start (invocation, reads[i].func, NULL);
        return G_DBUS_METHOD_INVOCATION_HANDLED;
      }
  return G_DBUS_METHOD_INVOCATION_UNHANDLED;
}

static const QsHandler domain_handlers[] = {
  { "handle-list-snapshots", G_CALLBACK (handle_read) },
  { "handle-list-snapshot-names", G_CALLBACK (handle_read) },
  { "handle-num-snapshots", G_CALLBACK (handle_read) },
  { "handle-list-children", G_CALLBACK (handle_read) },
  { "handle-list-children-names", G_CALLBACK (handle_read) },
  { "handle-num-children", G_CALLBACK (handle_read) },
  { "handle-get-snapshots", G_CALLBACK (handle_read) },
  { "handle-get-xmldesc", G_CALLBACK (handle_read) },
  { "handle-snapshot-lookup", G_CALLBACK (handle_lookup) },
};

static const QsHandler snapshot_handlers[] = {
  { "handle-list-children", G_CALLBACK (handle_read) },
  { "handle-num-children", G_CALLBACK (handle_read) },
  { "handle-get-xmldesc", G_CALLBACK (handle_read) },
};

void
qs_domain_lists_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, domain_handlers, G_N_ELEMENTS (domain_handlers));
}

void
qs_snapshot_lists_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, snapshot_handlers, G_N_ELEMENTS (snapshot_handlers));
}
