/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-change.h"

#include "qs-error.h"

static gboolean
enum_argument (QsEnum type, GVariant *arguments, const char *key, guint *value, GError **error)
{
  const char *word = qs_change_string (arguments, key);

  if (qs_enum_from_string (type, word, value))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "‘%s’ is no known %s", word, key);
  return FALSE;
}

/**
 * qs_change_snapshot:
 * @arguments: of a SNAPSHOT_PUT
 * @before: (nullable): the snapshot that it replaces: order, tip and how it was quiesced stay
 * @rev: order of creation of a new one
 *
 * Returns: (transfer full): the row of the tree, or NULL if @arguments have a word that is unknown
 */
QsSnapshot *
qs_change_snapshot (GVariant *arguments, const QsSnapshot *before, guint64 rev, GError **error)
{
  guint state, kind, memory, origin;
  QsSnapshot values = {
    .uuid = qs_change_string (arguments, "uuid"),
    .name = qs_change_string (arguments, "name"),
    .parent = qs_change_string (arguments, "parent"),
    .description = qs_change_string (arguments, "description"),
    .created = qs_change_int64 (arguments, "created"),
    .rev = before != NULL ? before->rev : rev,
    .unverified = qs_change_boolean (arguments, "unverified"),
    .has_tip = before != NULL && before->has_tip,
    .freeze_time = before != NULL ? before->freeze_time : 0,
    .quiesced = before != NULL && before->quiesced,
  };

  if (*values.uuid == '\0' || *values.name == '\0')
    {
      g_set_error_literal (error, QS_ERROR, QS_ERROR_FAILED,
                           "a snapshot cannot be recorded without uuid and name");
      return NULL;
    }
  if (!enum_argument (QS_ENUM_SNAPSHOT_STATE, arguments, "state", &state, error)
      || !enum_argument (QS_ENUM_KIND, arguments, "kind", &kind, error)
      || !enum_argument (QS_ENUM_LOCATION, arguments, "memory", &memory, error)
      || !enum_argument (QS_ENUM_ORIGIN, arguments, "origin", &origin, error))
    return NULL;
  values.state = state;
  values.kind = kind;
  values.memory = memory;
  values.origin = origin;
  return qs_snapshot_new (&values);
}

/**
 * qs_change_check_merge:
 * @arguments: of a FILE_MERGE
 *
 * As far as it tells by itself: a file cannot be merged into itself, nor into none.
 */
gboolean
qs_change_check_merge (GVariant *arguments, GError **error)
{
  const char *path = qs_change_string (arguments, "path");
  const char *into = qs_change_string (arguments, "into");

  if (*path != '\0' && *into != '\0' && *qs_change_string (arguments, "format") != '\0'
      && !g_str_equal (path, into))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "‘%s’ cannot be merged into ‘%s’", path, into);
  return FALSE;
}

static gboolean
parse_def (GVariant *arguments, QsDomainDef **def, GError **error)
{
  QsDomainDef *parsed =
      qs_domain_def_new_record (qs_change_string (arguments, "definition"), error);

  if (parsed == NULL)
    return FALSE;
  g_clear_pointer (def, qs_domain_def_unref);
  *def = parsed;
  return TRUE;
}

static void
take_tree (QsDomain *domain, QsTree *tree)
{
  qs_tree_unref (domain->tree);
  domain->tree = tree;
}

/* in place of the one with its uuid, whose values it may have */
static void
put_snapshot (QsDomain *domain, const QsSnapshot *values)
{
  g_autoptr (QsSnapshot) snapshot = qs_snapshot_new (values);

  take_tree (domain, qs_tree_put (domain->tree, snapshot));
}

static void
replace_string (char **string, const char *value)
{
  g_free (*string);
  *string = *value != '\0' ? g_strdup (value) : NULL;
}

static gboolean
apply_domain_put (QsDomain *domain, GVariant *arguments, GError **error)
{
  if (!parse_def (arguments, &domain->def, error))
    return FALSE;
  g_variant_lookup (arguments, "owner", "u", &domain->owner);
  replace_string (&domain->name, qs_change_string (arguments, "name"));
  replace_string (&domain->uuid, qs_change_string (arguments, "uuid"));
  return TRUE;
}

static gboolean
apply_domain_state (QsDomain *domain, GVariant *arguments, GError **error)
{
  guint state;

  if (!enum_argument (QS_ENUM_DOMAIN_STATE, arguments, "state", &state, error))
    return FALSE;
  domain->state = state;
  return TRUE;
}

static gboolean
apply_live_def (QsDomain *domain, GVariant *arguments, GError **error)
{
  if (*qs_change_string (arguments, "definition") != '\0')
    return parse_def (arguments, &domain->live_def, error);
  g_clear_pointer (&domain->live_def, qs_domain_def_unref);
  return TRUE;
}

static gboolean
apply_process (QsDomain *domain, GVariant *arguments, GError **error)
{
  gint64 pid = qs_change_int64 (arguments, "pid");

  g_clear_pointer (&domain->process, qs_process_free);
  if (pid != 0)
    domain->process = qs_process_new (
        pid, qs_change_uint64 (arguments, "start-time"), qs_change_string (arguments, "boot-id"),
        qs_change_string (arguments, "socket"), qs_change_string (arguments, "unit"));
  return TRUE;
}

static gboolean
apply_attachment (QsDomain *domain, GVariant *arguments, GError **error)
{
  g_clear_pointer (&domain->attachment, qs_attachment_free);
  domain->attachment = qs_attachment_new (
      qs_change_string (arguments, "socket"), qs_change_string (arguments, "agent"),
      qs_change_boolean (arguments, "stable-path"), qs_change_boolean (arguments, "follow"));
  domain->attachment->hindered =
      !domain->attachment->stable_path && qs_change_boolean (arguments, "hindered");
  return TRUE;
}

static gboolean
apply_active (QsDomain *domain, GVariant *arguments, GError **error)
{
  qs_domain_put_active (
      domain, qs_change_string (arguments, "target"), qs_change_string (arguments, "path"),
      qs_change_string (arguments, "format"), qs_change_string (arguments, "stem"));
  return TRUE;
}

static QsSnapshot *
find_snapshot (const QsDomain *domain, const char *uuid, GError **error)
{
  QsSnapshot *snapshot = qs_tree_lookup (domain->tree, uuid);

  if (snapshot == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "domain ‘%s’ has no snapshot ‘%s’",
                 domain->name, uuid);
  return snapshot;
}

static gboolean
check_name (const QsDomain *domain, const char *uuid, const char *name, GError **error)
{
  const QsSnapshot *other = qs_tree_lookup_name (domain->tree, name);

  if (other == NULL || g_str_equal (other->uuid, uuid))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_SNAPSHOT_EXISTS, "domain ‘%s’ already has a snapshot ‘%s’",
               domain->name, name);
  return FALSE;
}

static gboolean
check_parent (const QsDomain *domain, const char *uuid, const char *parent, GError **error)
{
  const QsSnapshot *before = qs_tree_lookup (domain->tree, uuid);

  if (*parent == '\0')
    return TRUE;
  /* no need to walk up from the parent of one that is new, nor from one that stays */
  if (g_str_equal (parent, uuid)
      || (before != NULL && !g_str_equal (before->parent, parent)
          && qs_tree_is_ancestor (domain->tree, uuid, parent)))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
                   "snapshot ‘%s’ cannot be its own ancestor", uuid);
      return FALSE;
    }
  return find_snapshot (domain, parent, error) != NULL;
}

static gboolean
apply_snapshot_put (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *uuid = qs_change_string (arguments, "uuid");
  g_autoptr (QsSnapshot) snapshot =
      qs_change_snapshot (arguments, qs_tree_lookup (domain->tree, uuid), domain->rev, error);

  if (snapshot == NULL || !check_name (domain, uuid, snapshot->name, error)
      || !check_parent (domain, uuid, snapshot->parent, error))
    return FALSE;
  take_tree (domain, qs_tree_put (domain->tree, snapshot));
  return TRUE;
}

static gboolean
apply_snapshot_file (QsDomain *domain, GVariant *arguments, GError **error)
{
  return find_snapshot (domain, qs_change_string (arguments, "uuid"), error) != NULL;
}

static gboolean
apply_snapshot_delete (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *uuid = qs_change_string (arguments, "uuid");

  if (find_snapshot (domain, uuid, error) == NULL)
    return FALSE;
  take_tree (domain, qs_tree_remove (domain->tree, uuid));
  qs_domain_forget_mirrors (domain, uuid);
  return TRUE;
}

static gboolean
apply_snapshot_edit (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *uuid = qs_change_string (arguments, "uuid");
  const QsSnapshot *before = find_snapshot (domain, uuid, error);
  QsSnapshot values;

  if (before == NULL || !check_name (domain, uuid, qs_change_string (arguments, "name"), error))
    return FALSE;
  values = *before;
  values.name = qs_change_string (arguments, "name");
  values.description = qs_change_string (arguments, "description");
  put_snapshot (domain, &values);
  return TRUE;
}

static gboolean
apply_snapshot_quiesce (QsDomain *domain, GVariant *arguments, GError **error)
{
  const QsSnapshot *before = find_snapshot (domain, qs_change_string (arguments, "uuid"), error);
  QsSnapshot values;

  if (before == NULL)
    return FALSE;
  values = *before;
  values.freeze_time = qs_change_uint64 (arguments, "freeze-time");
  values.quiesced = qs_change_boolean (arguments, "quiesced");
  put_snapshot (domain, &values);
  return TRUE;
}

static gboolean
put_has_tip (QsDomain *domain, GVariant *arguments, gboolean has_tip, GError **error)
{
  const QsSnapshot *before = find_snapshot (domain, qs_change_string (arguments, "uuid"), error);
  QsSnapshot values;

  if (before == NULL)
    return FALSE;
  values = *before;
  values.has_tip = has_tip;
  put_snapshot (domain, &values);
  return TRUE;
}

static gboolean
apply_tip (QsDomain *domain, GVariant *arguments, GError **error)
{
  return put_has_tip (domain, arguments, TRUE, error);
}

static gboolean
apply_tip_forget (QsDomain *domain, GVariant *arguments, GError **error)
{
  return put_has_tip (domain, arguments, FALSE, error);
}

static gboolean
apply_mirror (QsDomain *domain, GVariant *arguments, GError **error)
{
  QsMirror mirror;

  qs_change_mirror (arguments, &mirror);
  qs_domain_put_mirror (domain, &mirror);
  return find_snapshot (domain, mirror.snapshot, error) != NULL;
}

/* why it has been dropped first stays */
static gboolean
apply_mirror_drop (QsDomain *domain, GVariant *arguments, GError **error)
{
  const QsMirror *before = qs_domain_find_mirror (domain, qs_change_string (arguments, "path"));
  QsMirror mirror;

  if (before == NULL || !qs_mirror_is_live (before))
    return TRUE;
  mirror = *before;
  mirror.reason = (char *)qs_change_string (arguments, "reason");
  qs_domain_put_mirror (domain, &mirror);
  return TRUE;
}

static gboolean
apply_mirror_forget (QsDomain *domain, GVariant *arguments, GError **error)
{
  qs_domain_forget_mirror (domain, qs_change_string (arguments, "path"));
  return TRUE;
}

static gboolean
apply_current (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *uuid = qs_change_string (arguments, "uuid");

  if (*uuid != '\0' && find_snapshot (domain, uuid, error) == NULL)
    return FALSE;
  take_tree (domain, qs_tree_set_current (domain->tree, uuid));
  return TRUE;
}

static gboolean
apply_quarantine (QsDomain *domain, GVariant *arguments, GError **error)
{
  replace_string (&domain->quarantine_reason, qs_change_string (arguments, "reason"));
  return TRUE;
}

/* the disk whose file it is goes with it; a change of its active file may follow in the same list */
static gboolean
apply_file_rename (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *path = qs_change_string (arguments, "path");

  for (guint i = 0; i < domain->actives->len; i++)
    {
      QsActive *active = g_ptr_array_index (domain->actives, i);

      if (g_str_equal (active->path, path))
        replace_string (&active->path, qs_change_string (arguments, "to"));
    }
  return TRUE;
}

/* the names of its overlays go on as they began */
static gboolean
apply_file_merge (QsDomain *domain, GVariant *arguments, GError **error)
{
  const char *path = qs_change_string (arguments, "path");
  const char *into = qs_change_string (arguments, "into");

  if (!qs_change_check_merge (arguments, error))
    return FALSE;
  for (guint i = 0; i < domain->actives->len; i++)
    {
      QsActive *active = g_ptr_array_index (domain->actives, i);

      if (!g_str_equal (active->path, path))
        continue;
      replace_string (&active->path, into);
      replace_string (&active->format, qs_change_string (arguments, "format"));
    }
  return TRUE;
}

/* files are in the store alone: a QsDomain holds the active ones, the rest is asked for when needed */
static gboolean
apply_file (QsDomain *domain, GVariant *arguments, GError **error)
{
  return TRUE;
}

typedef gboolean (*ApplyFunc) (QsDomain *domain, GVariant *arguments, GError **error);

static const ApplyFunc apply_funcs[] = {
  [QS_CHANGE_DOMAIN_PUT] = apply_domain_put,
  [QS_CHANGE_DOMAIN_DELETE] = NULL,
  [QS_CHANGE_DOMAIN_STATE] = apply_domain_state,
  [QS_CHANGE_LIVE_DEF] = apply_live_def,
  [QS_CHANGE_PROCESS] = apply_process,
  [QS_CHANGE_ATTACHMENT] = apply_attachment,
  [QS_CHANGE_ACTIVE] = apply_active,
  [QS_CHANGE_FILE_PUT] = apply_file,
  [QS_CHANGE_FILE_RENAME] = apply_file_rename,
  [QS_CHANGE_FILE_MERGE] = apply_file_merge,
  [QS_CHANGE_FILE_BACKING] = apply_file,
  [QS_CHANGE_FILE_ROLE] = apply_file,
  [QS_CHANGE_FILE_MODE] = apply_file,
  [QS_CHANGE_FILE_TOMBSTONE] = apply_file,
  [QS_CHANGE_FILE_FORGET] = apply_file,
  [QS_CHANGE_SNAPSHOT_PUT] = apply_snapshot_put,
  [QS_CHANGE_SNAPSHOT_FILE] = apply_snapshot_file,
  [QS_CHANGE_SNAPSHOT_DELETE] = apply_snapshot_delete,
  [QS_CHANGE_SNAPSHOT_EDIT] = apply_snapshot_edit,
  [QS_CHANGE_SNAPSHOT_QUIESCE] = apply_snapshot_quiesce,
  [QS_CHANGE_CURRENT] = apply_current,
  [QS_CHANGE_QUARANTINE] = apply_quarantine,
  [QS_CHANGE_TIP] = apply_tip,
  [QS_CHANGE_TIP_FORGET] = apply_tip_forget,
  [QS_CHANGE_MIRROR] = apply_mirror,
  [QS_CHANGE_MIRROR_DROP] = apply_mirror_drop,
  [QS_CHANGE_MIRROR_FORGET] = apply_mirror_forget,
};
G_STATIC_ASSERT (G_N_ELEMENTS (apply_funcs) == QS_N_CHANGE_KINDS);

/* without its own id a domain has that of its uuid; whoever wants another hands in a new domain */
static QsDomain *
new_domain (GVariant *arguments, GError **error)
{
  g_autoptr (QsDomainDef) def =
      qs_domain_def_new_record (qs_change_string (arguments, "definition"), error);

  return def != NULL ? qs_domain_new (qs_change_string (arguments, "uuid"), 0, def) : NULL;
}

static gboolean
apply_change (QsDomain **domain, const char *name, GVariant *arguments, GError **error)
{
  QsChangeKind kind;

  if (!qs_change_lookup (name, &kind))
    g_return_val_if_reached (FALSE);
  if (kind == QS_CHANGE_DOMAIN_DELETE)
    {
      g_clear_pointer (domain, qs_domain_unref);
      return TRUE;
    }
  if (*domain == NULL && apply_funcs[kind] == apply_file)
    return TRUE;
  if (*domain == NULL && kind != QS_CHANGE_DOMAIN_PUT)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_NO_DOMAIN,
                   "change ‘%s’ concerns a domain that is not there", name);
      return FALSE;
    }
  if (*domain == NULL && (*domain = new_domain (arguments, error)) == NULL)
    return FALSE;
  (*domain)->rev++;
  return apply_funcs[kind](*domain, arguments, error);
}

QsDomain *
qs_domain_apply (const QsDomain *domain, GVariant *changes, GError **error)
{
  g_autoptr (QsDomain) after = NULL;
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  if (!qs_changes_check (changes, error))
    return NULL;
  after = domain != NULL ? qs_domain_copy (domain) : NULL;
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (!apply_change (&after, name, arguments, error))
      {
        g_variant_unref (arguments);
        return NULL;
      }
  return g_steal_pointer (&after);
}
