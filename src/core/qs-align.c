/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-align-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

#include <string.h>

/* where QEMU keeps the devices that have an id */
#define PERIPHERAL "/machine/peripheral/"

/* what a recipe is looked up by; a bit for each word that may stand in the column */
enum
{
  OFF = 1,
  ON = 2,
  NO = 1 << QS_LOCATION_NO,
  INT = 1 << QS_LOCATION_INTERNAL,
  EXT = 1 << QS_LOCATION_EXTERNAL,
  NONE = 1,
  ALL_INT = 2, /* every writable disk */
  SOME_INT = 4,
  ONLY_EXT = 8,
  MIXED = 16,
  ANY = 31,
};

typedef struct
{
  guint domain;
  guint memory;
  guint disks;
  QsRecipe recipe;
} RecipeRow;

/* the classes of the table of combinations: first match. What is in no row was refused before */
static const RecipeRow recipe_rows[] = {
  { OFF, NO, ALL_INT | SOME_INT, QS_RECIPE_IMG_INT },
  { OFF, NO, ONLY_EXT, QS_RECIPE_IMG_EXT },
  { OFF, NO, MIXED, QS_RECIPE_IMG_MIX },
  { ON, NO, ANY, QS_RECIPE_TRANS },
  { ON, INT, ALL_INT, QS_RECIPE_SAVEVM },
  { ON, INT, NONE, QS_RECIPE_SC },
  { ON, INT, ANY, QS_RECIPE_SC_TRANS },
  { ON, EXT, NONE, QS_RECIPE_MIG },
  { ON, EXT, ANY, QS_RECIPE_TRANS_MIG },
};

static const char *const recipe_names[] = {
  [QS_RECIPE_IMG_INT] = "qemu-img snapshot",
  [QS_RECIPE_IMG_EXT] = "qemu-img create",
  [QS_RECIPE_IMG_MIX] = "qemu-img create and snapshot",
  [QS_RECIPE_SAVEVM] = "snapshot-save",
  [QS_RECIPE_TRANS] = "transaction",
  [QS_RECIPE_SC] = "snapshot-save to a file of its own",
  [QS_RECIPE_SC_TRANS] = "snapshot-save to a file of its own and transaction",
  [QS_RECIPE_MIG] = "migrate",
  [QS_RECIPE_TRANS_MIG] = "transaction and migrate",
};
G_STATIC_ASSERT (G_N_ELEMENTS (recipe_names) == QS_RECIPE_TRANS_MIG + 1);

const char *
qs_recipe_name (QsRecipe recipe)
{
  return recipe_names[recipe];
}

static void
free_selected (QsSelected *selected)
{
  g_free (selected->path);
  g_free (selected->stem);
  g_free (selected);
}

QsSelection *
qs_selection_new (void)
{
  QsSelection *selection = g_new0 (QsSelection, 1);

  selection->disks = g_ptr_array_new_with_free_func ((GDestroyNotify)free_selected);
  selection->uncovered = g_ptr_array_new ();
  return selection;
}

void
qs_selection_free (QsSelection *selection)
{
  if (selection == NULL)
    return;
  g_free (selection->name);
  g_free (selection->memory_path);
  g_free (selection->firmware_path);
  g_ptr_array_unref (selection->disks);
  g_ptr_array_unref (selection->uncovered);
  g_free (selection);
}

static gboolean
settle_memory (const QsDomain *domain, const QsSnapshotDef *def, guint flags, QsLocation *memory,
               GError **error)
{
  gboolean on = qs_domain_is_active (domain);
  gboolean wanted = def->memory == QS_LOCATION_INTERNAL || def->memory == QS_LOCATION_EXTERNAL;

  if (!on && wanted)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "memory snapshot ‘%s’ was asked for, but the domain is shut off and has no "
                   "memory to save",
                   qs_enum_to_string (QS_ENUM_LOCATION, def->memory));
      return FALSE;
    }
  if (wanted && (flags & QS_CREATE_DISK_ONLY))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "flag DISK_ONLY and memory snapshot ‘%s’ exclude each other",
                   qs_enum_to_string (QS_ENUM_LOCATION, def->memory));
      return FALSE;
    }
  if (domain->state == QS_DOMAIN_PMSUSPENDED && !(flags & QS_CREATE_DISK_ONLY)
      && def->memory != QS_LOCATION_NO)
    {
      g_set_error_literal (
          error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
          "the guest is suspended to memory: saving its memory would lose the suspend; "
          "take a disk-only snapshot or wake it first");
      return FALSE;
    }

  if (wanted)
    *memory = def->memory;
  else
    *memory = on && !(flags & QS_CREATE_DISK_ONLY) && def->memory == QS_LOCATION_DEFAULT
                  ? QS_LOCATION_INTERNAL
                  : QS_LOCATION_NO;
  return TRUE;
}

/* the id that the owner's start script gave the device: of some, QEMU tells a path that holds it */
static gboolean
is_device_id (const char *alias, const char *name)
{
  const char *id;
  gsize length;

  if (g_str_equal (alias, name))
    return TRUE;
  if (!g_str_has_prefix (alias, PERIPHERAL))
    return FALSE;
  id = alias + strlen (PERIPHERAL);
  length = strcspn (id, "/");
  return strlen (name) == length && strncmp (id, name, length) == 0;
}

static gboolean
is_called (const QsDomain *domain, const QsDiskDef *disk, const char *name)
{
  if (g_strcmp0 (qs_domain_disk_path (domain, disk), name) == 0)
    return TRUE;
  return domain->attachment != NULL && disk->alias != NULL && is_device_id (disk->alias, name);
}

const QsDiskDef *
qs_align_resolve_disk (const QsDomain *domain, const char *name, GError **error)
{
  const QsDomainDef *def = qs_domain_get_def (domain);
  const QsDiskDef *found = qs_domain_def_find_disk (def, name);

  if (found != NULL)
    return found;

  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      if (!is_called (domain, disk, name))
        continue;
      if (found != NULL)
        {
          g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                       "disk ‘%s’ is ambiguous: it may be ‘%s’ or ‘%s’; name the target", name,
                       found->target, disk->target);
          return NULL;
        }
      found = disk;
    }
  if (found == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "the domain has no disk ‘%s’", name);
  return found;
}

GHashTable *
qs_align_requests (const QsDomain *domain, const QsSnapshotDef *def, GError **error)
{
  g_autoptr (GHashTable) requests = g_hash_table_new (g_str_hash, g_str_equal);

  if (def->disks->len > qs_domain_get_def (domain)->disks->len)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "%u disks are named, but the domain has %u", def->disks->len,
                   qs_domain_get_def (domain)->disks->len);
      return NULL;
    }
  for (guint i = 0; i < def->disks->len; i++)
    {
      QsSnapshotDisk *request = g_ptr_array_index (def->disks, i);
      const QsDiskDef *disk = qs_align_resolve_disk (domain, request->name, error);

      if (disk == NULL)
        return NULL;
      if (!g_hash_table_insert (requests, disk->target, request))
        {
          g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED, "disk ‘%s’ is named twice",
                       disk->target);
          return NULL;
        }
    }
  return g_steal_pointer (&requests);
}

static QsLocation
choose_location (const QsDomain *domain, const QsSelected *selected, QsLocation memory)
{
  const QsDiskDef *disk = selected->disk;

  if (selected->request != NULL && selected->request->snapshot != QS_LOCATION_DEFAULT)
    return selected->request->snapshot;
  if (selected->request != NULL && selected->request->source_type != QS_SOURCE_NONE)
    return QS_LOCATION_EXTERNAL;
  if (disk->readonly || (selected->active == NULL && disk->source_type == QS_SOURCE_NONE))
    return QS_LOCATION_NO;
  if (disk->snapshot != QS_LOCATION_DEFAULT)
    return disk->snapshot;
  if (!qs_domain_is_active (domain) || memory == QS_LOCATION_INTERNAL)
    return QS_LOCATION_INTERNAL;
  return QS_LOCATION_EXTERNAL;
}

static void
count_choice (QsSelection *selection, const QsSelected *selected)
{
  if (selected->choice == QS_LOCATION_INTERNAL)
    selection->n_internal++;
  else if (selected->choice == QS_LOCATION_EXTERNAL)
    selection->n_external++;
  else if (selected->choice == QS_LOCATION_MANUAL)
    selection->n_manual++;
  else if (!selected->disk->readonly && selected->active != NULL)
    g_ptr_array_add (selection->uncovered, selected->disk->target);
}

/* REUSE_EXT is all or nothing, as its seed has it */
static gboolean
settle_mode (QsSelected *selected, guint flags, GError **error)
{
  const QsSnapshotDisk *request = selected->request;
  QsDiskMode asked = request != NULL ? request->mode : QS_DISK_MODE_DEFAULT;

  selected->mode = asked != QS_DISK_MODE_DEFAULT ? asked : QS_DISK_MODE_ABSOLUTE_PATHS;
  selected->format = request != NULL && request->driver != NULL ? request->driver : "qcow2";
  selected->is_device = request != NULL && request->source_type == QS_SOURCE_BLOCK;
  if (!(flags & QS_CREATE_REUSE_EXT))
    return TRUE;
  if (asked != QS_DISK_MODE_DEFAULT && asked != QS_DISK_MODE_EXISTING)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "disk ‘%s’: flag REUSE_EXT and mode ‘%s’ exclude each other; leave the flag "
                   "out and give mode ‘existing’ to the other disks",
                   selected->disk->target, qs_enum_to_string (QS_ENUM_DISK_MODE, asked));
      return FALSE;
    }
  selected->mode = QS_DISK_MODE_EXISTING;
  return TRUE;
}

static gboolean
name_overlay (QsSelected *selected, const QsDomain *domain, const char *name, GError **error)
{
  QsSourceType type = qs_domain_disk_source_type (domain, selected->disk);
  const QsActive *active = qs_domain_find_active (domain, selected->disk->target);

  g_clear_pointer (&selected->stem, g_free);
  if (active != NULL && active->stem != NULL && active->stem[0] != '\0')
    selected->stem = g_strdup (active->stem);
  else if (selected->active != NULL)
    selected->stem = qs_overlay_stem (selected->active);

  if (selected->request != NULL && selected->request->source != NULL)
    selected->path = g_strdup (selected->request->source);
  else if (type == QS_SOURCE_FILE && selected->active != NULL)
    selected->path = qs_overlay_path (selected->active, selected->stem, name, error);
  else
    g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                 "no overlay name can be made for a disk of type ‘%s’; give <source>",
                 qs_enum_to_string (QS_ENUM_SOURCE_TYPE, type));
  if (selected->path == NULL)
    g_prefix_error (error, "disk ‘%s’: ", selected->disk->target);
  return selected->path != NULL;
}

static gboolean
refuse_same_path (const QsSelection *selection, const QsSelected *selected, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *other = g_ptr_array_index (selection->disks, i);
      gboolean same_new = other != selected && g_strcmp0 (other->path, selected->path) == 0;

      if (!same_new && g_strcmp0 (other->active, selected->path) != 0)
        continue;
      g_set_error (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                   "disk ‘%s’: target ‘%s’ is %s disk ‘%s’", selected->disk->target, selected->path,
                   same_new ? "the new file of" : "the file of", other->disk->target);
      return FALSE;
    }
  return TRUE;
}

gboolean
qs_align_overlay (QsSelected *selected, const QsDomain *domain, const char *name, guint flags,
                  GError **error)
{
  return settle_mode (selected, flags, error) && name_overlay (selected, domain, name, error);
}

gboolean
qs_align_check_overlays (const QsSelection *selection, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      const QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL
          && !refuse_same_path (selection, selected, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
name_overlays (QsSelection *selection, const QsDomain *domain, guint flags, GError **error)
{
  for (guint i = 0; i < selection->disks->len; i++)
    {
      QsSelected *selected = g_ptr_array_index (selection->disks, i);

      if (selected->choice == QS_LOCATION_EXTERNAL
          && !qs_align_overlay (selected, domain, selection->name, flags, error))
        return FALSE;
    }
  return qs_align_check_overlays (selection, error);
}

static QsRecipe
find_recipe (const QsDomain *domain, const QsSelection *selection)
{
  guint domain_bit = qs_domain_is_active (domain) ? ON : OFF;
  guint disks = NONE;

  if (selection->n_internal > 0 && selection->n_external > 0)
    disks = MIXED;
  else if (selection->n_external > 0)
    disks = ONLY_EXT;
  else if (selection->n_internal > 0)
    disks = selection->uncovered->len == 0 && selection->n_manual == 0 ? ALL_INT : SOME_INT;

  for (guint i = 0; i < G_N_ELEMENTS (recipe_rows); i++)
    if ((recipe_rows[i].domain & domain_bit) && (recipe_rows[i].memory & (1u << selection->memory))
        && (recipe_rows[i].disks & disks))
      return recipe_rows[i].recipe;
  g_assert_not_reached ();
}

/**
 * qs_align_make_name:
 *
 * Returns: (transfer full): a name that no snapshot has: @prefix and milliseconds since the epoch; two in
 *   one millisecond get -2, -3 …
 */
char *
qs_align_make_name (const QsDomain *domain, const char *prefix, gint64 now)
{
  g_autofree char *name = g_strdup_printf ("%s%" G_GINT64_FORMAT, prefix, now / 1000);

  for (guint n = 2; qs_tree_lookup_name (domain->tree, name) != NULL; n++)
    {
      g_free (name);
      name = g_strdup_printf ("%s%" G_GINT64_FORMAT "-%u", prefix, now / 1000, n);
    }
  return g_steal_pointer (&name);
}

gboolean
qs_align_name (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def, gint64 now,
               GError **error)
{
  if (def->name == NULL || def->name[0] == '\0')
    {
      selection->name = qs_align_make_name (domain, "", now);
      return TRUE;
    }
  if (!qs_name_check (def->name, error))
    return FALSE;
  if (qs_tree_lookup_name (domain->tree, def->name) != NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_SNAPSHOT_EXISTS,
                   "the domain has a snapshot ‘%s’ already", def->name);
      return FALSE;
    }
  selection->name = g_strdup (def->name);
  return TRUE;
}

static gboolean
select_disks (QsSelection *selection, const QsDomain *domain, const QsSnapshotDef *def,
              GError **error)
{
  const QsDomainDef *domain_def = qs_domain_get_def (domain);
  g_autoptr (GHashTable) requests = qs_align_requests (domain, def, error);

  if (requests == NULL)
    return FALSE;
  for (guint i = 0; i < domain_def->disks->len; i++)
    {
      QsSelected *selected = g_new0 (QsSelected, 1);

      g_ptr_array_add (selection->disks, selected);
      selected->disk = g_ptr_array_index (domain_def->disks, i);
      selected->request = g_hash_table_lookup (requests, selected->disk->target);
      selected->active = qs_domain_disk_path (domain, selected->disk);
      selected->active_format = qs_domain_disk_format (domain, selected->disk);
      selected->choice = choose_location (domain, selected, selection->memory);
      count_choice (selection, selected);
    }
  return TRUE;
}

/**
 * qs_align:
 * @now: microseconds since the epoch, for a name that is not given
 *
 * Lays a create request beside the domain (libvirt's virDomainSnapshotAlignDisks and the memory x
 * disk x disk-only table of its design RFC). What the disks themselves can do is not looked at here.
 *
 * Returns: (transfer full): what is to be done, or NULL with the refusal
 */
QsSelection *
qs_align (const QsDomain *domain, const QsSnapshotDef *def, guint flags, gint64 now, GError **error)
{
  g_autoptr (QsSelection) selection = qs_selection_new ();

  if (!settle_memory (domain, def, flags, &selection->memory, error)
      || !select_disks (selection, domain, def, error))
    return NULL;

  if (selection->memory == QS_LOCATION_NO && selection->n_internal + selection->n_external == 0)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_CONFIG_UNSUPPORTED,
                           "nothing selected for snapshot: no memory and no disk");
      return NULL;
    }
  if (!qs_align_name (selection, domain, def, now, error)
      || !name_overlays (selection, domain, flags, error))
    return NULL;

  selection->recipe = find_recipe (domain, selection);
  if (!qs_align_memory (selection, domain, def, flags, error)
      || !qs_align_firmware (selection, domain, error))
    return NULL;
  return g_steal_pointer (&selection);
}
