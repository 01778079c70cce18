/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-db.h"

#include "qs-error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* where locks or fsync are somebody else's promise */
static const struct
{
  guint32 magic;
  const char *name;
} remote_file_systems[] = {
  { 0x6969, "NFS" },      { 0x517b, "SMB" },      { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB" },
  { 0x01021997, "9p" },   { 0x65735546, "FUSE" }, { 0x5346414f, "AFS" },  { 0x73757245, "Coda" },
  { 0x00c36400, "Ceph" }, { 0x564c, "NCP" },
};

static gboolean
fail_errno (QsDb *db, const char *what, GError **error)
{
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot %s ‘%s’: %s", what, db->folder,
               g_strerror (errno));
  return FALSE;
}

static gboolean
check_file_system (QsDb *db, GError **error)
{
  struct statfs info;

  if (fstatfs (db->folder_fd, &info) != 0)
    return fail_errno (db, "look at the file system of", error);
  for (guint i = 0; i < G_N_ELEMENTS (remote_file_systems); i++)
    if ((guint32)info.f_type == remote_file_systems[i].magic)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
                     "‘%s’ is on a file system of type %s; the store needs a local one", db->folder,
                     remote_file_systems[i].name);
        return FALSE;
      }
  return TRUE;
}

static gboolean
check_folder (QsDb *db, GError **error)
{
  struct stat info;

  if (fstat (db->folder_fd, &info) != 0)
    return fail_errno (db, "look at", error);
  if (info.st_uid == geteuid () && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED,
               "the folder ‘%s’ must belong to the service and be writable by it alone",
               db->folder);
  return FALSE;
}

static gboolean
take_lock (QsDb *db, GError **error)
{
  db->lock_fd =
      openat (db->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
  if (db->lock_fd < 0)
    return fail_errno (db, "make a lock in", error);
  if (flock (db->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  if (errno != EWOULDBLOCK)
    return fail_errno (db, "lock", error);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "another snapshotd is using ‘%s’", db->folder);
  return FALSE;
}

/**
 * qs_db_open_folder:
 *
 * Makes the folder if it is absent, and takes its lock: from here on no other daemon is in it.
 */
gboolean
qs_db_open_folder (QsDb *db, GError **error)
{
  if (g_mkdir_with_parents (db->folder, 0700) != 0)
    return fail_errno (db, "make the folder", error);
  db->folder_fd = open (db->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (db->folder_fd < 0)
    return fail_errno (db, "open the folder", error);
  return check_folder (db, error) && check_file_system (db, error) && take_lock (db, error);
}

static gboolean
exists (QsDb *db, const char *name)
{
  struct stat info;

  return fstatat (db->folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* a folder that has been in use is never given an empty database: somebody took the full one away */
static gboolean
check_unused (QsDb *db, GError **error)
{
  static const char *const traces[] = { QS_STORE_FILE "-wal", "pending", "domain", "backup" };

  for (guint i = 0; i < G_N_ELEMENTS (traces); i++)
    if (exists (db, traces[i]))
      {
        g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED,
                     "‘%s/" QS_STORE_FILE "’ is missing although ‘%s’ is there; put it back, "
                     "for instance from ‘backup’, or move the folder away to begin anew",
                     db->folder, traces[i]);
        return FALSE;
      }
  return TRUE;
}

static gboolean
make_empty_file (QsDb *db, GError **error)
{
  int fd;

  (void)unlinkat (db->folder_fd, QS_STORE_NEW_FILE, 0);
  fd = openat (db->folder_fd, QS_STORE_NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail_errno (db, "make the database in", error);
  return g_close (fd, error);
}

static gboolean
fill_schema (QsDb *db, GError **error)
{
  g_autofree char *settings =
      g_strdup_printf ("PRAGMA application_id = %d", QS_STORE_APPLICATION_ID);

  if (!qs_db_add_functions (db->sqlite)
      || !qs_db_exec (db->sqlite, "PRAGMA synchronous = FULL", error)
      || !qs_db_exec (db->sqlite, settings, error) || !qs_db_upgrade (db, 0, error))
    return FALSE;
  return qs_db_exec (db->sqlite, "PRAGMA journal_mode = WAL", error);
}

static gboolean
fill_new_file (QsDb *db, GError **error)
{
  g_autofree char *path = g_build_filename (db->folder, QS_STORE_NEW_FILE, NULL);
  gboolean ok;

  ok = sqlite3_open_v2 (path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
           == SQLITE_OK
       && fill_schema (db, error);
  if (!ok && error != NULL && *error == NULL)
    g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "%s", sqlite3_errmsg (db->sqlite));
  /* closing copies the log into the file, which is whole by itself then */
  if (sqlite3_close (g_steal_pointer (&db->sqlite)) != SQLITE_OK)
    g_return_val_if_reached (FALSE);
  return ok;
}

/**
 * qs_db_create:
 *
 * Makes an empty database if there is none. It has its name only once it is whole, so that an empty
 * or half one is known to be damaged.
 */
gboolean
qs_db_create (QsDb *db, GError **error)
{
  if (exists (db, QS_STORE_FILE))
    return TRUE;
  if (!check_unused (db, error) || !make_empty_file (db, error))
    return FALSE;
  if (!fill_new_file (db, error))
    {
      g_prefix_error (error, "cannot make a database in ‘%s’: ", db->folder);
      return FALSE;
    }
  if (renameat (db->folder_fd, QS_STORE_NEW_FILE, db->folder_fd, QS_STORE_FILE) != 0
      || fsync (db->folder_fd) != 0)
    return fail_errno (db, "name the database in", error);
  return TRUE;
}

static gboolean
configure (QsDb *db, GError **error)
{
  int on;

  sqlite3_extended_result_codes (db->sqlite, 1);
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, &on);
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_DQS_DML, 0, &on);
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, &on);
  /* until the content is known to be good, closing must not copy the log into the file */
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on);
  if (!qs_db_add_functions (db->sqlite))
    return FALSE;
  for (guint i = 0; qs_sql_settings[i] != NULL; i++)
    if (!qs_db_exec (db->sqlite, qs_sql_settings[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
prepare_statements (QsDb *db, GError **error)
{
  for (guint i = 0; i < QS_N_SQL; i++)
    if (sqlite3_prepare_v3 (db->sqlite, qs_sql_text (i), -1, SQLITE_PREPARE_PERSISTENT,
                            &db->statements[i], NULL)
        != SQLITE_OK)
      {
        g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "%s", sqlite3_errmsg (db->sqlite));
        return FALSE;
      }
  return TRUE;
}

static gboolean
open_file (QsDb *db, GError **error)
{
  g_autofree char *path = g_build_filename (db->folder, QS_STORE_FILE, NULL);
  int on;

  if (sqlite3_open_v2 (path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
      != SQLITE_OK)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED, "%s", sqlite3_errmsg (db->sqlite));
      return FALSE;
    }
  if (!configure (db, error) || !qs_db_check_content (db, error) || !prepare_statements (db, error))
    return FALSE;
  sqlite3_db_config (db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, &on);
  return TRUE;
}

/**
 * qs_db_open:
 *
 * Opens the database in @folder, made if there never was one. One that is damaged, of another
 * program or newer is left as it is.
 */
QsDb *
qs_db_open (const char *folder, GError **error)
{
  g_autoptr (QsDb) db = g_new0 (QsDb, 1);

  db->folder = g_strdup (folder);
  db->folder_fd = db->lock_fd = -1;
  if (!qs_db_open_folder (db, error) || !qs_db_create (db, error))
    return NULL;
  if (qs_db_check_header (db, error) && open_file (db, error))
    return g_steal_pointer (&db);
  g_prefix_error (error, "cannot open ‘%s/" QS_STORE_FILE "’, which is left as it is: ", folder);
  return NULL;
}

void
qs_db_free (QsDb *db)
{
  if (db == NULL)
    return;
  for (guint i = 0; i < QS_N_SQL; i++)
    sqlite3_finalize (db->statements[i]);
  sqlite3_close (db->sqlite);
  if (db->lock_fd >= 0)
    close (db->lock_fd);
  if (db->folder_fd >= 0)
    close (db->folder_fd);
  g_free (db->folder);
  g_free (db->degraded);
  g_free (db->touched);
  g_free (db);
}
