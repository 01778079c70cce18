/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"
#include "qs-limits.h"

typedef struct
{
  const char *snapshot;
  char *document;
} GetDocument;

static gboolean
take_document (sqlite3_stmt *row, GetDocument *get, GError **error)
{
  if (sqlite3_column_int (row, 1) == 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_DEGRADED,
                   "the store is damaged: the document of snapshot %s is not as it was written",
                   get->snapshot);
      return FALSE;
    }
  get->document = g_strdup (qs_db_text (row, 0));
  return TRUE;
}

static gboolean
get_document (QsDb *db, gpointer data, GError **error)
{
  GetDocument *get = data;
  sqlite3_stmt *row = qs_db_bind (db, QS_SQL_DOCUMENT_GET, "s", get->snapshot);
  gboolean ok = FALSE;

  switch (qs_db_step (db, row, error))
    {
    case QS_DB_ROW:
      ok = take_document (row, get, error);
      break;
    case QS_DB_DONE:
      g_set_error (error, QS_ERROR, QS_ERROR_NO_SNAPSHOT, "there is no snapshot ‘%s’",
                   get->snapshot);
      break;
    case QS_DB_FAILED:
      break;
    }
  sqlite3_reset (row);
  return ok;
}

/**
 * qs_store_get_document:
 *
 * Returns: (transfer full): the document of the snapshot, as it was recorded
 */
char *
qs_store_get_document (QsStore *store, const char *snapshot, GError **error)
{
  GetDocument get = { .snapshot = snapshot };

  return qs_store_read (store, get_document, &get, error) ? get.document : NULL;
}

typedef struct
{
  const char *key; /* domain or snapshot */
  GPtrArray *list;
  GHashTable *by_path;
} GetFiles;

static void
take_file (GetFiles *get, sqlite3_stmt *row)
{
  QsFile *file = qs_file_new (qs_db_text (row, 0), qs_db_text (row, 1));

  file->role = g_strdup (qs_db_text (row, 2));
  file->backing = g_strdup (qs_db_text (row, 3));
  file->ours = sqlite3_column_int (row, 4) != 0;
  file->dev = (guint64)sqlite3_column_int64 (row, 5);
  file->ino = (guint64)sqlite3_column_int64 (row, 6);
  file->btime = sqlite3_column_int64 (row, 7);
  file->active_of = g_strdup (qs_db_text (row, 8));
  file->mode = (guint32)sqlite3_column_int64 (row, 9);
  g_ptr_array_add (get->list, file);
  g_hash_table_insert (get->by_path, file->path, file);
}

static void
take_user (GetFiles *get, sqlite3_stmt *row)
{
  QsFile *file = g_hash_table_lookup (get->by_path, qs_db_text (row, 0));
  const char *snapshot = qs_db_text (row, 1);
  const char *tag = qs_db_text (row, 2);

  g_return_if_fail (file != NULL);
  if (*tag == '\0')
    {
      g_ptr_array_add (file->state_of, g_strdup (snapshot));
      return;
    }
  g_ptr_array_add (file->tags, g_strdup (tag));
  g_ptr_array_add (file->tag_of, g_strdup (snapshot));
}

static void
take_tip_user (GetFiles *get, sqlite3_stmt *row)
{
  QsFile *file = g_hash_table_lookup (get->by_path, qs_db_text (row, 0));

  g_return_if_fail (file != NULL);
  g_ptr_array_add (file->tip_of, g_strdup (qs_db_text (row, 1)));
}

static void
take_tip (GetFiles *get, sqlite3_stmt *row)
{
  g_ptr_array_add (get->list,
                   qs_tip_new (qs_db_text (row, 1), qs_db_text (row, 2), qs_db_text (row, 0)));
}

static void
take_snapshot_file (GetFiles *get, sqlite3_stmt *row)
{
  QsSnapshotFile *file = g_new0 (QsSnapshotFile, 1);

  file->target = g_strdup (qs_db_text (row, 0));
  file->path = g_strdup (qs_db_text (row, 1));
  file->tag = g_strdup (qs_db_text (row, 2));
  file->format = g_strdup (qs_db_text (row, 3));
  g_ptr_array_add (get->list, file);
}

static gboolean
take_rows (QsDb *db, QsSql id, void (*take) (GetFiles *get, sqlite3_stmt *row), GetFiles *get,
           GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, id, "s", get->key);
  QsDbResult result;

  while ((result = qs_db_step (db, row, error)) == QS_DB_ROW)
    take (get, row);
  return result == QS_DB_DONE;
}

static gboolean
get_files (QsDb *db, gpointer data, GError **error)
{
  GetFiles *get = data;
  g_autoptr (GHashTable) by_path = g_hash_table_new (g_str_hash, g_str_equal);

  get->by_path = by_path;
  return take_rows (db, QS_SQL_FILE_LIST, take_file, get, error)
         && take_rows (db, QS_SQL_FILE_USERS, take_user, get, error)
         && take_rows (db, QS_SQL_TIP_LIST, take_tip_user, get, error);
}

/**
 * qs_store_get_files:
 *
 * Returns: (transfer full) (element-type QsFile): the recorded files of the domain and their users
 */
GPtrArray *
qs_store_get_files (QsStore *store, const char *domain, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);
  GetFiles get = { .key = domain, .list = files };

  if (!qs_store_read (store, get_files, &get, error))
    return NULL;
  return g_steal_pointer (&files);
}

static gboolean
get_tips (QsDb *db, gpointer data, GError **error)
{
  return take_rows (db, QS_SQL_TIP_LIST, take_tip, data, error);
}

/**
 * qs_store_get_tips:
 *
 * Returns: (transfer full) (element-type QsTip): the overlays that snapshots have while the domain
 *   is elsewhere
 */
GPtrArray *
qs_store_get_tips (QsStore *store, const char *domain, GError **error)
{
  g_autoptr (GPtrArray) tips = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_tip_free);
  GetFiles get = { .key = domain, .list = tips };

  if (!qs_store_read (store, get_tips, &get, error))
    return NULL;
  return g_steal_pointer (&tips);
}

typedef struct
{
  const char *domain;
  const char *start;      /* (nullable): with what it stands on */
  const GPtrArray *paths; /* (nullable): of char */
  GetFiles get;
} FindFiles;

static gboolean
find_file (QsDb *db, FindFiles *find, const char *path, QsFile **file, GError **error)
{
  sqlite3_stmt *row = qs_db_bind (db, QS_SQL_FILE_FIND, "ss", find->domain, path);
  QsDbResult result = qs_db_step (db, row, error);

  *file = NULL;
  if (result == QS_DB_ROW)
    {
      take_file (&find->get, row);
      *file = g_ptr_array_index (find->get.list, find->get.list->len - 1);
    }
  sqlite3_reset (row);
  return result != QS_DB_FAILED;
}

/* what is recorded cannot loop, but a bound costs nothing */
static gboolean
find_chain (QsDb *db, FindFiles *find, GError **error)
{
  const char *path = find->start;

  for (guint i = 0; path != NULL && i < QS_MAX_CHAIN_FILES; i++)
    {
      QsFile *file;

      if (!find_file (db, find, path, &file, error))
        return FALSE;
      path = file != NULL ? file->backing : NULL;
    }
  return TRUE;
}

static gboolean
find_files (QsDb *db, gpointer data, GError **error)
{
  FindFiles *find = data;
  g_autoptr (GHashTable) by_path = g_hash_table_new (g_str_hash, g_str_equal);
  QsFile *file;

  find->get.by_path = by_path;
  if (find->start != NULL)
    return find_chain (db, find, error);
  for (guint i = 0; i < find->paths->len; i++)
    if (!find_file (db, find, g_ptr_array_index (find->paths, i), &file, error))
      return FALSE;
  return TRUE;
}

static GPtrArray *
read_files (QsStore *store, FindFiles *find, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func ((GDestroyNotify)qs_file_free);

  find->get.list = files;
  return qs_store_read (store, find_files, find, error) ? g_steal_pointer (&files) : NULL;
}

/**
 * qs_store_get_chain:
 *
 * What qs_store_get_files() has of one chain, without users: it does not cost more with the number
 * of snapshots.
 *
 * Returns: (transfer full) (element-type QsFile): the record of @path and of what it stands on
 */
GPtrArray *
qs_store_get_chain (QsStore *store, const char *domain, const char *path, GError **error)
{
  FindFiles find = { .domain = domain, .start = path };

  return read_files (store, &find, error);
}

/**
 * qs_store_find_files:
 * @paths: (element-type utf8)
 *
 * Returns: (transfer full) (element-type QsFile): the records of those that are known, without users
 */
GPtrArray *
qs_store_find_files (QsStore *store, const char *domain, const GPtrArray *paths, GError **error)
{
  FindFiles find = { .domain = domain, .paths = paths };

  return read_files (store, &find, error);
}

typedef struct
{
  const char *domain;
  const char *path;
  const char *tag;
  char *snapshot;
} FindTag;

static gboolean
find_tag (QsDb *db, gpointer data, GError **error)
{
  FindTag *find = data;

  return qs_db_get_text (db, &find->snapshot, error, QS_SQL_TAG_FIND, "sss", find->domain,
                         find->path, find->tag);
}

/**
 * qs_store_find_tag:
 * @snapshot: (out) (nullable): uuid of the one that is recorded with this tag in this file
 */
gboolean
qs_store_find_tag (QsStore *store, const char *domain, const char *path, const char *tag,
                   char **snapshot, GError **error)
{
  FindTag find = { .domain = domain, .path = path, .tag = tag };

  if (!qs_store_read (store, find_tag, &find, error))
    return FALSE;
  *snapshot = find.snapshot;
  return TRUE;
}

static gboolean
get_snapshot_files (QsDb *db, gpointer data, GError **error)
{
  return take_rows (db, QS_SQL_SNAPSHOT_FILES, take_snapshot_file, data, error);
}

/**
 * qs_store_get_snapshot_files:
 *
 * Returns: (transfer full) (element-type QsSnapshotFile): where each disk of the snapshot lies
 */
GPtrArray *
qs_store_get_snapshot_files (QsStore *store, const char *snapshot, GError **error)
{
  g_autoptr (GPtrArray) files =
      g_ptr_array_new_with_free_func ((GDestroyNotify)qs_snapshot_file_free);
  GetFiles get = { .key = snapshot, .list = files };

  if (!qs_store_read (store, get_snapshot_files, &get, error))
    return NULL;
  return g_steal_pointer (&files);
}

typedef struct
{
  const char *domain;
  const GPtrArray *images;
  GPtrArray *paths;
} FindForeign;

static gboolean
find_foreign (QsDb *db, gpointer data, GError **error)
{
  FindForeign *find = data;

  for (guint i = 0; i < find->images->len; i++)
    {
      const QsImage *image = g_ptr_array_index (find->images, i);
      g_autofree char *other = NULL;
      guint64 dev, ino;

      qs_image_identity (image, &dev, &ino);
      if (!qs_db_get_text (db, &other, error, QS_SQL_FILE_FOREIGN, "siis", find->domain,
                           (gint64)dev, (gint64)ino, image->path))
        return FALSE;
      if (other != NULL)
        g_ptr_array_add (find->paths, g_strdup (image->path));
    }
  return TRUE;
}

/**
 * qs_store_find_foreign:
 * @images: (element-type QsImage)
 *
 * Compares by identity, and by path too, since device numbers may change with a reboot.
 *
 * Returns: (transfer full) (element-type utf8): paths of those that are recorded for other domains
 */
GPtrArray *
qs_store_find_foreign (QsStore *store, const char *domain, const GPtrArray *images, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  FindForeign find = { .domain = domain, .images = images, .paths = paths };

  if (!qs_store_read (store, find_foreign, &find, error))
    return NULL;
  return g_steal_pointer (&paths);
}

typedef struct
{
  const char *domain;
  const QsImage *image;
  char *path;
} FindOtherName;

static gboolean
find_other_name (QsDb *db, gpointer data, GError **error)
{
  FindOtherName *find = data;
  guint64 dev, ino;

  qs_image_identity (find->image, &dev, &ino);
  return qs_db_get_text (db, &find->path, error, QS_SQL_FILE_OTHER_NAME, "siisi", find->domain,
                         (gint64)dev, (gint64)ino, find->image->path, find->image->btime);
}

/**
 * qs_store_find_other_name:
 * @path: (out) (nullable): under which the file is recorded for the domain, besides its own
 */
gboolean
qs_store_find_other_name (QsStore *store, const char *domain, const QsImage *image, char **path,
                          GError **error)
{
  FindOtherName find = { .domain = domain, .image = image };

  if (!qs_store_read (store, find_other_name, &find, error))
    return FALSE;
  *path = find.path;
  return TRUE;
}
