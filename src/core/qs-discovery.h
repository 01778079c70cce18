/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain.h"
#include "qs-facts.h"

#include <json-glib/json-glib.h>

/* QOM paths of the flash chips of a machine begin so: they hold firmware, and are no disks */
#define QS_FLASH_PREFIX "/machine/system.flash"

/**
 * QsProcessFiles:
 *
 * What /proc tells of a process; each member is NULL where it may not be read.
 */
typedef struct
{
  char *exe;
  char *cwd;
  GPtrArray *files;       /* of QsOpenFile */
  gboolean names_backing; /* on its command line, or that cannot be read */
  gboolean ends_at_reset; /* likewise */
} QsProcessFiles;

/**
 * QsFoundDisk:
 *
 * One disk of a QEMU that somebody else started, by QEMU's own account: nothing of it was looked at.
 */
typedef struct
{
  char *qdev; /* path or id of the device: tells the disk again at the next start */
  char *type; /* QOM type of the device */
  char *bus;  /* QOM type of what its bus belongs to, or "" */
  QsSourceType source_type;
  char *name;     /* of the file, as QEMU has it: may be relative; NULL: no file */
  char *path;     /* the same, absolute; NULL: it cannot be told */
  char *format;   /* driver of the root node, or NULL */
  char *protocol; /* driver of what is no file, or NULL */
  gboolean readonly;
  gboolean transient; /* QEMU writes to a temporary file that ends with it */
  guint depth;        /* files below the one that is written to */
} QsFoundDisk;

/**
 * QsDiscovery:
 *
 * What a QEMU says of itself, all of it hostile; bounds and characters are checked here.
 */
typedef struct
{
  char *name; /* NULL: it has none that can be used */
  char *uuid; /* NULL: none */
  char *machine;
  gboolean kvm;
  guint64 memory_kib;
  guint vcpus;
  char *emulator; /* or NULL */
  char *run_state;
  GPtrArray *disks;     /* of QsFoundDisk */
  GPtrArray *flash;     /* of QsFoundDisk: firmware */
  GHashTable *drivers;  /* name of a file -> driver of the node that has it open */
  gboolean is_unstable; /* a block job has ended and was not dismissed: block nodes are not asked */
} QsDiscovery;

QsDiscovery *qs_discovery_new (void);
void qs_discovery_free (QsDiscovery *discovery);

/**
 * qs_discovery_command:
 *
 * Returns: the @index-th command to be asked, NULL behind the last. Their order counts
 */
const char *qs_discovery_command (guint index);
GVariant *qs_discovery_arguments (guint index); /* floating, or NULL */
gboolean qs_discovery_wants (const QsDiscovery *discovery, guint index);
gboolean qs_discovery_read (QsDiscovery *discovery, guint index, JsonNode *answer, GError **error);
gboolean qs_discovery_read_machine (QsDiscovery *discovery, JsonNode *answer, GError **error);

/* path in QEMU's object model of the device that @qdev names; NULL: it cannot be one */
char *qs_discovery_object (const char *qdev);
/* whether @type, an answer of qom-get, may be kept */
gboolean qs_discovery_is_word (const char *text);

/**
 * qs_discovery_resolve:
 * @process: what is known of the process
 * @known: (nullable): the domain that this QEMU is, with the files recorded for it
 *
 * Finds out which file each disk is on. A file of a writable disk that cannot be told is an error.
 */
gboolean qs_discovery_resolve (QsDiscovery *discovery, const QsProcessFiles *process,
                               const QsDomain *known, const GPtrArray *files, GError **error);

/**
 * qs_discovery_definition:
 * @before: (nullable): definition of an earlier run: its disks keep their targets
 *
 * Returns: (transfer full): the domain document that says this and no more
 */
QsDomainDef *qs_discovery_definition (const QsDiscovery *discovery, const QsDomainDef *before,
                                      const char *name, const char *uuid, GError **error);

/* @previous: (nullable). Returns: of each disk of @discovery, in order, its target */
GStrv qs_discovery_targets (const QsDiscovery *discovery, const QsDomainDef *before);

QsProcessFiles *qs_process_files_new (void);
void qs_process_files_free (QsProcessFiles *process);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsDiscovery, qs_discovery_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsProcessFiles, qs_process_files_free)
