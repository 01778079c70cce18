/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-snapshot-def.h"

#include "qs-snapshot-disk.h"

static const char *const memory_formats[] = { "migrate", "qcow2", NULL };
static const char *const nvram_formats[] = { "raw", "qcow2", NULL };

static void
snapshot_def_clear (QsSnapshotDef *def)
{
  xmlFreeDoc (def->doc);
  g_free (def->name);
  g_free (def->description);
  g_free (def->parent);
  g_free (def->branch);
  g_free (def->memory_file);
  g_free (def->memory_disk);
  g_free (def->memory_sidecar);
  g_free (def->memory_format);
  g_free (def->nvram_file);
  g_free (def->nvram_format);
  g_ptr_array_unref (def->disks);
  qs_domain_def_unref (def->domain);
  qs_domain_def_unref (def->inactive_domain);
}

/**
 * qs_snapshot_def_new:
 *
 * Returns: (transfer full): an empty one, to be filled in by its maker
 */
QsSnapshotDef *
qs_snapshot_def_new (void)
{
  QsSnapshotDef *def = g_atomic_rc_box_new0 (QsSnapshotDef);

  def->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_disk_free);
  return def;
}

/**
 * qs_snapshot_def_copy:
 *
 * Returns: (transfer full): a copy that its maker may change
 */
QsSnapshotDef *
qs_snapshot_def_copy (const QsSnapshotDef *def)
{
  QsSnapshotDef *copy = g_atomic_rc_box_new0 (QsSnapshotDef);

  *copy = *def;
  copy->doc = def->doc != NULL ? xmlCopyDoc (def->doc, 1) : NULL;
  copy->name = g_strdup (def->name);
  copy->description = g_strdup (def->description);
  copy->parent = g_strdup (def->parent);
  copy->branch = g_strdup (def->branch);
  copy->memory_file = g_strdup (def->memory_file);
  copy->memory_disk = g_strdup (def->memory_disk);
  copy->memory_sidecar = g_strdup (def->memory_sidecar);
  copy->memory_format = g_strdup (def->memory_format);
  copy->nvram_file = g_strdup (def->nvram_file);
  copy->nvram_format = g_strdup (def->nvram_format);
  copy->domain = def->domain != NULL ? qs_domain_def_ref (def->domain) : NULL;
  copy->inactive_domain =
      def->inactive_domain != NULL ? qs_domain_def_ref (def->inactive_domain) : NULL;
  copy->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_disk_free);
  for (guint i = 0; i < def->disks->len; i++)
    g_ptr_array_add (copy->disks, qs_snapshot_disk_copy (g_ptr_array_index (def->disks, i)));
  return copy;
}

QsSnapshotDef *
qs_snapshot_def_ref (QsSnapshotDef *def)
{
  return g_atomic_rc_box_acquire (def);
}

void
qs_snapshot_def_unref (QsSnapshotDef *def)
{
  if (def != NULL)
    g_atomic_rc_box_release_full (def, (GDestroyNotify)snapshot_def_clear);
}

/**
 * qs_snapshot_def_add_disk:
 *
 * Returns: (transfer none): to be filled in by the maker of @def
 */
QsSnapshotDisk *
qs_snapshot_def_add_disk (QsSnapshotDef *def, const char *name, QsLocation snapshot)
{
  QsSnapshotDisk *disk = g_new0 (QsSnapshotDisk, 1);

  disk->name = g_strdup (name);
  disk->snapshot = snapshot;
  def->has_disks = TRUE;
  g_ptr_array_add (def->disks, disk);
  return disk;
}

/**
 * qs_snapshot_def_find_disk:
 * @name: as the document has it
 *
 * Returns: (transfer none) (nullable):
 */
const QsSnapshotDisk *
qs_snapshot_def_find_disk (const QsSnapshotDef *def, const char *name)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (g_str_equal (disk->name, name))
        return disk;
    }
  return NULL;
}

static char *
child_text_or_null (const xmlNode *node, const char *name)
{
  g_autofree char *text = qs_xml_child_text (node, name);

  return text != NULL && *text != '\0' ? g_steal_pointer (&text) : NULL;
}

static gboolean
read_state (QsSnapshotDef *def, const xmlNode *root, GError **error)
{
  g_autofree char *word = qs_xml_child_text (root, "state");
  guint state = QS_STATE_NONE;

  if (word != NULL && !qs_enum_from_string (QS_ENUM_SNAPSHOT_STATE, word, &state))
    {
      qs_xml_fail (error, qs_xml_child (root, "state"), "‘%s’ is no state of a snapshot", word);
      return FALSE;
    }
  def->state = state;
  return TRUE;
}

static gboolean
read_creation_time (QsSnapshotDef *def, const xmlNode *root, GError **error)
{
  g_autofree char *text = qs_xml_child_text (root, "creationTime");

  if (text == NULL)
    return TRUE;
  def->has_creation_time =
      g_ascii_string_to_signed (g_strstrip (text), 10, 0, G_MAXINT64, &def->creation_time, NULL);
  if (!def->has_creation_time)
    qs_xml_fail (error, qs_xml_child (root, "creationTime"),
                 "‘%s’ is no time in seconds since the epoch", text);
  return def->has_creation_time;
}

static gboolean
read_labels (QsSnapshotDef *def, const xmlNode *root, GError **error)
{
  const xmlNode *branch = qs_xml_child (root, "branch");

  def->name = child_text_or_null (root, "name");
  def->description = qs_xml_child_text (root, "description");
  def->parent = child_text_or_null (qs_xml_child (root, "parent"), "name");
  def->branch = child_text_or_null (root, "branch");
  if (branch == NULL || def->branch != NULL)
    return TRUE;
  qs_xml_fail (error, branch, "<branch> names no snapshot");
  return FALSE;
}

static gboolean
check_memory_path (const char *path, const xmlNode *memory, GError **error)
{
  if (path == NULL || *path == '/')
    return TRUE;
  qs_xml_fail (error, memory, "<memory>: ‘%s’ is not an absolute path", path);
  return FALSE;
}

/* a file alone means external */
static gboolean
check_memory (QsSnapshotDef *def, const xmlNode *memory, GError **error)
{
  if (def->memory_file != NULL && def->memory == QS_LOCATION_DEFAULT)
    def->memory = QS_LOCATION_EXTERNAL;

  if (def->memory == QS_LOCATION_MANUAL)
    qs_xml_fail (error, memory, "memory cannot be ‘manual’");
  else if (def->memory_file != NULL && def->memory != QS_LOCATION_EXTERNAL)
    qs_xml_fail (error, memory, "a memory file is for external memory only");
  else if (def->memory_file == NULL && def->memory == QS_LOCATION_EXTERNAL)
    qs_xml_fail (error, memory, "external memory needs attribute ‘file’");
  else if (def->memory_format != NULL && !g_strv_contains (memory_formats, def->memory_format))
    qs_xml_fail (error, memory, "‘%s’ is no format of memory", def->memory_format);
  else
    return check_memory_path (def->memory_file, memory, error)
           && check_memory_path (def->memory_sidecar, memory, error);
  return FALSE;
}

static gboolean
read_memory (QsSnapshotDef *def, const xmlNode *memory, GError **error)
{
  guint location = QS_LOCATION_DEFAULT;

  if (memory == NULL)
    return TRUE;
  if (!qs_xml_enum (memory, "snapshot", QS_ENUM_LOCATION, &location, error))
    return FALSE;
  def->memory = location;
  def->memory_file = qs_xml_attribute (memory, "file");
  def->memory_disk = qs_xml_attribute (memory, "disk");
  def->memory_sidecar = qs_xml_attribute (memory, "sidecar");
  def->memory_format = qs_xml_attribute (memory, "format");
  return check_memory (def, memory, error);
}

static gboolean
read_nvram (QsSnapshotDef *def, const xmlNode *nvram, GError **error)
{
  if (nvram == NULL)
    return TRUE;
  def->nvram_file = qs_xml_attribute (nvram, "file");
  def->nvram_format = qs_xml_attribute (nvram, "format");
  if (def->nvram_file == NULL || *def->nvram_file != '/')
    qs_xml_fail (error, nvram, "<nvram> needs an absolute path as attribute ‘file’");
  else if (def->nvram_format != NULL && !g_strv_contains (nvram_formats, def->nvram_format))
    qs_xml_fail (error, nvram, "‘%s’ is no format of firmware variables", def->nvram_format);
  else
    return TRUE;
  return FALSE;
}

static gboolean
read_disks (QsSnapshotDef *def, const xmlNode *disks, GError **error)
{
  def->has_disks = disks != NULL;
  for (const xmlNode *node = qs_xml_child (disks, "disk"); node != NULL;
       node = qs_xml_next (node, "disk"))
    {
      QsSnapshotDisk *disk = qs_snapshot_disk_new (node, error);

      if (disk == NULL)
        return FALSE;
      g_ptr_array_add (def->disks, disk);
    }
  return TRUE;
}

/* takes the definition out of the document; libvirt before 0.9.5 wrote only its uuid, which is none
 * and stays where it is */
static gboolean
read_domain (QsDomainDef **domain, xmlNode *node, GError **error)
{
  if (node == NULL || qs_xml_child (node, "name") == NULL)
    return TRUE;
  *domain = qs_domain_def_new_node (node, error);
  qs_xml_remove (node);
  return *domain != NULL;
}

/* takes @doc */
static QsSnapshotDef *
snapshot_def_new_doc (xmlDoc *doc, GError **error)
{
  g_autoptr (QsSnapshotDef) def = qs_snapshot_def_new ();
  xmlNode *root = xmlDocGetRootElement (doc);

  def->doc = doc;
  if (!read_labels (def, root, error) || !read_state (def, root, error)
      || !read_creation_time (def, root, error)
      || !read_memory (def, qs_xml_child (root, "memory"), error)
      || !read_nvram (def, qs_xml_child (root, "nvram"), error)
      || !read_disks (def, qs_xml_child (root, "disks"), error)
      || !read_domain (&def->domain, qs_xml_child (root, "domain"), error)
      || !read_domain (&def->inactive_domain, qs_xml_child (root, "inactiveDomain"), error))
    return NULL;
  return g_steal_pointer (&def);
}

/**
 * qs_snapshot_def_parse:
 *
 * Reads a `<domainsnapshot>` document, of a caller.
 */
QsSnapshotDef *
qs_snapshot_def_parse (const char *xml, GError **error)
{
  xmlDoc *doc = qs_xml_parse (xml, "domainsnapshot", error);

  return doc != NULL ? snapshot_def_new_doc (doc, error) : NULL;
}

/**
 * qs_snapshot_def_parse_record:
 *
 * Reads what qs_snapshot_def_format() wrote, which may be larger than what callers may send.
 */
QsSnapshotDef *
qs_snapshot_def_parse_record (const char *xml, GError **error)
{
  xmlDoc *doc = qs_xml_parse_record (xml, "domainsnapshot", error);

  return doc != NULL ? snapshot_def_new_doc (doc, error) : NULL;
}
