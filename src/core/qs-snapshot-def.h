/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain-def.h"

/**
 * QsSnapshotDisk:
 *
 * One `<disk>` of a `<domainsnapshot>`.
 */
typedef struct
{
  char *name; /* a target, or on input the absolute path of exactly one disk */
  QsLocation snapshot;
  QsSourceType source_type; /* NONE if no <source>, and no type other than file */
  char *source;             /* absolute path, or NULL */
  char *driver;             /* driver type, or NULL */
  QsDiskMode mode;
  char *tag;                /* name of the snapshot inside the qcow2 */
  char *mirror;             /* absolute path, or NULL */
  const char *mirror_state; /* what is known of it now; NULL: nothing. Not read */
  gboolean has_metadata_cache;
  char *document_name; /* what the document it was read from calls it, else NULL */
} QsSnapshotDisk;

/**
 * QsSnapshotDef:
 *
 * A `<domainsnapshot>` document. What the service does not understand stays in @doc and comes out
 * again. Immutable and atomically reference-counted once built. Names are not checked here: an
 * empty one is NULL, the rest is qs_name_check().
 */
typedef struct
{
  xmlDoc *doc; /* as parsed, without @domain; NULL for one that was built here */
  char *name;
  char *description;
  char *parent;
  char *branch;
  QsSnapshotState state;
  gboolean has_creation_time;
  gint64 creation_time; /* seconds since the epoch, UTC */
  QsLocation memory;
  char *memory_file;
  char *memory_disk;
  char *memory_sidecar;
  char *memory_format;
  char *nvram_file; /* copy of the firmware variables, or NULL */
  char *nvram_format;
  gboolean has_disks; /* there is a <disks>, perhaps an empty one */
  GPtrArray *disks;   /* of QsSnapshotDisk */
  QsDomainDef *domain;
  QsDomainDef *inactive_domain;
} QsSnapshotDef;

QsSnapshotDef *qs_snapshot_def_new (void);
QsSnapshotDef *qs_snapshot_def_parse (const char *xml, GError **error);
QsSnapshotDef *qs_snapshot_def_parse_record (const char *xml, GError **error);
QsSnapshotDef *qs_snapshot_def_copy (const QsSnapshotDef *def);
char *qs_snapshot_def_format (const QsSnapshotDef *def, gboolean secure);
QsSnapshotDef *qs_snapshot_def_ref (QsSnapshotDef *def);
void qs_snapshot_def_unref (QsSnapshotDef *def);
QsSnapshotDisk *qs_snapshot_def_add_disk (QsSnapshotDef *def, const char *name,
                                          QsLocation snapshot);
QsLocation qs_snapshot_def_memory (const QsSnapshotDef *def);
const QsSnapshotDisk *qs_snapshot_def_find_disk (const QsSnapshotDef *def, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsSnapshotDef, qs_snapshot_def_unref)
