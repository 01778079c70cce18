/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-slow-properties.h"

static const char *const none[] = { NULL };
static const char *const of_domain[] = { "Disks", "BlockJobs", NULL };
static const char *const of_snapshot[] = { "Disks", "MemoryFile", NULL };

const char *const *
qs_slow_property_names (QsObjectKind kind)
{
  if (kind == QS_OBJECT_DOMAIN)
    return of_domain;
  return kind == QS_OBJECT_SNAPSHOT ? of_snapshot : none;
}

static void
add_text (GVariantDict *dict, const char *key, const char *text)
{
  if (text != NULL)
    g_variant_dict_insert (dict, key, "s", text);
}

static GVariant *
describe_disk (const QsSnapshotDisk *disk)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  add_text (&dict, "name", disk->name);
  add_text (&dict, "snapshot", qs_enum_to_string (QS_ENUM_LOCATION, disk->snapshot));
  add_text (&dict, "source", disk->source);
  add_text (&dict, "driver", disk->driver);
  add_text (&dict, "mode", qs_enum_to_string (QS_ENUM_DISK_MODE, disk->mode));
  add_text (&dict, "tag", disk->tag);
  add_text (&dict, "mirror", disk->mirror);
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_disks (const QsSnapshotDef *def)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < def->disks->len; i++)
    g_variant_builder_add_value (&builder, describe_disk (g_ptr_array_index (def->disks, i)));
  return g_variant_builder_end (&builder);
}

static GVariant *
list_block_jobs (const QsRead *read)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; i < g_variant_n_children (read->block_jobs); i++)
    {
      g_autoptr (GVariant) row = g_variant_get_child_value (read->block_jobs, i);

      g_variant_builder_add_value (&builder, row);
    }
  qs_engine_add_mirror_jobs (read->service->engine, read->domain, &builder);
  return g_variant_builder_end (&builder);
}

/**
 * qs_slow_property:
 *
 * Returns: (transfer floating): the value
 */
GVariant *
qs_slow_property (const QsRead *read, const char *name, GError **error)
{
  g_autoptr (QsSnapshotDef) def = NULL;
  g_autofree char *document = NULL;

  if (read->snapshot == NULL && g_str_equal (name, "BlockJobs"))
    return list_block_jobs (read);
  if (read->snapshot == NULL)
    return qs_engine_disks (read->service->engine, read->domain, error);
  document =
      qs_engine_document (read->service->engine, read->domain, read->snapshot->uuid, 0, error);
  def = document != NULL ? qs_snapshot_def_parse (document, error) : NULL;
  if (def == NULL)
    return NULL;
  if (g_str_equal (name, "MemoryFile"))
    return g_variant_new_string (def->memory_file != NULL ? def->memory_file : "");
  return describe_disks (def);
}
