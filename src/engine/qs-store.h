/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-change.h"
#include "qs-facts.h"
#include "qs-journal.h"
#include "qs-request.h"

/**
 * QsStore:
 *
 * Domains, snapshots, files and the journal in one SQLite database. One thread of its own does all
 * SQLite work; every function here may be called from any thread but the main one, and waits.
 * Errors that concern the database make it degraded: reads go on, writes answer QS_ERROR_DEGRADED.
 */
typedef struct QsStore QsStore;

QsStore *qs_store_open (const char *folder, GError **error);
void qs_store_free (QsStore *store);
char *qs_store_get_degraded (QsStore *store);

GPtrArray *qs_store_load_domains (QsStore *store, GError **error); /* of QsDomain */
char *qs_store_get_document (QsStore *store, const char *snapshot, GError **error);
GPtrArray *qs_store_get_files (QsStore *store, const char *domain, GError **error); /* of QsFile */
GPtrArray *qs_store_get_tips (QsStore *store, const char *domain, GError **error);  /* of QsTip */

/* of QsFile, without users: of @path and what it stands on; of those @paths that are known */
GPtrArray *qs_store_get_chain (QsStore *store, const char *domain, const char *path,
                               GError **error);
GPtrArray *qs_store_find_files (QsStore *store, const char *domain, const GPtrArray *paths,
                                GError **error);
gboolean qs_store_find_tag (QsStore *store, const char *domain, const char *path, const char *tag,
                            char **snapshot, GError **error);

/* (transfer full): another path under which the same file is recorded, or NULL */
gboolean qs_store_find_other_name (QsStore *store, const char *domain, const QsImage *image,
                                   char **path, GError **error);

/* of QsSnapshotFile */
GPtrArray *qs_store_get_snapshot_files (QsStore *store, const char *snapshot, GError **error);

/* of char: paths of those @images (of QsImage) that are recorded for other domains */
GPtrArray *qs_store_find_foreign (QsStore *store, const char *domain, const GPtrArray *images,
                                  GError **error);

/**
 * QsOpenOp:
 *
 * An operation that a previous run of the daemon left open.
 */
typedef struct
{
  guint64 id;
  char *domain;
  char *name; /* 8 hex digits: QsFacts.op */
  QsRequest *request;
  guint32 caller;
  guint n_parts;       /* as requested; records of those begun follow */
  GPtrArray *requests; /* of QsRequest: one a part */
  GPtrArray *parts;    /* of QsPartRecord */
} QsOpenOp;

GPtrArray *qs_store_load_open_ops (QsStore *store, GError **error);
guint64 qs_store_begin_op (QsStore *store, const char *domain, const char *name,
                           const QsRequest *request, const GPtrArray *parts, GError **error);
gboolean qs_store_close_op (QsStore *store, guint64 op, const GError *outcome, GError **error);
QsJournal *qs_store_get_journal (QsStore *store, guint64 op);
void qs_journal_free (QsJournal *journal);

/* applies @changes and marks step @index done, in one COMMIT */
gboolean qs_store_record (QsStore *store, guint64 op, guint part, guint index, GVariant *changes,
                          GError **error);
gboolean qs_store_is_recorded (QsStore *store, guint64 op, guint part, guint index, GError **error);

/* for what changes the records alone, and needs no operation */
gboolean qs_store_apply (QsStore *store, const char *domain, GVariant *changes, GError **error);

/**
 * QsFreeze:
 *
 * A guest that we have asked, or will ask at once, to freeze its file systems: whatever happens it
 * is to be thawed. Kept apart from the operation and the domain, which may end before that.
 */
typedef struct
{
  char *domain; /* id */
  guint64 op;   /* that wants it frozen */
  guint32 owner;
  QsProcess *process; /* its socket is that of the guest agent */
  gboolean ours;      /* we have started it: nobody else listens at that socket */
  gint64 since;       /* monotonic, microseconds */
} QsFreeze;

gboolean qs_store_put_freeze (QsStore *store, const QsFreeze *freeze, GError **error);
gboolean qs_store_forget_freeze (QsStore *store, const QsFreeze *freeze, GError **error);
GPtrArray *qs_store_load_freezes (QsStore *store, GError **error); /* of QsFreeze */
QsFreeze *qs_freeze_copy (const QsFreeze *freeze);
void qs_freeze_free (QsFreeze *freeze);

void qs_open_op_free (QsOpenOp *op);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsStore, qs_store_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsOpenOp, qs_open_op_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsFreeze, qs_freeze_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsJournal, qs_journal_free)
