/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-gate.h"

#include "qs-call.h"
#include "qs-dbus-error.h"
#include "qs-limits.h"
#include "qs-names.h"
#include "qs-rights.h"
#include "qs-standard.h"
#include "qs-visibility.h"

#include <unistd.h>

static const char *const interfaces[QS_N_OBJECT_KINDS] = {
  [QS_OBJECT_MANAGER] = QS_MANAGER_INTERFACE,
  [QS_OBJECT_DOMAIN] = QS_DOMAIN_INTERFACE,
  [QS_OBJECT_SNAPSHOT] = QS_SNAPSHOT_INTERFACE,
  [QS_OBJECT_JOB] = QS_JOB_INTERFACE,
};

static void gate_go_on (QsCall *call);

/* by shape alone: it says nothing of what is there */
static gboolean
has_interface (const QsCall *call)
{
  const char *interface = g_dbus_method_invocation_get_interface_name (call->invocation);
  const char *own = interfaces[call->path.kind];

  if (call->path.kind == QS_OBJECT_NONE)
    return FALSE;
  if (g_str_equal (interface, QS_OBJECT_MANAGER_INTERFACE))
    return call->path.kind == QS_OBJECT_MANAGER || call->path.kind == QS_OBJECT_DOMAIN;
  if (g_str_equal (interface, QS_PROPERTIES_INTERFACE))
    return own != NULL;
  return qs_call_is_standard (call) || g_strcmp0 (interface, own) == 0;
}

static void
refuse (QsCall *call, GError *error)
{
  qs_dbus_error_return (call->invocation, error);
}

static void
deny (QsCall *call, const char *action)
{
  refuse (call,
          g_error_new (QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
                       "not authorized: polkit does not grant you " QS_ACTION_PREFIX "%s", action));
}

static void
dispatch (QsCall *call)
{
  GDBusMethodInvocation *invocation = call->invocation;
  GDBusInterfaceSkeleton *skeleton = call->service->skeletons[call->path.kind];

  if (call->service->system_mode && !call->peer->unsubscribed)
    qs_visibility_subscribe (call->service, call->peer, NULL);
  if (qs_call_is_standard (call))
    {
      qs_standard_call (call);
      return;
    }
  g_dbus_interface_skeleton_get_vtable (skeleton)->method_call (
      g_dbus_method_invocation_get_connection (invocation),
      g_dbus_method_invocation_get_sender (invocation),
      g_dbus_method_invocation_get_object_path (invocation),
      g_dbus_method_invocation_get_interface_name (invocation),
      g_dbus_method_invocation_get_method_name (invocation),
      g_dbus_method_invocation_get_parameters (invocation), invocation, skeleton);
}

typedef struct
{
  QsCall *call;
  const char *action;
} QsGateQuestion;

static void
on_answer (QsAnswer answer, gpointer user_data)
{
  g_autofree QsGateQuestion *asked = user_data;
  QsCall *call = asked->call;

  if (answer == QS_ANSWER_YES)
    g_hash_table_add (call->granted, (gpointer)asked->action);
  else if (answer == QS_ANSWER_TOO_MANY)
    {
      refuse (call, g_error_new_literal (QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                                         "too many questions for a password are open"));
      return;
    }
  else if (g_str_equal (asked->action, "inspect") && !call->hidden)
    call->hidden = TRUE;
  else
    {
      deny (call, asked->action);
      return;
    }
  gate_go_on (call);
}

/* what a rule may look at; NULL: that of a job is gone */
static QsDomain *
domain_of (const QsCall *call)
{
  if (call->job != NULL)
    return qs_service_lookup (call->service, qs_job_get_domain (call->job));
  return call->domain != NULL ? qs_domain_ref (call->domain) : NULL;
}

static void
ask (QsCall *call, const char *action)
{
  QsGateQuestion *asked = g_new0 (QsGateQuestion, 1);
  g_autoptr (QsDomain) domain = domain_of (call);
  QsQuestion question = {
    .action = action,
    .operation = qs_call_get_method (call),
    .domain = domain,
    .snapshot = call->snapshot,
    .interaction = qs_call_get_interaction (call),
  };

  *asked = (QsGateQuestion){ call, action };
  qs_authority_ask (call->service->authority, call->peer, &question, on_answer, asked);
}

/* of what is not the caller's own, existing or not, only one who may inspect sees anything */
static gboolean
must_ask_to_see (const QsCall *call)
{
  gboolean below = call->path.domain != NULL || call->path.kind == QS_OBJECT_JOB;

  return below && !qs_call_is_privileged (call) && !qs_call_is_own (call) && !call->hidden
         && !g_hash_table_contains (call->granted, "inspect");
}

/* comes here again after each answer of polkit, and starts from the objects of now */
static void
gate_go_on (QsCall *call)
{
  g_autoptr (GError) error = NULL;
  const char *action;

  qs_call_look_up (call);
  if (must_ask_to_see (call))
    {
      ask (call, "inspect");
      return;
    }
  if (!qs_call_check_there (call, &error))
    {
      refuse (call, g_steal_pointer (&error));
      return;
    }
  action = qs_call_is_standard (call) ? NULL : qs_rights_next (call, &error);
  if (error != NULL)
    refuse (call, g_steal_pointer (&error));
  else if (action != NULL && !qs_call_is_privileged (call))
    ask (call, action);
  else
    dispatch (call);
}

static void
on_identified (QsPeer *peer, gpointer user_data)
{
  QsCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (peer == NULL || (!call->service->system_mode && peer->user->uid != getuid ()))
    {
      refuse (call,
              g_error_new_literal (QS_ERROR, QS_ERROR_NOT_AUTHORIZED, "this service is not yours"));
      return;
    }
  call->peer = qs_peer_ref (peer);
  call->counted = qs_user_take_call (peer->user, &error);
  if (call->counted)
    gate_go_on (call);
  else
    refuse (call, g_steal_pointer (&error));
}

static gboolean
is_too_large (GDBusMethodInvocation *invocation)
{
  return g_variant_get_size (g_dbus_method_invocation_get_parameters (invocation))
         > QS_MAX_MESSAGE_BYTES;
}

/**
 * qs_gate_enter:
 * @invocation: (transfer full)
 *
 * The one way in for every method call: who is it, does this exist for him, may he; then the call
 * goes to its handler. Nothing here waits.
 */
void
qs_gate_enter (QsService *service, GDBusMethodInvocation *invocation)
{
  QsCall *call = qs_call_new (service, invocation);

  if (!has_interface (call))
    g_dbus_method_invocation_return_error_literal (
        invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD, "no such interface at this path");
  else if (is_too_large (invocation))
    refuse (call, g_error_new (QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                               "the message is larger than %d bytes", QS_MAX_MESSAGE_BYTES));
  else
    qs_peers_identify (service->peers, g_dbus_method_invocation_get_sender (invocation),
                       on_identified, call);
}
