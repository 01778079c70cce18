/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

/* where VNC may listen without a password: nobody else's machine gets there */
static const QsWord hosts[] = {
  { "127.0.0.1", "127.0.0.1" },
  { "localhost", "127.0.0.1" },
  { "::1", "[::1]" },
  { NULL },
};

static const QsWord share_policies[] = {
  { "allow-exclusive", ",share=allow-exclusive" },
  { "force-shared", ",share=force-shared" },
  { "ignore", ",share=ignore" },
  { NULL },
};

#define FIRST_VNC_PORT 5900
#define VNC_DISPLAYS 100

/* bytes and KiB as libvirt has them, MiB as QEMU does */
#define MAX_VIDEO_KIB (1024 * 1024)

/* where a display listens */
typedef struct
{
  char *path; /* NULL: at a port */
  const char *host;
  guint64 port;
  gboolean searches; /* for the first free one from there on */
} Listener;

static void
listener_clear (Listener *listener)
{
  g_free (listener->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Listener, listener_clear)

static gboolean
read_socket (QsLine *line, const xmlNode *node, const char *path, Listener *listener,
             GError **error)
{
  g_autofree char *folder = g_path_get_dirname (line->options->qmp_socket);

  if (path && !qs_line_path (line, node, path, error))
    return FALSE;
  if (path && strlen (path) > QS_MAX_SOCKET_BYTES)
    return qs_line_refuse (error, node, "has a socket whose path is longer than %d bytes",
                           QS_MAX_SOCKET_BYTES);
  listener->path = path ? g_strdup (path) : g_strconcat (folder, "/vnc.sock", NULL);
  return TRUE;
}

static gboolean
read_port (const xmlNode *graphics, const xmlNode *node, const char *attribute, Listener *listener,
           GError **error)
{
  g_autofree char *port = qs_xml_attribute (graphics, "port");
  const char *automatic = "off";

  listener->host = hosts[0].qemu;
  listener->port = FIRST_VNC_PORT;
  if (!qs_line_word (node, attribute, hosts, &listener->host, error)
      || !qs_line_word (graphics, "autoport", qs_words_on_off, &automatic, error))
    return FALSE;
  listener->searches = !port || g_str_equal (port, "-1") || g_str_equal (automatic, "on");
  if (listener->searches)
    return TRUE;
  if (!qs_line_number (graphics, "port", 65535, &listener->port, error))
    return FALSE;
  return listener->port >= FIRST_VNC_PORT
         || qs_line_refuse (error, graphics, "has a port below %d", FIRST_VNC_PORT);
}

static gboolean
read_listener (QsLine *line, const xmlNode *graphics, Listener *listener, GError **error)
{
  static const QsWord types[] = { { "address", "address" }, { "socket", "socket" }, { NULL } };
  const xmlNode *listen = qs_xml_child (graphics, "listen");
  g_autofree char *socket = qs_xml_attribute (graphics, "socket");
  const char *type = "address";

  if (socket)
    return read_socket (line, graphics, socket, listener, error);
  if (!qs_line_word (listen, "type", types, &type, error))
    return FALSE;
  if (g_str_equal (type, "address"))
    return listen ? read_port (graphics, listen, "address", listener, error)
                  : read_port (graphics, graphics, "listen", listener, error);
  socket = qs_xml_attribute (listen, "socket");
  return read_socket (line, listen, socket, listener, error);
}

static char *
format_listener (const QsLine *line, const Listener *listener)
{
  g_autofree char *escaped = listener->path ? qs_line_escape (listener->path) : NULL;

  if (line->options->sharing != QS_SHARING_NONE)
    return g_strdup ("vnc=none");
  if (escaped)
    return g_strconcat ("vnc=unix:", escaped, NULL);
  return g_strdup_printf (listener->searches ? "vnc=%s:%" G_GUINT64_FORMAT ",to=%d"
                                             : "vnc=%s:%" G_GUINT64_FORMAT,
                          listener->host, listener->port - FIRST_VNC_PORT, VNC_DISPLAYS - 1);
}

static void
add_address (GVariantBuilder *address, const char *key, GVariant *value)
{
  g_variant_builder_add (address, "{sv}", key, value);
}

/**
 * qs_line_display:
 *
 * Returns: (transfer full) (nullable): the arguments of `display-update` for the display @graphics
 */
GVariant *
qs_line_display (QsLine *line, const xmlNode *graphics)
{
  g_auto (Listener) listener = { 0 };
  g_auto (GVariantBuilder) address = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_auto (GVariantBuilder) list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (!read_listener (line, graphics, &listener, NULL))
    return NULL;
  add_address (&address, "type", g_variant_new_string (listener.path ? "unix" : "inet"));
  if (listener.path)
    add_address (&address, "path", g_variant_new_string (listener.path));
  else
    {
      g_autofree char *port = g_strdup_printf ("%" G_GUINT64_FORMAT, listener.port);
      gboolean bracketed = *listener.host == '[';

      add_address (&address, "host", g_variant_new_string (bracketed ? "::1" : listener.host));
      add_address (&address, "port", g_variant_new_string (port));
    }
  if (listener.searches)
    add_address (&address, "to", g_variant_new_uint32 (FIRST_VNC_PORT + VNC_DISPLAYS - 1));
  g_variant_builder_add_value (&list, g_variant_builder_end (&address));
  return g_variant_ref_sink (g_variant_new_parsed ("{'type': <'vnc'>, 'addresses': <%@aa{sv}>}",
                                                   g_variant_builder_end (&list)));
}

static gboolean
add_keymap (QsLine *line, const xmlNode *graphics, GError **error)
{
  g_autofree char *keymap = qs_xml_attribute (graphics, "keymap");

  if (!keymap)
    return TRUE;
  if (!qs_line_is_word (keymap, "-", 8))
    return qs_line_refuse (error, graphics, "names no keymap");
  qs_line_add (line, "-k", keymap);
  return TRUE;
}

gboolean
qs_line_graphics (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord types[] = { { "vnc", "vnc" }, { NULL } };
  g_auto (Listener) listener = { 0 };
  g_autofree char *listens = NULL;
  const char *share = "";
  const char *type = NULL;

  if (!qs_line_word (device, "type", types, &type, error)
      || !qs_line_word (device, "sharePolicy", share_policies, &share, error)
      || !read_listener (line, device, &listener, error) || !add_keymap (line, device, error))
    return FALSE;
  listens = format_listener (line, &listener);
  qs_line_take (line, "-vnc", g_strconcat (listens, share, NULL));
  return TRUE;
}

/* members whose unit differs between the two */
static gboolean
set_memory (const xmlNode *model, const char *attribute, const char *property, guint64 divisor,
            JsonObject *object, GError **error)
{
  guint64 kib = 0;

  if (!qs_line_number (model, attribute, MAX_VIDEO_KIB, &kib, error))
    return FALSE;
  if (kib)
    json_object_set_int_member (object, property, (gint64)(kib * 1024 / divisor));
  return TRUE;
}

#define BYTES 1
#define MEBIBYTES (1024 * 1024)

static const struct
{
  const char *type;
  const char *attribute;
  const char *property;
  guint64 divisor;
} memories[] = {
  { "vga", "vram", "vgamem_mb", MEBIBYTES },    { "qxl", "ram", "ram_size", BYTES },
  { "qxl", "vram", "vram_size", BYTES },        { "qxl", "vgamem", "vgamem_mb", MEBIBYTES },
  { "cirrus", "vram", "vgamem_mb", MEBIBYTES },
};

static const QsProp heads[] = {
  { NULL, "heads", "max_outputs", QS_PROP_NUMBER, 16, NULL },
  { NULL },
};

static const QsProp resolution[] = {
  { "resolution", "x", "xres", QS_PROP_NUMBER, 16384, NULL },
  { "resolution", "y", "yres", QS_PROP_NUMBER, 16384, NULL },
  { NULL },
};

static gboolean
set_video (const xmlNode *model, const char *type, JsonObject *object, GError **error)
{
  gboolean has_heads = g_str_equal (type, "virtio") || g_str_equal (type, "qxl");

  for (guint i = 0; i < G_N_ELEMENTS (memories); i++)
    if (g_str_equal (memories[i].type, type)
        && !set_memory (model, memories[i].attribute, memories[i].property, memories[i].divisor,
                        object, error))
      return FALSE;
  return (!has_heads || qs_line_properties (model, heads, object, error))
         && qs_line_properties (model, resolution, object, error);
}

/* a second one cannot claim the ports of a VGA */
static const QsWord secondary[] = {
  { "virtio", "virtio-gpu-pci" },
  { "vga", "secondary-vga" },
  { "qxl", "qxl" },
  { "bochs", "bochs-display" },
  { NULL },
};

gboolean
qs_line_video (QsLine *line, const xmlNode *device, GError **error)
{
  const QsDeviceType *type = qs_device_require (device, error);
  const xmlNode *model = qs_xml_child (device, "model");
  g_autofree char *name = qs_xml_attribute (model, "type");
  g_autofree char *id = NULL;
  g_autoptr (JsonObject) object = NULL;
  const char *driver = NULL;

  if (!type)
    return FALSE;
  if (!type->driver)
    return TRUE;
  driver = type->driver;
  id = qs_line_id (line, "video");
  if (!g_str_equal (id, "video0") && !qs_line_word (model, "type", secondary, &driver, error))
    return FALSE;

  object = qs_line_device (driver, id);
  if (!set_video (model, name, object, error) || !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

gboolean
qs_line_input (QsLine *line, const xmlNode *device, GError **error)
{
  const QsDeviceType *type = qs_device_require (device, error);
  g_autoptr (JsonObject) object = NULL;
  g_autofree char *id = NULL;

  if (!type)
    return FALSE;
  if (!type->driver)
    return TRUE;
  id = qs_line_id (line, "input");
  object = qs_line_device (type->driver, id);
  if (!(type->slot == QS_SLOT_NONE ? qs_line_usb (device, object, error)
                                   : qs_line_pci (line, device, object, error)))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}
