/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-block.h"

#include "ctl-job.h"
#include "ctl-output.h"
#include "qs-error.h"
#include "qs-flags.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)

/**
 * qs_ctl_block_get_bandwidth:
 * @bandwidth: (out): bytes a second, 0: no limit
 */
gboolean
qs_ctl_block_get_bandwidth (const QsCtlArguments *arguments, guint64 *bandwidth, GError **error)
{
  const char *text = qs_ctl_arguments_get (arguments, "bandwidth");
  guint64 unit = qs_ctl_arguments_has (arguments, "bytes") ? 1 : MIB;

  *bandwidth = 0;
  if (text == NULL)
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64 / unit, bandwidth, NULL))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ is no bandwidth", text);
      return FALSE;
    }
  *bandwidth *= unit;
  return TRUE;
}

static gboolean
read_timeout (const QsCtlArguments *arguments, guint *seconds, GError **error)
{
  const char *text = qs_ctl_arguments_get (arguments, "timeout");
  guint64 value = 0;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT / 1000, &value, NULL))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "‘%s’ is no number of seconds",
                   text);
      return FALSE;
    }
  *seconds = (guint)value;
  return TRUE;
}

static gboolean
is_finished_by (const QsCtlArguments *arguments, const QsCtlBlock *block)
{
  return block->finish != NULL && qs_ctl_arguments_has (arguments, block->finish);
}

static gboolean
is_waited_for (const QsCtlArguments *arguments, const QsCtlBlock *block)
{
  return qs_ctl_arguments_has (arguments, "wait") || qs_ctl_arguments_has (arguments, "pivot")
         || qs_ctl_arguments_has (arguments, "timeout") || is_finished_by (arguments, block);
}

/* @path: of the domain's object; @job: of that of the job */
typedef struct
{
  QsCtl *ctl;
  const QsCtlArguments *arguments;
  const QsCtlBlock *block;
  const char *path;
  const char *job;
} Begun;

/* how a job that is ready is to end; what comes of it its job tells */
static gboolean
say_end (const Begun *begun, guint flags, GError **error)
{
  g_autoptr (GVariant) reply = qs_ctl_call_patiently (
      begun->ctl, begun->path, "Domain.BlockJobAbort",
      g_variant_new ("(su)", qs_ctl_arguments_get (begun->arguments, "path"), flags), error);

  return reply != NULL;
}

static void
tell_start (QsCtl *ctl, const QsCtlArguments *arguments, const char *job, const char *text)
{
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "job", "s", job);
  if (qs_ctl_arguments_has (arguments, "json"))
    qs_ctl_print_json (g_variant_dict_end (&dict));
  else if (!ctl->quiet)
    qs_ctl_print ("%s", text);
  g_variant_dict_clear (&dict);
}

static gboolean
end_ready (const Begun *begun, QsCtlOutcome *outcome, GError **error)
{
  gboolean finishes = is_finished_by (begun->arguments, begun->block);

  if (!finishes && !qs_ctl_arguments_has (begun->arguments, "pivot"))
    {
      tell_start (begun->ctl, begun->arguments, begun->job, begun->block->ready);
      return TRUE;
    }
  if (!say_end (begun, QS_BLOCK_JOB_ABORT_ASYNC | (finishes ? 0 : QS_BLOCK_JOB_ABORT_PIVOT), error))
    return FALSE;
  outcome->result = qs_ctl_job_wait (begun->ctl, begun->job, error);
  return outcome->result != NULL;
}

static gboolean
wait_and_end (const Begun *begun, QsCtlJobWait *how, GError **error)
{
  const QsCtlBlock *block = begun->block;
  g_auto (QsCtlOutcome) outcome = { NULL };

  outcome.result = qs_ctl_job_wait_for (begun->ctl, begun->job, how, error);
  if (outcome.result == NULL && (!how->is_ready || !end_ready (begun, &outcome, error)))
    return FALSE;
  if (outcome.result == NULL)
    return TRUE;
  qs_ctl_operate_end (begun->ctl, begun->arguments, begun->job, &outcome);
  qs_ctl_outcome_tell (begun->ctl, &outcome, "%s",
                       is_finished_by (begun->arguments, block) ? block->finished : block->pivoted);
  return TRUE;
}

/**
 * qs_ctl_block_run:
 * @operation: its path is set here, its arguments may be floating
 *
 * Begins a block job, and does with it what the options say, as virsh does it.
 */
gboolean
qs_ctl_block_run (QsCtl *ctl, const QsCtlArguments *arguments, const QsCtlBlock *block,
                  QsCtlOperation *operation, GError **error)
{
  QsCtlJobWait how = { .until_ready = block->ready != NULL,
                       .leaves = qs_ctl_arguments_has (arguments, "async") };
  g_autoptr (GVariant) kept = g_variant_ref_sink (operation->arguments);
  g_autofree char *path = NULL;
  g_auto (QsCtlOutcome) outcome = { NULL };
  g_autoptr (GError) failure = NULL;
  g_autofree char *job = NULL;
  g_autofree char *started = NULL;

  if (!read_timeout (arguments, &how.seconds, error))
    return FALSE;
  path = qs_ctl_find_domain (ctl, arguments, error);
  if (path == NULL)
    return FALSE;
  operation->path = path;
  job = qs_ctl_operate_start (ctl, arguments, operation, &outcome, &failure);
  if (failure != NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
  else if (job == NULL)
    return TRUE;
  if (job == NULL)
    return FALSE;
  if (is_waited_for (arguments, block))
    return wait_and_end (&(Begun){ ctl, arguments, block, path, job }, &how, error);
  started = g_strconcat (block->name, " started", NULL);
  tell_start (ctl, arguments, job, started);
  return TRUE;
}
