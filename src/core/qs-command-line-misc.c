/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

static gboolean
is_mac (const char *text)
{
  if (strlen (text) != 17)
    return FALSE;
  for (guint i = 0; i < 17; i++)
    if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit (text[i]))
      return FALSE;
  return TRUE;
}

static gboolean
set_mac (const xmlNode *device, JsonObject *object, GError **error)
{
  const xmlNode *node = qs_xml_child (device, "mac");
  g_autofree char *mac = qs_xml_attribute (node, "address");

  if (!mac)
    return TRUE;
  if (!is_mac (mac))
    return qs_line_refuse (error, node, "has no usable address");
  json_object_set_string_member (object, "mac", mac);
  return TRUE;
}

gboolean
qs_line_interface (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord types[] = { { "user", NULL }, { NULL } };
  static const QsWord links[] = { { "up", NULL }, { NULL } };
  const QsDeviceType *type = NULL;
  g_autofree char *id = qs_line_id (line, "net");
  g_autofree char *netdev = g_strconcat ("host", id, NULL);
  g_autoptr (JsonObject) object = NULL;
  const char *nothing = NULL;

  if (!qs_line_word (device, "type", types, &nothing, error)
      || !qs_line_word (qs_xml_child (device, "link"), "state", links, &nothing, error))
    return FALSE;
  type = qs_device_require (device, error);
  if (!type)
    return FALSE;

  object = qs_line_device (type->driver, id);
  json_object_set_string_member (object, "netdev", netdev);
  if (!set_mac (device, object, error)
      || !qs_line_set_boot (line, device, QS_BOOT_NETWORK, object, error)
      || !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take (line, "-netdev", g_strdup_printf ("user,id=%s", netdev));
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

static gboolean
add_backend (QsLine *line, const xmlNode *device, const char *id, GError **error)
{
  static const QsWord models[] = { { "random", "rng-random" },
                                   { "builtin", "rng-builtin" },
                                   { NULL } };
  static const QsWord files[] = { { "/dev/urandom", "/dev/urandom" },
                                  { "/dev/random", "/dev/random" },
                                  { "/dev/hwrng", "/dev/hwrng" },
                                  { NULL } };
  static const QsProp content[] = { { NULL, NULL, "filename", QS_PROP_WORD, 0, files }, { NULL } };
  const xmlNode *backend = qs_xml_child (device, "backend");
  g_autoptr (JsonObject) object = json_object_new ();
  const char *model = NULL;

  if (!qs_line_word (backend, "model", models, &model, error))
    return FALSE;
  if (!model)
    return qs_line_refuse (error, device, "has no <backend> with a model");
  json_object_set_string_member (object, "qom-type", model);
  json_object_set_string_member (object, "id", id);
  if (g_str_equal (model, "rng-random") && !qs_line_properties (backend, content, object, error))
    return FALSE;
  qs_line_take_json (line, "-object", g_steal_pointer (&object));
  return TRUE;
}

gboolean
qs_line_rng (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsProp rate[] = {
    { "rate", "bytes", "max-bytes", QS_PROP_NUMBER, G_MAXINT32, NULL },
    { "rate", "period", "period", QS_PROP_NUMBER, G_MAXINT32, NULL },
    { NULL },
  };
  const QsDeviceType *type = qs_device_require (device, error);
  g_autofree char *id = qs_line_id (line, "rng");
  g_autofree char *backend = g_strconcat ("obj", id, NULL);
  g_autoptr (JsonObject) object = NULL;

  if (!type || !add_backend (line, device, backend, error))
    return FALSE;
  object = qs_line_device (type->driver, id);
  json_object_set_string_member (object, "rng", backend);
  if (!qs_line_properties (device, rate, object, error)
      || !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

gboolean
qs_line_memballoon (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsProp properties[] = {
    { NULL, "autodeflate", "deflate-on-oom", QS_PROP_BOOLEAN, 0, NULL },
    { NULL, "freePageReporting", "free-page-reporting", QS_PROP_BOOLEAN, 0, NULL },
    { "stats", "period", "guest-stats-polling-interval", QS_PROP_NUMBER, 86400, NULL },
    { NULL },
  };
  const QsDeviceType *type = qs_device_require (device, error);
  g_autofree char *id = qs_line_id (line, "balloon");
  g_autoptr (JsonObject) object = NULL;

  if (!type)
    return FALSE;
  if (!type->driver)
    return TRUE;
  object = qs_line_device (type->driver, id);
  if (!qs_line_properties (device, properties, object, error)
      || !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

/* the one of the chip set is there, but does not bite until told so */
static gboolean
add_itco (QsLine *line, const xmlNode *device, GError **error)
{
  if (line->chipset != QS_CHIPSET_Q35)
    return qs_line_refuse (error, device, "is one that this machine has not; use i6300esb");
  qs_line_add (line, "-global", "ICH9-LPC.noreboot=off");
  return TRUE;
}

gboolean
qs_line_watchdog (QsLine *line, const xmlNode *device, GError **error)
{
  const QsDeviceType *type = qs_device_require (device, error);
  g_autofree char *id = qs_line_id (line, "watchdog");
  g_autoptr (JsonObject) object = NULL;

  if (!type)
    return FALSE;
  if (!type->driver)
    return add_itco (line, device, error);
  object = qs_line_device (type->driver, id);
  if (type->slot != QS_SLOT_NONE && !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

gboolean
qs_line_panic (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord models[] = { { "isa", NULL }, { NULL } };
  g_autofree char *id = qs_line_id (line, "panic");
  const char *nothing = NULL;

  if (!qs_line_word (device, "model", models, &nothing, error))
    return FALSE;
  qs_line_take_json (line, "-device", qs_line_device ("pvpanic", id));
  return TRUE;
}

/* sound devices are refused: without one there is nothing to be heard of it */
gboolean
qs_line_audio (QsLine *line, const xmlNode *device, GError **error)
{
  static const QsWord types[] = { { "none", NULL }, { NULL } };
  const char *nothing = NULL;

  return qs_line_word (device, "type", types, &nothing, error);
}
