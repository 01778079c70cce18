/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

#define STRING(key) qs_change_string (arguments, key)
#define INT64(key) qs_change_int64 (arguments, key)
#define UINT64(key) ((gint64)qs_change_uint64 (arguments, key))
#define BOOLEAN(key) ((gint64)qs_change_boolean (arguments, key))

static gboolean
check_namesakes (QsDb *db, const char *domain, GVariant *arguments, guint32 owner, GError **error)
{
  g_autofree char *other = NULL;

  if (!qs_db_get_text (db, &other, error, QS_SQL_DOMAIN_FIND_OTHER, "isss", (gint64)owner,
                       STRING ("uuid"), STRING ("name"), domain))
    return FALSE;
  if (other == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS,
               "domain ‘%s’ already has the name ‘%s’ or the uuid %s", other, STRING ("name"),
               STRING ("uuid"));
  return FALSE;
}

/* the row was not touched if another owner has it */
static gboolean
check_owner (QsDb *db, GVariant *arguments, GError **error)
{
  if (sqlite3_changes (db->sqlite) == 1)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_DOMAIN_EXISTS, "a domain ‘%s’ exists already",
               STRING ("name"));
  return FALSE;
}

static gboolean
apply_domain_put (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  guint32 owner = 0;

  g_variant_lookup (arguments, "owner", "u", &owner);
  return check_namesakes (db, domain, arguments, owner, error)
         && qs_db_run (db, error, QS_SQL_DOMAIN_PUT, "siss", domain, (gint64)owner, STRING ("uuid"),
                       STRING ("name"))
         && check_owner (db, arguments, error)
         && qs_db_run (db, error, QS_SQL_DEFINITION_PUT, "sis", domain, (gint64)0,
                       STRING ("definition"));
}

static gboolean
apply_domain_delete (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_DOMAIN_DELETE, "s", domain);
}

static gboolean
apply_domain_state (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  guint state;

  if (!qs_enum_from_string (QS_ENUM_DOMAIN_STATE, STRING ("state"), &state))
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "‘%s’ is no known state", STRING ("state"));
      return FALSE;
    }
  return qs_db_run (db, error, QS_SQL_DOMAIN_STATE, "ss", domain, STRING ("state"));
}

static gboolean
apply_live_def (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  if (*STRING ("definition") == '\0')
    return qs_db_run (db, error, QS_SQL_DEFINITION_DELETE, "si", domain, (gint64)1);
  return qs_db_run (db, error, QS_SQL_DEFINITION_PUT, "sis", domain, (gint64)1,
                    STRING ("definition"));
}

static gboolean
apply_process (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  if (INT64 ("pid") == 0)
    return qs_db_run (db, error, QS_SQL_DOMAIN_PROCESS, "siisss", domain, (gint64)0, (gint64)0, "",
                      "", "");
  return qs_db_run (db, error, QS_SQL_DOMAIN_PROCESS, "siisss", domain, INT64 ("pid"),
                    UINT64 ("start-time"), STRING ("boot-id"), STRING ("socket"), STRING ("unit"));
}

/* a file that a disk or snapshot uses is known from then on, as not ours */
static gboolean
know_file (QsDb *db, const char *domain, const char *path, const char *format, GError **error)
{
  return qs_db_run (db, error, QS_SQL_FILE_KNOW, "sss", domain, path, format);
}

static gboolean
apply_active (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  if (*STRING ("path") == '\0')
    return qs_db_run (db, error, QS_SQL_ACTIVE_DELETE, "ss", domain, STRING ("target"));
  return know_file (db, domain, STRING ("path"), STRING ("format"), error)
         && qs_db_run (db, error, QS_SQL_ACTIVE_PUT, "sssss", domain, STRING ("target"),
                       STRING ("path"), STRING ("format"), STRING ("stem"));
}

static gboolean
apply_file_put (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_TOMBSTONE_FORGET, "ss", domain, STRING ("path"))
         && qs_db_run (db, error, QS_SQL_FILE_PUT, "sssssiiii", domain, STRING ("path"),
                       STRING ("format"), STRING ("role"), STRING ("backing"), BOOLEAN ("ours"),
                       UINT64 ("dev"), UINT64 ("ino"), INT64 ("btime"));
}

/* one column for the two of them */
static gint64
stable_path (GVariant *arguments)
{
  if (BOOLEAN ("stable-path"))
    return QS_STABLE_PATH_ON;
  return BOOLEAN ("hindered") ? QS_STABLE_PATH_HINDERED : QS_STABLE_PATH_OFF;
}

static gboolean
apply_attachment (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_ATTACHMENT_PUT, "sssii", domain, STRING ("socket"),
                    STRING ("agent"), stable_path (arguments), BOOLEAN ("follow"));
}

static gboolean
apply_file_rename (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_TOMBSTONE_FORGET, "ss", domain, STRING ("to"))
         && qs_db_run (db, error, QS_SQL_FILE_RENAME, "sss", domain, STRING ("path"), STRING ("to"))
         && qs_db_run (db, error, QS_SQL_FILE_RENAME_BACKING, "sss", domain, STRING ("path"),
                       STRING ("to"));
}

static gboolean
apply_file_mode (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  guint32 mode = 0;

  g_variant_lookup (arguments, "mode", "u", &mode);
  if (mode == 0)
    return qs_db_run (db, error, QS_SQL_FILE_MODE_FORGET, "ss", domain, STRING ("path"));
  return know_file (db, domain, STRING ("path"), "", error)
         && qs_db_run (db, error, QS_SQL_FILE_MODE_PUT, "ssi", domain, STRING ("path"),
                       (gint64)mode);
}

static gboolean
apply_file_tombstone (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_TOMBSTONE_PUT, "ss", domain, STRING ("path"))
         && qs_db_run (db, error, QS_SQL_FILE_FORGET, "ss", domain, STRING ("path"));
}

static gboolean
apply_file_forget (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_TOMBSTONE_FORGET, "ss", domain, STRING ("path"))
         && qs_db_run (db, error, QS_SQL_FILE_FORGET, "ss", domain, STRING ("path"));
}

static gboolean
check_snapshot (QsDb *db, const char *domain, const char *uuid, GError **error)
{
  g_autofree char *found = NULL;

  if (!qs_db_get_text (db, &found, error, QS_SQL_SNAPSHOT_FIND, "s", uuid))
    return FALSE;
  if (g_strcmp0 (found, domain) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "domain ‘%s’ has no snapshot ‘%s’", domain,
               uuid);
  return FALSE;
}

static gboolean
check_name (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  g_autofree char *other = NULL;

  if (!qs_db_get_text (db, &other, error, QS_SQL_SNAPSHOT_FIND_NAME, "ss", domain, STRING ("name")))
    return FALSE;
  if (other == NULL || g_str_equal (other, STRING ("uuid")))
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_SNAPSHOT_EXISTS, "domain ‘%s’ already has a snapshot ‘%s’",
               domain, STRING ("name"));
  return FALSE;
}

static gboolean
check_not_below (QsDb *db, GVariant *arguments, GError **error)
{
  g_autofree char *below = NULL;

  if (!qs_db_get_text (db, &below, error, QS_SQL_SNAPSHOT_IS_BELOW, "ss", STRING ("uuid"),
                       STRING ("parent")))
    return FALSE;
  if (below == NULL)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_INVALID_ARGUMENT,
               "snapshot ‘%s’ cannot be its own ancestor", STRING ("uuid"));
  return FALSE;
}

/* a snapshot that is new has none below it: no need to walk up from its parent */
static gboolean
check_parent (QsDb *db, const char *domain, GVariant *arguments, gboolean is_new, GError **error)
{
  if (*STRING ("parent") == '\0')
    return TRUE;
  if (is_new && g_str_equal (STRING ("parent"), STRING ("uuid")))
    return check_not_below (db, arguments, error);
  return (is_new || check_not_below (db, arguments, error))
         && check_snapshot (db, domain, STRING ("parent"), error);
}

/* what is written can be read again: known words, a uuid that is not another domain's */
static gboolean
check_row (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  g_autoptr (QsSnapshot) snapshot = qs_change_snapshot (arguments, NULL, 0, error);
  g_autofree char *found = NULL;

  if (snapshot == NULL
      || !qs_db_get_text (db, &found, error, QS_SQL_SNAPSHOT_FIND, "s", snapshot->uuid))
    return FALSE;
  return (found == NULL || check_snapshot (db, domain, snapshot->uuid, error))
         && check_name (db, domain, arguments, error)
         && check_parent (db, domain, arguments, found == NULL, error);
}

static gboolean
put_document (QsDb *db, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_DOCUMENT_PUT, "ss", STRING ("uuid"), STRING ("document"));
}

static gboolean
apply_snapshot_put (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_row (db, domain, arguments, error)
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_PUT, "sssssssssii", domain, STRING ("uuid"),
                       STRING ("name"), STRING ("parent"), STRING ("description"), STRING ("state"),
                       STRING ("kind"), STRING ("memory"), STRING ("origin"), INT64 ("created"),
                       BOOLEAN ("unverified"))
         && put_document (db, arguments, error);
}

static gboolean
apply_snapshot_file (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && know_file (db, domain, STRING ("path"), "", error)
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_FILE, "sssss", domain, STRING ("uuid"),
                       STRING ("target"), STRING ("path"), STRING ("tag"));
}

static gboolean
apply_snapshot_delete (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_LEAVE_CURRENT, "ss", domain, STRING ("uuid"))
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_MOVE_CHILDREN, "s", STRING ("uuid"))
         && qs_db_run (db, error, QS_SQL_MIRROR_FORGET_FILES, "ss", domain, STRING ("uuid"))
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_DELETE, "s", STRING ("uuid"));
}

static gboolean
apply_snapshot_edit (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && check_name (db, domain, arguments, error)
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_EDIT, "sss", STRING ("uuid"), STRING ("name"),
                       STRING ("description"))
         && (*STRING ("document") == '\0' || put_document (db, arguments, error));
}

static gboolean
apply_snapshot_quiesce (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && qs_db_run (db, error, QS_SQL_SNAPSHOT_QUIESCE, "sii", STRING ("uuid"),
                       UINT64 ("freeze-time"), BOOLEAN ("quiesced"));
}

static gboolean
apply_current (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return (*STRING ("uuid") == '\0' || check_snapshot (db, domain, STRING ("uuid"), error))
         && qs_db_run (db, error, QS_SQL_DOMAIN_CURRENT, "ss", domain, STRING ("uuid"));
}

static gboolean
apply_quarantine (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return qs_db_run (db, error, QS_SQL_DOMAIN_QUARANTINE, "ss", domain, STRING ("reason"));
}

static gboolean
apply_tip (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && know_file (db, domain, STRING ("path"), "", error)
         && qs_db_run (db, error, QS_SQL_TIP_PUT, "ssss", domain, STRING ("uuid"),
                       STRING ("target"), STRING ("path"));
}

static gboolean
apply_tip_forget (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("uuid"), error)
         && qs_db_run (db, error, QS_SQL_TIP_FORGET, "s", STRING ("uuid"));
}

static gboolean
apply_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error)
{
  return check_snapshot (db, domain, STRING ("snapshot"), error)
         && qs_db_put_mirror (db, domain, arguments, error);
}

/* the last three also for a domain that is gone: its files may have to be unlinked after it */
static const struct
{
  gboolean (*apply) (QsDb *db, const char *domain, GVariant *arguments, GError **error);
  gboolean needs_domain;
} appliers[] = {
  [QS_CHANGE_DOMAIN_PUT] = { apply_domain_put, TRUE },
  [QS_CHANGE_DOMAIN_STATE] = { apply_domain_state, TRUE },
  [QS_CHANGE_LIVE_DEF] = { apply_live_def, TRUE },
  [QS_CHANGE_PROCESS] = { apply_process, TRUE },
  [QS_CHANGE_ATTACHMENT] = { apply_attachment, TRUE },
  [QS_CHANGE_ACTIVE] = { apply_active, TRUE },
  [QS_CHANGE_FILE_PUT] = { apply_file_put, TRUE },
  [QS_CHANGE_FILE_RENAME] = { apply_file_rename, TRUE },
  [QS_CHANGE_FILE_MERGE] = { qs_db_merge_file, TRUE },
  [QS_CHANGE_FILE_BACKING] = { qs_db_put_backing, TRUE },
  [QS_CHANGE_FILE_ROLE] = { qs_db_put_role, TRUE },
  [QS_CHANGE_FILE_MODE] = { apply_file_mode, TRUE },
  [QS_CHANGE_SNAPSHOT_PUT] = { apply_snapshot_put, TRUE },
  [QS_CHANGE_SNAPSHOT_FILE] = { apply_snapshot_file, TRUE },
  [QS_CHANGE_SNAPSHOT_DELETE] = { apply_snapshot_delete, TRUE },
  [QS_CHANGE_SNAPSHOT_EDIT] = { apply_snapshot_edit, TRUE },
  [QS_CHANGE_SNAPSHOT_QUIESCE] = { apply_snapshot_quiesce, TRUE },
  [QS_CHANGE_CURRENT] = { apply_current, TRUE },
  [QS_CHANGE_QUARANTINE] = { apply_quarantine, TRUE },
  [QS_CHANGE_TIP] = { apply_tip, TRUE },
  [QS_CHANGE_TIP_FORGET] = { apply_tip_forget, TRUE },
  [QS_CHANGE_MIRROR] = { apply_mirror, TRUE },
  [QS_CHANGE_MIRROR_DROP] = { qs_db_drop_mirror, TRUE },
  [QS_CHANGE_MIRROR_FORGET] = { qs_db_forget_mirror, TRUE },
  [QS_CHANGE_DOMAIN_DELETE] = { apply_domain_delete, FALSE },
  [QS_CHANGE_FILE_TOMBSTONE] = { apply_file_tombstone, FALSE },
  [QS_CHANGE_FILE_FORGET] = { apply_file_forget, FALSE },
};
G_STATIC_ASSERT (G_N_ELEMENTS (appliers) == QS_N_CHANGE_KINDS);

static gboolean
bump (QsDb *db, const char *domain, QsChangeKind kind, GError **error)
{
  if (!qs_db_run (db, error, QS_SQL_DOMAIN_BUMP, "s", domain))
    return FALSE;
  if (sqlite3_changes (db->sqlite) == 1 || !appliers[kind].needs_domain)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_NO_DOMAIN,
               "change ‘%s’ concerns a domain that is not there", qs_change_name (kind));
  return FALSE;
}

/* a new domain has no revision before it is there, every other change finds the one it makes */
static gboolean
apply_change (QsDb *db, const char *domain, const char *name, GVariant *arguments, GError **error)
{
  QsChangeKind kind;

  if (!qs_change_lookup (name, &kind))
    g_return_val_if_reached (FALSE);
  if (kind == QS_CHANGE_DOMAIN_PUT)
    return appliers[kind].apply (db, domain, arguments, error) && bump (db, domain, kind, error);
  return bump (db, domain, kind, error) && appliers[kind].apply (db, domain, arguments, error);
}

/**
 * qs_db_apply:
 * @changes: a(sa{sv}), from qs_changes_resolve(): checked, with the results of steps in it
 *
 * What qs_domain_apply() does to the value, done to the tables; refuses what that refuses.
 */
gboolean
qs_db_apply (QsDb *db, const char *domain, GVariant *changes, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *arguments;

  g_free (db->touched);
  db->touched = g_strdup (domain);
  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "(&s@a{sv})", &name, &arguments))
    if (!apply_change (db, domain, name, arguments, error))
      {
        g_variant_unref (arguments);
        return FALSE;
      }
  return TRUE;
}
