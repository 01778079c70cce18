/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-operation.h"

/**
 * QsCtlBlock:
 * @name: what virsh calls such a job
 * @ready: (nullable): said when it is ready; NULL: it ends by itself
 * @pivoted: said at the end, after --pivot or where it ends by itself
 * @finish: (nullable): option that ends it without a pivot
 * @finished: (nullable): said then
 *
 * One of the commands that begin a block job, and wait for it if they are asked to.
 */
typedef struct
{
  const char *name;
  const char *ready;
  const char *pivoted;
  const char *finish;
  const char *finished;
} QsCtlBlock;

gboolean qs_ctl_block_run (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlBlock *block,
                           QsCtlOperation *operation, GError **error);
gboolean qs_ctl_block_get_bandwidth (const QsCtlArguments *arguments, guint64 *bandwidth,
                                     GError **error);

/* rows that their tables share */
#define QS_CTL_BLOCK_PATH                                                                          \
  {                                                                                                \
    .name = "path", .kind = QS_CTL_STRING, .use = QS_CTL_REQUIRED, .subject = QS_CTL_DISK_TARGET,  \
    .value = "disk", .help = "target of the disk, or the path of its file"                         \
  }
#define QS_CTL_BLOCK_BANDWIDTH                                                                     \
  {                                                                                                \
    .name = "bandwidth", .kind = QS_CTL_STRING, .value = "number",                                 \
    .help = "move no more than so many MiB a second; 0: no limit"                                  \
  }
#define QS_CTL_BLOCK_BYTES                                                                         \
  {                                                                                                \
    .name = "bytes", .help = "the bandwidth is in bytes a second"                                  \
  }
#define QS_CTL_BLOCK_WAIT                                                                          \
  {                                                                                                \
    .name = "wait", .help = "wait until the job is ready, or has ended"                            \
  }
#define QS_CTL_BLOCK_VERBOSE                                                                       \
  {                                                                                                \
    .name = "verbose", .help = "with --wait: show the progress, as is done on a terminal anyway"   \
  }
#define QS_CTL_BLOCK_TIMEOUT                                                                       \
  {                                                                                                \
    .name = "timeout", .kind = QS_CTL_STRING, .use = QS_CTL_NAMED, .value = "seconds",             \
    .help = "wait, and cancel what is not ready by then"                                           \
  }
#define QS_CTL_BLOCK_ASYNC                                                                         \
  {                                                                                                \
    .name = "async", .help = "do not wait for the end of a job that is cancelled"                  \
  }
