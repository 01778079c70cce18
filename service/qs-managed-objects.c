/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-standard.h"

#include "qs-dbus-error.h"
#include "qs-limits.h"
#include "qs-properties.h"
#include "qs-read.h"

/* an object with its properties is never smaller: more of them than this are not tried */
#define LEAST_OBJECT_BYTES 400

static void
add_domain (GVariantBuilder *builder, QsService *service, const QsDomain *domain)
{
  QsSubject subject = { .service = service, .domain = domain };
  g_autofree char *path = qs_object_path_domain (domain->id);

  g_variant_builder_add (builder, "{o@a{sa{sv}}}", path,
                         qs_properties_interfaces (QS_OBJECT_DOMAIN, &subject));
}

static void
add_job (GVariantBuilder *builder, QsService *service, QsJob *job)
{
  QsSubject subject = { .service = service, .job = job };
  g_autofree char *path = qs_object_path_job (qs_job_get_number (job));

  g_variant_builder_add (builder, "{o@a{sa{sv}}}", path,
                         qs_properties_interfaces (QS_OBJECT_JOB, &subject));
}

static void
on_root_visible (GDBusMethodInvocation *invocation, QsVisible *visible)
{
  QsService *service = qs_call_get (invocation)->service;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  g_autoptr (GVariant) reply = NULL;

  for (guint i = 0; i < visible->domains->len; i++)
    add_domain (&builder, service, g_ptr_array_index (visible->domains, i));
  for (guint i = 0; i < visible->jobs->len; i++)
    add_job (&builder, service, g_ptr_array_index (visible->jobs, i));
  reply = g_variant_ref_sink (g_variant_new ("(a{oa{sa{sv}}})", &builder));
  if (g_variant_get_size (reply) > QS_MAX_REPLY_BYTES)
    qs_dbus_error_return (invocation,
                          g_error_new_literal (QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                                               "the answer is too large, use ListDomains"));
  else
    g_dbus_method_invocation_return_value (invocation, reply);
}

static gboolean
check_count (const QsRead *read, GError **error)
{
  if (qs_tree_size (read->domain->tree) <= QS_MAX_REPLY_BYTES / LEAST_OBJECT_BYTES)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                       "the domain has too many snapshots for one answer, use GetSnapshots");
  return FALSE;
}

static GVariant *
read_snapshots (const QsRead *read, GError **error)
{
  GVariantBuilder builder;
  g_autoptr (GPtrArray) list = NULL;

  if (!check_count (read, error))
    return NULL;
  list = qs_tree_list (read->domain->tree, "", 0);
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (guint i = 0; i < list->len; i++)
    {
      const QsSnapshot *snapshot = g_ptr_array_index (list, i);
      QsSubject subject = { .domain = read->domain, .snapshot = snapshot };
      g_autofree char *path = qs_object_path_snapshot (read->domain->id, snapshot->uuid);

      g_variant_builder_add (&builder, "{o@a{sa{sv}}}", path,
                             qs_properties_interfaces (QS_OBJECT_SNAPSHOT, &subject));
    }
  return g_variant_new ("(a{oa{sa{sv}}})", &builder);
}

/**
 * qs_get_managed_objects:
 * @invocation: (transfer full)
 *
 * On the root: domains and jobs; on a domain: its snapshots.
 */
void
qs_get_managed_objects (GDBusMethodInvocation *invocation)
{
  if (qs_call_get (invocation)->path.kind == QS_OBJECT_DOMAIN)
    qs_read_start (invocation, read_snapshots, NULL);
  else
    qs_visible_objects (invocation, QS_INTERACTION_NONE, on_root_visible);
}
