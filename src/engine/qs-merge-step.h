/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-block-job.h"
#include "qs-real-world.h"

/**
 * QsMerge:
 * @call: of the step that is carried out now
 * @step: the `block-commit`, `block-stream` or `blockdev-mirror` that it belongs to, which may be
 *   itself
 * @layers: of a commit: how many of the files go into the next one
 * @written: the node that the job writes to
 * @header: (nullable): the node whose file names another backing file afterwards; NULL: the device
 *   goes over to @written
 * @is_private: it is done by the process of step @storage, and no guest has the files open
 *
 * One merge, or one copy: a mirror is to its steps what a commit of the guest's own file is. They are, in
 * this order, block-commit, block-stream or blockdev-mirror; job-hold, if the caller is to say when;
 * job-complete, of a mirror and of a commit of what the guest writes to; flush, of all others;
 * job-finalize; job-dismiss.
 */
typedef struct
{
  QsStepCall *call;
  const QsStep *step;
  guint index;
  const char *job;
  gboolean is_stream;
  gboolean is_mirror;
  guint layers;
  const char *written;
  const char *header;
  gboolean is_private;
  guint storage;
} QsMerge;

gboolean qs_merge_read (QsStepCall *call, QsMerge *merge, GError **error);

/* @guest: (out) (transfer full): what does it; NULL, without error: that has ended */
gboolean qs_merge_find_guest (const QsMerge *merge, QsGuest **guest, GError **error);
const char *qs_merge_program (const QsMerge *merge);

GVariant *qs_merge_find_file (QsStepCall *call, GVariant *row, GError **error);

/* of the file that is written, and of the one whose header changes: (sstt) as they are now */
GVariant *qs_merge_files (const QsMerge *merge, GError **error);
GVariant *qs_merge_header_file (const QsMerge *merge, GError **error);
const char *qs_merge_wanted_backing (const QsMerge *merge);

gboolean qs_merge_begin (const QsMerge *merge, QsGuest *guest, GError **error);
gboolean qs_merge_fail (const QsMerge *merge, QsGuest *guest, const QsBlockJob *job,
                        GError **error);
gboolean qs_merge_reach (const QsMerge *merge, QsGuest *guest, QsBlockJobState wanted,
                         GError **error);
gboolean qs_merge_is_done (const QsMerge *merge, QsGuest *guest, gboolean *done, GError **error);

/* qs-step-merge.c: argument @key has the names of the nodes, those on top first */
void qs_merge_drop_nodes (const QsMerge *merge, QsGuest *guest, const char *key);

/* qs-merge-mirror.c: of a mirror */
GVariant *qs_merge_mirror_arguments (const QsMerge *merge);
gboolean qs_merge_mirror_check (const QsMerge *merge, GError **error);
gboolean qs_merge_mirror_sync (const QsMerge *merge, GError **error);
void qs_merge_mirror_explain (const QsMerge *merge, const QsBlockJob *job, GError **error);

/* qs-merge-storage.c: of a private one */
gboolean qs_merge_storage_check (const QsMerge *merge, QsGuest *guest, GError **error);
gboolean qs_merge_storage_is_pivoted (QsGuest *guest, const QsMerge *merge, gboolean *done,
                                      GError **error);
gboolean qs_merge_storage_flush (const QsMerge *merge, QsGuest *guest, GError **error);
gboolean qs_merge_storage_flush_again (const QsMerge *merge, QsGuest *guest, GError **error);
gboolean qs_merge_storage_cancel (const QsMerge *merge, QsGuest *guest, GError **error);

/* qs-merge-flush.c */
gboolean qs_merge_flush (const QsMerge *merge, QsGuest *guest, GError **error);
gboolean qs_merge_flush_again (const QsMerge *merge, QsGuest *guest, GError **error);

/* qs-merge-offline.c: QEMU has ended */
gboolean qs_merge_offline (const QsMerge *merge, GVariant **result, GError **error);
gboolean qs_merge_header_is_new (const QsMerge *merge, gboolean *is_new, GError **error);
gboolean qs_merge_put_back (const QsMerge *merge, GError **error);
