/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

typedef struct QsCtl QsCtl;
typedef struct QsCtlArguments QsCtlArguments;

typedef enum
{
  QS_CTL_BOOL,   /* --name */
  QS_CTL_STRING, /* --name VALUE, --name=VALUE, or VALUE in its turn */
  QS_CTL_LIST,   /* the same, as often as one likes; takes all words that are left */
} QsCtlKind;

typedef enum
{
  QS_CTL_OPTIONAL,
  QS_CTL_REQUIRED,
  QS_CTL_NAMED, /* optional, and only as --name VALUE */
} QsCtlUse;

/* what a value names, for completion */
typedef enum
{
  QS_CTL_TEXT,
  QS_CTL_DOMAIN_NAME,
  QS_CTL_SNAPSHOT_NAME,
  QS_CTL_DISK_TARGET,
  QS_CTL_COMMAND_NAME,
  QS_CTL_FILE_NAME,
} QsCtlSubject;

/**
 * QsCtlOption:
 * @flag: bit that the option sets in the flags of the call
 * @value: what help calls the value
 */
typedef struct
{
  const char *name;
  QsCtlKind kind;
  QsCtlUse use;
  QsCtlSubject subject;
  guint flag;
  const char *value;
  const char *help;
} QsCtlOption;

/**
 * QsCtlCommand:
 * @text: sentences below the options in help, or %NULL
 * @options: the last row has no name
 *
 * A row of the table from which parsing, help and completion are made.
 */
typedef struct
{
  const char *name;
  const char *summary;
  const char *text;
  const QsCtlOption *options;
  gboolean (*run) (QsCtl *ctl, QsCtlArguments *arguments, GError **error);
} QsCtlCommand;

/* a heading of help, and the commands below it; the last row of both has no name */
typedef struct
{
  const char *name;
  const QsCtlCommand *commands;
} QsCtlGroup;

extern const QsCtlGroup qs_ctl_groups[];
extern const QsCtlCommand qs_ctl_attach_commands[];
extern const QsCtlCommand qs_ctl_block_copy_commands[];
extern const QsCtlCommand qs_ctl_block_job_commands[];
extern const QsCtlCommand qs_ctl_block_merge_commands[];
extern const QsCtlCommand qs_ctl_create_commands[];
extern const QsCtlCommand qs_ctl_domain_commands[];
extern const QsCtlCommand qs_ctl_domain_show_commands[];
extern const QsCtlCommand qs_ctl_fsck_commands[];
extern const QsCtlCommand qs_ctl_help_commands[];
extern const QsCtlCommand qs_ctl_snapshot_change_commands[];
extern const QsCtlCommand qs_ctl_snapshot_list_commands[];
extern const QsCtlCommand qs_ctl_snapshot_show_commands[];
extern const QsCtlCommand qs_ctl_watch_commands[];

const QsCtlCommand *qs_ctl_command_lookup (const char *name);
const QsCtlOption *qs_ctl_command_get_option (const QsCtlCommand *command, const char *name);

/* rows that many tables have */
#define QS_CTL_DOMAIN                                                                              \
  {                                                                                                \
    .name = "domain", .kind = QS_CTL_STRING, .use = QS_CTL_REQUIRED,                               \
    .subject = QS_CTL_DOMAIN_NAME, .value = "domain", .help = "name or uuid of the domain"         \
  }
#define QS_CTL_SNAPSHOT                                                                            \
  {                                                                                                \
    .name = "snapshotname", .kind = QS_CTL_STRING, .subject = QS_CTL_SNAPSHOT_NAME,                \
    .value = "snapshot", .help = "name of the snapshot"                                            \
  }
#define QS_CTL_CURRENT                                                                             \
  {                                                                                                \
    .name = "current", .help = "the current snapshot"                                              \
  }
#define QS_CTL_DRY_RUN                                                                             \
  {                                                                                                \
    .name = "dry-run", .help = "print what would be done, and do nothing"                          \
  }
#define QS_CTL_NO_WAIT                                                                             \
  {                                                                                                \
    .name = "no-wait", .help = "fail at once if the domain is busy"                                \
  }
#define QS_CTL_JSON                                                                                \
  {                                                                                                \
    .name = "json", .help = "print JSON, for programs"                                             \
  }
#define QS_CTL_END                                                                                 \
  {                                                                                                \
    .name = NULL                                                                                   \
  }
