/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-command-line.h"

/* shared by the qs-command-line-*.c only */

typedef enum
{
  QS_CHIPSET_I440FX,
  QS_CHIPSET_Q35,
} QsChipset;

/* where a device wants to sit */
typedef enum
{
  QS_SLOT_NONE,
  QS_SLOT_PCI,
  QS_SLOT_PCIE, /* or conventional where the machine has nothing else */
  QS_SLOT_ROOT_PORT,
  QS_SLOT_ROOT, /* on bus 0 alone */
  QS_SLOT_PIIX, /* a function of the chip set */
  QS_SLOT_ICH9, /* a function beside its companions */
  QS_SLOT_VIDEO,
} QsSlot;

/**
 * QsDeviceType:
 * @key: what qs_device_key() makes of the element
 * @driver: of -device; NULL: part of the machine, or none
 * @ports: that devices can be plugged into
 */
typedef struct
{
  const char *key;
  const char *driver;
  QsSlot slot;
  guint ports;
} QsDeviceType;

char *qs_device_key (const xmlNode *device);
const QsDeviceType *qs_device_type (const xmlNode *device);
const QsDeviceType *qs_device_require (const xmlNode *device, GError **error);

/**
 * QsPciAddress:
 */
typedef struct
{
  guint bus;
  guint slot;
  guint function;
  gboolean multifunction;
} QsPciAddress;

gboolean qs_machine_chipset (const char *machine, QsChipset *chipset);

xmlNode *qs_address_node (const xmlNode *device, const char *type);
gboolean qs_address_pci (const xmlNode *device, QsPciAddress *address, GError **error);
guint64 qs_address_part (const xmlNode *device, const char *type, const char *attribute);
xmlNode *qs_address_add (xmlNode *device, const char *type);
void qs_address_set_number (xmlNode *address, const char *attribute, guint value);

gboolean qs_controller_is (const xmlNode *controller, const char *type);
gboolean qs_controller_is_model (const xmlNode *controller, const char *model);
guint qs_controller_index (const xmlNode *controller);
gboolean qs_controller_is_builtin (const xmlNode *controller, QsChipset chipset);
xmlNode *qs_controller_find (const xmlNode *devices, const char *type, guint index);
xmlNode *qs_controller_add (xmlNode *devices, const char *type, guint index, const char *model);

/* the passes of qs_domain_def_assign_addresses(), in this order */
void qs_address_complete (xmlNode *devices, QsChipset chipset);
void qs_address_inherit (xmlNode *devices, const xmlNode *previous);
void qs_address_write_macs (const xmlNode *root, xmlNode *devices);
gboolean qs_address_assign_ports (xmlNode *devices, QsChipset chipset, GError **error);
gboolean qs_address_assign_pci (xmlNode *devices, const xmlNode *previous, QsChipset chipset,
                                GError **error);
