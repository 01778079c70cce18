/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-settings.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-name.h"

#define DEFAULT_IDLE_EXIT_SECONDS 60
#define MAX_MUTATIONS_PER_SECOND 1000000
#define MAX_IDLE_EXIT_SECONDS 86400
#define DEFAULT_LIVE_SECONDS 60
#define MAX_LIVE_SECONDS 86400
#define MAX_SAFETY_KEEP 1000

static const struct
{
  const char *group;
  const char *key;
  gsize offset;
  guint initial;
  guint64 min;
  guint64 max;
} settings_table[] = {
  { "limits", "snapshots-per-domain", G_STRUCT_OFFSET (QsSettings, snapshots_per_domain),
    QS_MAX_SNAPSHOTS_PER_DOMAIN, 1, QS_MAX_SNAPSHOTS },
  { "limits", "snapshots-per-uid", G_STRUCT_OFFSET (QsSettings, snapshots_per_uid),
    QS_MAX_SNAPSHOTS_PER_UID, 1, QS_MAX_SNAPSHOTS },
  { "limits", "mutations-per-second", G_STRUCT_OFFSET (QsSettings, mutations_per_second),
    QS_MUTATIONS_PER_SECOND, 0, MAX_MUTATIONS_PER_SECOND },
  { "service", "idle-exit-seconds", G_STRUCT_OFFSET (QsSettings, idle_exit_seconds),
    DEFAULT_IDLE_EXIT_SECONDS, 0, MAX_IDLE_EXIT_SECONDS },
  { "snapshots", "live-timeout-seconds", G_STRUCT_OFFSET (QsSettings, live_seconds),
    DEFAULT_LIVE_SECONDS, 1, MAX_LIVE_SECONDS },
  { "limits", "mirrors-per-domain", G_STRUCT_OFFSET (QsSettings, mirrors_per_domain), 1, 0,
    QS_MAX_DISKS },
  { "snapshots", "safety-keep", G_STRUCT_OFFSET (QsSettings, safety_keep), QS_DEFAULT_SAFETY_KEEP,
    1, MAX_SAFETY_KEEP },
};
G_STATIC_ASSERT (G_N_ELEMENTS (settings_table)
                 == G_STRUCT_OFFSET (QsSettings, safety_keep) / sizeof (guint) + 1);

static const char *const default_image_roots[] = { "/var/lib/libvirt/images", NULL };

void
qs_settings_init (QsSettings *settings)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings_table); i++)
    G_STRUCT_MEMBER (guint, settings, settings_table[i].offset) = settings_table[i].initial;
  settings->image_roots = g_strdupv ((char **)default_image_roots);
}

void
qs_settings_clear (QsSettings *settings)
{
  g_clear_pointer (&settings->image_roots, g_strfreev);
}

static gboolean
consume_roots (QsSettings *settings, GKeyFile *file, GError **error)
{
  g_auto (GStrv) roots = g_key_file_get_string_list (file, "paths", "image-roots", NULL, NULL);

  if (roots == NULL)
    return TRUE;
  for (guint i = 0; roots[i] != NULL; i++)
    if (!qs_path_check (roots[i], FALSE, error))
      {
        g_prefix_error (error, "image-roots: ");
        return FALSE;
      }
  g_key_file_remove_key (file, "paths", "image-roots", NULL);
  g_strfreev (settings->image_roots);
  settings->image_roots = g_steal_pointer (&roots);
  return TRUE;
}

static gboolean
take_number (QsSettings *settings, guint row, const char *text, GError **error)
{
  g_autoptr (GError) local = NULL;
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, settings_table[row].min, settings_table[row].max,
                                   &number, &local))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "%s: %s", settings_table[row].key,
                   local->message);
      return FALSE;
    }
  G_STRUCT_MEMBER (guint, settings, settings_table[row].offset) = number;
  return TRUE;
}

/* a key that is read is taken out of the file, so that what is left is unknown */
static gboolean
consume_row (QsSettings *settings, guint row, GKeyFile *file, GError **error)
{
  g_autofree char *text =
      g_key_file_get_value (file, settings_table[row].group, settings_table[row].key, NULL);

  if (text == NULL)
    return TRUE;
  g_key_file_remove_key (file, settings_table[row].group, settings_table[row].key, NULL);
  return take_number (settings, row, g_strstrip (text), error);
}

static void
warn_of_rest (GKeyFile *file, const char *path)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  for (guint i = 0; groups[i] != NULL; i++)
    {
      g_auto (GStrv) keys = g_key_file_get_keys (file, groups[i], NULL, NULL);

      for (guint k = 0; keys != NULL && keys[k] != NULL; k++)
        g_warning ("%s: unknown key ‘%s’ in group ‘%s’, ignoring", path, keys[k], groups[i]);
    }
}

/**
 * qs_settings_read:
 * @path: a key file; one that is not there has nothing to say
 */
gboolean
qs_settings_read (QsSettings *settings, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) local = NULL;

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &local))
    {
      if (g_error_matches (local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s: ", path);
      return FALSE;
    }
  for (guint row = 0; row < G_N_ELEMENTS (settings_table); row++)
    if (!consume_row (settings, row, file, error))
      {
        g_prefix_error (error, "%s: ", path);
        return FALSE;
      }
  if (!consume_roots (settings, file, error))
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  warn_of_rest (file, path);
  return TRUE;
}
