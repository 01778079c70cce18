/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-block.h"
#include "qs-flags.h"

/* virsh leaves out what it was not given, too */
static const char *
get_name (const QsCtlArguments *arguments, const char *option)
{
  const char *name = qs_ctl_arguments_get (arguments, option);

  return name != NULL ? name : "";
}

static gboolean
run_blockpull (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const QsCtlBlock block = { .name = "Block Pull", .pivoted = "Pull complete" };
  QsCtlOperation operation = { NULL, "Domain.BlockRebase", "Domain.BlockRebasePlan", NULL };
  guint64 bandwidth;

  if (!qs_ctl_block_get_bandwidth (arguments, &bandwidth, error))
    return FALSE;
  operation.arguments = g_variant_new ("(sstu)", qs_ctl_arguments_get (arguments, "path"),
                                       get_name (arguments, "base"), bandwidth,
                                       arguments->flags | QS_BLOCK_REBASE_BANDWIDTH_BYTES);
  return qs_ctl_block_run (ctl, arguments, &block, &operation, error);
}

static gboolean
run_blockcommit (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const exclusive[][2] = { { "pivot", "keep-overlay" }, { NULL, NULL } };
  static const QsCtlBlock below = { .name = "Block Commit", .pivoted = "Commit complete" };
  static const QsCtlBlock active = { .name = "Active Block Commit",
                                     .ready = "Now in synchronized phase",
                                     .pivoted = "Successfully pivoted",
                                     .finish = "keep-overlay",
                                     .finished = "Commit complete, overlay image kept" };
  gboolean is_active = (arguments->flags & QS_BLOCK_COMMIT_ACTIVE) != 0;
  QsCtlOperation operation = { NULL, "Domain.BlockCommit", "Domain.BlockCommitPlan", NULL };
  guint64 bandwidth;

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error)
      || !qs_ctl_block_get_bandwidth (arguments, &bandwidth, error))
    return FALSE;
  operation.arguments = g_variant_new (
      "(ssstu)", qs_ctl_arguments_get (arguments, "path"), get_name (arguments, "base"),
      get_name (arguments, "top"), bandwidth, arguments->flags | QS_BLOCK_COMMIT_BANDWIDTH_BYTES);
  return qs_ctl_block_run (ctl, arguments, is_active ? &active : &below, &operation, error);
}

static const QsCtlOption blockpull_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_BLOCK_PATH,
  QS_CTL_BLOCK_BANDWIDTH,
  { .name = "base",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "file",
    .help = "what the disk is to stand on: a path, or vda[2]; else nothing" },
  { .name = "keep-relative",
    .flag = QS_BLOCK_REBASE_RELATIVE,
    .help = "name the base by a relative name, or fail" },
  QS_CTL_BLOCK_BYTES,
  QS_CTL_BLOCK_WAIT,
  QS_CTL_BLOCK_VERBOSE,
  QS_CTL_BLOCK_TIMEOUT,
  QS_CTL_BLOCK_ASYNC,
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

static const QsCtlOption blockcommit_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_BLOCK_PATH,
  QS_CTL_BLOCK_BANDWIDTH,
  { .name = "base",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "file",
    .help = "what is written to: a path, or vda[2]; else the lowest file" },
  { .name = "shallow",
    .flag = QS_BLOCK_COMMIT_SHALLOW,
    .help = "into the file right below the topmost one that is merged" },
  { .name = "top",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "file",
    .help = "topmost file that is merged; else what the guest writes to" },
  { .name = "active",
    .flag = QS_BLOCK_COMMIT_ACTIVE,
    .help = "merge what the guest writes to, in two steps" },
  { .name = "delete",
    .flag = QS_BLOCK_COMMIT_DELETE,
    .help = "delete what was merged, as is done anyway with files that the service has made" },
  { .name = "keep-relative",
    .flag = QS_BLOCK_COMMIT_RELATIVE,
    .help = "name the base by a relative name, or fail" },
  { .name = "force",
    .flag = QS_BLOCK_COMMIT_FORCE,
    .help = "give up the snapshots that lie in these files" },
  QS_CTL_BLOCK_BYTES,
  QS_CTL_BLOCK_WAIT,
  { .name = "pivot",
    .flag = QS_BLOCK_COMMIT_ACTIVE,
    .help = "as --active --wait, and let the guest go over to the base" },
  { .name = "keep-overlay",
    .flag = QS_BLOCK_COMMIT_ACTIVE,
    .help = "as --active --wait, and leave the guest where it is" },
  QS_CTL_BLOCK_VERBOSE,
  QS_CTL_BLOCK_TIMEOUT,
  QS_CTL_BLOCK_ASYNC,
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_block_merge_commands[] = {
  { "blockpull", "copy what a disk stands on into its own file",
    "The guest runs on. Snapshots keep their files. Without --wait the job goes on by itself.",
    blockpull_options, run_blockpull },
  { "blockcommit", "merge files of a disk into one below them",
    "The guest runs on. Without --wait the job goes on by itself; with --active it waits for "
    "blockjob --pivot then.",
    blockcommit_options, run_blockcommit },
  { NULL },
};
