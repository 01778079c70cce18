/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-store-private.h"

#include "qs-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "domain"
#define SUFFIX ".json"
#define COPY_DELAY (5 * G_USEC_PER_SEC)
#define BACKUP_DELAY (60 * G_USEC_PER_SEC)
#define BACKUP_INTERVAL (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define HEAD_BYTES 64

struct QsUpkeep
{
  QsDb *db;
  char *folder;
  GHashTable *dirty; /* ids of domains whose copy is old */
  gint64 copies_due;
  gint64 backup_due;
  gboolean has_looked; /* at the copies that a previous run left */
  GThreadPool *writer;
};

/* on its way to the writer's thread: a domain of 1000 snapshots is megabytes of text */
typedef struct
{
  char *path;
  char *text; /* NULL: the domain is gone, and its copy goes */
} Copy;

static gboolean
sync_folder (const char *folder)
{
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return ok;
}

static void
write_copy (gpointer data, gpointer user_data)
{
  Copy *copy = data;
  const QsUpkeep *upkeep = user_data;
  g_autoptr (GError) error = NULL;

  if (copy->text == NULL)
    (void)g_unlink (copy->path);
  else if (!g_file_set_contents_full (copy->path, copy->text, -1,
                                      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                      0600, &error))
    g_warning ("cannot copy a domain: %s, ignoring", error->message);
  if (!sync_folder (upkeep->folder))
    g_warning ("cannot sync ‘%s’: %s, ignoring", upkeep->folder, g_strerror (errno));
  g_free (copy->path);
  g_free (copy->text);
  g_free (copy);
}

QsUpkeep *
qs_upkeep_new (QsDb *db)
{
  QsUpkeep *upkeep = g_new0 (QsUpkeep, 1);
  gint64 now = g_get_monotonic_time ();

  upkeep->db = db;
  upkeep->folder = g_build_filename (db->folder, FOLDER, NULL);
  upkeep->dirty = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  upkeep->copies_due = now + COPY_DELAY;
  upkeep->backup_due = now + BACKUP_DELAY;
  upkeep->writer = g_thread_pool_new (write_copy, upkeep, 1, FALSE, NULL);
  return upkeep;
}

static char *
copy_path (const QsUpkeep *upkeep, const char *id)
{
  g_autofree char *name = g_strconcat (id, SUFFIX, NULL);

  return g_build_filename (upkeep->folder, name, NULL);
}

static void
write_domain (QsUpkeep *upkeep, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = qs_db_copy_domain (upkeep->db, id, &error);
  Copy *copy;

  /* ids are the engine's own; what is no file name is not made one */
  g_return_if_fail (strchr (id, '/') == NULL && *id != '.');
  if (error != NULL)
    {
      g_warning ("cannot copy domain %s: %s, ignoring", id, error->message);
      return;
    }
  copy = g_new0 (Copy, 1);
  copy->path = copy_path (upkeep, id);
  copy->text = g_steal_pointer (&text);
  g_thread_pool_push (upkeep->writer, copy, NULL);
}

static void
write_dirty (QsUpkeep *upkeep)
{
  GHashTableIter iter;
  gpointer id;

  if (g_hash_table_size (upkeep->dirty) == 0)
    return;
  if (g_mkdir (upkeep->folder, 0700) != 0 && errno != EEXIST)
    g_warning ("cannot make ‘%s’: %s, ignoring", upkeep->folder, g_strerror (errno));
  g_hash_table_iter_init (&iter, upkeep->dirty);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    write_domain (upkeep, id);
  g_hash_table_remove_all (upkeep->dirty);
}

/**
 * qs_upkeep_free:
 *
 * Writes the copies that are due some time, and waits until they are there.
 */
void
qs_upkeep_free (QsUpkeep *upkeep)
{
  write_dirty (upkeep);
  g_thread_pool_free (upkeep->writer, FALSE, TRUE);
  g_hash_table_unref (upkeep->dirty);
  g_free (upkeep->folder);
  g_free (upkeep);
}

void
qs_upkeep_touch (QsUpkeep *upkeep, const char *domain)
{
  g_hash_table_add (upkeep->dirty, g_strdup (domain));
  upkeep->copies_due = MIN (upkeep->copies_due, g_get_monotonic_time () + COPY_DELAY);
}

gint64
qs_upkeep_get_due (QsUpkeep *upkeep)
{
  return MIN (upkeep->copies_due, upkeep->backup_due);
}

static gboolean
is_copied (const QsUpkeep *upkeep, const char *id, gint64 rev)
{
  g_autofree char *path = copy_path (upkeep, id);
  g_autofree char *head = qs_copy_head (rev);
  char found[HEAD_BYTES] = { 0 };
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  gssize length = fd >= 0 ? read (fd, found, sizeof found - 1) : -1;

  if (fd >= 0)
    close (fd);
  return length > 0 && g_str_has_prefix (found, head);
}

/* a crash may have come between a change and its copy */
static void
look_at_copies (QsUpkeep *upkeep)
{
  sqlite3_stmt *row = qs_db_bind (upkeep->db, QS_SQL_DOMAIN_LIST, "");

  while (qs_db_step (upkeep->db, row, NULL) == QS_DB_ROW)
    if (!is_copied (upkeep, qs_db_text (row, 0), sqlite3_column_int64 (row, 4)))
      g_hash_table_add (upkeep->dirty, g_strdup (qs_db_text (row, 0)));
}

/* what a crash left of a copy: its name and six characters more */
static void
sweep (QsUpkeep *upkeep)
{
  g_autoptr (GDir) dir = g_dir_open (upkeep->folder, 0, NULL);

  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;)
    if (g_pattern_match_simple ("*" SUFFIX ".??????", name))
      {
        g_autofree char *path = g_build_filename (upkeep->folder, name, NULL);

        (void)g_unlink (path);
      }
}

static void
run_copies (QsUpkeep *upkeep)
{
  if (!upkeep->has_looked)
    {
      sweep (upkeep);
      look_at_copies (upkeep);
      upkeep->has_looked = TRUE;
    }
  write_dirty (upkeep);
  upkeep->copies_due = G_MAXINT64;
}

static void
run_backup (QsUpkeep *upkeep)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GError) error = NULL;

  if (!qs_db_is_backed_up (upkeep->db, now) && !qs_db_back_up (upkeep->db, now, &error))
    g_warning ("cannot back up the store: %s, ignoring", error->message);
  upkeep->backup_due = g_get_monotonic_time () + BACKUP_INTERVAL;
}

/**
 * qs_upkeep_run:
 * @now: of the monotonic clock
 *
 * Does what is due. Nothing of it failing is worth more than a warning: the store is as it was.
 */
void
qs_upkeep_run (QsUpkeep *upkeep, gint64 now)
{
  if (upkeep->copies_due <= now)
    run_copies (upkeep);
  if (upkeep->backup_due <= now)
    run_backup (upkeep);
}
