/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-properties.h"

static GVariant *
get_name (const QsSubject *subject)
{
  return g_variant_new_string (subject->domain->name);
}

static GVariant *
get_uuid (const QsSubject *subject)
{
  return g_variant_new_string (subject->domain->uuid);
}

static GVariant *
get_owner (const QsSubject *subject)
{
  return g_variant_new_uint32 (subject->domain->owner);
}

static GVariant *
get_state (const QsSubject *subject)
{
  return g_variant_new_string (qs_enum_to_string (QS_ENUM_DOMAIN_STATE, subject->domain->state));
}

static GVariant *
get_defined (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->domain->attachment == NULL);
}

static GVariant *
get_attached (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->domain->attachment != NULL);
}

static GVariant *
get_connected (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->domain->connected);
}

static GVariant *
get_quarantined (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->domain->quarantine_reason != NULL);
}

static GVariant *
get_quarantine_reason (const QsSubject *subject)
{
  const char *reason = subject->domain->quarantine_reason;

  return g_variant_new_string (reason != NULL ? reason : "");
}

static GVariant *
get_current_snapshot (const QsSubject *subject)
{
  QsSnapshot *current = qs_tree_get_current (subject->domain->tree);

  if (current == NULL)
    return g_variant_new_object_path ("/");
  return qs_object_path_to_variant (qs_object_path_snapshot (subject->domain->id, current->uuid));
}

static GVariant *
get_snapshot_count (const QsSubject *subject)
{
  return g_variant_new_uint32 (qs_tree_size (subject->domain->tree));
}

static GVariant *
get_job (const QsSubject *subject)
{
  QsJob *job = qs_jobs_find_active (subject->service->jobs, subject->domain->id);

  if (job == NULL)
    return g_variant_new_object_path ("/");
  return qs_object_path_to_variant (qs_object_path_job (qs_job_get_number (job)));
}

const QsProperty qs_domain_properties[] = {
  { "Name", get_name },
  { "UUID", get_uuid },
  { "Owner", get_owner },
  { "State", get_state },
  { "Defined", get_defined },
  { "Attached", get_attached },
  { "Connected", get_connected },
  { "Quarantined", get_quarantined },
  { "QuarantineReason", get_quarantine_reason },
  { "CurrentSnapshot", get_current_snapshot },
  { "SnapshotCount", get_snapshot_count },
  { "Disks", NULL },
  { "BlockJobs", NULL },
  { "Job", get_job },
  { NULL, NULL },
};
