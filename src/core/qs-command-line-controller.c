/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

/* what <model name=> may say of the controllers whose model says the same */
static const QsWord bridges[] = {
  { "pcie-root-port", NULL },  { "ioh3420", NULL },          { "pci-bridge", NULL },
  { "pcie-pci-bridge", NULL }, { "i82801b11-bridge", NULL }, { NULL },
};

static const QsProp root_port_properties[] = {
  { "target", "chassis", "chassis", QS_PROP_NUMBER, 255, NULL },
  { "target", "port", "port", QS_PROP_NUMBER, 255, NULL },
  { "target", "hotplug", "hotplug", QS_PROP_BOOLEAN, 0, NULL },
  { NULL },
};

static const QsProp bridge_properties[] = {
  { "target", "chassisNr", "chassis_nr", QS_PROP_NUMBER, 255, NULL },
  { NULL },
};

static const QsProp xhci_properties[] = {
  { NULL, "ports", "p2", QS_PROP_NUMBER, 15, NULL },
  { NULL, "ports", "p3", QS_PROP_NUMBER, 15, NULL },
  { NULL },
};

static const QsProp scsi_properties[] = {
  { "driver", "queues", "num_queues", QS_PROP_NUMBER, QS_MAX_VCPUS, NULL },
  { NULL },
};

static const QsProp serial_properties[] = {
  { NULL, "ports", "max_ports", QS_PROP_NUMBER, 31, NULL },
  { NULL, "vectors", "vectors", QS_PROP_NUMBER, 255, NULL },
  { NULL },
};

/* by key of the device type; the prefix of the id also names the bus */
static const struct
{
  const char *type;
  const char *id;
  const char *model;
  const QsProp *properties;
} rows[] = {
  { "pci", "pci.", "pcie-root-port", root_port_properties },
  { "pci", "pci.", "pci-bridge", bridge_properties },
  { "pci", "pci.", NULL, NULL },
  { "usb", "usb", "qemu-xhci", xhci_properties },
  { "usb", "usb", "nec-xhci", xhci_properties },
  { "usb", "usb", NULL, NULL },
  { "scsi", "scsi", "virtio-scsi", scsi_properties },
  { "scsi", "scsi", NULL, NULL },
  { "sata", "sata", NULL, NULL },
  { "fdc", "fdc", NULL, NULL },
  { "virtio-serial", "virtio-serial", NULL, serial_properties },
};

/* as libvirt numbers them, so that a document of its own gives the same machine */
static gboolean
set_defaults (const xmlNode *device, JsonObject *object, GError **error)
{
  const char *driver = json_object_get_string_member (object, "driver");
  guint index = qs_controller_index (device);
  QsPciAddress address = { 0 };

  if (g_str_equal (driver, "pci-bridge"))
    json_object_set_int_member (object, "chassis_nr", index);
  if (!g_str_equal (driver, "pcie-root-port"))
    return TRUE;
  if (!qs_address_pci (device, &address, error))
    return FALSE;
  json_object_set_int_member (object, "port", address.slot << 3 | address.function);
  json_object_set_int_member (object, "chassis", index);
  return TRUE;
}

/* the first port of the hub of the EHCI controller that a UHCI one has for its own */
static gboolean
set_master (const xmlNode *device, JsonObject *object, GError **error)
{
  const xmlNode *master = qs_xml_child (device, "master");
  g_autofree char *bus = g_strdup_printf ("usb%u.0", qs_controller_index (device));
  guint64 port = 0;

  if (!master)
    return TRUE;
  if (!qs_line_number (master, "startport", 4, &port, error))
    return FALSE;
  json_object_set_string_member (object, "masterbus", bus);
  json_object_set_int_member (object, "firstport", (gint64)port);
  return TRUE;
}

/* companions share the bus of their master and need no name that is found */
static char *
make_id (const xmlNode *device, const char *prefix)
{
  guint index = qs_controller_index (device);
  g_autofree char *model = qs_xml_attribute (device, "model");

  return qs_xml_child (device, "master") && model
             ? g_strdup_printf ("%s%u-%s", prefix, index, model)
             : g_strdup_printf ("%s%u", prefix, index);
}

static gboolean
add_controller (QsLine *line, const xmlNode *device, const QsDeviceType *type, guint row,
                GError **error)
{
  g_autofree char *id = make_id (device, rows[row].id);
  g_autoptr (JsonObject) object = qs_line_device (type->driver, id);
  const char *nothing = NULL;

  if (!qs_line_word (qs_xml_child (device, "model"), "name", bridges, &nothing, error)
      || !set_defaults (device, object, error) || !set_master (device, object, error))
    return FALSE;
  if (rows[row].properties && !qs_line_properties (device, rows[row].properties, object, error))
    return FALSE;
  if (type->slot != QS_SLOT_NONE && !qs_line_pci (line, device, object, error))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

/* on this chip set, controllers of the type can only be the one that is part of it */
static gboolean
check_fixed (const QsLine *line, const xmlNode *device, GError **error)
{
  if (qs_controller_is (device, "ide"))
    return qs_line_refuse (error, device, "is an ide controller that this machine has not");
  if (qs_controller_is (device, "pci")
      && (qs_controller_index (device) != 0
          || qs_controller_is_model (device, "pcie-root") != (line->chipset == QS_CHIPSET_Q35)))
    return qs_line_refuse (error, device, "is a PCI root that this machine has not");
  return TRUE;
}

gboolean
qs_line_controller (QsLine *line, const xmlNode *device, GError **error)
{
  const QsDeviceType *type = qs_device_require (device, error);
  g_autofree char *model = qs_xml_attribute (device, "model");

  if (!type)
    return FALSE;
  if (qs_controller_index (device) == G_MAXUINT)
    return qs_line_refuse (error, device, "has no usable index");
  if (qs_controller_is_builtin (device, line->chipset))
    return TRUE;
  if (!type->driver)
    return check_fixed (line, device, error);
  /* the floppy controller of the older chip set is part of it */
  if (qs_controller_is (device, "fdc") && line->chipset == QS_CHIPSET_I440FX)
    return TRUE;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (qs_controller_is (device, rows[i].type)
        && (!rows[i].model || g_strcmp0 (rows[i].model, model) == 0))
      return add_controller (line, device, type, i, error);
  return TRUE;
}
