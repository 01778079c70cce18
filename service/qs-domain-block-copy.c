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

typedef struct
{
  const char *disk;
  const char *dest;
  const char *base;
  guint64 bandwidth;
  guint flags;
} Arguments;

static gboolean
check (const Arguments *arguments, GError **error)
{
  if (!qs_flags_check (&qs_block_copy_flag_set, arguments->flags, error))
    return FALSE;
  if (strlen (arguments->disk) > QS_MAX_PATH_BYTES || strlen (arguments->dest) > QS_MAX_PATH_BYTES
      || strlen (arguments->base) > QS_MAX_PATH_BYTES)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "the name of a disk or of a file is longer than %d bytes", QS_MAX_PATH_BYTES);
      return FALSE;
    }
  if (arguments->bandwidth <= QS_MAX_JOB_SPEED)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "a bandwidth of %" G_GUINT64_FORMAT " bytes a second is more than %" G_GUINT64_FORMAT
               ", the most that can be set; 0 is no limit",
               arguments->bandwidth, QS_MAX_JOB_SPEED);
  return FALSE;
}

static QsRequest *
new_copy (const Arguments *arguments, GError **error)
{
  QsRequest *request;

  if (!check (arguments, error))
    return NULL;
  request = qs_request_new (QS_VERB_BLOCK_COPY, arguments->flags);
  request->options = g_variant_ref_sink (g_variant_new_parsed (
      "{'disk': <%s>, 'dest': <%s>, 'base': <%s>, 'bandwidth': <%t>}", arguments->disk,
      arguments->dest, arguments->base, arguments->bandwidth));
  return request;
}

static gboolean /* NOLINTNEXTLINE(readability-function-size): gdbus-codegen's signature */
handle_copy (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
             const char *dest, const char *base, guint64 bandwidth, guint flags)
{
  const Arguments arguments = { disk, dest, base, bandwidth, flags };
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_copy (&arguments, &error);

  if (request != NULL)
    qs_jobs_start (qs_call_get (invocation)->service->jobs, invocation, request, &qs_job_shape_job);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean /* NOLINTNEXTLINE(readability-function-size): gdbus-codegen's signature */
handle_copy_plan (QsDBusDomain *object, GDBusMethodInvocation *invocation, const char *disk,
                  const char *dest, const char *base, guint64 bandwidth, guint flags)
{
  const Arguments arguments = { disk, dest, base, bandwidth, flags };
  g_autoptr (GError) error = NULL;
  QsRequest *request = new_copy (&arguments, &error);

  if (request != NULL)
    qs_plan_call_start (invocation, request);
  else
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-block-copy", G_CALLBACK (handle_copy) },
  { "handle-block-copy-plan", G_CALLBACK (handle_copy_plan) },
};

void
qs_domain_block_copy_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
