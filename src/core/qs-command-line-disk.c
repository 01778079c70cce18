/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-limits.h"

#include <string.h>

static const QsWord sources[] = {
  { "file", NULL }, { "block", NULL }, { "network", NULL }, { NULL }
};
static const QsWord devices[] = {
  { "disk", NULL }, { "cdrom", NULL }, { "floppy", NULL }, { NULL }
};
static const QsWord models[] = { { "virtio", NULL }, { NULL } };
static const QsWord drivers[] = { { "qemu", NULL }, { NULL } };

/* caches that promise the guest no more than what is on the disk */
static const QsWord write_caches[] = {
  { "default", NULL },       { "writeback", "on" },   { "none", "on" }, { "unsafe", "on" },
  { "writethrough", "off" }, { "directsync", "off" }, { NULL },
};

static const QsWord write_errors[] = {
  { "stop", "stop" }, { "report", "report" }, { "ignore", "ignore" }, { "enospace", "enospc" },
  { NULL },
};
static const QsWord read_errors[] = {
  { "stop", "stop" }, { "report", "report" }, { "ignore", "ignore" }, { NULL }
};

/* of every disk whose medium the guest writes */
static const QsProp disk_properties[] = {
  { "driver", "cache", "write-cache", QS_PROP_WORD, 0, write_caches },
  { "driver", "error_policy", "werror", QS_PROP_WORD, 0, write_errors },
  { "driver", "rerror_policy", "rerror", QS_PROP_WORD, 0, read_errors },
  { "blockio", "logical_block_size", "logical_block_size", QS_PROP_NUMBER, 32768, NULL },
  { "blockio", "physical_block_size", "physical_block_size", QS_PROP_NUMBER, 32768, NULL },
  { NULL },
};

static const QsProp virtio_properties[] = {
  { NULL, "model", "model", QS_PROP_WORD, 0, models },
  { "driver", "queues", "num-queues", QS_PROP_NUMBER, QS_MAX_VCPUS, NULL },
  { "driver", "queue_size", "queue-size", QS_PROP_NUMBER, 1024, NULL },
  { "driver", "ioeventfd", "ioeventfd", QS_PROP_BOOLEAN, 0, NULL },
  { "driver", "event_idx", "event_idx", QS_PROP_BOOLEAN, 0, NULL },
  { "serial", NULL, "serial", QS_PROP_TEXT, QS_MAX_SERIAL_BYTES, NULL },
  { NULL },
};

static const QsProp scsi_properties[] = {
  { "serial", NULL, "serial", QS_PROP_TEXT, QS_MAX_SERIAL_BYTES, NULL },
  { "vendor", NULL, "vendor", QS_PROP_TEXT, 8, NULL },
  { "product", NULL, "product", QS_PROP_TEXT, 16, NULL },
  { NULL },
};

static const QsProp ide_properties[] = {
  { "serial", NULL, "serial", QS_PROP_TEXT, QS_MAX_SERIAL_BYTES, NULL },
  { NULL },
};

static const QsProp usb_properties[] = {
  { "target", "removable", "removable", QS_PROP_BOOLEAN, 0, NULL },
  { "serial", NULL, "serial", QS_PROP_TEXT, QS_MAX_SERIAL_BYTES, NULL },
  { NULL },
};

static const QsProp rotation_properties[] = {
  { "target", "rotation_rate", "rotation_rate", QS_PROP_NUMBER, 65534, NULL },
  { NULL },
};

static const QsProp no_properties[] = { { NULL } };

static gboolean
is_disk (const QsDiskDef *disk)
{
  return disk->device == QS_DEVICE_DISK;
}

static void
set_number (const xmlNode *device, const char *part, JsonObject *object, const char *property)
{
  json_object_set_int_member (object, property, (gint64)qs_address_part (device, "drive", part));
}

static gboolean
place_virtio (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
              GError **error)
{
  if (!is_disk (disk))
    return qs_line_refuse (error, device, "is not translated: only a disk can be on virtio");
  return qs_line_pci (line, device, object, error);
}

static gboolean
set_wwn (const xmlNode *device, JsonObject *object, GError **error)
{
  g_autofree char *wwn = qs_xml_child_text (device, "wwn");
  guint64 number = 0;

  if (!wwn)
    return TRUE;
  if (!g_ascii_string_to_unsigned (wwn, 16, 0, G_MAXUINT64, &number, NULL))
    return qs_line_refuse (error, qs_xml_child (device, "wwn"), "is no number of 16 hex digits");
  /* beyond 63 bits QEMU takes the negative number for it */
  json_object_set_int_member (object, "wwn", (gint64)number);
  return TRUE;
}

static gboolean
place_scsi (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
            GError **error)
{
  guint64 index = qs_address_part (device, "drive", "controller");
  const xmlNode *controller = qs_controller_find (line->devices, "scsi", (guint)index);
  g_autofree char *model = qs_xml_attribute (controller, "model");
  g_autofree char *bus = g_strdup_printf ("scsi%" G_GUINT64_FORMAT ".0", index);

  json_object_set_string_member (object, "driver", is_disk (disk) ? "scsi-hd" : "scsi-cd");
  json_object_set_string_member (object, "bus", bus);
  if (g_strcmp0 (model, "lsilogic") == 0)
    set_number (device, "unit", object, "scsi-id");
  else
    {
      set_number (device, "bus", object, "channel");
      set_number (device, "target", object, "scsi-id");
      set_number (device, "unit", object, "lun");
    }
  return set_wwn (device, object, error)
         && (!is_disk (disk) || qs_line_properties (device, rotation_properties, object, error));
}

static gboolean
place_ide_on (const xmlNode *device, const QsDiskDef *disk, const char *bus, guint64 unit,
              JsonObject *object, GError **error)
{
  json_object_set_string_member (object, "driver", is_disk (disk) ? "ide-hd" : "ide-cd");
  json_object_set_string_member (object, "bus", bus);
  json_object_set_int_member (object, "unit", (gint64)unit);
  return set_wwn (device, object, error)
         && (!is_disk (disk) || qs_line_properties (device, rotation_properties, object, error));
}

static gboolean
place_sata (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
            GError **error)
{
  guint64 index = qs_address_part (device, "drive", "controller");
  guint64 port = qs_address_part (device, "drive", "unit");
  g_autofree char *bus = NULL;

  if (line->chipset == QS_CHIPSET_Q35 && index == 0)
    bus = g_strdup_printf ("ide.%" G_GUINT64_FORMAT, port);
  else
    bus = g_strdup_printf ("sata%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, index, port);
  return place_ide_on (device, disk, bus, 0, object, error);
}

static gboolean
place_ide (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
           GError **error)
{
  g_autofree char *bus =
      g_strdup_printf ("ide.%" G_GUINT64_FORMAT, qs_address_part (device, "drive", "bus"));

  if (line->chipset != QS_CHIPSET_I440FX)
    return qs_line_refuse (error, device, "is on ide, which this machine has not; use sata");
  return place_ide_on (device, disk, bus, qs_address_part (device, "drive", "unit"), object, error);
}

static gboolean
place_usb (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
           GError **error)
{
  if (!is_disk (disk))
    return qs_line_refuse (error, device, "is not translated: only a disk can be on usb");
  return qs_line_usb (device, object, error);
}

/* which of the two drives a machine boots from is a property of their controller */
static gboolean
place_fdc (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
           GError **error)
{
  guint64 unit = qs_address_part (device, "drive", "unit");
  guint64 index = 0;

  if (disk->device != QS_DEVICE_FLOPPY)
    return qs_line_refuse (error, device, "is not translated: only a floppy can be on fdc");
  if (unit > 1)
    return qs_line_refuse (error, device, "is unit %" G_GUINT64_FORMAT " of two", unit);
  if (!qs_line_boot_index (line, device, QS_BOOT_FD, &index, error))
    return FALSE;
  if (index)
    qs_line_take (
        line, "-global",
        g_strdup_printf ("isa-fdc.bootindex%c=%" G_GUINT64_FORMAT, unit ? 'B' : 'A', index));
  if (line->chipset == QS_CHIPSET_Q35)
    json_object_set_string_member (object, "bus", "fdc0.0");
  json_object_set_int_member (object, "unit", (gint64)unit);
  return TRUE;
}

typedef struct
{
  const char *bus;
  gboolean (*place) (QsLine *line, const xmlNode *device, const QsDiskDef *disk, JsonObject *object,
                     GError **error);
  const QsProp *properties;
} DiskBus;

static const DiskBus buses[] = {
  { "virtio", place_virtio, virtio_properties }, { "scsi", place_scsi, scsi_properties },
  { "sata", place_sata, ide_properties },        { "ide", place_ide, ide_properties },
  { "usb", place_usb, usb_properties },          { "fdc", place_fdc, no_properties },
};

static const DiskBus *
find_bus (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    if (g_strcmp0 (name, buses[i].bus) == 0)
      return &buses[i];
  return NULL;
}

static gboolean
check_words (const xmlNode *device, GError **error)
{
  const char *nothing = NULL;

  return qs_line_word (device, "type", sources, &nothing, error)
         && qs_line_word (device, "device", devices, &nothing, error)
         && qs_line_word (qs_xml_child (device, "driver"), "name", drivers, &nothing, error);
}

static QsBootClass
boot_class (const QsDiskDef *disk)
{
  return is_disk (disk) ? QS_BOOT_HD : QS_BOOT_CDROM;
}

static gboolean
add_device (QsLine *line, const xmlNode *device, const QsDiskDef *disk, const DiskBus *bus,
            GError **error)
{
  const QsDeviceType *type = qs_device_require (device, error);
  g_autofree char *id = g_strconcat ("disk-", disk->target, NULL);
  g_autofree char *node = qs_node_name_root (disk->target);
  g_autoptr (JsonObject) object = type ? qs_line_device (type->driver, id) : NULL;

  if (!object || !bus->place (line, device, disk, object, error))
    return FALSE;
  if (disk->source_type != QS_SOURCE_NONE)
    json_object_set_string_member (object, "drive", node);
  if (disk->device != QS_DEVICE_FLOPPY
      && !qs_line_set_boot (line, device, boot_class (disk), object, error))
    return FALSE;
  if (disk->shareable)
    json_object_set_boolean_member (object, "share-rw", TRUE);
  if (!qs_line_properties (device, bus->properties, object, error)
      || (is_disk (disk) && !qs_line_properties (device, disk_properties, object, error)))
    return FALSE;
  qs_line_take_json (line, "-device", g_steal_pointer (&object));
  return TRUE;
}

gboolean
qs_line_disk (QsLine *line, const xmlNode *device, GError **error)
{
  const QsDiskDef *disk = g_ptr_array_index (line->def->disks, line->n_disks++);
  const DiskBus *bus = find_bus (disk->bus);

  if (!check_words (device, error))
    return FALSE;
  if (!bus)
    return qs_line_refuse (error, device, "is on bus ‘%.32s’, which is not translated",
                           disk->bus ? disk->bus : "");
  if (!qs_line_is_word (disk->target, "", QS_MAX_TARGET_BYTES))
    return qs_line_refuse (error, qs_xml_child (device, "target"), "has no usable name in it");
  if (disk->transient)
    return qs_line_refuse (error, device, "is transient, which is not translated");
  if (is_disk (disk) && disk->source_type == QS_SOURCE_NONE)
    return qs_line_refuse (error, device, "has no <source>; only a cdrom or floppy can be empty");
  if (disk->source_type != QS_SOURCE_NONE && !qs_line_nodes (line, device, disk, error))
    return FALSE;
  return add_device (line, device, disk, bus, error);
}
