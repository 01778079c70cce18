/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-discovery.h"
#include "qs-facts.h"
#include "qs-verify.h"

#include <gio/gio.h>

/**
 * QsWorkerPool:
 *
 * Worker processes by uid. A worker does the file work of a domain's owner with the owner's uid,
 * gid and groups; one job uses it at a time, and it stays for the next one.
 */
typedef struct QsWorkerPool QsWorkerPool;
typedef struct QsWorker QsWorker;

QsWorkerPool *qs_worker_pool_new (const char *program, gboolean system_mode);
void qs_worker_pool_free (QsWorkerPool *pool);
QsWorker *qs_worker_pool_acquire (QsWorkerPool *pool, guint32 uid, GError **error);
void qs_worker_release (QsWorker *worker);

/* it was ended, or has ended, in the middle of a call: another one has to be acquired */
gboolean qs_worker_is_broken (QsWorker *worker);

/**
 * QsFileId:
 *
 * dev:ino tell a file within one boot; btime (nanoseconds) beyond it. Of a block device, rdev is the
 * device that the node stands for and diskseq the disk behind it; else both are 0.
 */
typedef struct
{
  guint64 dev;
  guint64 ino;
  gint64 btime;
  guint64 rdev;
  guint64 diskseq;
} QsFileId;

gboolean qs_file_id_matches (const QsFileId *recorded, const QsFileId *found);

/**
 * QsNewImage:
 *
 * An overlay to be made: born without a name (O_TMPFILE), owner-only, named by qs_worker_link(); or
 * written to the caller's own empty file or block device, whose mode and owner stay.
 */
typedef struct
{
  const char *path;
  const char *format; /* qcow2, qed; raw: zeros, on nothing. The last two not on a block device */
  guint64 virtual_size;
  guint cluster_size;
  gboolean extended_l2;
  const char *backing; /* name to be written into the header; NULL: none */
  const char *backing_format;
  guint32 mode;          /* already narrowed by the planner */
  guint32 gid;           /* of the base; kept if the owner may */
  const QsFileId *taken; /* the caller's own, as it was found; NULL: nothing is at @path */
} QsNewImage;

/**
 * QsFileCopy:
 *
 * A copy of a small file to be made: born without a name, named by qs_worker_link().
 */
typedef struct
{
  const char *from;
  const char *to;
  const QsFileId *source; /* @from must be this file, and nobody may write to it; NULL: any */
  guint32 mode;           /* already narrowed by the planner; 0: the owner's alone */
  guint32 gid;
} QsFileCopy;

gboolean qs_worker_inspect_chain (QsWorker *worker, const char *path, const char *format,
                                  const GPtrArray *files, GPtrArray **images, GError **error);
gboolean qs_worker_inspect_image (QsWorker *worker, const char *path, const char *format,
                                  QsImage **image, GError **error);
gboolean qs_worker_has_data (QsWorker *worker, const char *path, const char *format,
                             gboolean *has_data, GError **error);
gboolean qs_worker_check_target (QsWorker *worker, const char *path, QsTarget **target,
                                 GError **error);
QsSight *qs_worker_sight (QsWorker *worker, const char *path, const char *format, GError **error);
GPtrArray *qs_worker_sight_folder (QsWorker *worker, const char *folder, gboolean *all,
                                   GError **error);
gboolean qs_worker_create_image (QsWorker *worker, const QsNewImage *image, QsFileId *id,
                                 GError **error);
gboolean qs_worker_wipe_image (QsWorker *worker, const QsNewImage *image, gboolean *wiped,
                               GError **error);
gboolean qs_worker_link (QsWorker *worker, const char *path, const QsFileId *id, GError **error);
gboolean qs_worker_unlink (QsWorker *worker, const char *path, const QsFileId *id, GError **error);
gboolean qs_worker_identify (QsWorker *worker, const char *path, QsFileId *id, gboolean *exists,
                             GError **error);
gboolean qs_worker_copy_file (QsWorker *worker, const QsFileCopy *copy, QsFileId *id,
                              GError **error);
gboolean qs_worker_link_file (QsWorker *worker, const char *from, const char *to,
                              const QsFileId *id, GError **error);
gboolean qs_worker_unlink_name (QsWorker *worker, const char *path, const char *keep,
                                const QsFileId *id, GError **error);
gboolean qs_worker_exchange (QsWorker *worker, const char *from, const char *over,
                             const QsFileId *from_id, const QsFileId *over_id, GError **error);
gboolean qs_worker_set_mode (QsWorker *worker, const char *path, const QsFileId *id, guint32 mode,
                             guint32 *before, GError **error);

gboolean qs_worker_create_file (QsWorker *worker, const char *path, guint32 mode, guint32 gid,
                                QsFileId *id, GError **error);
int qs_worker_open_stream (QsWorker *worker, const char *path, const QsFileId *id, GError **error);
int qs_worker_read_stream (QsWorker *worker, const char *path, const QsFileId *id, guint64 *size,
                           GError **error);
gboolean qs_worker_flush_stream (QsWorker *worker, const char *path, const QsFileId *id,
                                 GError **error);
gboolean qs_worker_empty_stream (QsWorker *worker, const char *path, const QsFileId *id,
                                 GError **error);
gboolean qs_worker_sync_stream (QsWorker *worker, const char *path, const QsFileId *id,
                                guint64 *size, GError **error);

typedef enum
{
  QS_TOOL_SNAPSHOT_CREATE,
  QS_TOOL_SNAPSHOT_APPLY,
  QS_TOOL_SNAPSHOT_DELETE,
} QsToolVerb;

/**
 * QsTagChange:
 *
 * One run of `qemu-img snapshot`; @id is what @path was when it was recorded.
 */
typedef struct
{
  QsToolVerb verb;
  const char *path;
  QsFileId id;
  const char *tag;
} QsTagChange;

gboolean qs_worker_repair (QsWorker *worker, const char *path, const QsFileId *id, GError **error);
gboolean qs_worker_snapshot (QsWorker *worker, const QsTagChange *change, GCancellable *cancellable,
                             GError **error);

#define QS_WORKER_FILES "a(sstt)"
gboolean qs_worker_commit (QsWorker *worker, GVariant *files, GCancellable *cancellable,
                           GError **error);
gboolean qs_worker_set_backing (QsWorker *worker, GVariant *files, const char *name,
                                const char *format, GError **error);
gboolean qs_worker_check (QsWorker *worker, GVariant *files, QsImageCheck *check,
                          GCancellable *cancellable, GError **error);
gboolean qs_worker_repair_leaks (QsWorker *worker, GVariant *files, GError **error);
gboolean qs_worker_check_merge (QsWorker *worker, GVariant *files, guint n_ours, GError **error);
gboolean qs_worker_sync (QsWorker *worker, const char *path, const QsFileId *id, GError **error);
gboolean qs_worker_covers (QsWorker *worker, GVariant *files, gboolean *covers, GError **error);

/* whether the installed qemu-img may be given images; OPERATION_UNSUPPORTED: none is changed */
gboolean qs_worker_self_test (QsWorker *worker, GError **error);

QsProcessFiles *qs_worker_process_files (QsWorker *worker, gint64 pid, GError **error);
int qs_worker_watch_folder (QsWorker *worker, const char *path, GError **error);
gboolean qs_worker_look (QsWorker *worker, const char *socket, GError **error);
int qs_worker_connect (QsWorker *worker, const char *socket, GError **error);
char *qs_worker_make_runtime (QsWorker *worker, const char *parent, const char *id, GError **error);
gboolean qs_worker_rename_socket (QsWorker *worker, const char *from, const char *to,
                                  GError **error);
gboolean qs_worker_unlink_socket (QsWorker *worker, const char *path, GError **error);
gboolean qs_worker_clear_runtime (QsWorker *worker, const char *folder, GError **error);

/* starts @argv as a detached child (profile launch); stderr goes to @log_fd; the pid is the child's */
gboolean qs_worker_pool_launch (QsWorkerPool *pool, guint32 uid, const char *const *argv,
                                int log_fd, gint64 *pid, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsWorkerPool, qs_worker_pool_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsWorker, qs_worker_release)
