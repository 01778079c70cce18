/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-discovery-private.h"

#include "qs-error.h"
#include "qs-exchange.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

#define JSON_PREFIX "json:"
#define FDSET_PREFIX "/dev/fdset/"
#define TEMPORARY_PREFIX "vl."
#define TEMPORARY_BYTES 9 /* vl.XXXXXX */
#define MAX_NODE_NESTING 8

static const struct
{
  const char *driver;
  QsSourceType type;
} file_drivers[] = {
  { "file", QS_SOURCE_FILE },
  { "host_device", QS_SOURCE_BLOCK },
  { "host_cdrom", QS_SOURCE_BLOCK },
};

/* of these the root node is the image itself; a filter above or below is none of them */
static const char *const format_drivers[] = {
  "qcow2", "raw", "qed", "qcow", "vmdk", "vdi", "vpc", "vhdx", "parallels", "luks", "bochs", "dmg",
};

gboolean
qs_discovery_is_file_driver (const char *driver)
{
  for (guint i = 0; i < G_N_ELEMENTS (file_drivers); i++)
    if (g_str_equal (file_drivers[i].driver, driver))
      return TRUE;
  return FALSE;
}

static gboolean
is_format_driver (const char *driver)
{
  for (guint i = 0; i < G_N_ELEMENTS (format_drivers); i++)
    if (g_str_equal (format_drivers[i], driver))
      return TRUE;
  return FALSE;
}

/* what is neither a file nor a block device is shown, and left alone */
static void
set_other (QsFoundDisk *disk, const char *protocol)
{
  disk->source_type = QS_SOURCE_NETWORK;
  disk->protocol = g_strdup (qs_discovery_is_word (protocol) ? protocol : "unknown");
}

static void
set_file (QsFoundDisk *disk, const char *driver, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (file_drivers); i++)
    if (g_str_equal (file_drivers[i].driver, driver))
      disk->source_type = file_drivers[i].type;
  disk->name = g_strdup (name);
}

/* part of a file is another disk than the file */
static gboolean
is_partial (JsonObject *node)
{
  return json_object_has_member (node, "offset") || json_object_has_member (node, "size");
}

/* the file below a node, where only formats lie between */
static void
read_node (QsFoundDisk *disk, JsonObject *node)
{
  const char *driver = NULL;

  for (guint i = 0; i < MAX_NODE_NESTING && node != NULL; i++)
    {
      driver = qs_json_string (node, "driver");
      if (driver == NULL)
        break;
      if (qs_discovery_is_file_driver (driver) && qs_json_string (node, "filename") != NULL)
        {
          set_file (disk, driver, qs_json_string (node, "filename"));
          return;
        }
      if (!is_format_driver (driver) || is_partial (node))
        break;
      node = qs_json_object (node, "file");
    }
  set_other (disk, driver);
}

static gboolean
is_temporary (JsonObject *node)
{
  const char *name = qs_json_string (qs_json_object (node, "file"), "filename");
  const char *slash = name != NULL ? strrchr (name, '/') : NULL;

  return slash != NULL && g_str_has_prefix (slash + 1, TEMPORARY_PREFIX)
         && strlen (slash + 1) == TEMPORARY_BYTES;
}

/* -snapshot puts an overlay that has no name any more above the image */
static gboolean
read_json (QsFoundDisk *disk, const char *text)
{
  g_autoptr (JsonNode) root = qs_json_parse (text, strlen (text), QS_ERROR_MONITOR_FAILED, NULL);
  JsonObject *node;
  JsonObject *backing;

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  node = json_node_get_object (root);
  backing = qs_json_object (node, "backing");
  if (backing == NULL || !is_temporary (node))
    {
      read_node (disk, node);
      return TRUE;
    }
  disk->transient = TRUE;
  g_free (disk->format);
  disk->format = g_strdup (qs_json_string (backing, "driver"));
  read_node (disk, backing);
  return qs_discovery_is_word (disk->format);
}

/**
 * qs_discovery_read_source:
 * @file: name of the root node by QEMU's account
 */
gboolean
qs_discovery_read_source (QsDiscovery *discovery, QsFoundDisk *disk, const char *file)
{
  const char *driver = g_hash_table_lookup (discovery->drivers, file);

  if (g_str_has_prefix (file, JSON_PREFIX))
    return read_json (disk, file + strlen (JSON_PREFIX));
  if (!is_format_driver (disk->format))
    set_other (disk, disk->format);
  else if (driver != NULL)
    set_file (disk, driver, file);
  else if (discovery->is_unstable && *file == '/')
    set_file (disk, "file", file);
  else
    set_other (disk, NULL);
  return TRUE;
}

static const QsOpenFile *
find_open (const QsProcessFiles *process, const char *path)
{
  for (guint i = 0; process->files != NULL && i < process->files->len; i++)
    {
      const QsOpenFile *file = g_ptr_array_index (process->files, i);

      if (g_strcmp0 (file->path, path) == 0)
        return file;
    }
  return NULL;
}

/* 0 for what is below nothing: above the root there is the root again */
static gsize
parent_length (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash != NULL ? (gsize)(slash - path) : 0;
}

/* by name alone, as the kernel would where no link stands in between */
static char *
join (const char *folder, const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  g_autoptr (GString) path = g_string_new (folder);

  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (g_str_equal (parts[i], "") || g_str_equal (parts[i], "."))
        continue;
      if (g_str_equal (parts[i], ".."))
        g_string_truncate (path, parent_length (path->str));
      else
        g_string_append_printf (path, "%s%s", g_str_has_suffix (path->str, "/") ? "" : "/",
                                parts[i]);
      if (path->len == 0)
        g_string_append_c (path, '/');
    }
  return g_string_free (g_steal_pointer (&path), FALSE);
}

/* a QEMU that made itself a daemon is in another folder than the one it was started in */
static char *
find_by_end (const QsProcessFiles *process, const char *name)
{
  const char *found = NULL;
  g_autofree char *end = NULL;

  while (g_str_has_prefix (name, "./") || g_str_has_prefix (name, "../"))
    name = strchr (name, '/') + 1;
  end = g_strconcat ("/", name, NULL);
  for (guint i = 0; process->files != NULL && i < process->files->len; i++)
    {
      const char *path = ((QsOpenFile *)g_ptr_array_index (process->files, i))->path;

      if (path == NULL || !g_str_has_suffix (path, end) || g_strcmp0 (path, found) == 0)
        continue;
      if (found != NULL)
        return NULL;
      found = path;
    }
  return g_strdup (found);
}

static char *
resolve_relative (const QsProcessFiles *process, const char *name)
{
  g_autofree char *path = process->cwd != NULL ? join (process->cwd, name) : NULL;

  if (path != NULL && (process->files == NULL || find_open (process, path) != NULL))
    return g_steal_pointer (&path);
  return find_by_end (process, name);
}

static const QsFile *
find_recorded (const GPtrArray *files, const char *path)
{
  for (guint i = 0; files != NULL && i < files->len; i++)
    if (g_str_equal (((QsFile *)g_ptr_array_index (files, i))->path, path))
      return g_ptr_array_index (files, i);
  return NULL;
}

static gboolean
is_open (const QsProcessFiles *process, const QsFile *file)
{
  for (guint i = 0; i < process->files->len; i++)
    {
      const QsOpenFile *open = g_ptr_array_index (process->files, i);

      if (open->dev == file->dev && open->ino == file->ino && open->writable)
        return TRUE;
    }
  return FALSE;
}

/* the service itself had it opened, by a descriptor or under a name that the file has lost since:
   then it is the file that it has made and recorded for the disk, and open as far as that is known */
static char *
resolve_recorded (const QsFoundDisk *disk, const QsProcessFiles *process, const QsDomain *known,
                  const GPtrArray *files)
{
  const QsDiskDef *before =
      known != NULL ? qs_domain_def_find_alias (known->def, disk->qdev) : NULL;
  const char *path = before != NULL ? qs_domain_disk_path (known, before) : NULL;
  const QsFile *file = path != NULL ? find_recorded (files, path) : NULL;

  if (file == NULL || !file->ours || (process->files != NULL && !is_open (process, file)))
    return NULL;
  return g_strdup (path);
}

static char *
resolve_absolute (const QsFoundDisk *disk, const QsProcessFiles *process, const QsDomain *known,
                  const GPtrArray *files)
{
  g_autofree char *path = join ("", disk->name);
  char *recorded = NULL;

  if (process->files != NULL ? find_open (process, path) == NULL : qs_exchange_is_aside (path))
    recorded = resolve_recorded (disk, process, known, files);
  return recorded != NULL ? recorded : g_steal_pointer (&path);
}

static gboolean
fail_name (GError **error, const QsFoundDisk *disk)
{
  g_autofree char *name = qs_json_clean (disk->name);

  if (g_str_has_prefix (disk->name, FDSET_PREFIX))
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’ was opened as ‘%s’, and which file that is cannot be told; start QEMU "
                 "with the file’s name",
                 disk->qdev, name);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’ was opened by the relative name ‘%s’, and which file that is cannot be "
                 "told; start QEMU with an absolute path",
                 disk->qdev, name);
  return FALSE;
}

/* what is not written to needs not be known */
static gboolean
show_unknown (QsFoundDisk *disk)
{
  g_clear_pointer (&disk->path, g_free);
  g_clear_pointer (&disk->protocol, g_free);
  set_other (disk, NULL);
  return TRUE;
}

static gboolean
resolve (QsFoundDisk *disk, const QsProcessFiles *process, const QsDomain *known,
         const GPtrArray *files, GError **error)
{
  g_autoptr (GError) refusal = NULL;

  g_clear_pointer (&disk->path, g_free);
  if (disk->name == NULL)
    return TRUE;
  if (g_str_has_prefix (disk->name, FDSET_PREFIX))
    disk->path = resolve_recorded (disk, process, known, files);
  else if (*disk->name == '/')
    disk->path = resolve_absolute (disk, process, known, files);
  else
    disk->path = resolve_relative (process, disk->name);

  if (disk->path != NULL && qs_path_check (disk->path, FALSE, &refusal))
    return TRUE;
  if (disk->readonly)
    return show_unknown (disk);
  if (disk->path == NULL)
    return fail_name (error, disk);
  g_propagate_prefixed_error (error, g_steal_pointer (&refusal), "disk ‘%s’: ", disk->qdev);
  return FALSE;
}

gboolean
qs_discovery_resolve (QsDiscovery *discovery, const QsProcessFiles *process, const QsDomain *known,
                      const GPtrArray *files, GError **error)
{
  for (guint i = 0; i < discovery->disks->len; i++)
    if (!resolve (g_ptr_array_index (discovery->disks, i), process, known, files, error))
      return FALSE;
  /* firmware is only shown */
  for (guint i = 0; i < discovery->flash->len; i++)
    resolve (g_ptr_array_index (discovery->flash, i), process, known, files, NULL);

  if (process->exe != NULL && qs_path_check (process->exe, FALSE, NULL))
    {
      g_free (discovery->emulator);
      discovery->emulator = g_strdup (process->exe);
    }
  return TRUE;
}
