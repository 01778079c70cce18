/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-limits.h"
#include "qs-plan-call.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)

/* pulls and commits of disks, each with the method that only plans it */

/* @request: (transfer full) (nullable): NULL: @error is the answer */
static gboolean
start (GDBusMethodInvocation *invocation, QsRequest *request, GError *error)
{
  if (request != NULL)
    qs_jobs_start (qs_call_get (invocation)->service->jobs, invocation, request, &qs_job_shape_job);
  else
    qs_dbus_error_return (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
plan (GDBusMethodInvocation *invocation, QsRequest *request, GError *error)
{
  if (request != NULL)
    qs_plan_call_start (invocation, request);
  else
    qs_dbus_error_return (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* @unit: bytes a second */
static gboolean
check_speed (guint64 bandwidth, guint64 unit, GError **error)
{
  if (bandwidth <= QS_MAX_JOB_SPEED / unit)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "a bandwidth of %" G_GUINT64_FORMAT " is more than %" G_GUINT64_FORMAT
               ", the most that can be set; 0 is no limit",
               bandwidth, QS_MAX_JOB_SPEED / unit);
  return FALSE;
}

/* @names: disk, base, top as far as there are any */
static gboolean
check_names (const char *const *names, GError **error)
{
  for (; *names != NULL; names++)
    if (strlen (*names) > QS_MAX_PATH_BYTES)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                     "the name of a disk or of a file is longer than %d bytes", QS_MAX_PATH_BYTES);
        return FALSE;
      }
  return TRUE;
}

typedef struct
{
  const char *disk;
  const char *base;
  const char *top;
  guint64 bandwidth;
  guint flags;
  gboolean is_bytes;
} Arguments;

static QsRequest *
new_request (QsVerb verb, const Arguments *arguments, GError **error)
{
  const char *names[] = { arguments->disk, arguments->base, arguments->top, NULL };
  guint64 unit = arguments->is_bytes ? 1 : MIB;
  QsRequest *request;

  if (!check_speed (arguments->bandwidth, unit, error) || !check_names (names, error))
    return NULL;
  request = qs_request_new (verb, arguments->flags);
  request->options = g_variant_ref_sink (g_variant_new_parsed (
      "{'disk': <%s>, 'base': <%s>, 'top': <%s>, 'bandwidth': <%t>}", arguments->disk,
      arguments->base, arguments->top, arguments->bandwidth * unit));
  return request;
}

static QsRequest *
new_pull (const char *disk, guint64 bandwidth, guint flags, GError **error)
{
  const Arguments arguments = { .disk = disk,
                                .base = "",
                                .top = "",
                                .bandwidth = bandwidth,
                                .flags = flags,
                                .is_bytes = (flags & QS_BLOCK_PULL_BANDWIDTH_BYTES) != 0 };

  return qs_flags_check (&qs_block_pull_flag_set, flags, error)
             ? new_request (QS_VERB_BLOCK_PULL, &arguments, error)
             : NULL;
}

static gboolean
handle_pull (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
             guint64 bandwidth, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_pull (disk, bandwidth, flags, &error);

  return start (invocation, request, error);
}

static gboolean
handle_pull_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
                  guint64 bandwidth, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_pull (disk, bandwidth, flags, &error);

  return plan (invocation, request, error);
}

static const struct
{
  guint rebase;
  guint copy;
} copy_flags[] = {
  { QS_BLOCK_REBASE_SHALLOW, QS_BLOCK_COPY_SHALLOW },
  { QS_BLOCK_REBASE_REUSE_EXT, QS_BLOCK_COPY_REUSE_EXT },
  { QS_BLOCK_REBASE_COPY_RAW, QS_BLOCK_COPY_CREATE_RAW },
};

/* as in libvirt, a rebase may be a copy in disguise, with @base as its destination */
static QsRequest *
new_copy (const Arguments *arguments, GError **error)
{
  g_autoptr (QsRequest) request = new_request (QS_VERB_BLOCK_COPY, arguments, error);
  guint64 bandwidth = 0;
  guint flags = 0;

  if (request == NULL)
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (copy_flags); i++)
    if (arguments->flags & copy_flags[i].rebase)
      flags |= copy_flags[i].copy;
  if (!qs_flags_check (&qs_block_copy_flag_set, flags, error))
    return NULL;
  request->flags = flags;
  g_variant_lookup (request->options, "bandwidth", "t", &bandwidth);
  g_variant_unref (request->options);
  request->options = g_variant_ref_sink (
      g_variant_new_parsed ("{'disk': <%s>, 'dest': <%s>, 'base': <''>, 'bandwidth': <%t>}",
                            arguments->disk, arguments->base, bandwidth));
  return g_steal_pointer (&request);
}

static QsRequest *
new_rebase (const char *disk, const char *base, guint64 bandwidth, guint flags, GError **error)
{
  const Arguments arguments = { .disk = disk,
                                .base = base,
                                .top = "",
                                .bandwidth = bandwidth,
                                .flags = flags,
                                .is_bytes = (flags & QS_BLOCK_REBASE_BANDWIDTH_BYTES) != 0 };

  if (!qs_flags_check (&qs_block_rebase_flag_set, flags, error))
    return NULL;
  return (flags & QS_BLOCK_REBASE_COPY) != 0 ? new_copy (&arguments, error)
                                             : new_request (QS_VERB_BLOCK_PULL, &arguments, error);
}

static gboolean
handle_rebase (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
               const char *base, guint64 bandwidth, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_rebase (disk, base, bandwidth, flags, &error);

  return start (invocation, request, error);
}

static gboolean
handle_rebase_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
                    const char *base, guint64 bandwidth, guint flags)
{
  GError *error = NULL;
  QsRequest *request = new_rebase (disk, base, bandwidth, flags, &error);

  return plan (invocation, request, error);
}

static QsRequest *
new_commit (const Arguments *arguments, GError **error)
{
  return qs_flags_check (&qs_block_commit_flag_set, arguments->flags, error)
             ? new_request (QS_VERB_BLOCK_COMMIT, arguments, error)
             : NULL;
}

static gboolean /* NOLINTNEXTLINE(readability-function-size): GDBus's signature */
handle_commit (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
               const char *base, const char *top, guint64 bandwidth, guint flags)
{
  const Arguments arguments = { disk,      base,  top,
                                bandwidth, flags, (flags & QS_BLOCK_COMMIT_BANDWIDTH_BYTES) != 0 };
  GError *error = NULL;
  QsRequest *request = new_commit (&arguments, &error);

  return start (invocation, request, error);
}

static gboolean /* NOLINTNEXTLINE(readability-function-size): GDBus's signature */
handle_commit_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
                    const char *base, const char *top, guint64 bandwidth, guint flags)
{
  const Arguments arguments = { disk,      base,  top,
                                bandwidth, flags, (flags & QS_BLOCK_COMMIT_BANDWIDTH_BYTES) != 0 };
  GError *error = NULL;
  QsRequest *request = new_commit (&arguments, &error);

  return plan (invocation, request, error);
}

static const QsHandler handlers[] = {
  { "handle-block-pull", G_CALLBACK (handle_pull) },
  { "handle-block-pull-plan", G_CALLBACK (handle_pull_plan) },
  { "handle-block-rebase", G_CALLBACK (handle_rebase) },
  { "handle-block-rebase-plan", G_CALLBACK (handle_rebase_plan) },
  { "handle-block-commit", G_CALLBACK (handle_commit) },
  { "handle-block-commit-plan", G_CALLBACK (handle_commit_plan) },
};

void
qs_domain_block_merge_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
