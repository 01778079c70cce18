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

static gboolean
handle_pause (QsDBusJob *object, GDBusMethodInvocation *invocation)
{
  g_autoptr (GError) error = NULL;

  if (!qs_job_set_paused (qs_call_get (invocation)->job, TRUE, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_dbus_job_complete_pause (object, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_resume (QsDBusJob *object, GDBusMethodInvocation *invocation)
{
  g_autoptr (GError) error = NULL;

  if (!qs_job_set_paused (qs_call_get (invocation)->job, FALSE, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_dbus_job_complete_resume (object, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_set_speed (QsDBusJob *object, GDBusMethodInvocation *invocation, guint64 bytes_per_second)
{
  g_autoptr (GError) error = NULL;

  if (!qs_job_set_bandwidth (qs_call_get (invocation)->job, bytes_per_second, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    qs_dbus_job_complete_set_speed (object, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_cancel) },
  { "handle-pause", G_CALLBACK (handle_pause) },
  { "handle-resume", G_CALLBACK (handle_resume) },
  { "handle-set-speed", G_CALLBACK (handle_set_speed) },
  { "handle-wait", G_CALLBACK (handle_wait) },
};

void
qs_job_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
