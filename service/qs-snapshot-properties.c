/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-properties.h"

/* a word that a damaged row may lack */
static GVariant *
new_word (QsEnum type, guint value)
{
  const char *word = qs_enum_to_string (type, value);

  return g_variant_new_string (word != NULL ? word : "");
}

static GVariant *
get_name (const QsSubject *subject)
{
  return g_variant_new_string (subject->snapshot->name);
}

static GVariant *
get_uuid (const QsSubject *subject)
{
  return g_variant_new_string (subject->snapshot->uuid);
}

static GVariant *
get_description (const QsSubject *subject)
{
  return g_variant_new_string (subject->snapshot->description);
}

static GVariant *
get_domain (const QsSubject *subject)
{
  return qs_object_path_to_variant (qs_object_path_domain (subject->domain->id));
}

static GVariant *
get_parent (const QsSubject *subject)
{
  const char *parent = subject->snapshot->parent;

  if (*parent == '\0')
    return g_variant_new_object_path ("/");
  return qs_object_path_to_variant (qs_object_path_snapshot (subject->domain->id, parent));
}

static GVariant *
get_creation_time (const QsSubject *subject)
{
  return g_variant_new_uint64 (MAX (subject->snapshot->created, 0));
}

static GVariant *
get_state (const QsSubject *subject)
{
  return new_word (QS_ENUM_SNAPSHOT_STATE, subject->snapshot->state);
}

static GVariant *
get_kind (const QsSubject *subject)
{
  return new_word (QS_ENUM_KIND, subject->snapshot->kind);
}

static GVariant *
get_memory (const QsSubject *subject)
{
  return new_word (QS_ENUM_LOCATION, subject->snapshot->memory);
}

static GVariant *
get_current (const QsSubject *subject)
{
  return g_variant_new_boolean (qs_tree_get_current (subject->domain->tree) == subject->snapshot);
}

static GVariant *
get_child_count (const QsSubject *subject)
{
  return g_variant_new_uint32 (qs_tree_n_children (subject->domain->tree, subject->snapshot->uuid));
}

static GVariant *
get_has_tip (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->snapshot->has_tip);
}

static GVariant *
get_unverified (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->snapshot->unverified);
}

static GVariant *
get_origin (const QsSubject *subject)
{
  return new_word (QS_ENUM_ORIGIN, subject->snapshot->origin);
}

static GVariant *
get_freeze_time (const QsSubject *subject)
{
  return g_variant_new_uint64 (subject->snapshot->freeze_time);
}

static GVariant *
get_quiesced (const QsSubject *subject)
{
  return g_variant_new_boolean (subject->snapshot->quiesced);
}

const QsProperty qs_snapshot_properties[] = {
  { "Name", get_name },
  { "UUID", get_uuid },
  { "Description", get_description },
  { "Domain", get_domain },
  { "Parent", get_parent },
  { "CreationTime", get_creation_time },
  { "State", get_state },
  { "Kind", get_kind },
  { "Memory", get_memory },
  { "MemoryFile", NULL },
  { "Disks", NULL },
  { "Current", get_current },
  { "ChildCount", get_child_count },
  { "HasTip", get_has_tip },
  { "Unverified", get_unverified },
  { "Origin", get_origin },
  { "FreezeTime", get_freeze_time },
  { "Quiesced", get_quiesced },
  { NULL, NULL },
};
