/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-snapshot-disk.h"

#include <string.h>

QsSnapshotDisk *
qs_snapshot_disk_copy (const QsSnapshotDisk *disk)
{
  QsSnapshotDisk *copy = g_new0 (QsSnapshotDisk, 1);

  *copy = *disk;
  copy->name = g_strdup (disk->name);
  copy->source = g_strdup (disk->source);
  copy->driver = g_strdup (disk->driver);
  copy->tag = g_strdup (disk->tag);
  copy->mirror = g_strdup (disk->mirror);
  copy->document_name = g_strdup (disk->document_name);
  return copy;
}

void
qs_snapshot_disk_free (QsSnapshotDisk *disk)
{
  if (disk == NULL)
    return;
  g_free (disk->name);
  g_free (disk->source);
  g_free (disk->driver);
  g_free (disk->tag);
  g_free (disk->mirror);
  g_free (disk->document_name);
  g_free (disk);
}

static gboolean
read_name (QsSnapshotDisk *disk, const xmlNode *node, GError **error)
{
  disk->name = qs_xml_attribute (node, "name");
  if (disk->name == NULL || *disk->name == '\0')
    qs_xml_fail (error, node, "a <disk> has no attribute ‘name’");
  else if (*disk->name != '/' && strchr (disk->name, '/') != NULL)
    qs_xml_fail (error, node, "disk ‘%s’: a path must be absolute", disk->name);
  else
    {
      disk->document_name = g_strdup (disk->name);
      return TRUE;
    }
  return FALSE;
}

static gboolean
read_words (QsSnapshotDisk *disk, const xmlNode *node, GError **error)
{
  guint snapshot = QS_LOCATION_DEFAULT;
  guint mode = QS_DISK_MODE_DEFAULT;
  guint type = QS_SOURCE_FILE;

  if (!qs_xml_enum (node, "snapshot", QS_ENUM_LOCATION, &snapshot, error)
      || !qs_xml_enum (node, "mode", QS_ENUM_DISK_MODE, &mode, error)
      || !qs_xml_enum (node, "type", QS_ENUM_SOURCE_TYPE, &type, error))
    return FALSE;

  disk->snapshot = snapshot;
  disk->mode = mode;
  disk->source_type = type;
  if (type == QS_SOURCE_FILE && qs_xml_child (node, "source") == NULL)
    disk->source_type = QS_SOURCE_NONE;
  return TRUE;
}

static const char *
path_attribute (QsSourceType type)
{
  return type == QS_SOURCE_BLOCK ? "dev" : "file";
}

/* an empty path is none, as in libvirt */
static gboolean
read_path (const QsSnapshotDisk *disk, const xmlNode *node, const char *attribute, char **path,
           GError **error)
{
  g_autofree char *value = qs_xml_attribute (node, attribute);

  if (value == NULL || *value == '\0')
    return TRUE;
  if (*value != '/')
    {
      qs_xml_fail (error, node, "disk ‘%s’: ‘%s’ is not an absolute path", disk->name, value);
      return FALSE;
    }
  *path = g_steal_pointer (&value);
  return TRUE;
}

static gboolean
read_mirror (QsSnapshotDisk *disk, const xmlNode *node, GError **error)
{
  const xmlNode *mirror = qs_xml_child (node, "mirror");

  if (!read_path (disk, mirror, "file", &disk->mirror, error))
    return FALSE;
  if (mirror == NULL || disk->mirror != NULL)
    return TRUE;
  qs_xml_fail (error, mirror, "disk ‘%s’: <mirror> names no file", disk->name);
  return FALSE;
}

QsSnapshotDisk *
qs_snapshot_disk_new (const xmlNode *node, GError **error)
{
  g_autoptr (QsSnapshotDisk) disk = g_new0 (QsSnapshotDisk, 1);
  const xmlNode *source = qs_xml_child (node, "source");
  const xmlNode *driver = qs_xml_child (node, "driver");

  if (!read_name (disk, node, error) || !read_words (disk, node, error)
      || !read_mirror (disk, node, error))
    return NULL;
  if ((disk->source_type == QS_SOURCE_FILE || disk->source_type == QS_SOURCE_BLOCK)
      && !read_path (disk, source, path_attribute (disk->source_type), &disk->source, error))
    return NULL;

  disk->driver = qs_xml_attribute (driver, "type");
  disk->tag = qs_xml_attribute (node, "tag");
  disk->has_metadata_cache = qs_xml_child (driver, "metadata_cache") != NULL;
  return g_steal_pointer (&disk);
}

static xmlNode *
ensure_child (xmlNode *parent, const char *name)
{
  xmlNode *child = qs_xml_child (parent, name);

  return child != NULL ? child : qs_xml_add (parent, name, NULL);
}

static void
write_driver (const QsSnapshotDisk *disk, xmlNode *node)
{
  xmlNode *driver = qs_xml_child (node, "driver");

  if (disk->driver != NULL && driver == NULL)
    driver = qs_xml_add (node, "driver", NULL);
  if (driver != NULL)
    qs_xml_set (driver, "type", disk->driver);
}

static void
write_source (const QsSnapshotDisk *disk, xmlNode *node)
{
  if (disk->source_type == QS_SOURCE_NONE)
    {
      qs_xml_set (node, "type", NULL);
      qs_xml_remove (qs_xml_child (node, "source"));
      return;
    }
  qs_xml_set (node, "type", qs_enum_to_string (QS_ENUM_SOURCE_TYPE, disk->source_type));
  if (disk->source != NULL)
    qs_xml_set (ensure_child (node, "source"), path_attribute (disk->source_type), disk->source);
}

static void
write_mirror (const QsSnapshotDisk *disk, xmlNode *node)
{
  if (disk->mirror == NULL)
    {
      qs_xml_remove (qs_xml_child (node, "mirror"));
      return;
    }
  qs_xml_set (ensure_child (node, "mirror"), "file", disk->mirror);
  if (disk->mirror_state != NULL)
    qs_xml_set (qs_xml_child (node, "mirror"), "state", disk->mirror_state);
}

/* what @node says beyond the fields of @disk stays */
void
qs_snapshot_disk_write (const QsSnapshotDisk *disk, xmlNode *node)
{
  qs_xml_set (node, "name", disk->name);
  qs_xml_set (node, "snapshot", qs_enum_to_string (QS_ENUM_LOCATION, disk->snapshot));
  write_driver (disk, node);
  write_source (disk, node);
  qs_xml_set (node, "mode", qs_enum_to_string (QS_ENUM_DISK_MODE, disk->mode));
  qs_xml_set (node, "tag", disk->tag);
  write_mirror (disk, node);
}
