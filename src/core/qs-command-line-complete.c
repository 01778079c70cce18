/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

/* what libvirt takes for a disk whose bus is not given */
static const QsWord bus_of_target[] = {
  { "vd", "virtio" }, { "sd", "scsi" }, { "hd", "ide" }, { "fd", "fdc" }, { NULL },
};

/* what libvirt takes for a controller whose model is not given, by chip set */
static const struct
{
  const char *type;
  const char *models[2];
} controller_models[] = {
  { "usb", { "piix3-uhci", "qemu-xhci" } },
  { "scsi", { "lsilogic", "lsilogic" } },
};

static const char *const root_models[] = { "pci-root", "pcie-root" };

#define DEFAULT_INTERFACE "rtl8139"

static void
complete_disk (xmlNode *disk, QsChipset chipset)
{
  xmlNode *target = qs_xml_child (disk, "target");
  g_autofree char *bus = qs_xml_attribute (target, "bus");
  g_autofree char *name = qs_xml_attribute (target, "dev");

  for (const QsWord *row = bus_of_target; name && !bus && row->libvirt; row++)
    if (g_str_has_prefix (name, row->libvirt))
      qs_xml_set (target, "bus", row->qemu);
}

static void
complete_interface (xmlNode *interface, QsChipset chipset)
{
  xmlNode *model = qs_xml_child (interface, "model");
  g_autofree char *type = qs_xml_attribute (model, "type");

  if (type)
    return;
  if (!model)
    model = qs_xml_add (interface, "model", NULL);
  qs_xml_set (model, "type", DEFAULT_INTERFACE);
}

/* one walk over the document, however many controllers it has */
static void
write_index (xmlNode *controller, const char *type)
{
  gboolean used[QS_MAX_PCI_BUS + 1] = { FALSE };
  const xmlNode *node = qs_xml_child (controller->parent, "controller");
  guint index = 0;

  for (; node; node = qs_xml_next (node, "controller"))
    if (qs_controller_is (node, type) && qs_controller_index (node) <= QS_MAX_PCI_BUS)
      used[qs_controller_index (node)] = TRUE;
  while (index <= QS_MAX_PCI_BUS && used[index])
    index++;
  if (index <= QS_MAX_PCI_BUS)
    qs_address_set_number (controller, "index", index);
}

static void
complete_controller (xmlNode *controller, QsChipset chipset)
{
  g_autofree char *type = qs_xml_attribute (controller, "type");
  g_autofree char *index = qs_xml_attribute (controller, "index");
  g_autofree char *model = qs_xml_attribute (controller, "model");

  if (type && !index)
    write_index (controller, type);
  for (guint i = 0; !model && i < G_N_ELEMENTS (controller_models); i++)
    if (g_strcmp0 (type, controller_models[i].type) == 0)
      qs_xml_set (controller, "model", controller_models[i].models[chipset]);
}

static const struct
{
  const char *element;
  void (*complete) (xmlNode *device, QsChipset chipset);
} completions[] = {
  { "disk", complete_disk },
  { "interface", complete_interface },
  { "controller", complete_controller },
};

/* libvirt's way to ask for a PCI address: an element without one */
static void
drop_empty_address (xmlNode *device)
{
  xmlNode *address = qs_address_node (device, "pci");
  g_autofree char *slot = qs_xml_attribute (address, "slot");

  if (address && !slot)
    qs_xml_remove (address);
}

/**
 * qs_address_complete:
 *
 * Writes down the models that the document leaves open.
 */
void
qs_address_complete (xmlNode *devices, QsChipset chipset)
{
  for (xmlNode *device = qs_xml_child (devices, NULL); device; device = qs_xml_next (device, NULL))
    {
      drop_empty_address (device);
      for (guint i = 0; i < G_N_ELEMENTS (completions); i++)
        if (g_str_equal (device->name, completions[i].element))
          completions[i].complete (device, chipset);
    }
  if (!qs_controller_find (devices, "pci", 0))
    qs_controller_add (devices, "pci", 0, root_models[chipset]);
}

/* what tells a device from others of its element; NULL: its place among them */
static char *
own_name (const xmlNode *device)
{
  static const struct
  {
    const char *element;
    const char *child;
    const char *attribute;
  } names[] = {
    { "disk", "target", "dev" },
    { "interface", "mac", "address" },
    { "channel", "target", "name" },
    { "controller", NULL, "index" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (device->name, names[i].element))
      return qs_xml_attribute (names[i].child ? qs_xml_child (device, names[i].child) : device,
                               names[i].attribute);
  return NULL;
}

static gboolean
has_key (const xmlNode *device, const char *key)
{
  g_autofree char *found = qs_device_key (device);

  return g_str_equal (found, key);
}

/* how many devices of the same kind come before it */
static guint
rank (const xmlNode *device, const char *key)
{
  guint count = 0;

  for (const xmlNode *node = device->prev; node; node = node->prev)
    count += node->type == XML_ELEMENT_NODE && has_key (node, key);
  return count;
}

static const xmlNode *
find_same (const xmlNode *device, const xmlNode *previous)
{
  const char *element = (const char *)device->name;
  g_autofree char *key = qs_device_key (device);
  g_autofree char *name = own_name (device);
  guint before = name ? 0 : rank (device, key);

  for (const xmlNode *old = qs_xml_child (previous, element); old; old = qs_xml_next (old, element))
    {
      g_autofree char *old_name = name ? own_name (old) : NULL;

      if (has_key (old, key) && g_strcmp0 (name, old_name) == 0 && !before--)
        return old;
    }
  return NULL;
}

/* 0x02 and 2 are the same */
static gboolean
is_same_part (const char *left, const char *right)
{
  char *ends[] = { NULL, NULL };

  if (g_strcmp0 (left, right) == 0)
    return TRUE;
  return g_ascii_strtoull (left ? left : "0", &ends[0], 0)
             == g_ascii_strtoull (right ? right : "0", &ends[1], 0)
         && !*ends[0] && !*ends[1];
}

static gboolean
is_same_place (const xmlNode *a, const xmlNode *b)
{
  static const char *const parts[] = { "type",     "domain",     "bus", "slot",
                                       "function", "controller", "port" };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *left = qs_xml_attribute (a, parts[i]);
      g_autofree char *right = qs_xml_attribute (b, parts[i]);

      if (!is_same_part (left, right))
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_taken (const xmlNode *devices, const xmlNode *address)
{
  for (const xmlNode *node = qs_xml_child (devices, NULL); node; node = qs_xml_next (node, NULL))
    {
      const xmlNode *other = qs_xml_child (node, "address");

      if (other && is_same_place (other, address))
        return TRUE;
    }
  return FALSE;
}

static void
inherit_child (xmlNode *device, const xmlNode *child)
{
  if (child)
    xmlAddChild (device, xmlDocCopyNode ((xmlNode *)child, device->doc, 1));
}

static void
inherit (xmlNode *device, const xmlNode *old)
{
  const xmlNode *address = qs_xml_child (old, "address");

  if (g_str_equal (device->name, "interface") && !qs_xml_child (device, "mac"))
    inherit_child (device, qs_xml_child (old, "mac"));
  if (!qs_xml_child (device, "address") && address && !qs_address_node (old, "drive")
      && !is_taken (device->parent, address))
    inherit_child (device, address);
}

/**
 * qs_address_inherit:
 *
 * Gives devices without an address the one that the same device has in @previous.
 */
void
qs_address_inherit (xmlNode *devices, const xmlNode *previous)
{
  for (xmlNode *device = qs_xml_child (devices, NULL); device; device = qs_xml_next (device, NULL))
    {
      const xmlNode *old = find_same (device, previous);

      if (old)
        inherit (device, old);
    }
}

/* in QEMU's own range; the same domain and place get the same one */
static char *
make_mac (const char *uuid, guint place)
{
  g_autofree char *seed = g_strdup_printf ("%s %u", uuid ? uuid : "", place);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, seed, -1);

  return g_strdup_printf ("52:54:00:%.2s:%.2s:%.2s", sum, sum + 2, sum + 4);
}

/* QEMU's own addresses would move up when an interface before is taken away */
void
qs_address_write_macs (const xmlNode *root, xmlNode *devices)
{
  g_autofree char *uuid = qs_xml_child_text (root, "uuid");
  xmlNode *interface = qs_xml_child (devices, "interface");
  guint count = 0;

  for (; interface; interface = qs_xml_next (interface, "interface"), count++)
    if (!qs_xml_child (interface, "mac"))
      {
        g_autofree char *mac = make_mac (uuid, count);

        qs_xml_set (qs_xml_add (interface, "mac", NULL), "address", mac);
      }
}
