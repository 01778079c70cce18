/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-discovery.h"
#include "qs-guest.h"
#include "qs-json-scan.h"
#include "qs-limits.h"

#include <string.h>

typedef struct
{
  const char *word;
  QsDomainState state;
} RunStateRow;

/* whatever stands still and can go on is paused */
static const RunStateRow run_states[] = {
  { "running", QS_DOMAIN_RUNNING },
  { "suspended", QS_DOMAIN_PMSUSPENDED },
  { "guest-panicked", QS_DOMAIN_CRASHED },
};

QsDomainState
qs_guest_state_from_word (const char *run_state)
{
  for (guint i = 0; i < G_N_ELEMENTS (run_states); i++)
    if (g_str_equal (run_states[i].word, run_state))
      return run_states[i].state;
  return QS_DOMAIN_PAUSED;
}

static gboolean
fail_answer (GError **error, const char *command)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "QEMU’s answer to ‘%s’ cannot be understood", command);
  return FALSE;
}

/**
 * qs_guest_query:
 *
 * Returns: (transfer full): the answer, which is of the type that it should be
 */
JsonNode *
qs_guest_query (QsGuest *guest, const char *command, JsonNodeType type, GError **error)
{
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qs_guest_get_qmp (guest), command, NULL, QS_QMP_COMMAND_SECONDS, error);

  if (answer != NULL && json_node_get_node_type (answer) == type)
    return g_steal_pointer (&answer);
  if (answer != NULL)
    fail_answer (error, command);
  return NULL;
}

gboolean
qs_guest_query_state (QsGuest *guest, QsDomainState *state, char **run_state, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-status", JSON_NODE_OBJECT, error);
  const char *word;

  if (answer == NULL)
    return FALSE;
  word = qs_json_string (json_node_get_object (answer), "status");
  if (word == NULL)
    return fail_answer (error, "query-status");
  *state = qs_guest_state_from_word (word);
  if (run_state != NULL)
    *run_state = qs_json_clean (word);
  return TRUE;
}

/* the id is one component of the path: /machine/peripheral/disk-vda/virtio-backend, or all of it */
static gboolean
is_device_of (const char *qdev, const char *target)
{
  g_autofree char *id = g_strconcat ("disk-", target, NULL);
  g_auto (GStrv) components = g_strsplit (qdev, "/", -1);

  return g_strv_contains ((const char *const *)components, id);
}

/* a QEMU of somebody else has devices of its own, whose names the disks are kept by */
static gboolean
is_device (const QsDomain *domain, const QsDiskDef *disk, const char *qdev)
{
  return domain->attachment != NULL ? g_strcmp0 (disk->alias, qdev) == 0
                                    : is_device_of (qdev, disk->target);
}

static JsonObject *
find_device (JsonArray *devices, const QsDomain *domain, const QsDiskDef *disk)
{
  for (guint i = 0; i < json_array_get_length (devices); i++)
    {
      JsonObject *device = qs_json_element (devices, i);
      const char *qdev = device == NULL ? NULL : qs_json_string (device, "qdev");

      if (qdev != NULL && is_device (domain, disk, qdev))
        return device;
    }
  return NULL;
}

static gboolean
is_node_name (const char *name)
{
  static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-";

  return (g_ascii_isalpha (*name) || *name == '#') && strlen (name) <= QS_MAX_NODE_NAME_BYTES
         && strspn (name + 1, allowed) == strlen (name) - 1;
}

/* the name of one that whoever made it has given, or that QEMU uses for a job of its own */
static char *
read_bitmap (JsonObject *inserted)
{
  JsonArray *bitmaps = qs_json_array (inserted, "dirty-bitmaps");

  for (guint i = 0; bitmaps != NULL && i < json_array_get_length (bitmaps); i++)
    {
      JsonObject *bitmap = qs_json_element (bitmaps, i);
      const char *name = bitmap != NULL ? qs_json_string (bitmap, "name") : NULL;

      if (name != NULL && *name != '\0')
        return qs_json_clean (name);
    }
  return NULL;
}

static QsNode *
read_node (const char *target, JsonObject *device)
{
  JsonObject *inserted = qs_json_object (device, "inserted");
  JsonObject *cache = qs_json_object (inserted, "cache");
  const char *name = qs_json_string (inserted, "node-name");
  const char *path = qs_json_string (inserted, "file");
  const char *format = qs_json_string (inserted, "drv");
  gint64 size = qs_json_int64 (qs_json_object (inserted, "image"), "virtual-size");
  const char *detect_zeroes = qs_json_string (inserted, "detect_zeroes");
  QsNode *node;

  if (name == NULL || !is_node_name (name) || path == NULL || format == NULL || size < 0)
    return NULL;
  node = g_new0 (QsNode, 1);
  node->target = g_strdup (target);
  node->node_name = g_strdup (name);
  node->path = g_strdup (path);
  node->format = g_strdup (format);
  node->device = g_strdup (qs_json_string (device, "qdev"));
  node->virtual_size = size;
  node->depth = qs_json_int64 (inserted, "backing_file_depth");
  node->direct = qs_json_boolean (cache, "direct");
  node->no_flush = qs_json_boolean (cache, "no-flush");
  node->detect_zeroes = g_strdup (detect_zeroes == NULL ? "off" : detect_zeroes);
  node->bitmap = read_bitmap (inserted);
  return node;
}

gboolean
qs_guest_nodes (QsGuest *guest, const QsDomain *domain, GPtrArray **nodes, GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (domain);
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-block", JSON_NODE_ARRAY, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_node_free);

  if (answer == NULL)
    return FALSE;
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      JsonObject *device = find_device (json_node_get_array (answer), domain, disk);
      QsNode *node;

      if (device == NULL || qs_json_object (device, "inserted") == NULL)
        continue;
      node = read_node (disk->target, device);
      if (node == NULL)
        return fail_answer (error, "query-block");
      g_ptr_array_add (found, node);
    }
  *nodes = g_steal_pointer (&found);
  return TRUE;
}

/* a chip of firmware code is read-only; one without a medium has no file */
gboolean
qs_guest_flash (QsGuest *guest, GPtrArray **chips, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-block", JSON_NODE_ARRAY, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_node_free);

  if (answer == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (json_node_get_array (answer)); i++)
    {
      JsonObject *device = qs_json_element (json_node_get_array (answer), i);
      const char *qdev = device != NULL ? qs_json_string (device, "qdev") : NULL;
      JsonObject *inserted = device != NULL ? qs_json_object (device, "inserted") : NULL;
      QsNode *node;

      if (qdev == NULL || !g_str_has_prefix (qdev, QS_FLASH_PREFIX) || inserted == NULL
          || qs_json_boolean (inserted, "ro"))
        continue;
      node = read_node (QS_NVRAM_TARGET, device);
      if (node == NULL)
        return fail_answer (error, "query-block");
      g_ptr_array_add (found, node);
    }
  *chips = g_steal_pointer (&found);
  return TRUE;
}

static gboolean
ask_commands (QsGuest *guest, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-commands", JSON_NODE_ARRAY, error);
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  if (answer == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (json_node_get_array (answer)); i++)
    {
      const char *name = qs_json_string (qs_json_element (json_node_get_array (answer), i), "name");

      if (name != NULL)
        g_strv_builder_add (names, name);
    }
  qs_guest_take_known_commands (guest, g_strv_builder_end (names));
  return TRUE;
}

/* QEMU's own names begin with #, ours with snapd- */
static gboolean
is_named_by_others (JsonArray *nodes, gint64 id)
{
  for (guint i = 0; nodes != NULL && i < json_array_get_length (nodes); i++)
    {
      JsonObject *node = qs_json_element (nodes, i);
      const char *name = node != NULL ? qs_json_string (node, "name") : NULL;

      if (node != NULL && qs_json_int64 (node, "id") == id)
        return name == NULL || (*name != '#' && !g_str_has_prefix (name, "snapd-"));
    }
  return TRUE;
}

gboolean
qs_guest_names_backing (QsGuest *guest, gboolean *names, GError **error)
{
  g_autoptr (JsonNode) answer =
      qs_guest_query (guest, "x-debug-query-block-graph", JSON_NODE_OBJECT, error);
  JsonObject *graph = answer != NULL ? json_node_get_object (answer) : NULL;
  JsonArray *edges = graph != NULL ? qs_json_array (graph, "edges") : NULL;

  if (answer == NULL)
    return FALSE;
  if (edges == NULL)
    return fail_answer (error, "x-debug-query-block-graph");
  *names = FALSE;
  for (guint i = 0; i < json_array_get_length (edges) && !*names; i++)
    {
      JsonObject *edge = qs_json_element (edges, i);

      if (edge != NULL && g_strcmp0 (qs_json_string (edge, "name"), "backing") == 0)
        *names = is_named_by_others (qs_json_array (graph, "nodes"), qs_json_int64 (edge, "child"));
    }
  return TRUE;
}

gboolean
qs_guest_commands (QsGuest *guest, GStrv *commands, GError **error)
{
  if (qs_guest_get_known_commands (guest) == NULL && !ask_commands (guest, error))
    return FALSE;
  *commands = g_strdupv ((GStrv)qs_guest_get_known_commands (guest));
  return TRUE;
}

/* which disk lives in one QEMU does not tell */
gboolean
qs_guest_io_threads (QsGuest *guest, gboolean *has_some, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-iothreads", JSON_NODE_ARRAY, error);

  if (answer == NULL)
    return FALSE;
  *has_some = json_array_get_length (json_node_get_array (answer)) > 0;
  return TRUE;
}

static gboolean
is_foreign_job (JsonObject *job)
{
  const char *id = qs_json_string (job, "id");

  return id != NULL && !g_str_has_prefix (id, "snapd-")
         && g_strcmp0 (qs_json_string (job, "status"), "concluded") != 0;
}

gboolean
qs_guest_block_jobs (QsGuest *guest, GStrv *jobs, GError **error)
{
  g_autoptr (JsonNode) answer = qs_guest_query (guest, "query-jobs", JSON_NODE_ARRAY, error);
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();

  if (answer == NULL)
    return FALSE;
  for (guint i = 0; i < json_array_get_length (json_node_get_array (answer)); i++)
    {
      JsonObject *job = qs_json_element (json_node_get_array (answer), i);

      if (is_foreign_job (job))
        g_strv_builder_add (ids, qs_json_string (job, "id"));
    }
  *jobs = g_strv_builder_end (ids);
  return TRUE;
}
