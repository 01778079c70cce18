/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-discovery-private.h"

#include "qs-error.h"
#include "qs-json-scan.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

#define MACHINE_SUFFIX "-machine"

typedef struct
{
  const char *command;
  JsonNodeType type;
  gboolean (*read) (QsDiscovery *discovery, JsonNode *answer);
} Question;

static gboolean read_jobs (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_status (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_name (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_uuid (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_kvm (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_memory (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_cpus (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_nodes (QsDiscovery *discovery, JsonNode *answer);
static gboolean read_block (QsDiscovery *discovery, JsonNode *answer);

#define NODES 7

/* jobs come first: with one that has ended and is not dismissed, asking for nodes may crash QEMU */
static const Question questions[] = {
  { "query-jobs", JSON_NODE_ARRAY, read_jobs },
  { "query-status", JSON_NODE_OBJECT, read_status },
  { "query-name", JSON_NODE_OBJECT, read_name },
  { "query-uuid", JSON_NODE_OBJECT, read_uuid },
  { "query-kvm", JSON_NODE_OBJECT, read_kvm },
  { "query-memory-size-summary", JSON_NODE_OBJECT, read_memory },
  { "query-cpus-fast", JSON_NODE_ARRAY, read_cpus },
  [NODES] = { "query-named-block-nodes", JSON_NODE_ARRAY, read_nodes },
  { "query-block", JSON_NODE_ARRAY, read_block },
};

static void
free_found (QsFoundDisk *disk)
{
  g_free (disk->qdev);
  g_free (disk->type);
  g_free (disk->bus);
  g_free (disk->name);
  g_free (disk->path);
  g_free (disk->format);
  g_free (disk->protocol);
  g_free (disk);
}

QsDiscovery *
qs_discovery_new (void)
{
  QsDiscovery *discovery = g_new0 (QsDiscovery, 1);

  discovery->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)free_found);
  discovery->flash = g_ptr_array_new_with_free_func ((GDestroyNotify)free_found);
  discovery->drivers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return discovery;
}

void
qs_discovery_free (QsDiscovery *discovery)
{
  if (discovery == NULL)
    return;
  g_free (discovery->name);
  g_free (discovery->uuid);
  g_free (discovery->machine);
  g_free (discovery->emulator);
  g_free (discovery->run_state);
  g_ptr_array_unref (discovery->disks);
  g_ptr_array_unref (discovery->flash);
  g_hash_table_unref (discovery->drivers);
  g_free (discovery);
}

QsProcessFiles *
qs_process_files_new (void)
{
  return g_new0 (QsProcessFiles, 1);
}

void
qs_process_files_free (QsProcessFiles *process)
{
  if (process == NULL)
    return;
  g_free (process->exe);
  g_free (process->cwd);
  g_clear_pointer (&process->files, g_ptr_array_unref);
  g_free (process);
}

/* a name of QEMU's own making: of a driver, a type, a machine */
gboolean
qs_discovery_is_word (const char *text)
{
  static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-";

  return text != NULL && *text != '\0' && strlen (text) <= QS_MAX_WORD_BYTES
         && strspn (text, allowed) == strlen (text);
}

/* it becomes an attribute of the document and a name that callers give */
static gboolean
is_qdev (const char *text)
{
  if (*text == '\0' || strlen (text) > QS_MAX_QDEV_BYTES)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return FALSE;
  return TRUE;
}

char *
qs_discovery_object (const char *qdev)
{
  return *qdev == '/' ? g_strdup (qdev) : g_strconcat ("/machine/peripheral/", qdev, NULL);
}

static gboolean
read_jobs (QsDiscovery *discovery, JsonNode *answer)
{
  JsonArray *jobs = json_node_get_array (answer);

  for (guint i = 0; i < json_array_get_length (jobs); i++)
    if (g_strcmp0 (qs_json_string (qs_json_element (jobs, i), "status"), "concluded") == 0)
      discovery->is_unstable = TRUE;
  return TRUE;
}

static gboolean
read_status (QsDiscovery *discovery, JsonNode *answer)
{
  const char *word = qs_json_string (json_node_get_object (answer), "status");

  discovery->run_state = qs_discovery_is_word (word) ? g_strdup (word) : NULL;
  return discovery->run_state != NULL;
}

/* one that no domain may have is as good as none */
static gboolean
read_name (QsDiscovery *discovery, JsonNode *answer)
{
  const char *name = qs_json_string (json_node_get_object (answer), "name");

  if (name != NULL && qs_name_check (name, NULL))
    discovery->name = g_strdup (name);
  return TRUE;
}

static gboolean
read_uuid (QsDiscovery *discovery, JsonNode *answer)
{
  const char *uuid = qs_json_string (json_node_get_object (answer), "UUID");

  if (uuid == NULL)
    return FALSE;
  discovery->uuid = qs_uuid_canonical (uuid);
  /* a QEMU that was started without one says zeros */
  if (discovery->uuid != NULL && strspn (discovery->uuid, "0-") == strlen (discovery->uuid))
    g_clear_pointer (&discovery->uuid, g_free);
  else if (discovery->uuid == NULL)
    return FALSE;
  return TRUE;
}

static gboolean
read_kvm (QsDiscovery *discovery, JsonNode *answer)
{
  discovery->kvm = qs_json_boolean (json_node_get_object (answer), "enabled");
  return TRUE;
}

static gboolean
read_memory (QsDiscovery *discovery, JsonNode *answer)
{
  gint64 bytes = qs_json_int64 (json_node_get_object (answer), "base-memory");

  discovery->memory_kib = (guint64)MAX (bytes, 0) / 1024;
  return bytes > 0;
}

static gboolean
read_cpus (QsDiscovery *discovery, JsonNode *answer)
{
  discovery->vcpus = json_array_get_length (json_node_get_array (answer));
  return discovery->vcpus > 0 && discovery->vcpus <= QS_MAX_VCPUS;
}

static gboolean
read_nodes (QsDiscovery *discovery, JsonNode *answer)
{
  JsonArray *nodes = json_node_get_array (answer);

  for (guint i = 0; i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = qs_json_element (nodes, i);
      const char *driver = qs_json_string (node, "drv");
      const char *file = qs_json_string (node, "file");

      if (file != NULL && qs_discovery_is_word (driver) && qs_discovery_is_file_driver (driver))
        g_hash_table_insert (discovery->drivers, g_strdup (file), g_strdup (driver));
    }
  return TRUE;
}

static gboolean
read_medium (QsDiscovery *discovery, QsFoundDisk *disk, JsonObject *inserted)
{
  const char *format = qs_json_string (inserted, "drv");
  const char *file = qs_json_string (inserted, "file");
  gint64 depth = qs_json_int64 (inserted, "backing_file_depth");

  if (!qs_discovery_is_word (format) || file == NULL || depth < 0 || depth > QS_MAX_NODE_DEPTH)
    return FALSE;
  disk->format = g_strdup (format);
  disk->readonly = qs_json_boolean (inserted, "ro");
  disk->depth = depth;
  return qs_discovery_read_source (discovery, disk, file);
}

static gboolean
read_device (QsDiscovery *discovery, JsonObject *device)
{
  const char *qdev = qs_json_string (device, "qdev");
  JsonObject *inserted = qs_json_object (device, "inserted");
  QsFoundDisk *disk;
  GPtrArray *list;

  /* a back end without a device: no guest sees it */
  if (qdev == NULL)
    return TRUE;
  if (!is_qdev (qdev))
    return FALSE;
  list = g_str_has_prefix (qdev, QS_FLASH_PREFIX) ? discovery->flash : discovery->disks;
  disk = g_new0 (QsFoundDisk, 1);
  g_ptr_array_add (list, disk);
  disk->qdev = g_strdup (qdev);
  disk->type = g_strdup ("");
  disk->bus = g_strdup ("");
  return inserted == NULL || read_medium (discovery, disk, inserted);
}

static gboolean
read_block (QsDiscovery *discovery, JsonNode *answer)
{
  JsonArray *devices = json_node_get_array (answer);

  for (guint i = 0; i < json_array_get_length (devices); i++)
    {
      JsonObject *device = qs_json_element (devices, i);

      if (device == NULL || !read_device (discovery, device)
          || discovery->disks->len + discovery->flash->len > QS_MAX_DISKS)
        return FALSE;
    }
  return TRUE;
}

const char *
qs_discovery_command (guint index)
{
  return index < G_N_ELEMENTS (questions) ? questions[index].command : NULL;
}

/* deep chains that are not flat cost QEMU seconds */
GVariant *
qs_discovery_arguments (guint index)
{
  return index == NODES ? g_variant_new_parsed ("{'flat': <true>}") : NULL;
}

gboolean
qs_discovery_wants (const QsDiscovery *discovery, guint index)
{
  return index != NODES || !discovery->is_unstable;
}

static gboolean
fail_answer (GError **error, const char *command)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU’s answer to ‘%s’ cannot be understood", command);
  return FALSE;
}

/**
 * qs_discovery_read:
 * @answer: to the @index-th command
 */
gboolean
qs_discovery_read (QsDiscovery *discovery, guint index, JsonNode *answer, GError **error)
{
  const Question *question = &questions[index];

  g_return_val_if_fail (index < G_N_ELEMENTS (questions), FALSE);
  return (json_node_get_node_type (answer) == question->type && question->read (discovery, answer))
         || fail_answer (error, question->command);
}

/**
 * qs_discovery_read_machine:
 * @answer: the type of the object /machine: that of the machine with a suffix
 */
gboolean
qs_discovery_read_machine (QsDiscovery *discovery, JsonNode *answer, GError **error)
{
  const char *type = JSON_NODE_HOLDS_VALUE (answer) ? json_node_get_string (answer) : NULL;

  if (!qs_discovery_is_word (type))
    return fail_answer (error, "qom-get");
  discovery->machine = g_str_has_suffix (type, MACHINE_SUFFIX)
                           ? g_strndup (type, strlen (type) - strlen (MACHINE_SUFFIX))
                           : g_strdup (type);
  return TRUE;
}
