/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-call.h"

#include "qs-error.h"
#include "qs-names.h"

static GQuark
call_quark (void)
{
  return g_quark_from_static_string ("qs-call");
}

static void
drop_objects (QsCall *call)
{
  g_clear_pointer (&call->domain, qs_domain_unref);
  g_clear_pointer (&call->snapshot, qs_snapshot_unref);
  g_clear_pointer (&call->job, qs_job_unref);
}

static void
call_free (QsCall *call)
{
  drop_objects (call);
  if (call->counted)
    qs_user_drop_call (call->peer->user);
  g_clear_pointer (&call->peer, qs_peer_unref);
  qs_object_path_clear (&call->path);
  g_hash_table_unref (call->granted);
  g_free (call);
}

/**
 * qs_call_new:
 *
 * Returns: (transfer none): the call of @invocation
 */
QsCall *
qs_call_new (QsService *service, GDBusMethodInvocation *invocation)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);
  GVariant *path = g_dbus_message_get_header (message, QS_PATH_HEADER);
  QsCall *call = g_new0 (QsCall, 1);

  call->service = service;
  call->invocation = invocation;
  call->granted = g_hash_table_new (g_str_hash, g_str_equal);
  qs_object_path_parse (&call->path, g_variant_get_string (path, NULL));
  g_object_set_qdata_full (G_OBJECT (invocation), call_quark (), call, (GDestroyNotify)call_free);
  return call;
}

QsCall *
qs_call_get (GDBusMethodInvocation *invocation)
{
  return g_object_get_qdata (G_OBJECT (invocation), call_quark ());
}

guint32
qs_call_get_uid (const QsCall *call)
{
  return call->peer->user->uid;
}

const char *
qs_call_get_method (const QsCall *call)
{
  return g_dbus_method_invocation_get_method_name (call->invocation);
}

QsInteraction
qs_call_get_interaction (const QsCall *call)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);

  return (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)
             ? QS_INTERACTION_ALLOWED
             : QS_INTERACTION_NONE;
}

/* polkit is not asked: uid 0 may do all, and in session mode there is only the one user */
gboolean
qs_call_is_privileged (const QsCall *call)
{
  return !call->service->system_mode || qs_call_get_uid (call) == 0;
}

/* by the kernel's word on the caller's uid only */
gboolean
qs_call_is_own (const QsCall *call)
{
  guint32 uid = qs_call_get_uid (call);

  if (call->job != NULL)
    return qs_job_get_owner (call->job) == uid || qs_job_get_starter (call->job) == uid;
  return call->domain != NULL && call->domain->owner == uid;
}

gboolean
qs_call_is_standard (const QsCall *call)
{
  const char *interface = g_dbus_method_invocation_get_interface_name (call->invocation);

  return g_str_has_prefix (interface, "org.freedesktop.DBus.");
}

/**
 * qs_call_look_up:
 *
 * Finds the objects of the path as they are now; what is missing stays NULL.
 */
void
qs_call_look_up (QsCall *call)
{
  drop_objects (call);
  if (call->path.job != 0)
    call->job = qs_jobs_lookup (call->service->jobs, call->path.job);
  if (call->path.domain != NULL)
    call->domain = qs_service_lookup (call->service, call->path.domain);
  if (call->domain != NULL && call->path.snapshot != NULL)
    {
      QsSnapshot *snapshot = qs_tree_lookup (call->domain->tree, call->path.snapshot);

      call->snapshot = snapshot != NULL ? qs_snapshot_ref (snapshot) : NULL;
    }
}

/**
 * qs_call_check_there:
 *
 * Returns: whether what the path names is there for this caller. The texts name nothing, so that
 *   missing and invisible objects are answered with the same bytes
 */
gboolean
qs_call_check_there (const QsCall *call, GError **error)
{
  if (call->path.kind == QS_OBJECT_JOB && (call->job == NULL || call->hidden))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT, "no such job");
      return FALSE;
    }
  if (call->path.domain != NULL && (call->domain == NULL || call->hidden))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_DOMAIN, "no such domain");
      return FALSE;
    }
  if (call->path.snapshot != NULL && call->snapshot == NULL)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "no such snapshot");
      return FALSE;
    }
  return TRUE;
}
