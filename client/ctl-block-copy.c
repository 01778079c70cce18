/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-block.h"
#include "qs-flags.h"

static const QsCtlBlock block_copy = { .name = "Block Copy",
                                       .ready = "Now in mirroring phase",
                                       .pivoted = "Successfully pivoted",
                                       .finish = "finish",
                                       .finished = "Successfully copied" };

/* copied, gone over to and pulled by itself */
static const QsCtlBlock block_copy_to_base = { .name = "Block Copy",
                                               .pivoted = "Successfully pivoted" };

static gboolean
run_blockcopy (QsCtl *ctl, QsCtlArguments *arguments, GError **error)
{
  static const char *const exclusive[][2] = {
    { "pivot", "finish" },
    { "base", "finish" },
    { NULL, NULL },
  };
  const char *base = qs_ctl_arguments_get (arguments, "base");
  QsCtlOperation operation = { .member = "Domain.BlockCopy", .plan = "Domain.BlockCopyPlan" };
  guint64 bandwidth;

  if (!qs_ctl_arguments_exclude (arguments, exclusive, error)
      || !qs_ctl_block_get_bandwidth (arguments, &bandwidth, error))
    return FALSE;
  operation.arguments = g_variant_new ("(ssstu)", qs_ctl_arguments_get (arguments, "path"),
                                       qs_ctl_arguments_get (arguments, "dest"), base ?: "",
                                       bandwidth, arguments->flags);
  return qs_ctl_block_run (ctl, arguments, base != NULL ? &block_copy_to_base : &block_copy,
                           &operation, error);
}

static const QsCtlOption blockcopy_options[] = {
  QS_CTL_DOMAIN,
  QS_CTL_BLOCK_PATH,
  { .name = "dest",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_REQUIRED,
    .subject = QS_CTL_FILE_NAME,
    .value = "file",
    .help = "absolute path of the copy" },
  QS_CTL_BLOCK_BANDWIDTH,
  QS_CTL_BLOCK_BYTES,
  { .name = "shallow", .flag = QS_BLOCK_COPY_SHALLOW, .help = "copy the topmost file only" },
  { .name = "reuse-external",
    .flag = QS_BLOCK_COPY_REUSE_EXT,
    .help = "overwrite the file that is there" },
  { .name = "raw", .flag = QS_BLOCK_COPY_CREATE_RAW, .help = "make the copy a raw file" },
  { .name = "base",
    .kind = QS_CTL_STRING,
    .use = QS_CTL_NAMED,
    .value = "base",
    .help = "pivot, and pull all above this backing file into the copy" },
  { .name = "transient-job",
    .flag = QS_BLOCK_COPY_TRANSIENT_JOB,
    .help = "give the copy up if the service is started anew" },
  { .name = "synchronous-writes",
    .flag = QS_BLOCK_COPY_SYNCHRONOUS_WRITES,
    .help = "what the guest writes is written to both files at once" },
  QS_CTL_BLOCK_WAIT,
  QS_CTL_BLOCK_VERBOSE,
  QS_CTL_BLOCK_TIMEOUT,
  QS_CTL_BLOCK_ASYNC,
  { .name = "pivot", .help = "wait, then let the guest go over to the copy" },
  { .name = "finish", .help = "wait, then leave the guest where it is, and the copy as it is" },
  QS_CTL_DRY_RUN,
  QS_CTL_NO_WAIT,
  QS_CTL_JSON,
  QS_CTL_END,
};

const QsCtlCommand qs_ctl_block_copy_commands[] = {
  { "blockcopy", "copy a disk of a running domain",
    "Ends when the job has begun, unless --wait, --timeout, --pivot or --finish is given. A copy "
    "that "
    "is ready stays equal to the disk until `blockjob --pivot` or `blockjob --abort`.",
    blockcopy_options, run_blockcopy },
  { NULL },
};
