/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "backup"
#define SUFFIX ".db"
#define NEW_SUFFIX ".new"
#define BACKUPS_KEPT 7

static gboolean
fail_errno (const char *what, const char *path, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot %s ‘%s’: %s", what, path,
               g_strerror (errno));
  return FALSE;
}

static char *
backup_path (QsDb *db, GDateTime *now, const char *suffix)
{
  g_autofree char *day = g_date_time_format (now, "%Y-%m-%d");
  g_autofree char *name = g_strconcat (day, suffix, NULL);

  return g_build_filename (db->folder, FOLDER, name, NULL);
}

/**
 * qs_db_is_backed_up:
 *
 * Whether the backup of this day is there.
 */
gboolean
qs_db_is_backed_up (QsDb *db, GDateTime *now)
{
  g_autofree char *path = backup_path (db, now, SUFFIX);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
list_backups (const char *folder, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);

  if (dir == NULL)
    return NULL;
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    if (g_str_has_suffix (name, SUFFIX))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

/* names are days: the first ones are the oldest */
static gboolean
prune (const char *folder, GError **error)
{
  g_autoptr (GPtrArray) names = list_backups (folder, error);

  if (names == NULL)
    return FALSE;
  for (guint i = 0; i + BACKUPS_KEPT < names->len; i++)
    {
      g_autofree char *path = g_build_filename (folder, g_ptr_array_index (names, i), NULL);

      if (g_unlink (path) != 0)
        return fail_errno ("remove", path, error);
    }
  return TRUE;
}

static gboolean
sync_path (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  gboolean ok = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return ok || fail_errno ("sync", path, error);
}

/**
 * qs_db_vacuum_into:
 *
 * Writes the database once more, whole and by itself, to @path, which has its name only then.
 */
gboolean
qs_db_vacuum_into (QsDb *db, const char *path, GError **error)
{
  g_autofree char *fresh = g_strconcat (path, NEW_SUFFIX, NULL);
  g_autoptr (sqlite3_stmt) statement = NULL;

  (void)g_unlink (fresh);
  if (sqlite3_prepare_v2 (db->sqlite, "VACUUM INTO ?1", -1, &statement, NULL) != SQLITE_OK
      || sqlite3_bind_text (statement, 1, fresh, -1, SQLITE_STATIC) != SQLITE_OK
      || sqlite3_step (statement) != SQLITE_DONE)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot write ‘%s’: %s", fresh,
                   sqlite3_errmsg (db->sqlite));
      return FALSE;
    }
  if (!sync_path (fresh, error))
    return FALSE;
  if (g_chmod (fresh, 0600) != 0 || g_rename (fresh, path) != 0)
    return fail_errno ("name", path, error);
  return TRUE;
}

/**
 * qs_db_back_up:
 *
 * Makes the backup of the day @now and drops those beyond the last seven.
 */
gboolean
qs_db_back_up (QsDb *db, GDateTime *now, GError **error)
{
  g_autofree char *folder = g_build_filename (db->folder, FOLDER, NULL);
  g_autofree char *path = backup_path (db, now, SUFFIX);

  if (g_mkdir (folder, 0700) != 0 && errno != EEXIST)
    return fail_errno ("make the folder", folder, error);
  return qs_db_vacuum_into (db, path, error) && sync_path (folder, error) && prune (folder, error);
}
