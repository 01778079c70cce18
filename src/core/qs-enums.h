/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/* the words of libvirt's documents and of our properties; one table a type in qs-enums.c */

typedef enum
{
  QS_DOMAIN_SHUTOFF,
  QS_DOMAIN_RUNNING,
  QS_DOMAIN_PAUSED,
  QS_DOMAIN_CRASHED,
  QS_DOMAIN_PMSUSPENDED,
} QsDomainState;

typedef enum
{
  QS_STATE_NONE, /* not given */
  QS_STATE_RUNNING,
  QS_STATE_BLOCKED,
  QS_STATE_PAUSED,
  QS_STATE_SHUTDOWN,
  QS_STATE_SHUTOFF,
  QS_STATE_CRASHED,
  QS_STATE_PMSUSPENDED,
  QS_STATE_DISK_SNAPSHOT,
} QsSnapshotState;

typedef enum
{
  QS_LOCATION_DEFAULT, /* not given */
  QS_LOCATION_NO,
  QS_LOCATION_INTERNAL,
  QS_LOCATION_EXTERNAL,
  QS_LOCATION_MANUAL,
} QsLocation;

typedef enum
{
  QS_KIND_INTERNAL,
  QS_KIND_EXTERNAL,
  QS_KIND_MIXED,
} QsKind;

typedef enum
{
  QS_DISK_MODE_DEFAULT, /* not given: absolute-paths */
  QS_DISK_MODE_ABSOLUTE_PATHS,
  QS_DISK_MODE_EXISTING,
  QS_DISK_MODE_NO_BACKING_FILE,
} QsDiskMode;

typedef enum
{
  QS_SOURCE_NONE,
  QS_SOURCE_FILE,
  QS_SOURCE_BLOCK,
  QS_SOURCE_NETWORK,
  QS_SOURCE_DIR,
  QS_SOURCE_VOLUME,
  QS_SOURCE_NVME,
  QS_SOURCE_VHOSTUSER,
  QS_SOURCE_VHOSTVDPA,
} QsSourceType;

typedef enum
{
  QS_DEVICE_DISK,
  QS_DEVICE_CDROM,
  QS_DEVICE_FLOPPY,
  QS_DEVICE_LUN,
} QsDiskDevice;

typedef enum
{
  QS_ORIGIN_USER,
  QS_ORIGIN_SAFETY,
} QsOrigin;

typedef enum
{
  QS_ENUM_DOMAIN_STATE,
  QS_ENUM_SNAPSHOT_STATE,
  QS_ENUM_LOCATION,
  QS_ENUM_KIND,
  QS_ENUM_DISK_MODE,
  QS_ENUM_SOURCE_TYPE,
  QS_ENUM_DISK_DEVICE,
  QS_ENUM_ORIGIN,
} QsEnum;

const char *qs_enum_to_string (QsEnum type, guint value);
gboolean qs_enum_from_string (QsEnum type, const char *word, guint *value);
