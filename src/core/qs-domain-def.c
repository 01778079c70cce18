/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-domain-def.h"

#include "qs-disk-def.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

/* libvirt's units of memory, in bytes */
static const struct
{
  const char *unit;
  guint64 bytes;
} memory_units[] = {
  { "b", 1 },
  { "bytes", 1 },
  { "k", G_GUINT64_CONSTANT (1) << 10 },
  { "KiB", G_GUINT64_CONSTANT (1) << 10 },
  { "KB", 1000 },
  { "M", G_GUINT64_CONSTANT (1) << 20 },
  { "MiB", G_GUINT64_CONSTANT (1) << 20 },
  { "MB", 1000000 },
  { "G", G_GUINT64_CONSTANT (1) << 30 },
  { "GiB", G_GUINT64_CONSTANT (1) << 30 },
  { "GB", 1000000000 },
  { "T", G_GUINT64_CONSTANT (1) << 40 },
  { "TiB", G_GUINT64_CONSTANT (1) << 40 },
  { "TB", G_GUINT64_CONSTANT (1000000000000) },
};

static void
domain_def_clear (QsDomainDef *def)
{
  xmlFreeDoc (def->doc);
  g_free (def->name);
  g_free (def->uuid);
  g_free (def->emulator);
  g_free (def->machine);
  g_free (def->loader);
  g_free (def->nvram);
  g_free (def->nvram_template);
  g_free (def->nvram_format);
  g_ptr_array_unref (def->disks);
}

QsDomainDef *
qs_domain_def_ref (QsDomainDef *def)
{
  return g_atomic_rc_box_acquire (def);
}

void
qs_domain_def_unref (QsDomainDef *def)
{
  if (def != NULL)
    g_atomic_rc_box_release_full (def, (GDestroyNotify)domain_def_clear);
}

static gboolean
read_type (QsDomainDef *def, const xmlNode *domain, GError **error)
{
  g_autofree char *type = qs_xml_attribute (domain, "type");

  if (type == NULL)
    {
      qs_xml_fail (error, domain, "<domain> has no attribute ‘type’");
      return FALSE;
    }
  def->kvm = g_str_equal (type, "kvm");
  if (def->kvm || g_str_equal (type, "qemu"))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
               "domains of type ‘%s’ are not supported, only ‘kvm’ and ‘qemu’", type);
  return FALSE;
}

static gboolean
read_name (QsDomainDef *def, const xmlNode *domain, GError **error)
{
  g_autoptr (GError) problem = NULL;

  def->name = qs_xml_child_text (domain, "name");
  if (def->name == NULL)
    qs_xml_fail (error, domain, "<domain> has no <name>");
  else if (qs_name_check (def->name, &problem))
    return TRUE;
  else
    qs_xml_fail (error, qs_xml_child (domain, "name"), "%s", problem->message);
  return FALSE;
}

static gboolean
read_uuid (QsDomainDef *def, const xmlNode *domain, GError **error)
{
  g_autofree char *text = qs_xml_child_text (domain, "uuid");

  if (text == NULL)
    return TRUE;
  def->uuid = qs_uuid_canonical (text);
  if (def->uuid != NULL)
    return TRUE;
  qs_xml_fail (error, qs_xml_child (domain, "uuid"), "‘%s’ is no uuid", text);
  return FALSE;
}

static gboolean
read_number (const xmlNode *node, guint64 max, guint64 *value, GError **error)
{
  g_autofree char *text = qs_xml_text (node);

  if (g_ascii_string_to_unsigned (g_strstrip (text), 10, 0, max, value, NULL))
    return TRUE;
  qs_xml_fail (error, node, "‘%s’ is no valid number for <%s>", text, (const char *)node->name);
  return FALSE;
}

static gboolean
read_unit (const xmlNode *node, guint64 *bytes, GError **error)
{
  g_autofree char *unit = qs_xml_attribute (node, "unit");

  for (guint i = 0; i < G_N_ELEMENTS (memory_units); i++)
    if (g_ascii_strcasecmp (unit != NULL ? unit : "KiB", memory_units[i].unit) == 0)
      {
        *bytes = memory_units[i].bytes;
        return TRUE;
      }
  qs_xml_fail (error, node, "‘%s’ is no unit of memory", unit);
  return FALSE;
}

static gboolean
read_memory (QsDomainDef *def, const xmlNode *domain, GError **error)
{
  const xmlNode *memory = qs_xml_child (domain, "memory");
  guint64 unit;
  guint64 count;

  if (memory == NULL)
    return TRUE;
  if (!read_unit (memory, &unit, error)
      || !read_number (memory, (G_MAXUINT64 - 1023) / unit, &count, error))
    return FALSE;
  def->memory_kib = (count * unit + 1023) / 1024;
  return TRUE;
}

static gboolean
read_vcpus (QsDomainDef *def, const xmlNode *domain, GError **error)
{
  const xmlNode *vcpu = qs_xml_child (domain, "vcpu");
  guint64 count = 1;

  if (vcpu != NULL && !read_number (vcpu, QS_MAX_VCPUS, &count, error))
    return FALSE;
  if (count == 0)
    {
      qs_xml_fail (error, vcpu, "a domain has at least one vcpu");
      return FALSE;
    }
  def->vcpus = (guint)count;
  return TRUE;
}

/* @path is NULL afterwards if there is none */
static gboolean
check_path (char **path, const xmlNode *node, GError **error)
{
  if (*path == NULL)
    return TRUE;
  g_strstrip (*path);
  if (**path == '/')
    return TRUE;
  if (**path == '\0')
    {
      g_clear_pointer (path, g_free);
      return TRUE;
    }
  qs_xml_fail (error, node, "‘%s’ in <%s> is not an absolute path", *path,
               (const char *)node->name);
  return FALSE;
}

/* libvirt has the path as text, or since 8.5 in a <source> as disks do */
static char *
nvram_path (const xmlNode *nvram)
{
  const xmlNode *source = qs_xml_child (nvram, "source");

  if (nvram == NULL)
    return NULL;
  return source != NULL ? qs_xml_attribute (source, "file") : qs_xml_text (nvram);
}

static gboolean
read_os (QsDomainDef *def, const xmlNode *os, GError **error)
{
  const xmlNode *loader = qs_xml_child (os, "loader");
  const xmlNode *nvram = qs_xml_child (os, "nvram");

  def->machine = qs_xml_attribute (qs_xml_child (os, "type"), "machine");
  def->loader = loader != NULL ? qs_xml_text (loader) : NULL;
  def->nvram = nvram_path (nvram);
  def->nvram_template = qs_xml_attribute (nvram, "template");
  def->nvram_format = qs_xml_attribute (nvram, "format");
  if (def->nvram_format == NULL)
    def->nvram_format = g_strdup ("raw");
  return check_path (&def->loader, loader, error) && check_path (&def->nvram, nvram, error)
         && check_path (&def->nvram_template, nvram, error);
}

static gboolean
add_disk (QsDomainDef *def, const xmlNode *node, GError **error)
{
  g_autoptr (QsDiskDef) disk = qs_disk_def_new (node, error);

  if (disk == NULL)
    return FALSE;
  if (qs_domain_def_find_disk (def, disk->target) != NULL)
    {
      qs_xml_fail (error, node, "two disks have the target ‘%s’", disk->target);
      return FALSE;
    }
  if (def->disks->len == QS_MAX_DISKS)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED, "the domain has more than %d disks",
                   QS_MAX_DISKS);
      return FALSE;
    }
  g_ptr_array_add (def->disks, g_steal_pointer (&disk));
  return TRUE;
}

static gboolean
read_devices (QsDomainDef *def, const xmlNode *devices, GError **error)
{
  def->emulator = qs_xml_child_text (devices, "emulator");
  if (!check_path (&def->emulator, qs_xml_child (devices, "emulator"), error))
    return FALSE;
  for (const xmlNode *node = qs_xml_child (devices, "disk"); node != NULL;
       node = qs_xml_next (node, "disk"))
    if (!add_disk (def, node, error))
      return FALSE;
  return TRUE;
}

/* takes @doc */
static QsDomainDef *
domain_def_new_doc (xmlDoc *doc, GError **error)
{
  g_autoptr (QsDomainDef) def = g_atomic_rc_box_new0 (QsDomainDef);
  const xmlNode *domain = xmlDocGetRootElement (doc);

  def->doc = doc;
  def->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_disk_def_free);
  if (!read_type (def, domain, error) || !read_name (def, domain, error)
      || !read_uuid (def, domain, error) || !read_memory (def, domain, error)
      || !read_vcpus (def, domain, error) || !read_os (def, qs_xml_child (domain, "os"), error)
      || !read_devices (def, qs_xml_child (domain, "devices"), error))
    return NULL;
  return g_steal_pointer (&def);
}

/* escaped and indented a document may grow several times; what was accepted must be readable again */
static gboolean
check_written_size (const QsDomainDef *def, GError **error)
{
  g_autofree char *text = qs_xml_format (def->doc);
  gsize length = strlen (text);

  if (length <= QS_MAX_XML_BYTES)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
               "the document has %" G_GSIZE_FORMAT " bytes when indented, the limit is %d", length,
               QS_MAX_XML_BYTES);
  return FALSE;
}

/**
 * qs_domain_def_new:
 *
 * Reads a `<domain>` document of a caller. Of its paths only that they are absolute is checked here,
 * the rest is qs_path_check().
 */
QsDomainDef *
qs_domain_def_new (const char *xml, GError **error)
{
  xmlDoc *doc = qs_xml_parse (xml, "domain", error);
  g_autoptr (QsDomainDef) def = doc != NULL ? domain_def_new_doc (doc, error) : NULL;

  if (def == NULL || !check_written_size (def, error))
    return NULL;
  return g_steal_pointer (&def);
}

/**
 * qs_domain_def_new_record:
 *
 * Reads what qs_domain_def_format() wrote, which may be larger than what callers may send.
 */
QsDomainDef *
qs_domain_def_new_record (const char *xml, GError **error)
{
  xmlDoc *doc = qs_xml_parse_record (xml, "domain", error);

  return doc != NULL ? domain_def_new_doc (doc, error) : NULL;
}

/**
 * qs_domain_def_new_node:
 * @domain: a `<domain>`, or an `<inactiveDomain>`, of another document
 */
QsDomainDef *
qs_domain_def_new_node (const xmlNode *domain, GError **error)
{
  xmlDoc *doc = xmlNewDoc (BAD_CAST "1.0");
  xmlNode *root = xmlDocCopyNode ((xmlNode *)domain, doc, 1);

  xmlNodeSetName (root, BAD_CAST "domain");
  xmlDocSetRootElement (doc, root);
  return domain_def_new_doc (doc, error);
}

/**
 * qs_domain_def_find_disk:
 *
 * Returns: (transfer none) (nullable):
 */
const QsDiskDef *
qs_domain_def_find_disk (const QsDomainDef *def, const char *target)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      if (g_str_equal (disk->target, target))
        return disk;
    }
  return NULL;
}

/**
 * qs_domain_def_find_alias:
 *
 * Returns: (transfer none) (nullable): the disk on the device of this name
 */
const QsDiskDef *
qs_domain_def_find_alias (const QsDomainDef *def, const char *alias)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      if (g_strcmp0 (disk->alias, alias) == 0)
        return disk;
    }
  return NULL;
}

/**
 * qs_domain_def_format:
 * @secure: FALSE leaves passwords and the like out
 *
 * Returns: (transfer full): the whole document, also what the service does not understand
 */
char *
qs_domain_def_format (const QsDomainDef *def, gboolean secure)
{
  g_autoptr (xmlDoc) doc = xmlCopyDoc (def->doc, 1);

  if (!secure)
    qs_xml_strip_secrets (xmlDocGetRootElement (doc));
  return qs_xml_format (doc);
}

static xmlNode *
find_disk_node (const xmlNode *domain, const char *target)
{
  xmlNode *disk = qs_xml_child (qs_xml_child (domain, "devices"), "disk");

  for (; disk != NULL; disk = qs_xml_next (disk, "disk"))
    {
      g_autofree char *found = qs_disk_def_node_target (disk);

      if (g_strcmp0 (found, target) == 0)
        break;
    }
  return disk;
}

static void
patch_uuid (xmlNode *domain, const char *uuid)
{
  xmlNode *node = qs_xml_child (domain, "uuid");

  if (node != NULL)
    return;
  node = qs_xml_add (domain, "uuid", uuid);
  xmlAddNextSibling (qs_xml_child (domain, "name"), node);
}

/**
 * qs_domain_def_patch:
 * @uuid: (nullable): written if the document has none
 *
 * Returns: (transfer full): @def with the truth about the given disks written into its document
 */
QsDomainDef *
qs_domain_def_patch (const QsDomainDef *def, const char *uuid, const QsDiskPatch *patches,
                     guint n_patches, GError **error)
{
  g_autoptr (xmlDoc) doc = xmlCopyDoc (def->doc, 1);
  xmlNode *domain = xmlDocGetRootElement (doc);

  if (uuid != NULL)
    patch_uuid (domain, uuid);
  for (guint i = 0; i < n_patches; i++)
    {
      xmlNode *disk = find_disk_node (domain, patches[i].target);

      if (disk == NULL)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "domain ‘%s’ has no disk ‘%s’",
                       def->name, patches[i].target);
          return NULL;
        }
      qs_disk_def_patch_node (disk, &patches[i]);
    }
  return domain_def_new_doc (g_steal_pointer (&doc), error);
}
