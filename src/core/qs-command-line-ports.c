/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

/* the index of "sda" is 0, of "sdaa" 26; G_MAXUINT: no such name */
static guint
target_index (const char *target)
{
  guint index = 0;
  gsize length = target ? strlen (target) : 0;

  if (length < 3 || length > 5)
    return G_MAXUINT;
  for (const char *at = target + 2; *at; at++)
    {
      if (!g_ascii_islower (*at))
        return G_MAXUINT;
      index = index * 26 + (guint)(*at - 'a') + 1;
    }
  return index - 1;
}

/* how libvirt spreads the disks of a bus over its controllers */
static const struct
{
  const char *bus;
  guint disks;  /* of a controller */
  guint units;  /* of a bus of it */
  guint hidden; /* the unit that is the controller's own; 0: none */
} drives[] = {
  { "ide", 4, 2 }, { "sata", 6, 6 }, { "scsi", 15, 16, 7 }, { "fdc", 2, 2 }, { "lsi", 7, 7 },
};

static gboolean
is_lsi (const xmlNode *disk)
{
  const xmlNode *controller = qs_controller_find (disk->parent, "scsi", 0);
  g_autofree char *model = qs_xml_attribute (controller, "model");

  return !model || g_str_equal (model, "lsilogic");
}

static void
write_drive (xmlNode *disk, guint row, guint index)
{
  guint place = index % drives[row].disks;
  guint unit = place % drives[row].units;
  xmlNode *address = qs_address_add (disk, "drive");

  if (drives[row].hidden && unit >= drives[row].hidden)
    unit++;
  qs_address_set_number (address, "controller", index / drives[row].disks);
  qs_address_set_number (address, "bus", place / drives[row].units);
  qs_address_set_number (address, "target", 0);
  qs_address_set_number (address, "unit", unit);
}

/* a name that fits no bus is refused when the domain is started */
static void
assign_drive (xmlNode *disk)
{
  const xmlNode *target = qs_xml_child (disk, "target");
  g_autofree char *bus = qs_xml_attribute (target, "bus");
  g_autofree char *name = qs_xml_attribute (target, "dev");
  guint index = target_index (name);
  const char *row = bus;

  if (qs_xml_child (disk, "address") || index == G_MAXUINT)
    return;
  if (g_strcmp0 (bus, "scsi") == 0 && is_lsi (disk))
    row = "lsi";
  for (guint i = 0; i < G_N_ELEMENTS (drives); i++)
    if (g_strcmp0 (row, drives[i].bus) == 0)
      write_drive (disk, i, index);
}

typedef gboolean (*DevicePredicate) (const xmlNode *device);

static gboolean
is_usb (const xmlNode *device)
{
  g_autofree char *bus = qs_xml_attribute (
      g_str_equal (device->name, "disk") ? qs_xml_child (device, "target") : device, "bus");

  return g_strcmp0 (bus, "usb") == 0;
}

static gboolean
is_virtio_serial (const xmlNode *device)
{
  g_autofree char *type = NULL;

  if (!g_str_equal (device->name, "channel") && !g_str_equal (device->name, "console"))
    return FALSE;
  type = qs_xml_attribute (qs_xml_child (device, "target"), "type");
  return g_strcmp0 (type, "virtio") == 0;
}

/**
 * Bus:
 * @part: the attribute of an address that names the controller
 * @first: the first port that any device may have
 *
 * A kind of bus whose places are numbered ports.
 */
typedef struct
{
  const char *controller;
  const char *type;
  const char *part;
  guint first;
  DevicePredicate is_on;
} Bus;

static const Bus buses[] = {
  { "usb", "usb", "bus", 1, is_usb },
  { "virtio-serial", "virtio-serial", "controller", 1, is_virtio_serial },
};

/* a bit each */
static guint64
used_ports (const xmlNode *devices, const Bus *bus, guint controller)
{
  guint64 used = 0;

  for (const xmlNode *node = qs_xml_child (devices, NULL); node; node = qs_xml_next (node, NULL))
    if (qs_address_node (node, bus->type) && bus->is_on (node)
        && qs_address_part (node, bus->type, bus->part) == controller)
      used |= G_GUINT64_CONSTANT (1) << MIN (qs_address_part (node, bus->type, "port"), 63);
  return used;
}

static guint
count_ports (const xmlNode *controller)
{
  const QsDeviceType *type = qs_device_type (controller);
  guint64 ports = type ? type->ports : 0;

  if (ports && !qs_line_number (controller, "ports", QS_MAX_PORTS, &ports, NULL))
    return 0;
  return (guint)ports;
}

static gboolean
take_port (xmlNode *device, const Bus *bus, const xmlNode *controller)
{
  guint index = qs_controller_index (controller);
  /* port 0 of virtio-serial is for a console */
  gboolean is_console = g_str_equal (device->name, "console");
  guint64 used = used_ports (device->parent, bus, index);
  guint first = is_console ? 0 : bus->first;
  guint end = count_ports (controller) + (bus->is_on == is_usb ? 1 : 0);

  for (guint port = first; port < end; port++)
    if (!(used & G_GUINT64_CONSTANT (1) << port))
      {
        xmlNode *address = qs_address_add (device, bus->type);

        qs_address_set_number (address, bus->part, index);
        qs_address_set_number (address, "port", port);
        return TRUE;
      }
  return FALSE;
}

static gboolean
assign_port (xmlNode *device, const Bus *bus, GError **error)
{
  const xmlNode *node = qs_xml_child (device->parent, "controller");

  for (; node; node = qs_xml_next (node, "controller"))
    if (qs_controller_is (node, bus->controller) && take_port (device, bus, node))
      return TRUE;
  return qs_line_refuse (error, device, "finds no free port; add a %s controller", bus->controller);
}

static gboolean
assign_bus (xmlNode *devices, const Bus *bus, GError **error)
{
  for (xmlNode *node = qs_xml_child (devices, NULL); node; node = qs_xml_next (node, NULL))
    if (bus->is_on (node) && !qs_xml_child (node, "address") && !assign_port (node, bus, error))
      return FALSE;
  return TRUE;
}

/* which controller a device refers to, by the type of its address */
static gboolean
needed_controller (const xmlNode *device, char **type, guint64 *index)
{
  *index = 0;
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    if (buses[i].is_on (device))
      {
        *type = g_strdup (buses[i].controller);
        *index = qs_address_part (device, buses[i].type, buses[i].part);
        return TRUE;
      }
  if (!g_str_equal (device->name, "disk") || !qs_address_node (device, "drive"))
    return FALSE;
  *type = qs_xml_attribute (qs_xml_child (device, "target"), "bus");
  *index = qs_address_part (device, "drive", "controller");
  return *type != NULL;
}

static gboolean
add_controllers (xmlNode *device, GError **error)
{
  g_autofree char *type = NULL;
  guint64 index = 0;

  if (!needed_controller (device, &type, &index))
    return TRUE;
  /* of that, a machine has one or none */
  if (g_str_equal (type, "ide"))
    return TRUE;
  if (index > QS_MAX_CONTROLLER)
    return qs_line_refuse (error, device, "is on controller %" G_GUINT64_FORMAT ", the last is %u",
                           index, QS_MAX_CONTROLLER);
  for (guint i = 0; i <= index; i++)
    if (!qs_controller_find (device->parent, type, i))
      qs_controller_add (device->parent, type, i, NULL);
  return TRUE;
}

/**
 * qs_address_assign_ports:
 *
 * Drives by the names of their targets, then the controllers that devices need, then free ports.
 */
gboolean
qs_address_assign_ports (xmlNode *devices, QsChipset chipset, GError **error)
{
  for (xmlNode *node = qs_xml_child (devices, "disk"); node; node = qs_xml_next (node, "disk"))
    assign_drive (node);
  for (xmlNode *node = qs_xml_child (devices, NULL); node; node = qs_xml_next (node, NULL))
    if (!add_controllers (node, error))
      return FALSE;

  qs_address_complete (devices, chipset);
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    if (!assign_bus (devices, &buses[i], error))
      return FALSE;
  return TRUE;
}
