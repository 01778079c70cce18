/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire.h"

#include <sys/socket.h>
#include <unistd.h>

/**
 * qs_file_id_matches:
 *
 * Whether a file that was found is the one that was recorded. The number of a file that has gone is
 * given to the next one, and that of its device may change with a reboot: where the file system
 * tells when a file was born, that decides.
 */
gboolean
qs_file_id_matches (const QsFileId *recorded, const QsFileId *found)
{
  if (recorded->ino != found->ino)
    return FALSE;
  return recorded->btime != 0 && found->btime != 0 ? recorded->btime == found->btime
                                                   : recorded->dev == found->dev;
}

/**
 * qs_worker_forget:
 *
 * Drops the files that were made and not linked.
 */
gboolean
qs_worker_forget (QsWorker *worker, GError **error)
{
  return qs_worker_do (worker, "forget", g_variant_new ("()"), error);
}

/**
 * qs_worker_link:
 * @id: of a file that qs_worker_create_image() made with this worker
 *
 * Gives it its name. An existing one is CONFIG_UNSUPPORTED, and untouched.
 */
gboolean
qs_worker_link (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  return qs_worker_do (worker, "link", g_variant_new ("(stt)", path, id->dev, id->ino), error);
}

/**
 * qs_worker_unlink:
 *
 * Deletes the file, if the name still means this one. That nothing is there is a success.
 */
gboolean
qs_worker_unlink (QsWorker *worker, const char *path, const QsFileId *id, GError **error)
{
  return qs_worker_do (worker, "unlink", g_variant_new ("(stt)", path, id->dev, id->ino), error);
}

/**
 * qs_worker_copy_file:
 *
 * Makes a copy, whole and durable, that has no name yet: as qs_worker_create_image().
 */
gboolean
qs_worker_copy_file (QsWorker *worker, const QsFileCopy *copy, QsFileId *id, GError **error)
{
  const QsFileId any = { 0 };
  const QsFileId *source = copy->source != NULL ? copy->source : &any;
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "copy-file",
                       g_variant_new ("(ssttuu)", copy->from, copy->to, source->dev, source->ino,
                                      copy->mode, copy->gid),
                       "((ttx))", error);

  if (result == NULL)
    return FALSE;
  *id = (QsFileId){ 0 };
  g_variant_get (result, "((ttx))", &id->dev, &id->ino, &id->btime);
  return TRUE;
}

/**
 * qs_worker_identify:
 *
 * What the name means now; a link is not followed.
 */
gboolean
qs_worker_identify (QsWorker *worker, const char *path, QsFileId *id, gboolean *exists,
                    GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "identify", g_variant_new ("(s)", path), "(b(ttx))", error);

  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(b(ttx))", exists, &id->dev, &id->ino, &id->btime);
  return TRUE;
}

/* asked again here: the worker may have been taken over */
static gboolean
check_peer (QsWorker *worker, int fd, const char *path, GError **error)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0
      && peer.uid == worker->uid)
    return TRUE;
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "cannot connect to ‘%s’: another user listens there", path);
  return FALSE;
}

/**
 * qs_worker_connect:
 * @socket: path of a UNIX socket
 *
 * Returns: a connected descriptor whose listener has the owner's uid; -1 on failure
 */
int
qs_worker_connect (QsWorker *worker, const char *socket, GError **error)
{
  g_autoptr (GArray) fds = qs_wire_fds_new ();
  const QsCall request = { .method = "connect",
                           .arguments = g_variant_new ("(s)", socket),
                           .reply = "()",
                           .seconds = QS_TOOL_QUERY_SECONDS,
                           .reply_fds = fds };
  g_autoptr (GVariant) result = qs_worker_call (worker, &request, error);

  if (result == NULL
      || !check_peer (worker, fds->len > 0 ? g_array_index (fds, int, 0) : -1, socket, error))
    return -1;
  return qs_wire_fds_steal (fds, 0);
}

/**
 * qs_worker_look:
 * @socket: path of a UNIX socket
 *
 * Returns: whether anybody listens there, which takes no time, however busy he is
 */
gboolean
qs_worker_look (QsWorker *worker, const char *socket, GError **error)
{
  return qs_worker_do (worker, "look", g_variant_new ("(s)", socket), error);
}

/**
 * qs_worker_make_runtime:
 *
 * Makes the folder @id in @parent, or finds it: the owner's, and closed to all others.
 *
 * Returns: its path
 */
char *
qs_worker_make_runtime (QsWorker *worker, const char *parent, const char *id, GError **error)
{
  g_autoptr (GVariant) result =
      qs_worker_query (worker, "make-runtime", g_variant_new ("(ss)", parent, id), "(s)", error);

  return result != NULL ? g_build_filename (parent, id, NULL) : NULL;
}

/**
 * qs_worker_rename_socket:
 *
 * Gives the socket @from the name @to, in place of the socket of a process that has ended. That it was
 * done before is a success.
 */
gboolean
qs_worker_rename_socket (QsWorker *worker, const char *from, const char *to, GError **error)
{
  return qs_worker_do (worker, "rename-socket", g_variant_new ("(ss)", from, to), error);
}

/**
 * qs_worker_unlink_socket:
 *
 * Deletes the socket of a process that has ended. That there is none is a success.
 */
gboolean
qs_worker_unlink_socket (QsWorker *worker, const char *path, GError **error)
{
  return qs_worker_do (worker, "unlink-socket", g_variant_new ("(s)", path), error);
}

/**
 * qs_worker_clear_runtime:
 *
 * Deletes such a folder and what lies in it.
 */
gboolean
qs_worker_clear_runtime (QsWorker *worker, const char *folder, GError **error)
{
  return qs_worker_do (worker, "clear-runtime", g_variant_new ("(s)", folder), error);
}
