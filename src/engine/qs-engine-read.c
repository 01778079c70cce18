/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-flags.h"
#include "qs-plan-create.h"

/* what a disk is written to besides: no part of the definition, which is recorded without */
static QsDomainDef *
add_mirrors (const QsDomain *domain, QsDomainDef *def, GError **error)
{
  g_autoptr (GArray) patches = g_array_new (FALSE, FALSE, sizeof (QsDiskPatch));

  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);
      const QsDiskPatch patch = { .target = mirror->target, .mirror = mirror->path };

      if (qs_mirror_is_live (mirror) && qs_domain_def_find_disk (def, mirror->target) != NULL)
        g_array_append_val (patches, patch);
    }
  if (patches->len == 0)
    return qs_domain_def_ref (def);
  return qs_domain_def_patch (def, NULL, (const QsDiskPatch *)patches->data, patches->len, error);
}

static void
tell_mirrors (QsSnapshotDef *def, const QsDomain *domain, const char *snapshot)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);
      const QsMirror *mirror = qs_domain_snapshot_mirror (domain, snapshot, disk->name);

      if (disk->mirror != NULL)
        disk->mirror_state = mirror != NULL ? qs_mirror_state (mirror) : "dropped";
    }
}

static char *
domain_document (const QsDomain *domain, guint flags, GError **error)
{
  g_autoptr (QsDomainDef) def = qs_domain_true_def (domain, FALSE, error);
  g_autoptr (QsDomainDef) shown = def != NULL ? add_mirrors (domain, def, error) : NULL;

  return shown != NULL ? qs_domain_def_format (shown, (flags & QS_XML_SECURE) != 0) : NULL;
}

static void
patch_nvram (QsSnapshotDef *def, const QsSnapshotFile *file)
{
  if (!g_str_equal (file->target, QS_NVRAM_TARGET))
    return;
  g_free (def->nvram_file);
  g_free (def->nvram_format);
  def->nvram_file = g_strdup (file->path);
  def->nvram_format = g_strdup (file->format);
}

/* the definition of then, with the files in which its disks lie now: they may have been renamed */
static gboolean
patch_files (QsEngine *engine, QsSnapshotDef *def, const char *snapshot, GError **error)
{
  g_autoptr (GPtrArray) files = qs_store_get_snapshot_files (engine->store, snapshot, error);
  g_autoptr (GArray) patches = g_array_new (FALSE, FALSE, sizeof (QsDiskPatch));
  QsDomainDef *patched;

  if (files == NULL)
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    patch_nvram (def, g_ptr_array_index (files, i));
  for (guint i = 0; def->domain != NULL && i < files->len; i++)
    {
      const QsSnapshotFile *file = g_ptr_array_index (files, i);
      const QsDiskDef *disk = qs_domain_def_find_disk (def->domain, file->target);
      const QsDiskPatch patch = { .target = file->target, .source = file->path };

      if (disk != NULL && g_strcmp0 (disk->source, file->path) != 0)
        g_array_append_val (patches, patch);
    }
  if (patches->len == 0)
    return TRUE;
  patched = qs_domain_def_patch (def->domain, NULL, (const QsDiskPatch *)patches->data,
                                 patches->len, error);
  if (patched == NULL)
    return FALSE;
  qs_domain_def_unref (def->domain);
  def->domain = patched;
  return TRUE;
}

/**
 * qs_engine_document:
 * @snapshot: (nullable): NULL: the document of the domain itself
 *
 * The document of a snapshot with what the record knows better: its name, description and parent,
 * and where its disks lie.
 * That of a domain with the files its disks have now.
 */
char *
qs_engine_document (QsEngine *engine, const QsDomain *domain, const char *snapshot, guint flags,
                    GError **error)
{
  const QsSnapshot *row = snapshot != NULL ? qs_tree_lookup (domain->tree, snapshot) : NULL;
  const QsSnapshot *parent;
  g_autoptr (QsSnapshotDef) def = NULL;
  g_autofree char *text = NULL;

  if (snapshot == NULL)
    return domain_document (domain, flags, error);
  if (row == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "there is no such snapshot");
      return NULL;
    }
  text = qs_store_get_document (engine->store, snapshot, error);
  def = text != NULL ? qs_snapshot_def_parse_record (text, error) : NULL;
  if (def == NULL || !patch_files (engine, def, snapshot, error))
    return NULL;

  parent = qs_tree_lookup (domain->tree, row->parent);
  g_free (def->name);
  g_free (def->description);
  g_free (def->parent);
  def->name = g_strdup (row->name);
  def->description = row->description[0] != '\0' ? g_strdup (row->description) : NULL;
  def->parent = parent != NULL ? g_strdup (parent->name) : NULL;
  tell_mirrors (def, domain, snapshot);
  return qs_snapshot_def_format (def, (flags & QS_XML_SECURE) != 0);
}

static void
add_chain (GVariantBuilder *builder, const GPtrArray *chain)
{
  g_auto (GVariantBuilder) paths = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);

  for (guint i = 1; i < chain->len; i++)
    g_variant_builder_add (&paths, "s", ((QsImage *)g_ptr_array_index (chain, i))->path);
  g_variant_builder_add (builder, "{sv}", "backing-chain", g_variant_builder_end (&paths));
}

static void
add_disk (GVariantBuilder *builder, const QsDomain *domain, const QsDiskDef *disk,
          const GPtrArray *chain)
{
  const char *path = qs_domain_disk_path (domain, disk);
  const QsMirror *mirror = qs_domain_live_mirror (domain, disk->target);
  const QsImage *image = chain != NULL && chain->len > 0 ? g_ptr_array_index (chain, 0) : NULL;

  g_variant_builder_open (builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (builder, "{sv}", "target", g_variant_new_string (disk->target));
  g_variant_builder_add (builder, "{sv}", "source",
                         g_variant_new_string (path != NULL ? path : ""));
  g_variant_builder_add (builder, "{sv}", "format",
                         g_variant_new_string (qs_domain_disk_format (domain, disk)));
  g_variant_builder_add (
      builder, "{sv}", "device",
      g_variant_new_string (qs_enum_to_string (QS_ENUM_DISK_DEVICE, disk->device)));
  g_variant_builder_add (builder, "{sv}", "read-only", g_variant_new_boolean (disk->readonly));
  g_variant_builder_add (builder, "{sv}", "capacity",
                         g_variant_new_uint64 (image != NULL ? image->virtual_size : 0));
  g_variant_builder_add (builder, "{sv}", "allocation",
                         g_variant_new_uint64 (image != NULL ? image->allocated : 0));
  if (chain != NULL)
    add_chain (builder, chain);
  if (mirror != NULL)
    g_variant_builder_add (builder, "{sv}", "mirror", g_variant_new_string (mirror->path));
  g_variant_builder_close (builder);
}

/**
 * qs_engine_disks:
 *
 * Returns: (transfer full): the aa{sv} of Domain.Disks. A file that cannot be read has no sizes.
 */
GVariant *
qs_engine_disks (QsEngine *engine, QsDomain *domain, GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (domain);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GPtrArray) files = qs_store_get_files (engine->store, domain->id, error);
  g_autoptr (QsWorker) worker = NULL;

  if (files != NULL)
    worker = qs_worker_pool_acquire (engine->workers, domain->owner, error);
  if (worker == NULL)
    return NULL;
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);
      const char *path = qs_domain_disk_path (domain, disk);
      g_autoptr (GPtrArray) chain = NULL;
      g_autoptr (GError) ignored = NULL;

      if (path != NULL
          && (disk->source_type == QS_SOURCE_FILE || disk->source_type == QS_SOURCE_BLOCK)
          && !qs_worker_inspect_chain (worker, path, qs_domain_disk_format (domain, disk), files,
                                       &chain, &ignored))
        g_debug ("disk ‘%s’: %s, ignoring", disk->target, ignored->message);
      add_disk (&builder, domain, disk, chain);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
