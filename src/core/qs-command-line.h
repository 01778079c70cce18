/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-domain-def.h"

/**
 * QsMachineAlias:
 *
 * What QEMU means by a machine word that changes with its version. Arrays end with a NULL alias.
 */
typedef struct
{
  const char *alias;
  const char *machine;
} QsMachineAlias;

/**
 * QsChainFile:
 * @path: NULL for the `<source>` of the document, which may be of the network
 * @is_block: a block device; known without it of the `<source>` of the document
 */
typedef struct
{
  const char *path;
  const char *format;
  gboolean is_block;
} QsChainFile;

/**
 * QsDiskChain:
 * @files: active file first
 */
typedef struct
{
  const char *target;
  const QsChainFile *files;
  guint n_files;
} QsDiskChain;

typedef enum
{
  QS_INCOMING_NONE,
  QS_INCOMING_DEFER,
} QsIncoming;

/**
 * QsCommandLineOptions:
 * @qmp_socket: its folder also gets the sockets that the document leaves to us
 * @chains: of each disk with a file, whose format is not raw; the others may be left out
 * @nvram: the file of this domain; NULL: the one in the document
 * @nvram_format: NULL: the one in the document, or raw
 * @allow_custom: owner and caller are one: any emulator, and qemu:commandline
 */
typedef struct
{
  const char *qmp_socket;
  const QsDiskChain *chains;
  guint n_chains;
  const char *nvram;
  const char *nvram_format;
  QsIncoming incoming;
  gboolean allow_custom;
  gboolean system_mode;
} QsCommandLineOptions;

/**
 * qs_domain_def_assign_addresses:
 * @previous: the definition that @def replaces, or NULL; its devices keep their places
 * @aliases: (nullable): NULL: those of QEMU 7.2
 *
 * To be called when a domain is defined. Resolves the machine alias, writes the models that the
 * document leaves open and the path of the NVRAM file, adds the controllers that its devices need
 * and an `<address>` to each device that has none. A document that has all of this comes back the
 * same.
 */
QsDomainDef *qs_domain_def_assign_addresses (const QsDomainDef *def, const QsDomainDef *previous,
                                             const QsMachineAlias *aliases, GError **error);

/**
 * qs_command_line_new:
 *
 * The argument vector of a QEMU that does not run yet (-S). The root node of a disk is called
 * `snapd-TARGET`, its backing nodes `snapd-TARGET-b1` and on, the file below a node NODE `NODE-f`;
 * the device `disk-TARGET`.
 */
GStrv qs_command_line_new (const QsDomainDef *def, const QsCommandLineOptions *options,
                           GError **error);

/**
 * qs_command_line_check:
 *
 * Whether qs_command_line_new() would refuse the document whatever the options are.
 */
gboolean qs_command_line_check (const QsDomainDef *def, GError **error);

/**
 * qs_command_line_paths:
 *
 * Every path of the document that QEMU would be told, for the rules about paths of callers.
 */
GStrv qs_command_line_paths (const QsDomainDef *def, GError **error);

char *qs_node_name_root (const char *target);
char *qs_node_name_backing (const char *target, guint depth);
char *qs_node_name_file (const char *node);
