/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

static const QsProp nbd_unix[] = {
  { NULL, "socket", "path", QS_PROP_TEXT, QS_MAX_SOCKET_BYTES, NULL },
  { NULL },
};

static const QsProp inet_properties[] = {
  { NULL, "name", "host", QS_PROP_TEXT, QS_MAX_HOST_BYTES, NULL },
  { NULL, "port", "port", QS_PROP_TEXT, QS_MAX_PORT_BYTES, NULL },
  { NULL },
};

static const QsWord transports[] = { { "tcp", "inet" }, { "unix", "unix" }, { NULL } };

static gboolean
is_port (const char *port)
{
  guint64 number = 0;

  return g_ascii_string_to_unsigned (port, 10, 1, 65535, &number, NULL);
}

/* a name, IPv4 or IPv6 address and nothing that a driver could take for more */
static gboolean
is_host (JsonObject *server)
{
  const char *name = json_object_get_string_member_with_default (server, "host", "");

  return *name && name[strspn (name, "." G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS ":-_")] == '\0';
}

static gboolean
read_inet (const xmlNode *host, const char *port, JsonObject *server, GError **error)
{
  json_object_set_string_member (server, "port", port);
  if (!qs_line_properties (host, inet_properties, server, error))
    return FALSE;
  if (!is_host (server))
    return qs_line_refuse (error, host, "has no usable name");
  return is_port (json_object_get_string_member (server, "port"))
         || qs_line_refuse (error, host, "has no usable port");
}

static gboolean
set_nbd (QsLine *line, const xmlNode *source, JsonObject *node, GError **error)
{
  static const QsProp export[] = {
    { NULL, "name", "export", QS_PROP_TEXT, QS_MAX_DESCRIPTION_BYTES, NULL }, { NULL }
  };
  const xmlNode *host = qs_xml_child (source, "host");
  g_autofree char *path = qs_xml_attribute (host, "socket");
  JsonObject *server = json_object_new ();
  const char *type = "inet";

  json_object_set_object_member (node, "server", server);
  if (!host)
    return qs_line_refuse (error, source, "has no <host>");
  if (!qs_line_word (host, "transport", transports, &type, error)
      || !qs_line_properties (source, export, node, error))
    return FALSE;
  json_object_set_string_member (server, "type", type);
  if (g_str_equal (type, "inet"))
    return read_inet (host, "10809", server, error);
  if (!path)
    return qs_line_refuse (error, host, "has no socket");
  return qs_line_path (line, host, path, error)
         && qs_line_properties (host, nbd_unix, server, error);
}

/* two parts of @source's name at the first or last @separator */
static gboolean
split_name (const xmlNode *source, char **first, char **second, GError **error)
{
  g_autofree char *name = qs_xml_attribute (source, "name");
  char *separator = name ? strchr (name, '/') : NULL;

  if (!separator || separator == name || !separator[1] || strchr (separator + 1, '/')
      || strlen (name) > QS_MAX_DESCRIPTION_BYTES)
    return qs_line_refuse (error, source, "has no name of two parts with a ‘/’ between them");
  *first = g_strndup (name, (gsize)(separator - name));
  *second = g_strdup (separator + 1);
  return TRUE;
}

static gboolean
set_rbd (QsLine *line, const xmlNode *source, JsonObject *node, GError **error)
{
  g_autoptr (JsonArray) servers = json_array_new ();
  g_autofree char *pool = NULL;
  g_autofree char *image = NULL;

  if (!split_name (source, &pool, &image, error))
    return FALSE;
  for (const xmlNode *host = qs_xml_child (source, "host"); host; host = qs_xml_next (host, "host"))
    {
      JsonObject *server = json_object_new ();

      json_array_add_object_element (servers, server);
      if (!read_inet (host, "6789", server, error))
        return FALSE;
    }
  json_object_set_string_member (node, "pool", pool);
  json_object_set_string_member (node, "image", image);
  if (json_array_get_length (servers))
    json_object_set_array_member (node, "server", g_steal_pointer (&servers));
  return TRUE;
}

static gboolean
set_portal (const xmlNode *host, JsonObject *node, GError **error)
{
  g_autoptr (JsonObject) server = json_object_new ();
  g_autofree char *portal = NULL;
  const char *name = NULL;

  if (!read_inet (host, "3260", server, error))
    return FALSE;
  name = json_object_get_string_member (server, "host");
  portal = g_strdup_printf (strchr (name, ':') ? "[%s]:%s" : "%s:%s", name,
                            json_object_get_string_member (server, "port"));
  json_object_set_string_member (node, "portal", portal);
  json_object_set_string_member (node, "transport", "tcp");
  return TRUE;
}

static gboolean
set_iscsi (QsLine *line, const xmlNode *source, JsonObject *node, GError **error)
{
  const xmlNode *host = qs_xml_child (source, "host");
  g_autofree char *target = NULL;
  g_autofree char *unit = NULL;
  guint64 lun = 0;

  if (!host)
    return qs_line_refuse (error, source, "has no <host>");
  if (!split_name (source, &target, &unit, error))
    return FALSE;
  if (!g_ascii_string_to_unsigned (unit, 10, 0, QS_MAX_LUN, &lun, NULL))
    return qs_line_refuse (error, source, "has no unit number in its name");
  json_object_set_string_member (node, "target", target);
  json_object_set_int_member (node, "lun", (gint64)lun);
  return set_portal (host, node, error);
}

static const struct
{
  const char *protocol;
  gboolean (*set) (QsLine *line, const xmlNode *source, JsonObject *node, GError **error);
} protocols[] = {
  { "nbd", set_nbd },
  { "rbd", set_rbd },
  { "iscsi", set_iscsi },
};

/**
 * qs_line_source:
 *
 * The members of a node that opens the network source of a disk. Typed fields only: no text of the
 * document is ever taken for a URI.
 */
gboolean
qs_line_source (QsLine *line, const xmlNode *device, JsonObject *node, GError **error)
{
  const xmlNode *source = qs_xml_child (device, "source");
  g_autofree char *protocol = qs_xml_attribute (source, "protocol");

  if (!source)
    return qs_line_refuse (error, device, "has no <source>");
  for (guint i = 0; i < G_N_ELEMENTS (protocols); i++)
    if (g_strcmp0 (protocol, protocols[i].protocol) == 0)
      {
        json_object_set_string_member (node, "driver", protocol);
        return protocols[i].set (line, source, node, error);
      }
  return qs_line_refuse (error, source,
                         "is not translated with protocol ‘%.32s’; it can be: nbd, rbd, iscsi",
                         protocol ? protocol : "");
}
