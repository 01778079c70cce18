/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-discovery-private.h"

#include "qs-error.h"

#include <string.h>

typedef struct
{
  const char *type;     /* of the device */
  const char *bus_type; /* what the type of its bus contains, or "" */
  const char *bus;      /* libvirt's word, or NULL */
  const char *prefix;   /* of targets */
  QsDiskDevice device;
} DeviceRow;

/* first match */
static const DeviceRow device_rows[] = {
  { "virtio-blk", "", "virtio", "vd", QS_DEVICE_DISK },
  { "ide-hd", "ahci", "sata", "sd", QS_DEVICE_DISK },
  { "ide-cd", "ahci", "sata", "sd", QS_DEVICE_CDROM },
  { "ide-hd", "", "ide", "hd", QS_DEVICE_DISK },
  { "ide-cd", "", "ide", "hd", QS_DEVICE_CDROM },
  { "scsi-hd", "usb", "usb", "sd", QS_DEVICE_DISK },
  { "scsi-cd", "usb", "usb", "sd", QS_DEVICE_CDROM },
  { "usb-storage", "", "usb", "sd", QS_DEVICE_DISK },
  { "scsi-hd", "", "scsi", "sd", QS_DEVICE_DISK },
  { "scsi-cd", "", "scsi", "sd", QS_DEVICE_CDROM },
  { "scsi-block", "", "scsi", "sd", QS_DEVICE_LUN },
  { "floppy", "", "fdc", "fd", QS_DEVICE_FLOPPY },
  { "", "", NULL, "xvd", QS_DEVICE_DISK },
};

static const DeviceRow *
find_row (const QsFoundDisk *disk)
{
  guint i = 0;

  while (!g_str_has_prefix (disk->type, device_rows[i].type)
         || strstr (disk->bus, device_rows[i].bus_type) == NULL)
    i++;
  return &device_rows[i];
}

/* vda … vdz, vdaa … */
static char *
make_target (const char *prefix, guint n)
{
  g_autoptr (GString) letters = g_string_new (NULL);

  for (n++; n > 0; n = (n - 1) / 26)
    g_string_prepend_c (letters, (char)('a' + (n - 1) % 26));
  return g_strconcat (prefix, letters->str, NULL);
}

static gboolean
is_target_of (const char *target, const char *prefix)
{
  gsize length = strlen (prefix);

  return g_str_has_prefix (target, prefix)
         && strspn (target + length, G_CSET_a_2_z) == strlen (target + length);
}

typedef gboolean (*IsSame) (const QsDiskDef *old, const QsFoundDisk *disk);

static gboolean
is_same_kind (const QsDiskDef *old, const QsFoundDisk *disk)
{
  const DeviceRow *row = find_row (disk);

  return old->device == row->device && is_target_of (old->target, row->prefix);
}

static gboolean
is_same_device (const QsDiskDef *old, const QsFoundDisk *disk)
{
  return is_same_kind (old, disk) && g_strcmp0 (old->alias, disk->qdev) == 0;
}

static gboolean
is_same_file (const QsDiskDef *old, const QsFoundDisk *disk)
{
  return is_same_kind (old, disk) && disk->path != NULL && g_strcmp0 (old->source, disk->path) == 0;
}

static gboolean
is_quite_the_same (const QsDiskDef *old, const QsFoundDisk *disk)
{
  return is_same_device (old, disk) && is_same_file (old, disk);
}

/* devices without an id are numbered by QEMU, and one more processor moves all of them: so the file
   counts before the number */
static const IsSame same_order[] = { is_quite_the_same, is_same_file, is_same_device };

static void
keep_target (char **target, const QsDomainDef *before, const QsFoundDisk *disk, IsSame is_same,
             GHashTable *taken)
{
  for (guint i = 0; *target == NULL && i < before->disks->len; i++)
    {
      const QsDiskDef *old = g_ptr_array_index (before->disks, i);

      if (is_same (old, disk) && g_hash_table_add (taken, old->target))
        *target = g_strdup (old->target);
    }
}

/* one that was used before stays free: snapshots may hold a disk of that name */
static char *
new_target (const QsDomainDef *before, const QsFoundDisk *disk, GHashTable *taken)
{
  for (guint n = 0;; n++)
    {
      char *target = make_target (find_row (disk)->prefix, n);

      if (!g_hash_table_contains (taken, target)
          && (before == NULL || qs_domain_def_find_disk (before, target) == NULL))
        {
          g_hash_table_add (taken, target);
          return target;
        }
      g_free (target);
    }
}

GStrv
qs_discovery_targets (const QsDiscovery *discovery, const QsDomainDef *before)
{
  g_autoptr (GHashTable) taken = g_hash_table_new (g_str_hash, g_str_equal);
  GStrv targets = g_new0 (char *, discovery->disks->len + 1);

  for (guint n = 0; before != NULL && n < G_N_ELEMENTS (same_order); n++)
    for (guint i = 0; i < discovery->disks->len; i++)
      keep_target (&targets[i], before, g_ptr_array_index (discovery->disks, i), same_order[n],
                   taken);
  for (guint i = 0; i < discovery->disks->len; i++)
    if (targets[i] == NULL)
      targets[i] = new_target (before, g_ptr_array_index (discovery->disks, i), taken);
  return targets;
}

static void
add_source (xmlNode *node, const QsFoundDisk *disk)
{
  xmlNode *source;

  if (disk->path == NULL && disk->source_type != QS_SOURCE_NETWORK)
    return;
  source = qs_xml_add (node, "source", NULL);
  if (disk->source_type == QS_SOURCE_NETWORK)
    qs_xml_set (source, "protocol", disk->protocol);
  else
    qs_xml_set (source, disk->source_type == QS_SOURCE_BLOCK ? "dev" : "file", disk->path);
}

static void
add_disk (xmlNode *devices, const QsFoundDisk *disk, const char *target)
{
  const DeviceRow *row = find_row (disk);
  QsSourceType type = disk->source_type == QS_SOURCE_NONE ? QS_SOURCE_FILE : disk->source_type;
  xmlNode *node = qs_xml_add (devices, "disk", NULL);
  xmlNode *child;

  qs_xml_set (node, "type", qs_enum_to_string (QS_ENUM_SOURCE_TYPE, type));
  qs_xml_set (node, "device", qs_enum_to_string (QS_ENUM_DISK_DEVICE, row->device));
  if (disk->format != NULL)
    {
      child = qs_xml_add (node, "driver", NULL);
      qs_xml_set (child, "name", "qemu");
      qs_xml_set (child, "type", disk->format);
    }
  add_source (node, disk);
  child = qs_xml_add (node, "target", NULL);
  qs_xml_set (child, "dev", target);
  if (row->bus != NULL)
    qs_xml_set (child, "bus", row->bus);
  if (disk->readonly || row->device == QS_DEVICE_CDROM)
    qs_xml_add (node, "readonly", NULL);
  if (disk->transient)
    qs_xml_add (node, "transient", NULL);
  qs_xml_set (qs_xml_add (node, "alias", NULL), "name", disk->qdev);
}

static void
add_number (xmlNode *parent, const char *name, guint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  qs_xml_add (parent, name, text);
}

static void
add_firmware (xmlNode *os, const QsDiscovery *discovery)
{
  gboolean has_loader = FALSE;
  gboolean has_nvram = FALSE;

  for (guint i = 0; i < discovery->flash->len; i++)
    {
      const QsFoundDisk *flash = g_ptr_array_index (discovery->flash, i);
      gboolean *has = flash->readonly ? &has_loader : &has_nvram;
      xmlNode *node;

      if (flash->path == NULL || *has)
        continue;
      *has = TRUE;
      node = qs_xml_add (os, flash->readonly ? "loader" : "nvram", flash->path);
      if (!flash->readonly && !g_str_equal (flash->format, "raw"))
        qs_xml_set (node, "format", flash->format);
      if (!flash->readonly)
        continue;
      qs_xml_set (node, "readonly", "yes");
      qs_xml_set (node, "type", "pflash");
    }
}

static void
add_os (xmlNode *root, const QsDiscovery *discovery)
{
  xmlNode *os = qs_xml_add (root, "os", NULL);
  xmlNode *type = qs_xml_add (os, "type", "hvm");

  if (discovery->machine != NULL)
    qs_xml_set (type, "machine", discovery->machine);
  add_firmware (os, discovery);
}

QsDomainDef *
qs_discovery_definition (const QsDiscovery *discovery, const QsDomainDef *before, const char *name,
                         const char *uuid, GError **error)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *root = xmlNewDocNode (doc, NULL, BAD_CAST "domain", NULL);
  g_auto (GStrv) targets = qs_discovery_targets (discovery, before);
  g_autofree char *text = NULL;
  xmlNode *devices;

  xmlDocSetRootElement (doc, root);
  qs_xml_set (root, "type", discovery->kvm ? "kvm" : "qemu");
  qs_xml_add (root, "name", name);
  qs_xml_add (root, "uuid", uuid);
  add_number (root, "memory", discovery->memory_kib);
  add_number (root, "vcpu", discovery->vcpus);
  add_os (root, discovery);
  devices = qs_xml_add (root, "devices", NULL);
  if (discovery->emulator != NULL)
    qs_xml_add (devices, "emulator", discovery->emulator);
  for (guint i = 0; i < discovery->disks->len; i++)
    add_disk (devices, g_ptr_array_index (discovery->disks, i), targets[i]);

  text = qs_xml_format (doc);
  return qs_domain_def_new (text, error);
}
