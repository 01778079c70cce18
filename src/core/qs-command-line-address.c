/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-genid.h"
#include "qs-limits.h"

static const QsMachineAlias default_aliases[] = {
  { "pc", "pc-i440fx-7.2" },
  { "q35", "pc-q35-7.2" },
  { NULL },
};

static const struct
{
  const char *prefix;
  QsChipset chipset;
} machines[] = {
  { "pc-i440fx-", QS_CHIPSET_I440FX },
  { "pc-q35-", QS_CHIPSET_Q35 },
};

/* what libvirt takes for a document that does not say */
#define DEFAULT_MACHINE "pc"

/* FALSE: no machine whose buses are known here */
gboolean
qs_machine_chipset (const char *machine, QsChipset *chipset)
{
  for (guint i = 0; machine && i < G_N_ELEMENTS (machines); i++)
    if (g_str_has_prefix (machine, machines[i].prefix))
      {
        *chipset = machines[i].chipset;
        return TRUE;
      }
  return FALSE;
}

/* the <address> of @device, if it is of this type */
xmlNode *
qs_address_node (const xmlNode *device, const char *type)
{
  xmlNode *node = qs_xml_child (device, "address");
  g_autofree char *found = qs_xml_attribute (node, "type");

  return g_strcmp0 (found, type) == 0 ? node : NULL;
}

/**
 * qs_address_pci:
 *
 * Reads the PCI address of a device that has one.
 */
gboolean
qs_address_pci (const xmlNode *device, QsPciAddress *address, GError **error)
{
  const xmlNode *node = qs_address_node (device, "pci");
  g_autofree char *multifunction = qs_xml_attribute (node, "multifunction");
  guint64 parts[] = { 0, 0, 0, 0 };
  const struct
  {
    const char *attribute;
    guint64 max;
  } known[] = { { "domain", 0 }, { "bus", QS_MAX_PCI_BUS }, { "slot", 31 }, { "function", 7 } };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (!qs_line_number (node, known[i].attribute, known[i].max, &parts[i], error))
      return FALSE;

  address->bus = (guint)parts[1];
  address->slot = (guint)parts[2];
  address->function = (guint)parts[3];
  address->multifunction = g_strcmp0 (multifunction, "on") == 0;
  return TRUE;
}

/* one number of an address, 0 if it is not there */
guint64
qs_address_part (const xmlNode *device, const char *type, const char *attribute)
{
  g_autofree char *text = qs_xml_attribute (qs_address_node (device, type), attribute);

  return text ? g_ascii_strtoull (text, NULL, 0) : 0;
}

xmlNode *
qs_address_add (xmlNode *device, const char *type)
{
  xmlNode *node = qs_xml_add (device, "address", NULL);

  qs_xml_set (node, "type", type);
  return node;
}

void
qs_address_set_number (xmlNode *address, const char *attribute, guint value)
{
  g_autofree char *text = g_strdup_printf ("%u", value);

  qs_xml_set (address, attribute, text);
}

gboolean
qs_controller_is (const xmlNode *controller, const char *type)
{
  g_autofree char *found = qs_xml_attribute (controller, "type");

  return g_strcmp0 (found, type) == 0;
}

gboolean
qs_controller_is_model (const xmlNode *controller, const char *model)
{
  g_autofree char *found = qs_xml_attribute (controller, "model");

  return g_strcmp0 (found, model) == 0;
}

/* G_MAXUINT if it has none that is usable */
guint
qs_controller_index (const xmlNode *controller)
{
  guint64 index = G_MAXUINT;

  if (!qs_line_number (controller, "index", QS_MAX_PCI_BUS, &index, NULL))
    return G_MAXUINT;
  return (guint)index;
}

/* part of the chip set: it needs no -device and no place */
gboolean
qs_controller_is_builtin (const xmlNode *controller, QsChipset chipset)
{
  const char *type = chipset == QS_CHIPSET_Q35 ? "sata" : "ide";

  return g_str_equal (controller->name, "controller") && qs_controller_is (controller, type)
         && qs_controller_index (controller) == 0;
}

xmlNode *
qs_controller_find (const xmlNode *devices, const char *type, guint index)
{
  xmlNode *node = qs_xml_child (devices, "controller");

  while (node && !(qs_controller_is (node, type) && qs_controller_index (node) == index))
    node = qs_xml_next (node, "controller");
  return node;
}

xmlNode *
qs_controller_add (xmlNode *devices, const char *type, guint index, const char *model)
{
  xmlNode *node = qs_xml_add (devices, "controller", NULL);

  qs_xml_set (node, "type", type);
  qs_address_set_number (node, "index", index);
  if (model)
    qs_xml_set (node, "model", model);
  return node;
}

/* FALSE: another architecture or machine, whose buses are not known here */
static gboolean
resolve_machine (xmlNode *root, const QsMachineAlias *aliases, QsChipset *chipset)
{
  xmlNode *type = qs_xml_child (qs_xml_child (root, "os"), "type");
  g_autofree char *machine = qs_xml_attribute (type, "machine");
  g_autofree char *arch = qs_xml_attribute (type, "arch");
  const char *name = machine ? machine : DEFAULT_MACHINE;

  if (!type || (arch && !g_str_equal (arch, "x86_64") && !g_str_equal (arch, "i686")))
    return FALSE;

  for (const QsMachineAlias *row = aliases ? aliases : default_aliases; row->alias; row++)
    if (g_str_equal (row->alias, name))
      {
        qs_xml_set (type, "machine", row->machine);
        return qs_machine_chipset (row->machine, chipset);
      }
  return qs_machine_chipset (name, chipset);
}

/* beside the first disk: nothing of an owner lies in a folder of the service */
static char *
nvram_path (const QsDomainDef *def)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      g_autofree char *folder = NULL;

      if (disk->source_type != QS_SOURCE_FILE || disk->device != QS_DEVICE_DISK || !disk->source)
        continue;
      folder = g_path_get_dirname (disk->source);
      return g_strconcat (folder, "/", def->name, "_VARS.fd", NULL);
    }
  return NULL;
}

/* where the first start copies the template to, if the document leaves that open */
static void
write_nvram (xmlNode *root, const QsDomainDef *def, const QsDomainDef *previous)
{
  xmlNode *node = qs_xml_child (qs_xml_child (root, "os"), "nvram");
  g_autofree char *path = NULL;

  if (def->nvram || !def->nvram_template || qs_xml_child (node, "source"))
    return;
  path = previous && previous->nvram ? g_strdup (previous->nvram) : nvram_path (def);
  if (path)
    qs_xml_set_text (node, path);
}

/* the places of another chip set mean nothing here */
static const xmlNode *
previous_devices (const QsDomainDef *previous, QsChipset chipset)
{
  QsChipset old = chipset;

  if (!previous || !qs_machine_chipset (previous->machine, &old) || old != chipset)
    return NULL;
  return qs_xml_child (xmlDocGetRootElement (previous->doc), "devices");
}

static gboolean
assign (xmlNode *root, const QsDomainDef *previous, QsChipset chipset, GError **error)
{
  const xmlNode *old = previous_devices (previous, chipset);
  xmlNode *devices = qs_xml_child (root, "devices");

  if (!devices)
    devices = qs_xml_add (root, "devices", NULL);
  if (xmlChildElementCount (devices) > QS_MAX_DEVICES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "the domain has more than %d devices",
                   QS_MAX_DEVICES);
      return FALSE;
    }
  qs_address_complete (devices, chipset);
  if (old)
    qs_address_inherit (devices, old);
  qs_address_write_macs (root, devices);
  return qs_address_assign_ports (devices, chipset, error)
         && qs_address_assign_pci (devices, old, chipset, error);
}

QsDomainDef *
qs_domain_def_assign_addresses (const QsDomainDef *def, const QsDomainDef *previous,
                                const QsMachineAlias *aliases, GError **error)
{
  g_autoptr (xmlDoc) doc = xmlCopyDoc (def->doc, 1);
  xmlNode *root = xmlDocGetRootElement (doc);
  QsChipset chipset = QS_CHIPSET_I440FX;

  /* such a domain can be defined; its start is what gets refused */
  if (!resolve_machine (root, aliases, &chipset))
    return qs_domain_def_ref ((QsDomainDef *)def);
  write_nvram (root, def, previous);
  qs_genid_complete (root, previous);
  if (!assign (root, previous, chipset, error))
    return NULL;
  return qs_domain_def_new_node (root, error);
}
