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

/* what follows the path of a socket that another process still has; a number follows */
#define QS_BESIDE_SUFFIX ".snapd-"

/**
 * QsSharing:
 * @QS_SHARING_NONE: no other process has what the document names
 * @QS_SHARING_PROOF: one has, and this one ends before the guest runs: consoles lead nowhere, and no
 *   display listens
 * @QS_SHARING_BESIDE: one has, and this one takes over from it: sockets get names beside theirs, files
 *   are not emptied, and the display listens when it is told to (qs_command_line_display())
 */
typedef enum
{
  QS_SHARING_NONE,
  QS_SHARING_PROOF,
  QS_SHARING_BESIDE,
} QsSharing;

/**
 * QsCommandLineOptions:
 * @beside: with QS_SHARING_BESIDE: what is put behind the path of a socket
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
  QsSharing sharing;
  const char *beside;
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
 * qs_command_line_check_sharing:
 *
 * Whether a process can be started so without harm to what another one of the same document serves.
 */
gboolean qs_command_line_check_sharing (const QsDomainDef *def, QsSharing sharing, GError **error);

gboolean qs_command_line_has_display (const QsDomainDef *def);

/**
 * qs_command_line_sockets:
 *
 * The paths of the document that QEMU would listen at and that get another name with
 * QS_SHARING_BESIDE.
 */
GStrv qs_command_line_sockets (const QsDomainDef *def);

/**
 * qs_command_line_wanted_path:
 *
 * Returns: (transfer full) (nullable): the path that a socket has in the document, where @path is that of
 *   one of a process started with QS_SHARING_BESIDE; NULL: it is not
 */
char *qs_command_line_wanted_path (const char *path);

/**
 * qs_command_line_display:
 *
 * Returns: (transfer full) (nullable): arguments of `display-update`, with which a display that was
 *   started with QS_SHARING_BESIDE listens as the document has it; NULL: there is none
 */
GVariant *qs_command_line_display (const QsDomainDef *def, const QsCommandLineOptions *options);

/**
 * qs_command_line_paths:
 *
 * Every path of the document that QEMU would be told, for the rules about paths of callers.
 */
GStrv qs_command_line_paths (const QsDomainDef *def, GError **error);

char *qs_node_name_root (const char *target);
char *qs_node_name_backing (const char *target, guint depth);
char *qs_node_name_file (const char *node);
