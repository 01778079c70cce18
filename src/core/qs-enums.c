/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-enums.h"

typedef struct
{
  const char *const *words; /* NULL where the value is "not given" */
  guint n_words;
} EnumType;

static const char *const domain_states[] = {
  [QS_DOMAIN_SHUTOFF] = "shutoff",         [QS_DOMAIN_RUNNING] = "running",
  [QS_DOMAIN_PAUSED] = "paused",           [QS_DOMAIN_CRASHED] = "crashed",
  [QS_DOMAIN_PMSUSPENDED] = "pmsuspended",
};
G_STATIC_ASSERT (G_N_ELEMENTS (domain_states) == QS_DOMAIN_PMSUSPENDED + 1);

static const char *const snapshot_states[] = {
  [QS_STATE_NONE] = NULL,
  [QS_STATE_RUNNING] = "running",
  [QS_STATE_BLOCKED] = "blocked",
  [QS_STATE_PAUSED] = "paused",
  [QS_STATE_SHUTDOWN] = "shutdown",
  [QS_STATE_SHUTOFF] = "shutoff",
  [QS_STATE_CRASHED] = "crashed",
  [QS_STATE_PMSUSPENDED] = "pmsuspended",
  [QS_STATE_DISK_SNAPSHOT] = "disk-snapshot",
};
G_STATIC_ASSERT (G_N_ELEMENTS (snapshot_states) == QS_STATE_DISK_SNAPSHOT + 1);

static const char *const locations[] = {
  [QS_LOCATION_DEFAULT] = NULL,        [QS_LOCATION_NO] = "no",
  [QS_LOCATION_INTERNAL] = "internal", [QS_LOCATION_EXTERNAL] = "external",
  [QS_LOCATION_MANUAL] = "manual",
};
G_STATIC_ASSERT (G_N_ELEMENTS (locations) == QS_LOCATION_MANUAL + 1);

static const char *const kinds[] = {
  [QS_KIND_INTERNAL] = "internal",
  [QS_KIND_EXTERNAL] = "external",
  [QS_KIND_MIXED] = "mixed",
};
G_STATIC_ASSERT (G_N_ELEMENTS (kinds) == QS_KIND_MIXED + 1);

static const char *const disk_modes[] = {
  [QS_DISK_MODE_DEFAULT] = NULL,
  [QS_DISK_MODE_ABSOLUTE_PATHS] = "absolute-paths",
  [QS_DISK_MODE_EXISTING] = "existing",
  [QS_DISK_MODE_NO_BACKING_FILE] = "no-backing-file",
};
G_STATIC_ASSERT (G_N_ELEMENTS (disk_modes) == QS_DISK_MODE_NO_BACKING_FILE + 1);

static const char *const source_types[] = {
  [QS_SOURCE_NONE] = NULL,
  [QS_SOURCE_FILE] = "file",
  [QS_SOURCE_BLOCK] = "block",
  [QS_SOURCE_NETWORK] = "network",
  [QS_SOURCE_DIR] = "dir",
  [QS_SOURCE_VOLUME] = "volume",
  [QS_SOURCE_NVME] = "nvme",
  [QS_SOURCE_VHOSTUSER] = "vhostuser",
  [QS_SOURCE_VHOSTVDPA] = "vhostvdpa",
};
G_STATIC_ASSERT (G_N_ELEMENTS (source_types) == QS_SOURCE_VHOSTVDPA + 1);

static const char *const disk_devices[] = {
  [QS_DEVICE_DISK] = "disk",
  [QS_DEVICE_CDROM] = "cdrom",
  [QS_DEVICE_FLOPPY] = "floppy",
  [QS_DEVICE_LUN] = "lun",
};
G_STATIC_ASSERT (G_N_ELEMENTS (disk_devices) == QS_DEVICE_LUN + 1);

static const char *const origins[] = {
  [QS_ORIGIN_USER] = "user",
  [QS_ORIGIN_SAFETY] = "safety",
};
G_STATIC_ASSERT (G_N_ELEMENTS (origins) == QS_ORIGIN_SAFETY + 1);

static const EnumType enum_types[] = {
  [QS_ENUM_DOMAIN_STATE] = { domain_states, G_N_ELEMENTS (domain_states) },
  [QS_ENUM_SNAPSHOT_STATE] = { snapshot_states, G_N_ELEMENTS (snapshot_states) },
  [QS_ENUM_LOCATION] = { locations, G_N_ELEMENTS (locations) },
  [QS_ENUM_KIND] = { kinds, G_N_ELEMENTS (kinds) },
  [QS_ENUM_DISK_MODE] = { disk_modes, G_N_ELEMENTS (disk_modes) },
  [QS_ENUM_SOURCE_TYPE] = { source_types, G_N_ELEMENTS (source_types) },
  [QS_ENUM_DISK_DEVICE] = { disk_devices, G_N_ELEMENTS (disk_devices) },
  [QS_ENUM_ORIGIN] = { origins, G_N_ELEMENTS (origins) },
};
G_STATIC_ASSERT (G_N_ELEMENTS (enum_types) == QS_ENUM_ORIGIN + 1);

/**
 * qs_enum_to_string:
 *
 * Returns: (nullable): the word of @value; NULL where the value is "not given"
 */
const char *
qs_enum_to_string (QsEnum type, guint value)
{
  g_return_val_if_fail (type < G_N_ELEMENTS (enum_types), NULL);
  g_return_val_if_fail (value < enum_types[type].n_words, NULL);
  return enum_types[type].words[value];
}

/**
 * qs_enum_from_string:
 * @word: (nullable):
 *
 * Returns: FALSE, and @value untouched, if there is no such word
 */
gboolean
qs_enum_from_string (QsEnum type, const char *word, guint *value)
{
  g_return_val_if_fail (type < G_N_ELEMENTS (enum_types), FALSE);

  for (guint i = 0; word != NULL && i < enum_types[type].n_words; i++)
    if (g_strcmp0 (enum_types[type].words[i], word) == 0)
      {
        *value = i;
        return TRUE;
      }
  return FALSE;
}
