/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-command-line-address.h"
#include "qs-limits.h"

/* which kinds of device a bus takes */
typedef enum
{
  QS_BUS_ABSENT,
  QS_BUS_CONVENTIONAL,
  QS_BUS_PCIE_ROOT,
  QS_BUS_PORT, /* one PCIe device */
} QsBusKind;

/**
 * QsBus:
 * @used: the functions taken, a bit each
 * @open: slots of root ports whose function 0 lets further functions in
 */
typedef struct
{
  QsBusKind kind;
  guint8 used[32];
  guint32 open;
  guint first;
  guint last;
} QsBus;

/**
 * QsTopology:
 * @video_slot: on bus 0, kept for the primary video device whether there is one or not
 */
typedef struct
{
  xmlNode *devices;
  const xmlNode *previous;
  QsChipset chipset;
  guint video_slot;
  QsBus buses[QS_MAX_PCI_BUS + 1];
} QsTopology;

QsTopology *qs_topology_new (xmlNode *devices, const xmlNode *previous, QsChipset chipset);
gboolean qs_topology_add_named (QsTopology *topology, GError **error);
gboolean qs_topology_reserve (QsTopology *topology, GError **error);
xmlNode *qs_topology_add (QsTopology *topology, const char *model);
void qs_topology_place (QsTopology *topology, xmlNode *device, const QsPciAddress *address);
guint qs_topology_count_free (const QsTopology *topology, guint index, guint *first);
gboolean qs_topology_find_slot (const QsTopology *topology, QsBusKind kind, guint spare,
                                QsPciAddress *address);
QsSlot qs_topology_slot_of (const xmlNode *device);
