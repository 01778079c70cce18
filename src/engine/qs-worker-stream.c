/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire.h"

/**
 * qs_worker_create_file:
 * @mode: already narrowed by the planner
 * @gid: its group, if the owner may
 *
 * Makes an empty file, durably, that has no name yet: as qs_worker_create_image().
 */
gboolean
qs_worker_create_file (QsWorker *worker, const char *path, guint32 mode, guint32 gid, QsFileId *id,
                       GError **error)
{
  g_autoptr (GVariant) result = qs_worker_query (
      worker, "create-file", g_variant_new ("(suu)", path, mode, gid), "((ttx))", error);

  if (result == NULL)
    return FALSE;
  *id = (QsFileId){ 0 };
  g_variant_get (result, "((ttx))", &id->dev, &id->ino, &id->btime);
  return TRUE;
}

static GVariant *
make_file (const char *path, const QsFileId *id)
{
  return g_variant_new ("(sttx)", path, id->dev, id->ino, id->btime);
}

/* @request: all but its reply_fds */
static int
take_file (QsWorker *worker, const char *path, QsCall *request, GVariant **result, GError **error)
{
  g_autoptr (GArray) fds = qs_wire_fds_new ();

  request->reply_fds = fds;
  *result = qs_worker_call (worker, request, error);
  if (*result == NULL)
    return -1;
  if (fds->len > 0)
    return qs_wire_fds_steal (fds, 0);
  g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "the worker has not handed over ‘%s’", path);
  return -1;
}

/**
 * qs_worker_open_stream:
 *
 * Opens the file @id, which must be empty still, for somebody who writes to it.
 *
 * Returns: a descriptor; -1 on failure
 */
int
qs_worker_open_stream (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  QsCall request = { .method = "open-stream",
                     .arguments = make_file (path, id),
                     .reply = "()",
                     .seconds = QS_TOOL_QUERY_SECONDS };
  g_autoptr (GVariant) result = NULL;

  return take_file (worker, path, &request, &result, error);
}

/**
 * qs_worker_read_stream:
 * @size: (out): of the file
 *
 * Opens the file @id for somebody who reads it from its beginning.
 *
 * Returns: a descriptor; -1 on failure
 */
int
qs_worker_read_stream (QsWorker *worker, const char *path, const QsFileId *id, guint64 *size,
                       GError **error)
{
  QsCall request = { .method = "read-stream",
                     .arguments = make_file (path, id),
                     .reply = "(t)",
                     .seconds = QS_TOOL_QUERY_SECONDS };
  g_autoptr (GVariant) result = NULL;
  int fd = take_file (worker, path, &request, &result, error);

  if (fd >= 0)
    g_variant_get (result, "(t)", size);
  return fd;
}

/**
 * qs_worker_flush_stream:
 *
 * Begins to make durable what was written to the file so far, so that the end of it takes less time.
 */
gboolean
qs_worker_flush_stream (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  return qs_worker_do (worker, "flush-stream", make_file (path, id), error);
}

/**
 * qs_worker_empty_stream:
 *
 * Gives back the room that the file takes, which nobody writes to any more.
 */
gboolean
qs_worker_empty_stream (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  return qs_worker_do (worker, "empty-stream", make_file (path, id), error);
}

/**
 * qs_worker_sync_stream:
 * @size: (out): of what is durable now
 */
gboolean
qs_worker_sync_stream (QsWorker *worker, const char *path, const QsFileId *id, guint64 *size,
                       GError **error)
{
  const QsCall request = { .method = "sync-stream",
                           .arguments = make_file (path, id),
                           .reply = "(t)",
                           .seconds = QS_SYNC_SECONDS };
  g_autoptr (GVariant) result = qs_worker_call (worker, &request, error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(t)", size);
  return TRUE;
}
