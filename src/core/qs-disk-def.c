/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-disk-def.h"

#include "qs-name.h"

#include <string.h>

#define MAX_TARGET_BYTES 32

/* which attribute of <source> is a path; network and the like have none that we open */
static const char *const path_attributes[] = {
  [QS_SOURCE_FILE] = "file",
  [QS_SOURCE_BLOCK] = "dev",
};

/* what stays in <source> when its type changes: it is about the file, not about where it is */
static const char *const source_keep[] = { "seclabel", "encryption", "reservations" };

void
qs_disk_def_free (QsDiskDef *disk)
{
  if (disk == NULL)
    return;
  g_free (disk->target);
  g_free (disk->bus);
  g_free (disk->alias);
  g_free (disk->source);
  g_free (disk->format);
  g_free (disk);
}

static const char *
path_attribute (QsSourceType type)
{
  return type < G_N_ELEMENTS (path_attributes) ? path_attributes[type] : NULL;
}

/* the target becomes part of node names and ids, so it is held to what libvirt accepts */
static gboolean
is_target (const char *target)
{
  gsize length = strlen (target);

  if (length == 0 || length > MAX_TARGET_BYTES || !g_ascii_isalpha (target[0]))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (target[i]) && target[i] != '_')
      return FALSE;
  return TRUE;
}

static gboolean
read_target (QsDiskDef *def, const xmlNode *disk, GError **error)
{
  const xmlNode *target = qs_xml_child (disk, "target");

  def->target = qs_xml_attribute (target, "dev");
  def->bus = qs_xml_attribute (target, "bus");
  def->alias = qs_xml_attribute (qs_xml_child (disk, "alias"), "name");
  if (def->target != NULL && is_target (def->target))
    return TRUE;
  if (def->target == NULL)
    qs_xml_fail (error, disk, "a <disk> has no <target dev=>");
  else
    qs_xml_fail (error, target, "‘%s’ is no target of a disk", def->target);
  return FALSE;
}

static gboolean
read_words (QsDiskDef *def, const xmlNode *disk, GError **error)
{
  guint device = QS_DEVICE_DISK;
  guint type = QS_SOURCE_FILE;
  guint snapshot = QS_LOCATION_DEFAULT;

  if (!qs_xml_enum (disk, "device", QS_ENUM_DISK_DEVICE, &device, error)
      || !qs_xml_enum (disk, "type", QS_ENUM_SOURCE_TYPE, &type, error)
      || !qs_xml_enum (disk, "snapshot", QS_ENUM_LOCATION, &snapshot, error))
    return FALSE;

  def->device = device;
  def->source_type = type;
  def->snapshot = snapshot;
  def->readonly = device == QS_DEVICE_CDROM || qs_xml_child (disk, "readonly") != NULL;
  def->shareable = qs_xml_child (disk, "shareable") != NULL;
  def->transient = qs_xml_child (disk, "transient") != NULL;
  return TRUE;
}

static gboolean
read_no_source (QsDiskDef *def, const xmlNode *disk, GError **error)
{
  if (def->device == QS_DEVICE_CDROM || def->device == QS_DEVICE_FLOPPY)
    {
      def->source_type = QS_SOURCE_NONE;
      return TRUE;
    }
  qs_xml_fail (error, disk, "disk ‘%s’ has no source", def->target);
  return FALSE;
}

static gboolean
read_source (QsDiskDef *def, const xmlNode *disk, GError **error)
{
  const xmlNode *source = qs_xml_child (disk, "source");
  const char *attribute = path_attribute (def->source_type);
  g_autofree char *path = NULL;

  if (attribute == NULL)
    return TRUE;
  path = qs_xml_attribute (source, attribute);
  if (path == NULL || *path == '\0')
    return read_no_source (def, disk, error);
  if (*path != '/')
    {
      qs_xml_fail (error, source, "disk ‘%s’: the source ‘%s’ is not an absolute path", def->target,
                   path);
      return FALSE;
    }
  def->source = g_steal_pointer (&path);
  return TRUE;
}

QsDiskDef *
qs_disk_def_new (const xmlNode *disk, GError **error)
{
  g_autoptr (QsDiskDef) def = g_new0 (QsDiskDef, 1);

  if (!read_target (def, disk, error) || !read_words (def, disk, error)
      || !read_source (def, disk, error))
    return NULL;
  def->format = qs_xml_attribute (qs_xml_child (disk, "driver"), "type");
  if (def->format == NULL)
    def->format = g_strdup ("raw");
  return g_steal_pointer (&def);
}

char *
qs_disk_def_node_target (const xmlNode *disk)
{
  return qs_xml_attribute (qs_xml_child (disk, "target"), "dev");
}

static xmlNode *
ensure_child (xmlNode *parent, const char *name)
{
  xmlNode *child = qs_xml_child (parent, name);

  return child != NULL ? child : qs_xml_add (parent, name, NULL);
}

/* a source of another type: only what is about the file itself stays */
static void
clear_source (xmlNode *source)
{
  xmlNode *next;

  while (source->properties != NULL)
    xmlRemoveProp (source->properties);
  for (xmlNode *child = qs_xml_child (source, NULL); child != NULL; child = next)
    {
      gboolean keep = FALSE;

      next = qs_xml_next (child, NULL);
      for (guint i = 0; i < G_N_ELEMENTS (source_keep); i++)
        keep |= g_str_equal (child->name, source_keep[i]);
      if (!keep)
        qs_xml_remove (child);
    }
}

static void
patch_source (xmlNode *disk, const char *path)
{
  guint type = QS_SOURCE_FILE;
  QsSourceType truth = qs_path_is_device (path) ? QS_SOURCE_BLOCK : QS_SOURCE_FILE;
  xmlNode *source = ensure_child (disk, "source");
  g_autofree char *old = NULL;

  qs_xml_enum (disk, "type", QS_ENUM_SOURCE_TYPE, &type, NULL);
  if (path_attribute (type) != NULL)
    old = qs_xml_attribute (source, path_attribute (type));
  if (g_strcmp0 (old, path) == 0)
    return;

  if (type != truth)
    clear_source (source);
  qs_xml_set (disk, "type", qs_enum_to_string (QS_ENUM_SOURCE_TYPE, truth));
  qs_xml_set (source, path_attribute (truth), path);
  /* these described the file that was there before */
  qs_xml_set (source, "index", NULL);
  qs_xml_remove (qs_xml_child (disk, "backingStore"));
}

static void
patch_mirror (xmlNode *disk, const char *path)
{
  xmlNode *mirror;

  qs_xml_remove (qs_xml_child (disk, "mirror"));
  mirror = qs_xml_add (disk, "mirror", NULL);
  qs_xml_set (mirror, "file", path);
  qs_xml_set (mirror, "state", "active");
}

void
qs_disk_def_patch_node (xmlNode *disk, const QsDiskPatch *patch)
{
  xmlNode *driver = qs_xml_child (disk, "driver");

  if (patch->source != NULL)
    patch_source (disk, patch->source);
  if (patch->mirror != NULL)
    patch_mirror (disk, patch->mirror);
  if (patch->format == NULL)
    return;
  if (driver == NULL)
    {
      driver = qs_xml_add (disk, "driver", NULL);
      qs_xml_set (driver, "name", "qemu");
    }
  qs_xml_set (driver, "type", patch->format);
}
