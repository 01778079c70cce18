/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-read.h"

#include "qs-dbus-error.h"
#include "qs-limits.h"

typedef struct
{
  QsRead read;
  QsReadFunc func;
  gint answered; /* atomic: by the thread, or by the clock of the main thread */
  guint timeout;
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

static gboolean
claim_answer (QsReadWork *work)
{
  return g_atomic_int_compare_and_exchange (&work->answered, FALSE, TRUE);
}

/* the answer leaves from the thread: to write a large one takes its time, too */
static void
do_read (gpointer data)
{
  QsReadWork *work = data;
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  reply = work->func (&work->read, &error);
  if (reply != NULL)
    g_variant_take_ref (reply);
  if (reply != NULL && !check_size (reply, &error))
    g_clear_pointer (&reply, g_variant_unref);
  if (!claim_answer (work))
    g_clear_error (&error);
  else if (reply != NULL)
    g_dbus_method_invocation_return_value (g_object_ref (work->read.invocation), reply);
  else
    qs_dbus_error_return (g_object_ref (work->read.invocation), error);
}

/* the call itself ends here, on the main thread */
static void
on_read (gpointer data)
{
  QsReadWork *work = data;

  g_clear_handle_id (&work->timeout, g_source_remove);
  g_clear_pointer (&work->read.domain, qs_domain_unref);
  g_clear_pointer (&work->read.snapshot, qs_snapshot_unref);
  g_clear_pointer (&work->read.parameters, g_variant_unref);
  g_clear_pointer (&work->read.at_hand, g_variant_unref);
  g_clear_pointer (&work->read.block_jobs, g_variant_unref);
  g_clear_object (&work->read.invocation);
  g_free (work);
}

/* a guest or a file system that hangs must not hang those who look: what is at hand is told */
static gboolean
on_timeout (gpointer user_data)
{
  QsReadWork *work = user_data;

  work->timeout = 0;
  if (!claim_answer (work))
    return G_SOURCE_REMOVE;
  if (work->read.at_hand != NULL)
    g_dbus_method_invocation_return_value (g_object_ref (work->read.invocation),
                                           g_variant_new ("(@a{sv})", work->read.at_hand));
  else
    qs_dbus_error_return (g_object_ref (work->read.invocation),
                          g_error_new (QS_ERROR, QS_ERROR_TIMEOUT,
                                       "reading took more than %d seconds", QS_CALL_SECONDS));
  return G_SOURCE_REMOVE;
}

/**
 * qs_read_start:
 * @invocation: (transfer full)
 * @at_hand: (nullable): a{sv} that is the answer if the rest does not come soon; a floating
 *   reference is sunk
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
  if (call->domain != NULL)
    work->read.block_jobs =
        g_variant_ref_sink (qs_jobs_describe_block_jobs (call->service->jobs, call->domain->id));
  work->read.at_hand = at_hand != NULL ? g_variant_ref_sink (at_hand) : NULL;
  work->timeout =
      g_timeout_add_seconds (at_hand != NULL ? QS_LOOK_SECONDS : QS_CALL_SECONDS, on_timeout, work);
  qs_work_push (call->service->work, do_read, on_read, work);
}
