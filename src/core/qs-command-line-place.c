/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-pci.h"
#include "qs-command-line-private.h"

/* the functions of one ICH9 USB 2 controller */
static const struct
{
  const char *model;
  guint function;
} companions[] = {
  { "ich9-ehci1", 7 },
  { "ich9-uhci1", 0 },
  { "ich9-uhci2", 1 },
  { "ich9-uhci3", 2 },
};

/* up to eight ports share a slot, as in libvirt */
static gboolean
place_root_port (QsTopology *topology, xmlNode *device, GError **error)
{
  const QsBus *bus = &topology->buses[0];
  QsPciAddress address = { .multifunction = TRUE };

  for (guint slot = bus->first; slot <= bus->last; slot++)
    for (guint function = 1; function < 8; function++)
      if (bus->open & (1u << slot) && !(bus->used[slot] & (1u << function)))
        {
          qs_topology_place (topology, device, &(QsPciAddress){ 0, slot, function, FALSE });
          return TRUE;
        }
  if (!qs_topology_count_free (topology, 0, &address.slot))
    return qs_line_refuse (error, device, "finds no free slot on PCI bus 0");
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static gboolean
place_on_root (QsTopology *topology, xmlNode *device, GError **error)
{
  QsPciAddress address = { 0 };

  if (!qs_topology_count_free (topology, 0, &address.slot))
    return qs_line_refuse (error, device, "finds no free slot on PCI bus 0");
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static gboolean
place_pcie (QsTopology *topology, xmlNode *device, GError **error)
{
  QsPciAddress address = { 0 };
  xmlNode *port = NULL;

  if (!qs_topology_find_slot (topology, QS_BUS_PORT, 0, &address))
    {
      port = qs_topology_add (topology, "pcie-root-port");
      if (!port)
        return qs_line_refuse (error, device, "finds no free PCI bus");
      if (!place_root_port (topology, port, error))
        return FALSE;
      address.bus = qs_controller_index (port);
    }
  qs_topology_place (topology, device, &address);
  return TRUE;
}

/* the last slot of the last bus is the bridge's to a further one */
static gboolean
place_bridge (QsTopology *topology, GError **error)
{
  gboolean is_pcie = topology->chipset == QS_CHIPSET_Q35;
  QsPciAddress address = { 0 };
  xmlNode *bridge = NULL;

  if (!is_pcie && !qs_topology_find_slot (topology, QS_BUS_CONVENTIONAL, 0, &address))
    return qs_line_refuse (error, topology->devices, "need more PCI slots than there are");
  bridge = qs_topology_add (topology, is_pcie ? "pcie-to-pci-bridge" : "pci-bridge");
  if (!bridge)
    return qs_line_refuse (error, topology->devices, "need more PCI buses than there are");
  if (is_pcie)
    return place_pcie (topology, bridge, error);
  qs_topology_place (topology, bridge, &address);
  return TRUE;
}

static gboolean
place_pci (QsTopology *topology, xmlNode *device, GError **error)
{
  QsPciAddress address = { 0 };

  if (!qs_topology_find_slot (topology, QS_BUS_CONVENTIONAL, 1, &address))
    {
      if (!place_bridge (topology, error))
        return FALSE;
      qs_topology_find_slot (topology, QS_BUS_CONVENTIONAL, 1, &address);
    }
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static gboolean
place_video (QsTopology *topology, xmlNode *device, GError **error)
{
  const QsPciAddress address = { .slot = topology->video_slot };

  if (topology->buses[0].used[address.slot])
    return place_pci (topology, device, error);
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static gboolean
place_piix (QsTopology *topology, xmlNode *device, GError **error)
{
  const QsPciAddress address = { .slot = 1, .function = 2 };

  if (topology->chipset != QS_CHIPSET_I440FX || topology->buses[0].used[1] & (1u << 2))
    return place_pci (topology, device, error);
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static const xmlNode *
find_companion (const xmlNode *controller)
{
  guint index = qs_controller_index (controller);
  const xmlNode *node = qs_xml_child (controller->parent, "controller");

  while (node
         && !(node != controller && qs_topology_slot_of (node) == QS_SLOT_ICH9
              && qs_controller_index (node) == index && qs_address_node (node, "pci")))
    node = qs_xml_next (node, "controller");
  return node;
}

static gboolean
has_companions (const xmlNode *controller)
{
  const xmlNode *node = qs_xml_child (controller->parent, "controller");
  guint count = 0;

  for (; node; node = qs_xml_next (node, "controller"))
    count += qs_topology_slot_of (node) == QS_SLOT_ICH9
             && qs_controller_index (node) == qs_controller_index (controller);
  return count > 1;
}

static gboolean
place_ich9 (QsTopology *topology, xmlNode *device, GError **error)
{
  g_autofree char *model = qs_xml_attribute (device, "model");
  const xmlNode *companion = find_companion (device);
  QsPciAddress address = { 0 };

  if (!has_companions (device))
    return place_pci (topology, device, error);
  if (companion && !qs_address_pci (companion, &address, error))
    return FALSE;
  if (!companion && !qs_topology_find_slot (topology, QS_BUS_CONVENTIONAL, 1, &address))
    {
      if (!place_bridge (topology, error))
        return FALSE;
      qs_topology_find_slot (topology, QS_BUS_CONVENTIONAL, 1, &address);
    }
  for (guint i = 0; i < G_N_ELEMENTS (companions); i++)
    if (g_strcmp0 (model, companions[i].model) == 0)
      address.function = companions[i].function;
  address.multifunction = address.function == 0;
  qs_topology_place (topology, device, &address);
  return TRUE;
}

static gboolean
place_device (QsTopology *topology, xmlNode *device, GError **error)
{
  if (qs_address_node (device, "pci") || qs_controller_is_builtin (device, topology->chipset))
    return TRUE;

  switch (qs_topology_slot_of (device))
    {
    case QS_SLOT_NONE:
      return TRUE;
    case QS_SLOT_PCI:
      return place_pci (topology, device, error);
    case QS_SLOT_PCIE:
      return topology->chipset == QS_CHIPSET_Q35 ? place_pcie (topology, device, error)
                                                 : place_pci (topology, device, error);
    case QS_SLOT_ROOT_PORT:
      return place_root_port (topology, device, error);
    case QS_SLOT_ROOT:
      return place_on_root (topology, device, error);
    case QS_SLOT_PIIX:
      return place_piix (topology, device, error);
    case QS_SLOT_ICH9:
      return place_ich9 (topology, device, error);
    case QS_SLOT_VIDEO:
      return place_video (topology, device, error);
    }
  return TRUE;
}

/**
 * qs_address_assign_pci:
 *
 * Keeps the places that there are, then gives one to each other device, in document order.
 */
gboolean
qs_address_assign_pci (xmlNode *devices, const xmlNode *previous, QsChipset chipset, GError **error)
{
  g_autofree QsTopology *topology = qs_topology_new (devices, previous, chipset);

  if (!qs_topology_add_named (topology, error) || !qs_topology_reserve (topology, error))
    return FALSE;
  /* buses first: the last free slot must not be gone before a bridge gets it */
  for (xmlNode *node = qs_xml_child (devices, "controller"); node;
       node = qs_xml_next (node, "controller"))
    if (qs_controller_is (node, "pci") && !place_device (topology, node, error))
      return FALSE;
  for (xmlNode *node = qs_xml_child (devices, NULL); node; node = qs_xml_next (node, NULL))
    if (!place_device (topology, node, error))
      return FALSE;
  return TRUE;
}
