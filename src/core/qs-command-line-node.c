/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

static const QsWord formats[] = {
  { "raw", "raw" }, { "qcow2", "qcow2" }, { "qed", "qed" }, { NULL }
};

/* of the driver's cache word: both properties of a node, and that of the device */
static const struct
{
  const char *word;
  gboolean direct;
  gboolean no_flush;
} caches[] = {
  { "writeback", FALSE, FALSE }, { "writethrough", FALSE, FALSE }, { "none", TRUE, FALSE },
  { "directsync", TRUE, FALSE }, { "unsafe", FALSE, TRUE },
};

static const QsWord aio_words[] = {
  { "threads", "threads" }, { "native", "native" }, { "io_uring", "io_uring" }, { NULL }
};
static const QsWord discard_words[] = { { "unmap", "unmap" }, { "ignore", "ignore" }, { NULL } };
static const QsWord zeroes_words[] = {
  { "off", "off" }, { "on", "on" }, { "unmap", "unmap" }, { NULL }
};

static const QsProp file_properties[] = {
  { "driver", "io", "aio", QS_PROP_WORD, 0, aio_words },
  { NULL },
};

static const QsProp root_properties[] = {
  { "driver", "discard", "discard", QS_PROP_WORD, 0, discard_words },
  { "driver", "detect_zeroes", "detect-zeroes", QS_PROP_WORD, 0, zeroes_words },
  { NULL },
};

/**
 * qs_node_name_root:
 *
 * The node that the device of a disk is plugged to when its QEMU is started.
 */
char *
qs_node_name_root (const char *target)
{
  return g_strconcat ("snapd-", target, NULL);
}

/**
 * qs_node_name_backing:
 * @depth: from 1, the file right below the active one
 */
char *
qs_node_name_backing (const char *target, guint depth)
{
  return g_strdup_printf ("snapd-%s-b%u", target, depth);
}

char *
qs_node_name_file (const char *node)
{
  return g_strconcat (node, "-f", NULL);
}

static gboolean
set_cache (const xmlNode *device, JsonObject *node, GError **error)
{
  const xmlNode *driver = qs_xml_child (device, "driver");
  g_autofree char *word = qs_xml_attribute (driver, "cache");

  if (!word || g_str_equal (word, "default"))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (caches); i++)
    if (g_str_equal (caches[i].word, word))
      {
        JsonObject *cache = json_object_new ();

        json_object_set_boolean_member (cache, "direct", caches[i].direct);
        json_object_set_boolean_member (cache, "no-flush", caches[i].no_flush);
        json_object_set_object_member (node, "cache", cache);
        return TRUE;
      }
  return qs_line_refuse (error, driver, "is not translated with cache ‘%.32s’", word);
}

/* what may be opened: the file itself, by a name that is nothing but a name */
static gboolean
add_file_node (QsLine *line, const xmlNode *device, const QsDiskDef *disk, const QsChainFile *file,
               const char *name, GError **error)
{
  g_autoptr (JsonObject) node = json_object_new ();
  gboolean is_own = file->path && g_strcmp0 (file->path, disk->source) == 0;
  gboolean is_block = file->is_block || (file->path && qs_path_is_device (file->path))
                      || (is_own && disk->source_type == QS_SOURCE_BLOCK);

  if (file->path)
    {
      json_object_set_string_member (node, "driver", is_block ? "host_device" : "file");
      json_object_set_string_member (node, "filename", file->path);
      if (!qs_line_properties (device, file_properties, node, error))
        return FALSE;
    }
  else if (!qs_line_source (line, device, node, error))
    return FALSE;

  json_object_set_string_member (node, "node-name", name);
  json_object_set_boolean_member (node, "auto-read-only", TRUE);
  json_object_set_string_member (node, "discard", "unmap");
  if (!set_cache (device, node, error))
    return FALSE;
  qs_line_take_json (line, "-blockdev", g_steal_pointer (&node));
  return TRUE;
}

/**
 * Image:
 * @backing: node name; NULL: none
 * @is_root: the device is plugged to it
 */
typedef struct
{
  const QsChainFile *file;
  const char *name;
  const char *backing;
  gboolean is_root;
} Image;

static gboolean
add_image_node (QsLine *line, const xmlNode *device, const QsDiskDef *disk, const Image *image,
                GError **error)
{
  g_autoptr (JsonObject) node = json_object_new ();
  g_autofree char *file_node = qs_node_name_file (image->name);
  gboolean is_raw = g_str_equal (image->file->format, "raw");

  if (!add_file_node (line, device, disk, image->file, file_node, error))
    return FALSE;
  json_object_set_string_member (node, "node-name", image->name);
  json_object_set_boolean_member (node, "read-only", !image->is_root || disk->readonly);
  if ((image->is_root && !qs_line_properties (device, root_properties, node, error))
      || !set_cache (device, node, error))
    return FALSE;

  json_object_set_string_member (node, "driver", image->file->format);
  json_object_set_string_member (node, "file", file_node);
  /* never left to the name in the header */
  if (image->backing)
    json_object_set_string_member (node, "backing", image->backing);
  else if (!is_raw)
    json_object_set_null_member (node, "backing");
  qs_line_take_json (line, "-blockdev", g_steal_pointer (&node));
  return TRUE;
}

static const QsDiskChain *
find_chain (const QsLine *line, const char *target)
{
  for (guint i = 0; i < line->options->n_chains; i++)
    if (g_str_equal (line->options->chains[i].target, target))
      return &line->options->chains[i];
  return NULL;
}

static gboolean
check_chain (const QsDiskDef *disk, const QsDiskChain *chain, GError **error)
{
  gboolean is_sound = chain->n_files > 0 && chain->n_files <= QS_MAX_CHAIN_FILES;

  for (guint i = 0; is_sound && i < chain->n_files; i++)
    {
      const char *format = chain->files[i].format;

      is_sound = g_strcmp0 (format, "qcow2") == 0 || g_strcmp0 (format, "qed") == 0
                 || (g_strcmp0 (format, "raw") == 0 && i + 1 == chain->n_files);
    }
  if (!is_sound)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "disk ‘%s’: only qcow2 and qed files on such or raw ones can be started",
                 disk->target);
  return is_sound;
}

static gboolean
add_chain (QsLine *line, const xmlNode *device, const QsDiskDef *disk, const QsDiskChain *chain,
           GError **error)
{
  g_autofree char *backing = NULL;

  if (!check_chain (disk, chain, error))
    return FALSE;
  for (guint i = chain->n_files; i-- > 0;)
    {
      g_autofree char *name =
          i ? qs_node_name_backing (disk->target, i) : qs_node_name_root (disk->target);
      const Image image = { &chain->files[i], name, backing, i == 0 };

      if (!add_image_node (line, device, disk, &image, error))
        return FALSE;
      g_free (backing);
      backing = g_steal_pointer (&name);
    }
  return TRUE;
}

/* a raw image has nothing below it; of others the chain must have been looked up */
static gboolean
may_stand_alone (const QsLine *line, const QsDiskDef *disk)
{
  return line->dry || g_str_equal (disk->format, "raw") || disk->source_type == QS_SOURCE_NETWORK;
}

/**
 * qs_line_nodes:
 *
 * The block nodes of a disk that has a source, two for each file.
 */
gboolean
qs_line_nodes (QsLine *line, const xmlNode *device, const QsDiskDef *disk, GError **error)
{
  const QsDiskChain *chain = find_chain (line, disk->target);
  const QsChainFile own = { disk->source, disk->format };
  const QsDiskChain alone = { disk->target, &own, 1 };
  const char *format = NULL;

  if (!qs_line_word (qs_xml_child (device, "driver"), "type", formats, &format, error))
    return FALSE;
  if (disk->source && !qs_line_path (line, qs_xml_child (device, "source"), disk->source, error))
    return FALSE;
  if (!chain && !may_stand_alone (line, disk))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the backing chain of disk ‘%s’ is not known",
                   disk->target);
      return FALSE;
    }
  return add_chain (line, device, disk, chain ? chain : &alone, error);
}
