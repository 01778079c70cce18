/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"

static gboolean
handle_cancel (QsDBusJob *object, GDBusMethodInvocation *invocation)
{
  g_autoptr (GError) error = NULL;

  if (!qs_job_cancel (qs_call_get (invocation)->job, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_dbus_job_complete_cancel (object, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_wait (QsDBusJob *object, GDBusMethodInvocation *invocation)
{
  qs_job_wait (qs_call_get (invocation)->job, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_cancel) },
  { "handle-wait", G_CALLBACK (handle_wait) },
};

void
qs_job_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
