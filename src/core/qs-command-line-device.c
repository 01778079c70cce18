/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

/* which children or attributes tell the models of an element apart; "" is the element itself */
static const struct
{
  const char *element;
  const char *child;
  const char *attributes[2];
} keys[] = {
  { "disk", "target", { "bus" } },      { "controller", "", { "type", "model" } },
  { "interface", "model", { "type" } }, { "video", "model", { "type" } },
  { "input", "", { "type", "bus" } },   { "rng", "", { "model" } },
  { "memballoon", "", { "model" } },    { "watchdog", "", { "model" } },
  { "panic", "", { "model" } },
};

static const QsDeviceType types[] = {
  { "disk/virtio", "virtio-blk-pci", QS_SLOT_PCIE },
  { "disk/scsi", "scsi", QS_SLOT_NONE },
  { "disk/sata", "ide", QS_SLOT_NONE },
  { "disk/ide", "ide", QS_SLOT_NONE },
  { "disk/usb", "usb-storage", QS_SLOT_NONE },
  { "disk/fdc", "floppy", QS_SLOT_NONE },
  { "controller/pci/pci-root", NULL, QS_SLOT_NONE },
  { "controller/pci/pcie-root", NULL, QS_SLOT_NONE },
  { "controller/pci/pcie-root-port", "pcie-root-port", QS_SLOT_ROOT_PORT },
  { "controller/pci/pci-bridge", "pci-bridge", QS_SLOT_PCI },
  { "controller/pci/pcie-to-pci-bridge", "pcie-pci-bridge", QS_SLOT_PCIE },
  { "controller/pci/dmi-to-pci-bridge", "i82801b11-bridge", QS_SLOT_ROOT },
  { "controller/usb/none", NULL, QS_SLOT_NONE },
  { "controller/usb/piix3-uhci", "piix3-usb-uhci", QS_SLOT_PIIX, 2 },
  { "controller/usb/piix4-uhci", "piix4-usb-uhci", QS_SLOT_PCI, 2 },
  { "controller/usb/ehci", "usb-ehci", QS_SLOT_PCI, 6 },
  { "controller/usb/ich9-ehci1", "ich9-usb-ehci1", QS_SLOT_ICH9, 6 },
  { "controller/usb/ich9-uhci1", "ich9-usb-uhci1", QS_SLOT_ICH9 },
  { "controller/usb/ich9-uhci2", "ich9-usb-uhci2", QS_SLOT_ICH9 },
  { "controller/usb/ich9-uhci3", "ich9-usb-uhci3", QS_SLOT_ICH9 },
  { "controller/usb/pci-ohci", "pci-ohci", QS_SLOT_PCI, 3 },
  { "controller/usb/nec-xhci", "nec-usb-xhci", QS_SLOT_PCIE, 4 },
  { "controller/usb/qemu-xhci", "qemu-xhci", QS_SLOT_PCIE, 4 },
  { "controller/scsi/virtio-scsi", "virtio-scsi-pci", QS_SLOT_PCIE },
  { "controller/scsi/lsilogic", "lsi", QS_SLOT_PCI },
  { "controller/sata", "ahci", QS_SLOT_PCI },
  { "controller/ide", NULL, QS_SLOT_NONE },
  { "controller/ide/piix3", NULL, QS_SLOT_NONE },
  { "controller/fdc", "isa-fdc", QS_SLOT_NONE },
  { "controller/virtio-serial", "virtio-serial-pci", QS_SLOT_PCIE, 31 },
  { "interface/virtio", "virtio-net-pci", QS_SLOT_PCIE },
  { "interface/e1000", "e1000", QS_SLOT_PCI },
  { "interface/e1000e", "e1000e", QS_SLOT_PCIE },
  { "interface/rtl8139", "rtl8139", QS_SLOT_PCI },
  { "video/virtio", "virtio-vga", QS_SLOT_VIDEO },
  { "video/vga", "VGA", QS_SLOT_VIDEO },
  { "video/qxl", "qxl-vga", QS_SLOT_VIDEO },
  { "video/cirrus", "cirrus-vga", QS_SLOT_VIDEO },
  { "video/bochs", "bochs-display", QS_SLOT_VIDEO },
  { "video/none", NULL, QS_SLOT_NONE },
  { "input/tablet/usb", "usb-tablet", QS_SLOT_NONE },
  { "input/mouse/usb", "usb-mouse", QS_SLOT_NONE },
  { "input/keyboard/usb", "usb-kbd", QS_SLOT_NONE },
  { "input/tablet/virtio", "virtio-tablet-pci", QS_SLOT_PCIE },
  { "input/mouse/virtio", "virtio-mouse-pci", QS_SLOT_PCIE },
  { "input/keyboard/virtio", "virtio-keyboard-pci", QS_SLOT_PCIE },
  { "input/mouse/ps2", NULL, QS_SLOT_NONE },
  { "input/keyboard/ps2", NULL, QS_SLOT_NONE },
  { "rng/virtio", "virtio-rng-pci", QS_SLOT_PCIE },
  { "memballoon/virtio", "virtio-balloon-pci", QS_SLOT_PCIE },
  { "memballoon/none", NULL, QS_SLOT_NONE },
  { "watchdog/i6300esb", "i6300esb", QS_SLOT_PCI },
  { "watchdog/ib700", "ib700", QS_SLOT_NONE },
  { "watchdog/itco", NULL, QS_SLOT_NONE },
  { "panic/isa", "pvpanic", QS_SLOT_NONE },
};

/* "disk/virtio", "controller/usb/qemu-xhci", … the element's name alone where models do not matter */
char *
qs_device_key (const xmlNode *device)
{
  const char *name = (const char *)device->name;
  g_autoptr (GString) key = g_string_new (name);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const xmlNode *from = NULL;

      if (!g_str_equal (keys[i].element, name))
        continue;
      from = keys[i].child[0] ? qs_xml_child (device, keys[i].child) : device;
      for (guint j = 0; from && j < G_N_ELEMENTS (keys[i].attributes); j++)
        {
          g_autofree char *value =
              keys[i].attributes[j] ? qs_xml_attribute (from, keys[i].attributes[j]) : NULL;

          if (value)
            g_string_append_printf (key, "/%s", value);
        }
    }
  return g_string_free (g_steal_pointer (&key), FALSE);
}

const QsDeviceType *
qs_device_type (const xmlNode *device)
{
  g_autofree char *key = qs_device_key (device);

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].key, key))
      return &types[i];
  return NULL;
}

/* what stands instead of the first part of a key that is not known */
static char *
list_models (const char *element)
{
  g_autoptr (GString) list = g_string_new (NULL);
  gsize length = strlen (element);

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_prefix (types[i].key, element) && types[i].key[length] == '/')
      g_string_append_printf (list, "%s%s", list->len ? ", " : "", types[i].key + length + 1);
  return g_string_free (g_steal_pointer (&list), FALSE);
}

/* as qs_device_type(), for a device that cannot do without a type */
const QsDeviceType *
qs_device_require (const xmlNode *device, GError **error)
{
  const QsDeviceType *type = qs_device_type (device);
  g_autofree char *key = NULL;
  g_autofree char *shown = NULL;
  g_autofree char *known = NULL;
  const char *model = NULL;

  if (type)
    return type;

  key = qs_device_key (device);
  shown = g_utf8_strlen (key, -1) > 60 ? g_utf8_substring (key, 0, 60) : g_strdup (key);
  model = strchr (shown, '/');
  known = list_models ((const char *)device->name);
  qs_line_refuse (error, device, "is not translated as ‘%s’; it can be: %s", model ? model + 1 : "",
                  known);
  return NULL;
}

JsonObject *
qs_line_device (const char *driver, const char *id)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "driver", driver);
  json_object_set_string_member (object, "id", id);
  return object;
}

/* bus and addr of a device that sits in a PCI slot */
gboolean
qs_line_pci (QsLine *line, const xmlNode *device, JsonObject *object, GError **error)
{
  QsPciAddress address = { 0 };
  g_autofree char *bus = NULL;
  g_autofree char *slot = NULL;

  if (!qs_address_node (device, "pci"))
    return qs_line_refuse (error, device, "has no place on a PCI bus");
  if (!qs_address_pci (device, &address, error))
    return FALSE;

  bus = address.bus == 0 && line->chipset == QS_CHIPSET_Q35
            ? g_strdup ("pcie.0")
            : g_strdup_printf ("pci.%u", address.bus);
  slot = address.function ? g_strdup_printf ("0x%x.0x%x", address.slot, address.function)
                          : g_strdup_printf ("0x%x", address.slot);
  json_object_set_string_member (object, "bus", bus);
  if (address.multifunction)
    json_object_set_boolean_member (object, "multifunction", TRUE);
  json_object_set_string_member (object, "addr", slot);
  return TRUE;
}

gboolean
qs_line_usb (const xmlNode *device, JsonObject *object, GError **error)
{
  const xmlNode *address = qs_address_node (device, "usb");
  g_autofree char *port = address ? qs_xml_attribute (address, "port") : NULL;
  g_autofree char *bus = NULL;

  if (!qs_line_is_word (port, ".", 8))
    return qs_line_refuse (error, device, "has no port on a USB bus");

  bus = g_strdup_printf ("usb%" G_GUINT64_FORMAT ".0", qs_address_part (device, "usb", "bus"));
  json_object_set_string_member (object, "bus", bus);
  json_object_set_string_member (object, "port", port);
  return TRUE;
}

static guint
take_class (QsLine *line, QsBootClass boot)
{
  guint index = line->boot[boot];

  line->boot[boot] = 0;
  return index;
}

/**
 * qs_line_boot_index:
 * @index: (out): the place of the device in the boot order, from 1; 0 if it has none
 */
gboolean
qs_line_boot_index (QsLine *line, const xmlNode *device, QsBootClass boot, guint64 *index,
                    GError **error)
{
  const xmlNode *node = qs_xml_child (device, "boot");

  *index = 0;
  if (!node)
    *index = take_class (line, boot);
  return qs_line_number (node, "order", QS_MAX_BOOT_ORDER, index, error);
}

/* as bootindex= of a -device */
gboolean
qs_line_set_boot (QsLine *line, const xmlNode *device, QsBootClass boot, JsonObject *object,
                  GError **error)
{
  guint64 index = 0;

  if (!qs_line_boot_index (line, device, boot, &index, error))
    return FALSE;
  if (index)
    json_object_set_int_member (object, "bootindex", (gint64)index);
  return TRUE;
}
