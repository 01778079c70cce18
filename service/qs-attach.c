/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-handlers.h"

#include "qs-attach-options.h"
#include "qs-dbus-error.h"
#include "qs-dbus.h"
#include "qs-limits.h"
#include "qs-namesakes.h"
#include "qs-visit.h"

#include <unistd.h>

/**
 * QsAttaching:
 * @candidate: NULL until it was found
 * @deadline: monotonic time by which the domain must have been found, waited for and looked into
 */
typedef struct
{
  QsService *service;
  GDBusMethodInvocation *invocation;
  guint32 owner;
  GVariant *options; /* a{sv} */
  gboolean has_fd;
  QsCandidate *candidate;
  gint64 deadline;
} QsAttaching;

static void try_attach (gpointer data);

static void
attaching_free (QsAttaching *attaching)
{
  g_variant_unref (attaching->options);
  g_free (attaching);
}

static void
refuse (QsAttaching *attaching, GError *error)
{
  qs_dbus_error_return (attaching->invocation, error);
  qs_visit_leave (attaching->service, attaching->candidate);
  attaching_free (attaching);
}

/* the answer for a QEMU that is attached already */
static void
return_domain (QsAttaching *attaching, const QsDomain *domain)
{
  g_autofree char *path = qs_object_path_domain (domain->id);
  GError *error = NULL;

  if (!qs_attach_options_agree (attaching->options, domain, &error))
    {
      refuse (attaching, error);
      return;
    }
  g_dbus_method_invocation_return_value (attaching->invocation, g_variant_new ("(o)", path));
  qs_visit_leave (attaching->service, attaching->candidate);
  attaching_free (attaching);
}

/* a path that came out of a descriptor is nobody's word: where the caller might not say it, there is
   none */
static void
drop_way (const QsAttaching *attaching, QsRequest *request)
{
  const QsCall *call = qs_call_get (attaching->invocation);
  GVariantDict options;
  const char *socket = "";

  g_variant_lookup (request->options, "socket", "&s", &socket);
  if (!attaching->has_fd || *socket == '\0'
      || qs_attach_check_socket (call, attaching->owner, socket, NULL))
    return;
  g_variant_dict_init (&options, request->options);
  g_variant_dict_insert (&options, "socket", "s", "");
  g_variant_dict_insert (&options, "follow", "b", FALSE);
  g_variant_unref (request->options);
  request->options = g_variant_ref_sink (g_variant_dict_end (&options));
}

static void
order (QsAttaching *attaching, QsDomain *domain)
{
  const QsCall *call = qs_call_get (attaching->invocation);
  g_autoptr (QsRequest) request = qs_candidate_make_request (attaching->candidate);
  QsJobOrder job = { .invocation = attaching->invocation,
                     .domain = domain,
                     .owner = attaching->owner,
                     .candidate = attaching->candidate,
                     .deadline = attaching->deadline,
                     .shape = &qs_job_shape_domain };
  g_autoptr (GError) error = NULL;
  QsNamesakes found;

  drop_way (attaching, request);
  qs_namesakes_find (&found, attaching->service, attaching->owner, request->domain_def);
  if (!qs_namesakes_check (&found, call, domain, request->domain_def, &error))
    {
      refuse (attaching, g_steal_pointer (&error));
      return;
    }
  job.request = g_steal_pointer (&request);
  qs_jobs_order (attaching->service->jobs, &job);
  attaching_free (attaching);
}

/* whether somebody else works on it, who may be waited for */
static gboolean
must_wait (QsAttaching *attaching, const QsDomain *domain)
{
  QsJobs *jobs = attaching->service->jobs;
  gint64 left = attaching->deadline - g_get_monotonic_time ();
  g_autofree char *key =
      domain != NULL ? g_strdup (domain->id) : qs_jobs_define_key (attaching->owner);

  if (left <= 0 || !qs_jobs_is_reserved (jobs, key))
    return FALSE;
  qs_jobs_wait (jobs, key, left / G_USEC_PER_SEC + 1, try_attach, attaching);
  return TRUE;
}

static void
try_attach (gpointer data)
{
  QsAttaching *attaching = data;
  g_autoptr (QsDomain) domain = NULL;
  GError *error = NULL;
  const char *id;

  if (!qs_candidate_look_again (attaching->candidate, &error))
    {
      refuse (attaching, error);
      return;
    }
  id = qs_candidate_get_domain (attaching->candidate);
  domain = id != NULL ? qs_service_lookup (attaching->service, id) : NULL;
  if (id != NULL && domain == NULL)
    refuse (attaching, g_error_new_literal (QS_ERROR, QS_ERROR_OPERATION_INVALID,
                                            "the domain of this QEMU has been removed while it was "
                                            "looked at, attach it again"));
  else if (domain != NULL && qs_candidate_is_connected (attaching->candidate))
    return_domain (attaching, domain);
  else if (!must_wait (attaching, domain))
    order (attaching, domain);
}

static void
on_visited (QsCandidate *candidate, GError *error, gpointer user_data)
{
  QsAttaching *attaching = user_data;

  attaching->candidate = candidate;
  if (candidate == NULL)
    refuse (attaching, error);
  else
    try_attach (attaching);
}

/* the visit counts as the change that it is to become, also if it finds nobody */
static gboolean
take_visit (const QsCall *call, GError **error)
{
  QsUser *user = call->peer->user;

  return qs_user_take_mutation (user,
                                user->uid == 0 ? 0 : call->service->settings.mutations_per_second,
                                g_get_monotonic_time (), error);
}

static void
attach (GDBusMethodInvocation *invocation, const QsVisit *visit, GVariant *options)
{
  const QsCall *call = qs_call_get (invocation);
  QsAttaching *attaching;
  GError *error = NULL;

  if (!take_visit (call, &error))
    {
      if (visit->fd >= 0)
        close (visit->fd);
      qs_dbus_error_return (invocation, error);
      return;
    }
  attaching = g_new0 (QsAttaching, 1);
  *attaching = (QsAttaching){ .service = call->service,
                              .invocation = invocation,
                              .owner = visit->owner,
                              .options = g_variant_ref (options),
                              .has_fd = visit->fd >= 0,
                              .deadline = g_get_monotonic_time ()
                                          + QS_CALL_SECONDS * (gint64)G_USEC_PER_SEC };
  qs_visit_start (call->service, call->peer->user, visit, on_visited, attaching);
}

static gboolean
handle_attach_domain (QsDBusManager *object, GDBusMethodInvocation *invocation, const char *socket,
                      GVariant *options)
{
  const QsCall *call = qs_call_get (invocation);
  g_autoptr (GError) error = NULL;
  QsVisit visit;

  if (!qs_attach_options_read (call, options, &visit, &error)
      || !qs_attach_check_socket (call, visit.owner, socket, &error))
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    {
      visit.socket = socket;
      attach (invocation, &visit, options);
    }
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_attach_domain_fd (QsDBusManager *object, GDBusMethodInvocation *invocation,
                         GUnixFDList *list, GVariant *handle, GVariant *options)
{
  g_autoptr (GError) error = NULL;
  QsVisit visit;

  if (qs_attach_options_read (qs_call_get (invocation), options, &visit, &error))
    visit.fd = qs_attach_take_fd (list, handle, &error);
  if (error != NULL)
    qs_dbus_error_return (invocation, g_steal_pointer (&error));
  else
    attach (invocation, &visit, options);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const QsHandler handlers[] = {
  { "handle-attach-domain", G_CALLBACK (handle_attach_domain) },
  { "handle-attach-domain-fd", G_CALLBACK (handle_attach_domain_fd) },
};

void
qs_attach_connect (GDBusInterfaceSkeleton *skeleton)
{
  qs_handlers_connect (skeleton, handlers, G_N_ELEMENTS (handlers));
}
