/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-create-options.h"

#include "qs-error.h"
#include "qs-flags.h"
#include "qs-limits.h"
#include "qs-name.h"
#include "qs-options.h"

static const struct
{
  const char *key;
  guint flag;
} flag_keys[] = {
  { "halt", QS_CREATE_HALT },           { "no-metadata", QS_CREATE_NO_METADATA },
  { "disk-only", QS_CREATE_DISK_ONLY }, { "reuse-external", QS_CREATE_REUSE_EXT },
  { "quiesce", QS_CREATE_QUIESCE },     { "atomic", QS_CREATE_ATOMIC },
  { "live", QS_CREATE_LIVE },           { "current", QS_CREATE_CURRENT },
  { "validate", QS_CREATE_VALIDATE },
};

static gboolean
check_path (const char *key, GVariant *value, GError **error)
{
  const char *path = g_variant_get_string (value, NULL);

  if (*path == '/')
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_XML_INVALID, "option ‘%s’: ‘%s’ is not an absolute path",
               key, path);
  return FALSE;
}

static gboolean
check_memory (const char *key, GVariant *value, GError **error)
{
  static const char *const words[] = { "no", "internal", "external", NULL };

  return qs_options_check_word (key, words, value, error);
}

static gboolean
check_snapshot (const char *key, GVariant *value, GError **error)
{
  static const char *const words[] = { "no", "internal", "external", "manual", NULL };

  return qs_options_check_word (key, words, value, error);
}

static gboolean
check_mode (const char *key, GVariant *value, GError **error)
{
  static const char *const words[] = { "absolute-paths", "existing", "no-backing-file", NULL };

  return qs_options_check_word (key, words, value, error);
}

static const QsOption disk_options[] = {
  { "snapshot", "s", check_snapshot }, { "file", "s", check_path },   { "driver", "s", NULL },
  { "mode", "s", check_mode },         { "mirror", "s", check_path }, { NULL, NULL, NULL },
};

static gboolean
check_disks (const char *key, GVariant *value, GError **error)
{
  GVariantIter iter;
  const char *target;
  GVariant *options;

  if (g_variant_n_children (value) > QS_MAX_DISKS)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "more than %d disks", QS_MAX_DISKS);
      return FALSE;
    }
  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "{&s@a{sv}}", &target, &options))
    {
      g_autoptr (GVariant) owned = options;

      if (!qs_options_check (disk_options, owned, error))
        {
          g_prefix_error (error, "disk ‘%s’: ", target);
          return FALSE;
        }
    }
  return TRUE;
}

static const QsOption create_options[] = {
  { "description", "s", NULL },
  { "memory", "s", check_memory },
  { "memory-file", "s", check_path },
  { "branch", "s", NULL },
  { "disks", "a{sa{sv}}", check_disks },
  { "halt", "b", NULL },
  { "no-metadata", "b", NULL },
  { "disk-only", "b", NULL },
  { "reuse-external", "b", NULL },
  { "quiesce", "b", NULL },
  { "atomic", "b", NULL },
  { "live", "b", NULL },
  { "current", "b", NULL },
  { "validate", "b", NULL },
  { NULL, NULL, NULL },
};

/**
 * qs_create_options_flags:
 * @options: of a caller, not checked yet
 *
 * Returns: the #QsCreateFlags that are asked for; a branch asks for BRANCH
 */
guint
qs_create_options_flags (GVariant *options)
{
  g_autofree char *branch = qs_options_dup_string (options, "branch");
  guint flags = branch != NULL ? QS_CREATE_BRANCH : 0;

  for (guint i = 0; i < G_N_ELEMENTS (flag_keys); i++)
    if (qs_options_get_boolean (options, flag_keys[i].key))
      flags |= flag_keys[i].flag;
  return flags;
}

static void
set_word (GVariant *options, const char *key, QsEnum type, guint *value)
{
  g_autofree char *word = qs_options_dup_string (options, key);

  if (word != NULL)
    qs_enum_from_string (type, word, value);
}

/* what lies below /dev can be nothing but a block device */
static QsSourceType
source_type (const char *path)
{
  if (path == NULL)
    return QS_SOURCE_NONE;
  return qs_path_is_device (path) ? QS_SOURCE_BLOCK : QS_SOURCE_FILE;
}

static void
add_disk (QsSnapshotDef *def, const char *name, GVariant *options)
{
  guint snapshot = QS_LOCATION_DEFAULT;
  guint mode = QS_DISK_MODE_DEFAULT;
  QsSnapshotDisk *disk;

  set_word (options, "snapshot", QS_ENUM_LOCATION, &snapshot);
  set_word (options, "mode", QS_ENUM_DISK_MODE, &mode);
  disk = qs_snapshot_def_add_disk (def, name, snapshot);
  disk->mode = mode;
  disk->source = qs_options_dup_string (options, "file");
  disk->source_type = source_type (disk->source);
  disk->driver = qs_options_dup_string (options, "driver");
  disk->mirror = qs_options_dup_string (options, "mirror");
}

static void
add_disks (QsSnapshotDef *def, GVariant *options)
{
  g_autoptr (GVariant) disks = g_variant_lookup_value (options, "disks", NULL);
  GVariantIter iter;
  const char *name;
  GVariant *disk;

  if (disks == NULL)
    return;
  g_variant_iter_init (&iter, disks);
  while (g_variant_iter_loop (&iter, "{&s@a{sv}}", &name, &disk))
    add_disk (def, name, disk);
}

/* external memory and a memory file belong together; a file alone means external */
static gboolean
set_memory (QsSnapshotDef *def, GVariant *options, GError **error)
{
  guint memory = QS_LOCATION_DEFAULT;

  set_word (options, "memory", QS_ENUM_LOCATION, &memory);
  def->memory_file = qs_options_dup_string (options, "memory-file");
  if (def->memory_file != NULL && memory == QS_LOCATION_DEFAULT)
    memory = QS_LOCATION_EXTERNAL;
  def->memory = memory;
  if ((def->memory_file != NULL) == (memory == QS_LOCATION_EXTERNAL))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_XML_INVALID,
                       "external memory and a memory file need each other");
  return FALSE;
}

/**
 * qs_create_options_def:
 * @name: "" for a generated one
 *
 * Returns: (transfer full): what a document with the same meaning would be parsed to
 */
QsSnapshotDef *
qs_create_options_def (const char *name, GVariant *options, GError **error)
{
  g_autoptr (QsSnapshotDef) def = NULL;

  if (!qs_options_check (create_options, options, error))
    return NULL;
  def = qs_snapshot_def_new ();
  def->name = *name != '\0' ? g_strdup (name) : NULL;
  def->description = qs_options_dup_string (options, "description");
  def->branch = qs_options_dup_string (options, "branch");
  if (!set_memory (def, options, error))
    return NULL;
  add_disks (def, options);
  return g_steal_pointer (&def);
}
