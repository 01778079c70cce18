/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-store-db.h"
#include "qs-store.h"

/* both run @func in the store's thread and wait for it; a write is one durable transaction */
gboolean qs_store_read (QsStore *store, QsDbFunc func, gpointer data, GError **error);
gboolean qs_store_write (QsStore *store, QsDbFunc func, gpointer data, GError **error);

/* in the store's thread, in a transaction */
gboolean qs_db_apply (QsDb *db, const char *domain, GVariant *changes, GError **error);
gboolean qs_db_put_step (QsDb *db, const gint64 *step, QsStepState state, GVariant *result,
                         GError **error);
gboolean qs_db_load_steps (QsDb *db, const gint64 *part, GArray *states, GPtrArray *results,
                           GError **error);
void qs_result_unref (gpointer result);

/* the file `pending` is there from before the first open operation until after the last one */
gboolean qs_db_mark_pending (QsDb *db, GError **error);
gboolean qs_db_update_pending (QsDb *db, GError **error);
