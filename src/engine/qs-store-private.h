/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-store-db.h"
#include "qs-store.h"

/* in the column stable_path of the table attachment */
enum
{
  QS_STABLE_PATH_OFF,
  QS_STABLE_PATH_ON,
  QS_STABLE_PATH_HINDERED,
};

/* all run @func in the store's thread and wait for it; a write is one transaction, durable then; a
   lazy one is as durable as the next that is not lazy */
gboolean qs_store_read (QsStore *store, QsDbFunc func, gpointer data, GError **error);
gboolean qs_store_write (QsStore *store, QsDbFunc func, gpointer data, GError **error);
gboolean qs_store_write_lazily (QsStore *store, QsDbFunc func, gpointer data, GError **error);

/* in the store's thread, in a transaction */
gboolean qs_db_apply (QsDb *db, const char *domain, GVariant *changes, GError **error);
gboolean qs_db_merge_file (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_put_backing (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_put_role (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_put_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_drop_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_forget_mirror (QsDb *db, const char *domain, GVariant *arguments, GError **error);
gboolean qs_db_check_not_busy (QsDb *db, const char *domain, GError **error);
gboolean qs_db_put_step (QsDb *db, const gint64 *step, QsStepState state, GVariant *result,
                         GError **error);
gboolean qs_db_load_steps (QsDb *db, const gint64 *part, GArray *states, GPtrArray *results,
                           GError **error);
void qs_result_unref (gpointer result);

/* the file `pending` is there from before the first open operation, or guest to be thawed, until
   after the last one */
gboolean qs_db_mark_pending (QsDb *db, GError **error);
gboolean qs_db_update_pending (QsDb *db, GError **error);

/**
 * QsUpkeep:
 *
 * What the store's thread does when nobody wants anything of it: a few seconds after a change a
 * copy of each changed domain as `domain/ID.json`, and once a day a copy of the database in
 * `backup/`. Both are for people to look at and to put back; the service never reads them.
 */
typedef struct QsUpkeep QsUpkeep;

QsUpkeep *qs_upkeep_new (QsDb *db);
void qs_upkeep_free (QsUpkeep *upkeep);
void qs_upkeep_touch (QsUpkeep *upkeep, const char *domain);
gint64 qs_upkeep_get_due (QsUpkeep *upkeep);
void qs_upkeep_run (QsUpkeep *upkeep, gint64 now);

char *qs_db_copy_domain (QsDb *db, const char *domain, GError **error);
char *qs_copy_head (gint64 rev);
gboolean qs_db_back_up (QsDb *db, GDateTime *now, GError **error);
gboolean qs_db_is_backed_up (QsDb *db, GDateTime *now);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsUpkeep, qs_upkeep_free)
