/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-pci.h"

#include "qs-command-line-private.h"

static const struct
{
  const char *model;
  QsBusKind kind;
  guint first;
  guint last;
} bus_models[] = {
  { "pci-root", QS_BUS_CONVENTIONAL, 1, 31 },
  { "pcie-root", QS_BUS_PCIE_ROOT, 1, 31 },
  { "pcie-root-port", QS_BUS_PORT, 0, 0 },
  { "pci-bridge", QS_BUS_CONVENTIONAL, 1, 31 },
  { "pcie-to-pci-bridge", QS_BUS_CONVENTIONAL, 1, 31 },
  { "dmi-to-pci-bridge", QS_BUS_CONVENTIONAL, 1, 31 },
};

/* functions of the chip set, nobody else's */
static const struct
{
  QsChipset chipset;
  guint slot;
  guint8 functions;
} builtins[] = {
  { QS_CHIPSET_I440FX, 0, 0xff },
  { QS_CHIPSET_I440FX, 1, 0x0b }, /* 1.2 is the UHCI controller's, if there is one */
  { QS_CHIPSET_Q35, 0, 0xff },
  { QS_CHIPSET_Q35, 31, 0x0d },
};

static const guint video_slots[] = { 2, 1 };

static void
open_bus (QsTopology *topology, const xmlNode *controller)
{
  guint index = qs_controller_index (controller);
  g_autofree char *model = qs_xml_attribute (controller, "model");

  for (guint i = 0; index <= QS_MAX_PCI_BUS && i < G_N_ELEMENTS (bus_models); i++)
    if (g_strcmp0 (model, bus_models[i].model) == 0)
      {
        QsBus *bus = &topology->buses[index];

        bus->kind = bus_models[i].kind;
        bus->first = bus_models[i].first;
        bus->last = bus_models[i].last;
      }
}

/* to be freed with g_free() */
QsTopology *
qs_topology_new (xmlNode *devices, const xmlNode *previous, QsChipset chipset)
{
  QsTopology *topology = g_new0 (QsTopology, 1);

  topology->devices = devices;
  topology->previous = previous;
  topology->chipset = chipset;
  topology->video_slot = video_slots[chipset];
  for (guint i = 0; i < G_N_ELEMENTS (builtins); i++)
    if (builtins[i].chipset == chipset)
      topology->buses[0].used[builtins[i].slot] = builtins[i].functions;
  for (xmlNode *node = qs_xml_child (devices, "controller"); node;
       node = qs_xml_next (node, "controller"))
    if (qs_controller_is (node, "pci"))
      open_bus (topology, node);
  return topology;
}

QsSlot
qs_topology_slot_of (const xmlNode *device)
{
  const QsDeviceType *type = qs_device_type (device);

  return type ? type->slot : QS_SLOT_NONE;
}

static const char *
default_bridge (QsChipset chipset)
{
  return chipset == QS_CHIPSET_Q35 ? "pcie-root-port" : "pci-bridge";
}

/* the bus that an address names: as @previous had it, else the machine's usual one */
static void
add_bus (QsTopology *topology, guint index)
{
  const xmlNode *old =
      topology->previous ? qs_controller_find (topology->previous, "pci", index) : NULL;
  xmlNode *added = NULL;

  if (old)
    added =
        xmlAddChild (topology->devices, xmlDocCopyNode ((xmlNode *)old, topology->devices->doc, 1));
  else
    added = qs_controller_add (topology->devices, "pci", index, default_bridge (topology->chipset));
  open_bus (topology, added);
}

/* an address names a bus, whose controller's address may name another one, and so on */
gboolean
qs_topology_add_named (QsTopology *topology, GError **error)
{
  for (xmlNode *node = qs_xml_child (topology->devices, NULL); node;
       node = qs_xml_next (node, NULL))
    {
      QsPciAddress address = { 0 };

      if (!qs_address_node (node, "pci"))
        continue;
      if (!qs_address_pci (node, &address, error))
        return FALSE;
      if (topology->buses[address.bus].kind == QS_BUS_ABSENT)
        add_bus (topology, address.bus);
    }
  return TRUE;
}

static void
mark (QsTopology *topology, const xmlNode *device, const QsPciAddress *address)
{
  QsBus *bus = &topology->buses[address->bus];

  bus->used[address->slot] |= (guint8)(1u << address->function);
  if (address->multifunction && address->function == 0
      && qs_topology_slot_of (device) == QS_SLOT_ROOT_PORT)
    bus->open |= 1u << address->slot;
}

static gboolean
reserve (QsTopology *topology, const xmlNode *device, GError **error)
{
  QsPciAddress address = { 0 };
  const QsBus *bus = NULL;

  if (!qs_address_node (device, "pci") || qs_controller_is_builtin (device, topology->chipset))
    return TRUE;
  if (!qs_address_pci (device, &address, error))
    return FALSE;

  bus = &topology->buses[address.bus];
  if (bus->kind == QS_BUS_PORT && address.slot != 0)
    return qs_line_refuse (error, device, "is in slot %u of PCI bus %u, which has slot 0 alone",
                           address.slot, address.bus);
  if (bus->used[address.slot] & (1u << address.function))
    return qs_line_refuse (error, device,
                           "has the PCI address %02x:%02x.%u, where another device is already",
                           address.bus, address.slot, address.function);
  mark (topology, device, &address);
  return TRUE;
}

gboolean
qs_topology_reserve (QsTopology *topology, GError **error)
{
  for (xmlNode *node = qs_xml_child (topology->devices, NULL); node;
       node = qs_xml_next (node, NULL))
    if (!reserve (topology, node, error))
      return FALSE;
  return TRUE;
}

static void
write_part (xmlNode *node, const char *attribute, int digits, guint value)
{
  g_autofree char *text = g_strdup_printf ("0x%0*x", digits, value);

  qs_xml_set (node, attribute, text);
}

void
qs_topology_place (QsTopology *topology, xmlNode *device, const QsPciAddress *address)
{
  xmlNode *node = qs_address_add (device, "pci");

  qs_xml_set (node, "domain", "0x0000");
  write_part (node, "bus", 2, address->bus);
  write_part (node, "slot", 2, address->slot);
  write_part (node, "function", 1, address->function);
  if (address->multifunction)
    qs_xml_set (node, "multifunction", "on");
  mark (topology, device, address);
}

static gboolean
is_free (const QsTopology *topology, guint bus, guint slot)
{
  return topology->buses[bus].used[slot] == 0 && !(bus == 0 && slot == topology->video_slot);
}

guint
qs_topology_count_free (const QsTopology *topology, guint index, guint *first)
{
  const QsBus *bus = &topology->buses[index];
  guint count = 0;

  for (guint slot = bus->last + 1; slot-- > bus->first;)
    if (is_free (topology, index, slot))
      {
        *first = slot;
        count++;
      }
  return count;
}

/* the first bus of @kind on which more than @spare slots are free */
gboolean
qs_topology_find_slot (const QsTopology *topology, QsBusKind kind, guint spare,
                       QsPciAddress *address)
{
  for (guint i = 0; i <= QS_MAX_PCI_BUS; i++)
    if (topology->buses[i].kind == kind
        && qs_topology_count_free (topology, i, &address->slot) > spare)
      {
        address->bus = i;
        return TRUE;
      }
  return FALSE;
}

xmlNode *
qs_topology_add (QsTopology *topology, const char *model)
{
  for (guint i = 1; i <= QS_MAX_PCI_BUS; i++)
    if (topology->buses[i].kind == QS_BUS_ABSENT
        && !qs_controller_find (topology->devices, "pci", i))
      {
        xmlNode *node = qs_controller_add (topology->devices, "pci", i, model);

        open_bus (topology, node);
        return node;
      }
  return NULL;
}
