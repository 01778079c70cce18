/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-worker-private.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/**
 * QsWorkerPool:
 *
 * All of it belongs to @thread, which lives as long as the pool: the kernel ends a worker when the
 * thread that made it ends. Others ask it by a Message and wait.
 */
struct QsWorkerPool
{
  char *program;
  gboolean system_mode;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GQueue idle; /* of QsWorker, the longest idle first */
  guint n_processes;
  GSource *reaper; /* ends those idle for too long */
};

typedef struct
{
  QsWorkerPool *pool;
  void (*handle) (QsWorkerPool *pool, gpointer data);
  gpointer data;
  GAsyncQueue *done;
} Message;

static gboolean
on_message (gpointer user_data)
{
  Message *message = user_data;

  message->handle (message->pool, message->data);
  g_async_queue_push (message->done, message);
  return G_SOURCE_REMOVE;
}

static void
run_in_pool (QsWorkerPool *pool, void (*handle) (QsWorkerPool *pool, gpointer data), gpointer data)
{
  g_autoptr (GAsyncQueue) done = g_async_queue_new ();
  Message message = { pool, handle, data, done };
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_message, &message, NULL);
  g_source_attach (source, pool->context);
  g_async_queue_pop (done);
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (g_steal_fd (fd));
}

static void
worker_free (QsWorker *worker)
{
  close_fd (&worker->socket);
  close_fd (&worker->process);
  g_free (worker);
}

/* the process goes by itself when its socket is closed; one that hangs is ended */
static void
end_worker (QsWorker *worker)
{
  qs_worker_kill (worker);
  worker_free (worker);
}

static void
on_process_ended (GPid pid, int status, gpointer user_data)
{
  QsWorkerPool *pool = user_data;

  g_spawn_close_pid (pid);
  pool->n_processes--;
}

static void
watch_process (QsWorkerPool *pool, GPid pid)
{
  g_autoptr (GSource) source = g_child_watch_source_new (pid);

  pool->n_processes++;
  g_source_set_callback (source, G_SOURCE_FUNC (on_process_ended), pool, NULL);
  g_source_attach (source, pool->context);
}

typedef struct
{
  guint32 uid;
  const char *profile;
  char **identity;
  QsWorker *worker;
  GError *error;
} Request;

static gboolean
spawn_process (QsWorkerPool *pool, const Request *request, QsWorker *worker, int socket,
               GError **error)
{
  static const char *const environment[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
  g_autofree char *parent = g_strdup_printf ("%d", (int)getpid ());
  char **identity = request->identity;
  const char *argv[] = { pool->program, request->profile, identity[0], identity[1],
                         identity[2],   identity[3],      parent,      NULL };
  int target = 3;

  if (!g_spawn_async_with_pipes_and_fds (
          "/", argv, environment, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
          NULL, -1, -1, -1, &socket, &target, 1, &worker->pid, NULL, NULL, NULL, error))
    {
      qs_error_fold (error);
      g_prefix_error_literal (error, "cannot start a worker: ");
      return FALSE;
    }
  watch_process (pool, worker->pid);
  worker->process = syscall (SYS_pidfd_open, worker->pid, 0);
  return TRUE;
}

static QsWorker *
spawn_worker (QsWorkerPool *pool, const Request *request, GError **error)
{
  QsWorker *worker;
  int ends[2];
  gboolean ok;

  if (pool->n_processes >= QS_MAX_WORKERS)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "%d workers are busy; try again when an operation has ended", QS_MAX_WORKERS);
      return NULL;
    }
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_FAILED, "cannot make a socket: %s",
                   g_strerror (errno));
      return NULL;
    }
  worker = g_new0 (QsWorker, 1);
  worker->pool = pool;
  worker->uid = request->uid;
  worker->process = -1;
  worker->socket = ends[0];
  ok = spawn_process (pool, request, worker, ends[1], error);
  close (ends[1]);
  if (ok)
    return worker;
  worker_free (worker);
  return NULL;
}

static void
on_spawn (QsWorkerPool *pool, gpointer data)
{
  Request *request = data;

  request->worker = spawn_worker (pool, request, &request->error);
}

static void
on_take_idle (QsWorkerPool *pool, gpointer data)
{
  Request *request = data;

  for (GList *l = pool->idle.tail; l != NULL; l = l->prev)
    if (((QsWorker *)l->data)->uid == request->uid)
      {
        request->worker = l->data;
        g_queue_delete_link (&pool->idle, l);
        return;
      }
}

static gboolean
on_reap (gpointer user_data)
{
  QsWorkerPool *pool = user_data;
  gint64 limit = g_get_monotonic_time () - QS_WORKER_IDLE_SECONDS * G_USEC_PER_SEC;
  QsWorker *worker;

  while ((worker = g_queue_peek_head (&pool->idle)) != NULL && worker->idle_since <= limit)
    end_worker (g_queue_pop_head (&pool->idle));
  if (worker != NULL)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&pool->reaper, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
start_reaper (QsWorkerPool *pool)
{
  if (pool->reaper != NULL)
    return;
  pool->reaper = g_timeout_source_new_seconds (QS_WORKER_IDLE_SECONDS);
  g_source_set_callback (pool->reaper, on_reap, pool, NULL);
  g_source_attach (pool->reaper, pool->context);
}

static void
on_give_back (QsWorkerPool *pool, gpointer data)
{
  QsWorker *worker = data;

  if (worker->broken)
    {
      end_worker (worker);
      return;
    }
  worker->idle_since = g_get_monotonic_time ();
  g_queue_push_tail (&pool->idle, worker);
  if (g_queue_get_length (&pool->idle) > QS_MAX_IDLE_WORKERS)
    end_worker (g_queue_pop_head (&pool->idle));
  start_reaper (pool);
}

static gpointer
pool_main (gpointer data)
{
  QsWorkerPool *pool = data;

  g_main_context_push_thread_default (pool->context);
  g_main_loop_run (pool->loop);
  /* children are reaped here, or nobody does it */
  while (pool->n_processes > 0)
    g_main_context_iteration (pool->context, TRUE);
  g_main_context_pop_thread_default (pool->context);
  return NULL;
}

/**
 * qs_worker_pool_new:
 * @program: path of snapshotd-worker
 * @system_mode: the daemon is root and works for every user; else for its own only
 */
QsWorkerPool *
qs_worker_pool_new (const char *program, gboolean system_mode)
{
  QsWorkerPool *pool = g_new0 (QsWorkerPool, 1);

  pool->program = g_strdup (program);
  pool->system_mode = system_mode;
  pool->context = g_main_context_new ();
  pool->loop = g_main_loop_new (pool->context, FALSE);
  g_queue_init (&pool->idle);
  pool->thread = g_thread_new ("workers", pool_main, pool);
  return pool;
}

static void
on_shut_down (QsWorkerPool *pool, gpointer data)
{
  g_queue_clear_full (&pool->idle, (GDestroyNotify)end_worker);
  if (pool->reaper != NULL)
    g_source_destroy (pool->reaper);
  g_clear_pointer (&pool->reaper, g_source_unref);
  g_main_loop_quit (pool->loop);
}

/**
 * qs_worker_pool_free:
 *
 * All workers must have been released.
 */
void
qs_worker_pool_free (QsWorkerPool *pool)
{
  if (pool == NULL)
    return;
  run_in_pool (pool, on_shut_down, NULL);
  g_thread_join (pool->thread);
  g_main_loop_unref (pool->loop);
  g_main_context_unref (pool->context);
  g_free (pool->program);
  g_free (pool);
}

static QsWorker *
start_worker (QsWorkerPool *pool, guint32 uid, const char *profile, GError **error)
{
  Request request = { .uid = uid, .profile = profile };

  request.identity = qs_worker_identity (uid, pool->system_mode, error);
  if (request.identity == NULL)
    return NULL;
  run_in_pool (pool, on_spawn, &request);
  g_strfreev (request.identity);
  if (request.error != NULL)
    g_propagate_error (error, request.error);
  if (request.worker == NULL || qs_worker_greet (request.worker, error))
    return request.worker;
  qs_worker_release (request.worker);
  return NULL;
}

/**
 * qs_worker_pool_acquire:
 * @uid: the owner
 *
 * Returns: a worker for the caller alone, until qs_worker_release()
 */
QsWorker *
qs_worker_pool_acquire (QsWorkerPool *pool, guint32 uid, GError **error)
{
  Request request = { .uid = uid };

  run_in_pool (pool, on_take_idle, &request);
  if (request.worker == NULL)
    return start_worker (pool, uid, "tool", error);
  /* it may have been ended meanwhile, by its owner or for want of memory */
  if (qs_worker_forget (request.worker, NULL))
    return request.worker;
  qs_worker_release (request.worker);
  return start_worker (pool, uid, "tool", error);
}

/**
 * qs_worker_release:
 *
 * Gives the worker back. Files that it has made and not linked vanish before somebody else has it, or
 * with it: nobody waits here until it has time, for it may be busy with what it has deleted.
 */
void
qs_worker_release (QsWorker *worker)
{
  if (worker == NULL)
    return;
  run_in_pool (worker->pool, on_give_back, worker);
}

/**
 * qs_worker_pool_launch:
 * @log_fd: -1: none
 *
 * Starts a program as @uid so that it outlives worker and daemon.
 */
gboolean
qs_worker_pool_launch (QsWorkerPool *pool, guint32 uid, const char *const *argv, int log_fd,
                       gint64 *pid, GError **error)
{
  g_autoptr (QsWorker) worker = start_worker (pool, uid, "launch", error);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GVariant) result = NULL;

  if (worker == NULL)
    return FALSE;
  if (log_fd >= 0)
    g_array_append_val (fds, log_fd);
  result = qs_worker_call (worker,
                           &(QsCall){ .method = "launch",
                                      .arguments = g_variant_new ("(^as)", argv),
                                      .reply = "(x)",
                                      .seconds = QS_TOOL_QUERY_SECONDS,
                                      .fds = fds },
                           error);
  worker->broken = TRUE; /* it starts one program in its life */
  if (result == NULL)
    return FALSE;
  g_variant_get (result, "(x)", pid);
  return TRUE;
}
