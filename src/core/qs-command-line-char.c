/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

static const QsWord modes[] = { { "bind", ",server=on,wait=off" },
                                { "connect", ",server=off" },
                                { NULL } };

static const QsWord serial_types[] = { { "isa-serial", NULL }, { NULL } };

/* folders in which libvirt chooses the names of sockets: such a name is left to us */
static const char *const chosen_by_libvirt[] = { "/var/lib/libvirt/qemu/", "/run/libvirt/qemu/",
                                                 "/var/run/libvirt/qemu/" };

/* in the folder of the monitor's socket */
static char *
own_socket (const QsLine *line, const char *id)
{
  g_autofree char *folder = g_path_get_dirname (line->options->qmp_socket);

  return g_strdup_printf ("%s/%s.sock", folder, id);
}

static gboolean
is_own (const char *path)
{
  for (guint i = 0; path && i < G_N_ELEMENTS (chosen_by_libvirt); i++)
    if (g_str_has_prefix (path, chosen_by_libvirt[i]))
      return TRUE;
  return !path;
}

/* the name is another process's until that has ended */
static char *
beside (const QsLine *line, char *path, const char *mode)
{
  g_autofree char *plain = path;

  if (line->options->sharing != QS_SHARING_BESIDE || mode != modes[0].qemu)
    return g_steal_pointer (&plain);
  return g_strconcat (plain, line->options->beside, NULL);
}

static gboolean
add_unix (QsLine *line, const xmlNode *device, const char *id, GError **error)
{
  const xmlNode *source = qs_xml_child (device, "source");
  g_autofree char *path = qs_xml_attribute (source, "path");
  g_autofree char *escaped = NULL;
  const char *mode = modes[0].qemu;

  if (!qs_line_word (source, "mode", modes, &mode, error))
    return FALSE;
  if (is_own (path))
    {
      g_free (path);
      path = own_socket (line, id);
    }
  else if (!qs_line_path (line, source, path, error))
    return FALSE;
  else
    path = beside (line, path, mode);
  if (strlen (path) > QS_MAX_SOCKET_BYTES)
    return qs_line_refuse (error, device, "has a socket whose path is longer than %d bytes",
                           QS_MAX_SOCKET_BYTES);

  escaped = qs_line_escape (path);
  qs_line_take (line, "-chardev",
                g_strdup_printf ("socket,id=char-%s,path=%s%s", id, escaped, mode));
  return TRUE;
}

static gboolean
add_pty (QsLine *line, const xmlNode *device, const char *id, GError **error)
{
  qs_line_take (line, "-chardev", g_strdup_printf ("pty,id=char-%s", id));
  return TRUE;
}

static gboolean
add_file (QsLine *line, const xmlNode *device, const char *id, GError **error)
{
  const xmlNode *source = qs_xml_child (device, "source");
  g_autofree char *path = qs_xml_attribute (source, "path");
  g_autofree char *escaped = NULL;
  gboolean keeps = line->options->sharing == QS_SHARING_BESIDE;
  const char *append = "off";

  if (!path)
    return qs_line_refuse (error, device, "has no path in its <source>");
  if (!qs_line_path (line, source, path, error)
      || !qs_line_word (source, "append", qs_words_on_off, &append, error))
    return FALSE;
  escaped = qs_line_escape (path);
  qs_line_take (
      line, "-chardev",
      g_strdup_printf ("file,id=char-%s,path=%s,append=%s", id, escaped, keeps ? "on" : append));
  return TRUE;
}

static const struct
{
  const char *type;
  gboolean (*add) (QsLine *line, const xmlNode *device, const char *id, GError **error);
} backends[] = {
  { "unix", add_unix },
  { "pty", add_pty },
  { "file", add_file },
};

/* the device's end of it, on a stopped guest's host */
static gboolean
add_backend (QsLine *line, const xmlNode *device, const char *id, GError **error)
{
  g_autofree char *type = qs_xml_attribute (device, "type");

  if (line->options->sharing == QS_SHARING_PROOF)
    {
      qs_line_take (line, "-chardev", g_strdup_printf ("null,id=char-%s", id));
      return TRUE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    if (g_strcmp0 (type, backends[i].type) == 0)
      return backends[i].add (line, device, id, error);
  return qs_line_refuse (error, device,
                         "is not translated with type ‘%.32s’; it can be: unix, pty, file",
                         type ? type : "");
}

static JsonObject *
new_device (const char *driver, const char *id)
{
  JsonObject *object = qs_line_device (driver, id);
  g_autofree char *backend = g_strconcat ("char-", id, NULL);

  json_object_set_string_member (object, "chardev", backend);
  return object;
}

static gboolean
check_serial (const xmlNode *device, GError **error)
{
  const xmlNode *target = qs_xml_child (device, "target");
  const char *nothing = NULL;

  return qs_line_word (target, "type", serial_types, &nothing, error)
         && qs_line_word (qs_xml_child (target, "model"), "name", serial_types, &nothing, error);
}

gboolean
qs_line_serial (QsLine *line, const xmlNode *device, GError **error)
{
  g_autofree char *id = qs_line_id (line, "serial");
  g_autoptr (JsonObject) object = new_device ("isa-serial", id);
  guint64 port = g_ascii_strtoull (id + strlen ("serial"), NULL, 10);

  /* a <console> that is the serial port itself is checked as one */
  if ((g_str_equal (device->name, "serial") && !check_serial (device, error))
      || !qs_line_number (qs_xml_child (device, "target"), "port", 3, &port, error)
      || !add_backend (line, device, id, error))
    return FALSE;
  json_object_set_int_member (object, "index", (gint64)port);
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

static gboolean
add_on_virtio (QsLine *line, const xmlNode *device, const char *id, JsonObject *object,
               GError **error)
{
  g_autofree char *bus = g_strdup_printf ("virtio-serial%" G_GUINT64_FORMAT ".0",
                                          qs_address_part (device, "virtio-serial", "controller"));

  if (!add_backend (line, device, id, error))
    return FALSE;
  json_object_set_string_member (object, "bus", bus);
  json_object_set_int_member (object, "nr",
                              (gint64)qs_address_part (device, "virtio-serial", "port"));
  qs_line_take_json (line, "-device", json_object_ref (object));
  return TRUE;
}

/* libvirt repeats the first serial port as a console */
gboolean
qs_line_console (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord types[] = { { "serial", "serial" }, { "virtio", "virtio" }, { NULL } };
  g_autoptr (JsonObject) object = NULL;
  g_autofree char *id = NULL;
  const char *type = "serial";

  if (!qs_line_word (qs_xml_child (device, "target"), "type", types, &type, error))
    return FALSE;
  if (g_str_equal (type, "serial"))
    return qs_xml_child (line->devices, "serial") || qs_line_serial (line, device, error);

  id = qs_line_id (line, "console");
  object = new_device ("virtconsole", id);
  return add_on_virtio (line, device, id, object, error);
}

gboolean
qs_line_channel (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord types[] = { { "virtio", "virtio" }, { NULL } };
  static const QsProp properties[] = {
    { "target", "name", "name", QS_PROP_TEXT, QS_MAX_PORT_NAME_BYTES, NULL }, { NULL }
  };
  const xmlNode *target = qs_xml_child (device, "target");
  g_autofree char *id = qs_line_id (line, "channel");
  g_autoptr (JsonObject) object = new_device ("virtserialport", id);
  const char *type = NULL;

  if (!qs_line_word (target, "type", types, &type, error))
    return FALSE;
  if (!type)
    return qs_line_refuse (error, device, "has no <target> with a type");
  return qs_line_properties (device, properties, object, error)
         && add_on_virtio (line, device, id, object, error);
}
