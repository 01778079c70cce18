/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-rights.h"

#include "qs-create-options.h"
#include "qs-error.h"
#include "qs-flags.h"
#include "qs-names.h"

#include <string.h>

static GVariant *
find_argument (const QsCall *call, const char *name)
{
  const GDBusMethodInfo *info = g_dbus_method_invocation_get_method_info (call->invocation);
  GVariant *parameters = g_dbus_method_invocation_get_parameters (call->invocation);

  for (guint i = 0; info->in_args != NULL && info->in_args[i] != NULL; i++)
    if (g_str_equal (info->in_args[i]->name, name))
      return g_variant_get_child_value (parameters, i);
  return NULL;
}

/* SnapshotCreate has its flags among its options */
static guint
flags_of (const QsCall *call)
{
  g_autoptr (GVariant) flags = find_argument (call, "flags");
  g_autoptr (GVariant) options = find_argument (call, "options");

  if (flags != NULL)
    return g_variant_get_uint32 (flags);
  return options != NULL ? qs_create_options_flags (options) : 0;
}

static gboolean
has_flag (const QsCall *call, guint mask)
{
  return (flags_of (call) & mask) != 0;
}

/* the domain goes there, and leaves what it holds now */
static gboolean
branches_off (const QsCall *call, guint mask)
{
  return (flags_of (call) & mask) == mask;
}

/* whether memory is really saved is decided later; what may save it needs the right */
static gboolean
may_save_memory (const QsCall *call, guint mask)
{
  return call->domain != NULL && qs_domain_is_active (call->domain)
         && (flags_of (call) & mask) == 0;
}

/* what a revert leaves is to be taken as a snapshot: its memory, too, if it may have any */
static gboolean
takes_safety (const QsCall *call)
{
  g_autoptr (GVariant) options = find_argument (call, "options");
  gboolean wanted = FALSE;

  return options != NULL && g_variant_lookup (options, "safety-snapshot", "b", &wanted) && wanted;
}

static gboolean
takes_safety_memory (const QsCall *call, guint mask)
{
  return takes_safety (call) && may_save_memory (call, mask);
}

static gboolean
takes_safety_disks (const QsCall *call, guint mask)
{
  return takes_safety (call) && !has_flag (call, mask) && !may_save_memory (call, mask);
}

static gboolean
names_other_owner (const QsCall *call, guint mask)
{
  g_autoptr (GVariant) options = find_argument (call, "options");
  guint32 owner = qs_call_get_uid (call);

  g_variant_lookup (options, "owner", "u", &owner);
  return owner != qs_call_get_uid (call);
}

/* what an argument asks for beyond the action of its method */
static const struct
{
  const char *method;
  gboolean (*applies) (const QsCall *call, guint mask);
  guint mask;
  const char *action;
} extra_rights[] = {
  { "SnapshotCreateXML", may_save_memory,
    QS_CREATE_DISK_ONLY | QS_CREATE_REDEFINE | QS_CREATE_BRANCH, "create-memory" },
  { "SnapshotCreateXML", has_flag, QS_CREATE_QUIESCE, "quiesce" },
  { "SnapshotCreateXML", has_flag, QS_CREATE_REDEFINE, "define" },
  { "SnapshotCreateXML", branches_off, QS_CREATE_BRANCH | QS_CREATE_CURRENT, "revert" },
  { "SnapshotCreate", may_save_memory, QS_CREATE_DISK_ONLY | QS_CREATE_BRANCH, "create-memory" },
  { "SnapshotCreate", branches_off, QS_CREATE_BRANCH | QS_CREATE_CURRENT, "revert" },
  { "SnapshotCreate", has_flag, QS_CREATE_QUIESCE, "quiesce" },
  { "Revert", has_flag, QS_REVERT_DISCARD | QS_REVERT_COMMIT, "delete" },
  { "Revert", takes_safety_memory, QS_REVERT_COMMIT | QS_REVERT_TIP, "create-memory" },
  { "Revert", takes_safety_disks, QS_REVERT_COMMIT | QS_REVERT_TIP, "create" },
  { "Undefine", has_flag, QS_UNDEFINE_SNAPSHOTS_FULL, "delete" },
  { "BlockCommit", has_flag, QS_BLOCK_COMMIT_FORCE, "delete" },
  { "GetXMLDesc", has_flag, QS_XML_SECURE, "export" },
  { "DefineDomain", names_other_owner, 0, "define" },
  { "AttachDomain", names_other_owner, 0, "define" },
  { "AttachDomainFD", names_other_owner, 0, "define" },
};

static const char *
annotated_action (const QsCall *call)
{
  const GDBusMethodInfo *info = g_dbus_method_invocation_get_method_info (call->invocation);
  const char *action = g_dbus_annotation_info_lookup (info->annotations, QS_ACTION_ANNOTATION);

  if (action == NULL || !g_str_has_prefix (action, QS_ACTION_PREFIX))
    return NULL;
  return action + strlen (QS_ACTION_PREFIX);
}

/**
 * qs_rights_next:
 * @call: its objects looked up
 *
 * The extra actions come first: one that implies the method's own action then needs one prompt.
 *
 * Returns: (nullable): the next action that polkit must grant for @call; NULL with @error not set
 *   if there is none left, with @error set for a method that nobody has annotated
 */
const char *
qs_rights_next (const QsCall *call, GError **error)
{
  const char *action = annotated_action (call);

  if (action == NULL)
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_NOT_AUTHORIZED,
                           "this method names no action, so nobody may call it");
      return NULL;
    }
  if (qs_call_is_own (call))
    action = "own";
  for (guint i = 0; i < G_N_ELEMENTS (extra_rights) && !qs_call_is_own (call); i++)
    if (g_str_equal (extra_rights[i].method, qs_call_get_method (call))
        && extra_rights[i].applies (call, extra_rights[i].mask)
        && !g_hash_table_contains (call->granted, extra_rights[i].action))
      return extra_rights[i].action;
  return g_hash_table_contains (call->granted, action) ? NULL : action;
}
