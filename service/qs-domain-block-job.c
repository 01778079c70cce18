/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-align-private.h"
#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-flags.h"
#include "qs-limits.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)

/* (transfer none): the job that has a block job on the disk. It works on the domain, and is asked for
   something: being busy is no reason to refuse */
static QsJob *
find_job (const QsCall *call, const char *disk, GError **error)
{
  QsJob *job = qs_jobs_find_active (call->service->jobs, call->domain->id);
  const QsDiskDef *def;

  if (job != NULL && qs_job_find_disk (job, call->domain, disk) != NULL)
    return job;
  def = qs_align_resolve_disk (call->domain, disk, job != NULL ? NULL : error);
  if (def != NULL && qs_domain_live_mirror (call->domain, def->target) != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                 "disk ‘%s’ is mirrored for a snapshot; delete that with REOPEN_MIRROR or "
                 "REMOVE_MIRROR",
                 disk);
  else if (job != NULL || def != NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID, "no block job works on disk ‘%s’",
                 disk);
  return NULL;
}

static gboolean
handle_abort (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
              guint flags)
{
  g_autoptr (GError) error = NULL;
  QsJob *job = NULL;

  if (qs_flags_check (&qs_block_job_abort_flag_set, flags, &error))
    job = find_job (qs_call_get (invocation), disk, &error);
  if (job == NULL || !qs_job_abort_block_job (job, flags, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else if (flags & QS_BLOCK_JOB_ABORT_ASYNC)
    qs_dbus_domain_complete_block_job_abort (object, invocation);
  else
    qs_job_wait_aborted (job, flags, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* more than fits is more than can be set, too */
static guint64
to_bytes (guint64 bandwidth, guint64 unit)
{
  return bandwidth > G_MAXUINT64 / unit ? G_MAXUINT64 : bandwidth * unit;
}

static gboolean
set_speed (const QsCall *call, const char *disk, guint64 bandwidth, guint flags, GError **error)
{
  gboolean is_bytes = (flags & QS_BLOCK_JOB_SPEED_BANDWIDTH_BYTES) != 0;
  QsJob *job;

  if (!qs_flags_check (&qs_block_job_speed_flag_set, flags, error))
    return FALSE;
  job = find_job (call, disk, error);
  return job != NULL && qs_job_set_bandwidth (job, to_bytes (bandwidth, is_bytes ? 1 : MIB), error);
}

static gboolean
handle_set_speed (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
                  guint64 bandwidth, guint flags)
{
  g_autoptr (GError) error = NULL;

  if (set_speed (qs_call_get (invocation), disk, bandwidth, flags, &error))
    qs_dbus_domain_complete_block_job_set_speed (object, invocation);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-block-job-abort", G_CALLBACK (handle_abort) },
  { "handle-block-job-set-speed", G_CALLBACK (handle_set_speed) },
};

void
qs_domain_block_job_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
