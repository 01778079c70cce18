/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-plan-redefine.h"

#include "qs-error.h"
#include "qs-snapshot-disk.h"

#include <string.h>

/* the domain as it was then, where the document has it */
static const QsDomainDef *
domain_of (const QsDomain *domain, const QsSnapshotDef *def)
{
  return def->domain != NULL ? def->domain : qs_domain_get_def (domain);
}

static const QsDiskDef *
resolve_disk (const QsDomainDef *def, const char *name, GError **error)
{
  const QsDiskDef *found = qs_domain_def_find_disk (def, name);

  for (guint i = 0; found == NULL && i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      if (g_strcmp0 (disk->source, name) == 0)
        found = disk;
    }
  if (found == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "the domain has no disk ‘%s’", name);
  return found;
}

/* what libvirt takes of a disk that a document leaves open */
static QsLocation
default_choice (const QsSnapshotDef *def, const QsDiskDef *disk, const QsSnapshotDisk *asked)
{
  if (asked != NULL && asked->source_type != QS_SOURCE_NONE)
    return QS_LOCATION_EXTERNAL;
  if (disk->readonly || disk->source_type == QS_SOURCE_NONE)
    return QS_LOCATION_NO;
  if (disk->snapshot != QS_LOCATION_DEFAULT)
    return disk->snapshot;
  return def->state == QS_STATE_DISK_SNAPSHOT || def->memory == QS_LOCATION_EXTERNAL
             ? QS_LOCATION_EXTERNAL
             : QS_LOCATION_INTERNAL;
}

/* target -> its QsSnapshotDisk, which stays @disks' */
static GHashTable *
match_disks (const QsDomainDef *domain, const GPtrArray *disks, GError **error)
{
  g_autoptr (GHashTable) matched = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < disks->len; i++)
    {
      QsSnapshotDisk *asked = g_ptr_array_index (disks, i);
      const QsDiskDef *disk = resolve_disk (domain, asked->name, error);

      if (disk == NULL)
        return NULL;
      if (!g_hash_table_insert (matched, disk->target, asked))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘%s’ is named twice",
                       disk->target);
          return NULL;
        }
    }
  return g_steal_pointer (&matched);
}

/* the name of a snapshot of libvirt is its tag */
static const char *
default_tag (const QsSnapshotDef *def, const QsSnapshotDef *recorded, const char *target)
{
  const QsSnapshotDisk *disk =
      recorded != NULL ? qs_snapshot_def_find_disk (recorded, target) : NULL;

  return disk != NULL && disk->tag != NULL ? disk->tag : def->name;
}

static void
settle_disk (QsSnapshotDisk *disk, const QsDiskDef *of, const QsSnapshotDef *def,
             const QsSnapshotDef *recorded, const QsSnapshotDisk *asked)
{
  g_free (disk->name);
  disk->name = g_strdup (of->target);
  if (disk->snapshot == QS_LOCATION_DEFAULT)
    disk->snapshot = default_choice (def, of, asked);
  if (disk->snapshot != QS_LOCATION_INTERNAL)
    g_clear_pointer (&disk->tag, g_free);
  else if (disk->tag == NULL)
    disk->tag = g_strdup (default_tag (def, recorded, of->target));
}

/* every disk of the domain, in its order */
static gboolean
settle_disks (const QsDomainDef *domain, QsSnapshotDef *def, const QsSnapshotDef *recorded,
              GError **error)
{
  g_autoptr (GPtrArray) given = g_steal_pointer (&def->disks);
  g_autoptr (GHashTable) matched = NULL;

  def->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_disk_free);
  def->has_disks = TRUE;
  matched = match_disks (domain, given, error);
  if (matched == NULL)
    return FALSE;
  for (guint i = 0; i < domain->disks->len; i++)
    {
      const QsDiskDef *of = g_ptr_array_index (domain->disks, i);
      const QsSnapshotDisk *asked = g_hash_table_lookup (matched, of->target);
      QsSnapshotDisk *disk =
          asked != NULL ? qs_snapshot_disk_copy (asked) : g_new0 (QsSnapshotDisk, 1);

      g_ptr_array_add (def->disks, disk);
      settle_disk (disk, of, def, recorded, asked);
    }
  return TRUE;
}

static void
take_disks (QsSnapshotDef *def, const QsSnapshotDef *recorded)
{
  g_ptr_array_set_size (def->disks, 0);
  for (guint i = 0; i < recorded->disks->len; i++)
    {
      QsSnapshotDisk *disk = qs_snapshot_disk_copy (g_ptr_array_index (recorded->disks, i));

      /* its node is in the other document */
      g_clear_pointer (&disk->document_name, g_free);
      g_ptr_array_add (def->disks, disk);
    }
}

static gboolean
is_empty (const QsSnapshotDef *def)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (disk->snapshot == QS_LOCATION_INTERNAL || disk->snapshot == QS_LOCATION_EXTERNAL)
        return FALSE;
    }
  return def->memory == QS_LOCATION_NO;
}

/**
 * qs_redefine_complete:
 * @def: as asked for, with a state
 * @recorded: (nullable): the document that it replaces, from which it has what it leaves out
 *
 * Returns: (transfer full): @def with its memory, and with every disk by its target, its choice and
 *   its tag
 */
QsSnapshotDef *
qs_redefine_complete (const QsDomain *domain, const QsSnapshotDef *def,
                      const QsSnapshotDef *recorded, GError **error)
{
  g_autoptr (QsSnapshotDef) whole = qs_snapshot_def_copy (def);

  whole->memory = qs_snapshot_def_memory (def);
  if (recorded != NULL && !def->has_disks)
    take_disks (whole, recorded);
  if (recorded != NULL && def->domain == NULL && recorded->domain != NULL)
    {
      whole->domain = qs_domain_def_ref (recorded->domain);
      if (def->inactive_domain == NULL && recorded->inactive_domain != NULL)
        whole->inactive_domain = qs_domain_def_ref (recorded->inactive_domain);
    }
  if (!settle_disks (domain_of (domain, whole), whole, recorded, error))
    return NULL;
  if (!is_empty (whole))
    return g_steal_pointer (&whole);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                       "nothing selected for snapshot: no memory and no disk");
  return NULL;
}

static QsClaim
claim_internal (const QsDomain *domain, const QsSnapshotDef *def, const QsSnapshotDisk *disk)
{
  const QsDiskDef *of = qs_domain_def_find_disk (domain_of (domain, def), disk->name);
  const char *path = def->domain != NULL ? of->source : qs_domain_disk_path (domain, of);

  return (QsClaim){ disk->name, QS_LOCATION_INTERNAL, path, "qcow2", disk->tag, FALSE };
}

/* the state file is what the disk was on before; an overlay stands on it */
static QsClaim
claim_external (const QsDomain *domain, const QsSnapshotDef *def, const QsSnapshotDisk *disk)
{
  const QsDiskDef *of = qs_domain_def_find_disk (domain_of (domain, def), disk->name);

  if (def->domain != NULL && of->source != NULL && g_strcmp0 (of->source, disk->source) != 0)
    return (QsClaim){ disk->name, QS_LOCATION_EXTERNAL, of->source, of->format, NULL, FALSE };
  return (QsClaim){ disk->name,   QS_LOCATION_EXTERNAL,
                    disk->source, disk->driver != NULL ? disk->driver : "qcow2",
                    NULL,         TRUE };
}

/* that of the disks; where there are none, the file holds one only */
static const char *
memory_tag (const QsSnapshotDef *def)
{
  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (disk->tag != NULL)
        return disk->tag;
    }
  return NULL;
}

static gboolean
claim_memory (const QsSnapshotDef *def, QsClaim *claim)
{
  gboolean external = def->memory == QS_LOCATION_EXTERNAL;

  *claim = (QsClaim){ .target = QS_MEMORY_TARGET, .choice = QS_LOCATION_INTERNAL };
  claim->path = external ? def->memory_file : def->memory_sidecar;
  claim->format = "qcow2";
  claim->tag = memory_tag (def);
  if (external && g_strcmp0 (def->memory_format, "qcow2") != 0)
    *claim =
        (QsClaim){ QS_MEMORY_TARGET, QS_LOCATION_EXTERNAL, def->memory_file, "raw", NULL, FALSE };
  return claim->path != NULL && def->memory != QS_LOCATION_NO;
}

/**
 * qs_redefine_claims:
 * @def: of qs_redefine_complete()
 *
 * Returns: (transfer full) (element-type QsClaim): valid as long as @domain and @def are
 */
GArray *
qs_redefine_claims (const QsDomain *domain, const QsSnapshotDef *def)
{
  GArray *claims = g_array_new (FALSE, FALSE, sizeof (QsClaim));
  QsClaim claim;

  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsSnapshotDisk *disk = g_ptr_array_index (def->disks, i);

      if (disk->snapshot == QS_LOCATION_INTERNAL)
        claim = claim_internal (domain, def, disk);
      else if (disk->snapshot == QS_LOCATION_EXTERNAL)
        claim = claim_external (domain, def, disk);
      else
        continue;
      g_array_append_val (claims, claim);
    }
  if (claim_memory (def, &claim))
    g_array_append_val (claims, claim);
  claim = (QsClaim){ QS_NVRAM_TARGET,
                     QS_LOCATION_EXTERNAL,
                     def->nvram_file,
                     def->nvram_format != NULL ? def->nvram_format : "raw",
                     NULL,
                     FALSE };
  if (def->nvram_file != NULL)
    g_array_append_val (claims, claim);
  return claims;
}

/**
 * qs_redefine_part:
 *
 * Returns: (transfer full): what @claim is about, for messages
 */
char *
qs_redefine_part (const QsClaim *claim)
{
  if (g_str_equal (claim->target, QS_MEMORY_TARGET))
    return g_strdup ("memory");
  if (g_str_equal (claim->target, QS_NVRAM_TARGET))
    return g_strdup ("firmware variables");
  return g_strdup_printf ("disk ‘%s’", claim->target);
}

/**
 * qs_redefine_kind:
 * @def: of qs_redefine_complete()
 */
QsKind
qs_redefine_kind (const QsSnapshotDef *def)
{
  guint seen = 1u << def->memory;

  for (guint i = 0; i < def->disks->len; i++)
    seen |= 1u << ((QsSnapshotDisk *)g_ptr_array_index (def->disks, i))->snapshot;
  if ((seen & (1u << QS_LOCATION_EXTERNAL)) == 0)
    return QS_KIND_INTERNAL;
  return (seen & (1u << QS_LOCATION_INTERNAL)) != 0 ? QS_KIND_MIXED : QS_KIND_EXTERNAL;
}

static gboolean
has_row (const QsFacts *facts, const char *target)
{
  for (guint i = 0; i < facts->snapshot_files->len; i++)
    if (g_str_equal (((QsSnapshotFile *)g_ptr_array_index (facts->snapshot_files, i))->target,
                     target))
      return TRUE;
  return FALSE;
}

static void
add_missing (GString *text, const QsClaim *claim)
{
  const char *path = claim->path != NULL ? claim->path : "a file that nothing names";
  const char *below = claim->below ? "the backing file of " : "";
  g_autofree char *part = qs_redefine_part (claim);

  g_string_append (text, text->len > 0 ? "; " : "");
  if (claim->tag != NULL)
    g_string_append_printf (text, "%s: the tag ‘%s’ in ‘%s’", part, claim->tag, path);
  else
    g_string_append_printf (text, "%s: %s‘%s’", part, below, path);
}

/* (transfer full): what was not found when it was redefined, in words */
static char *
describe_missing (const QsDomain *domain, const QsFacts *facts, GError **error)
{
  g_autoptr (QsSnapshotDef) recorded =
      qs_snapshot_def_parse_record (facts->snapshot_document, error);
  g_autoptr (QsSnapshotDef) def =
      recorded != NULL ? qs_redefine_complete (domain, recorded, NULL, error) : NULL;
  g_autoptr (GArray) claims = NULL;
  GString *text;

  if (def == NULL)
    return NULL;
  text = g_string_new (NULL);
  claims = qs_redefine_claims (domain, def);
  for (guint i = 0; i < claims->len; i++)
    {
      const QsClaim *claim = &g_array_index (claims, QsClaim, i);

      if (!has_row (facts, claim->target))
        add_missing (text, claim);
    }
  if (text->len == 0)
    g_string_append (text, "its memory");
  return g_string_free (text, FALSE);
}

gboolean
qs_redefine_check_verified (const QsDomain *domain, const QsSnapshot *snapshot,
                            const QsFacts *facts, GError **error)
{
  g_autofree char *missing = NULL;

  if (!snapshot->unverified)
    return TRUE;
  missing = describe_missing (domain, facts, error);
  if (missing == NULL)
    return FALSE;
  g_set_error (error, QS_ERROR, QS_ERROR_IMAGE_FAILED,
               "snapshot ‘%s’ is unverified; what was not found when it was redefined: %s; bring "
               "that back and redefine the snapshot, or delete it with METADATA_ONLY",
               snapshot->name, missing);
  return FALSE;
}
