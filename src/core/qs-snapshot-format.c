/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-snapshot-disk.h"

/* libvirt's order; what a kept document holds besides stays where it is */
static const char *const element_order[] = {
  "name",   "description", "state", "parent", "creationTime",   "branch",
  "memory", "nvram",       "disks", "domain", "inactiveDomain",
};

static guint
element_rank (const char *name)
{
  guint rank = 0;

  while (rank < G_N_ELEMENTS (element_order) && !g_str_equal (element_order[rank], name))
    rank++;
  return rank;
}

/* puts @node, which is in no tree, before the first known element that comes after it */
static void
insert_element (xmlNode *root, xmlNode *node)
{
  guint rank = element_rank ((const char *)node->name);

  for (xmlNode *other = qs_xml_child (root, NULL); other != NULL; other = qs_xml_next (other, NULL))
    {
      guint other_rank = element_rank ((const char *)other->name);

      if (other_rank > rank && other_rank < G_N_ELEMENTS (element_order))
        {
          xmlAddPrevSibling (other, node);
          return;
        }
    }
  xmlAddChild (root, node);
}

static xmlNode *
ensure_element (xmlNode *root, const char *name)
{
  xmlNode *node = qs_xml_child (root, name);

  if (node == NULL)
    {
      node = xmlNewDocNode (root->doc, NULL, BAD_CAST name, NULL);
      insert_element (root, node);
    }
  return node;
}

static void
write_text (xmlNode *root, const char *name, const char *text)
{
  g_autofree char *old = qs_xml_child_text (root, name);

  if (text == NULL)
    qs_xml_remove (qs_xml_child (root, name));
  else if (g_strcmp0 (old, text) != 0)
    qs_xml_set_text (ensure_element (root, name), text);
}

static void
write_parent (xmlNode *root, const char *parent)
{
  xmlNode *node = qs_xml_child (root, "parent");

  if (parent == NULL)
    {
      qs_xml_remove (node);
      return;
    }
  node = ensure_element (root, "parent");
  if (qs_xml_child (node, "name") == NULL)
    qs_xml_add (node, "name", NULL);
  qs_xml_set_text (qs_xml_child (node, "name"), parent);
}

static void
write_labels (const QsSnapshotDef *def, xmlNode *root)
{
  g_autofree char *created = NULL;

  if (def->has_creation_time)
    created = g_strdup_printf ("%" G_GINT64_FORMAT, def->creation_time);
  write_text (root, "name", def->name);
  write_text (root, "description", def->description);
  write_text (root, "state", qs_enum_to_string (QS_ENUM_SNAPSHOT_STATE, def->state));
  write_parent (root, def->parent);
  write_text (root, "creationTime", created);
  write_text (root, "branch", def->branch);
}

/**
 * qs_snapshot_def_memory:
 *
 * A record says where its memory is; libvirt before 1.0.1 did not write it.
 *
 * Returns: never DEFAULT for a document with a state
 */
QsLocation
qs_snapshot_def_memory (const QsSnapshotDef *def)
{
  if (def->memory != QS_LOCATION_DEFAULT || def->state == QS_STATE_NONE)
    return def->memory;
  if (def->memory_file != NULL)
    return QS_LOCATION_EXTERNAL;
  if (def->state == QS_STATE_SHUTOFF || def->state == QS_STATE_DISK_SNAPSHOT)
    return QS_LOCATION_NO;
  return QS_LOCATION_INTERNAL;
}

static void
write_memory (const QsSnapshotDef *def, xmlNode *root)
{
  QsLocation location = qs_snapshot_def_memory (def);
  xmlNode *memory;

  /* a request may leave the choice to the service */
  if (location == QS_LOCATION_DEFAULT && def->memory_disk == NULL)
    return;
  memory = ensure_element (root, "memory");
  qs_xml_set (memory, "snapshot", qs_enum_to_string (QS_ENUM_LOCATION, location));
  qs_xml_set (memory, "file", def->memory_file);
  qs_xml_set (memory, "disk", def->memory_disk);
  qs_xml_set (memory, "sidecar", def->memory_sidecar);
  qs_xml_set (memory, "format", def->memory_format);
}

static void
write_nvram (const QsSnapshotDef *def, xmlNode *root)
{
  xmlNode *nvram;

  if (def->nvram_file == NULL)
    {
      qs_xml_remove (qs_xml_child (root, "nvram"));
      return;
    }
  nvram = ensure_element (root, "nvram");
  qs_xml_set (nvram, "file", def->nvram_file);
  qs_xml_set (nvram, "format", def->nvram_format);
}

/* the node of @disk in the kept document, taken out of it; a new one if it has none */
static xmlNode *
take_disk (xmlNode *disks, const QsSnapshotDisk *disk)
{
  xmlNode *node = disk->document_name != NULL ? qs_xml_child (disks, "disk") : NULL;

  for (; node != NULL; node = qs_xml_next (node, "disk"))
    {
      g_autofree char *name = qs_xml_attribute (node, "name");

      if (g_strcmp0 (name, disk->document_name) == 0)
        {
          xmlUnlinkNode (node);
          return node;
        }
    }
  return xmlNewDocNode (disks->doc, NULL, BAD_CAST "disk", NULL);
}

/* the disks of @def in its order; those of the kept document that it has no more are left out */
static void
write_disks (const QsSnapshotDef *def, xmlNode *root)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();
  xmlNode *disks;
  xmlNode *left;

  if (!def->has_disks)
    {
      qs_xml_remove (qs_xml_child (root, "disks"));
      return;
    }
  disks = ensure_element (root, "disks");
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      g_ptr_array_add (nodes, take_disk (disks, disk));
      qs_snapshot_disk_write (disk, g_ptr_array_index (nodes, i));
    }
  while ((left = qs_xml_child (disks, "disk")) != NULL)
    qs_xml_remove (left);
  for (guint i = 0; i < nodes->len; i++)
    xmlAddChild (disks, g_ptr_array_index (nodes, i));
}

static void
write_domain (xmlNode *root, const char *name, const QsDomainDef *def)
{
  xmlNode *node;

  if (def == NULL)
    return;
  qs_xml_remove (qs_xml_child (root, name));
  node = xmlDocCopyNode (xmlDocGetRootElement (def->doc), root->doc, 1);
  xmlNodeSetName (node, BAD_CAST name);
  insert_element (root, node);
}

static xmlDoc *
new_document (void)
{
  xmlDoc *doc = xmlNewDoc (BAD_CAST "1.0");

  xmlDocSetRootElement (doc, xmlNewDocNode (doc, NULL, BAD_CAST "domainsnapshot", NULL));
  return doc;
}

/**
 * qs_snapshot_def_format:
 * @secure: FALSE leaves passwords and the like out
 *
 * Returns: (transfer full): the document; of one that was read, also what was not understood
 */
char *
qs_snapshot_def_format (const QsSnapshotDef *def, gboolean secure)
{
  g_autoptr (xmlDoc) doc = def->doc != NULL ? xmlCopyDoc (def->doc, 1) : new_document ();
  xmlNode *root = xmlDocGetRootElement (doc);

  write_labels (def, root);
  write_memory (def, root);
  write_nvram (def, root);
  write_disks (def, root);
  write_domain (root, "domain", def->domain);
  write_domain (root, "inactiveDomain", def->inactive_domain);
  if (!secure)
    qs_xml_strip_secrets (root);
  return qs_xml_format (doc);
}
