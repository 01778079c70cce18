/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-read.h"

#include "qs-dbus-error.h"
#include "qs-limits.h"

typedef struct
{
  QsRead read;
  QsReadFunc func;
  GVariant *reply;
  GError *error;
} QsReadWork;

static gboolean
check_size (GVariant *reply, GError **error)
{
  if (g_variant_get_size (reply) <= QS_MAX_REPLY_BYTES)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                       "the answer is too large, use GetSnapshots");
  return FALSE;
}

static void
do_read (gpointer data)
{
  QsReadWork *work = data;
  g_autoptr (GVariant) reply = NULL;

  reply = work->func (&work->read, &work->error);
  if (reply != NULL)
    g_variant_take_ref (reply);
  if (reply != NULL && check_size (reply, &work->error))
    work->reply = g_steal_pointer (&reply);
}

static void
on_read (gpointer data)
{
  g_autofree QsReadWork *work = data;

  if (work->reply != NULL)
    g_dbus_method_invocation_return_value (work->read.invocation, work->reply);
  else
    qs_dbus_error_return (work->read.invocation, work->error);
  g_clear_pointer (&work->reply, g_variant_unref);
  g_clear_pointer (&work->read.domain, qs_domain_unref);
  g_clear_pointer (&work->read.snapshot, qs_snapshot_unref);
  g_clear_pointer (&work->read.parameters, g_variant_unref);
  g_clear_pointer (&work->read.at_hand, g_variant_unref);
}

/**
 * qs_read_start:
 * @invocation: (transfer full)
 * @at_hand: (nullable): a floating reference is sunk
 */
void
qs_read_start (GDBusMethodInvocation *invocation, QsReadFunc func, GVariant *at_hand)
{
  const QsCall *call = qs_call_get (invocation);
  QsReadWork *work = g_new0 (QsReadWork, 1);

  work->func = func;
  work->read.invocation = invocation;
  work->read.service = call->service;
  work->read.domain = call->domain != NULL ? qs_domain_ref (call->domain) : NULL;
  work->read.snapshot = call->snapshot != NULL ? qs_snapshot_ref (call->snapshot) : NULL;
  work->read.parameters = g_variant_ref (g_dbus_method_invocation_get_parameters (invocation));
  work->read.at_hand = at_hand != NULL ? g_variant_ref_sink (at_hand) : NULL;
  qs_work_push (call->service->work, do_read, on_read, work);
}
