/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-launcher.h"
#include "qs-limits.h"
#include "qs-main-call.h"
#include "qs-process.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* a QEMU makes its socket first and listens then; and nothing makes us look more often than that */
#define TRIES 3
#define PAUSE_SECONDS 1

/* a folder that is not there is looked for, less and less often */
#define FIRST_WAIT_SECONDS 2
#define LAST_WAIT_SECONDS 60

/* lives on the main context, in the table of the engine */
typedef struct
{
  QsEngine *engine;
  char *domain; /* id */
  char *socket;
  char *name; /* of the socket in its folder */
  int fd;     /* inotify; -1: the folder cannot be watched now */
  guint wait; /* seconds until that is tried again, if @fd is -1 */
  guint source;
  gboolean looking; /* an errand is under way that looks */
} Follow;

typedef struct
{
  QsEngine *engine;
  QsErrands *errands;
  char *domain;
  guint tries;
} Look;

typedef struct
{
  QsEngine *engine;
  const char *domain;
  const char *socket;
  int fd;
  gboolean found;
} Call;

static void
free_follow (gpointer data)
{
  Follow *follow = data;

  if (follow->source != 0)
    g_source_remove (follow->source);
  if (follow->fd >= 0)
    close (follow->fd);
  g_free (follow->domain);
  g_free (follow->socket);
  g_free (follow->name);
  g_free (follow);
}

static void
free_look (gpointer data)
{
  Look *look = data;

  qs_errands_unref (look->errands);
  g_free (look->domain);
  g_free (look);
}

static Look *
new_look (QsEngine *engine, const char *domain, guint tries)
{
  Look *look = g_new0 (Look, 1);

  look->engine = engine;
  look->errands = qs_errands_ref (engine->looks);
  look->domain = g_strdup (domain);
  look->tries = tries;
  return look;
}

/* on the main context */
static Follow *
find_follow (QsEngine *engine, const char *domain)
{
  return engine->followed != NULL ? g_hash_table_lookup (engine->followed, domain) : NULL;
}

static void
stop_looking (gpointer data)
{
  Call *call = data;
  Follow *follow = find_follow (call->engine, call->domain);

  if (follow != NULL)
    follow->looking = FALSE;
}

/* whether its next QEMU is waited for */
static gboolean
is_waiting (const QsDomain *domain)
{
  return domain != NULL && domain->attachment != NULL && domain->attachment->follow
         && *domain->attachment->socket != '\0' && !domain->connected
         && (domain->process == NULL || !qs_process_is_alive (domain->process));
}

static void
tell (gpointer data)
{
  Look *look = data;
  g_autoptr (QsDomain) domain = NULL;

  if (qs_errands_is_closed (look->errands))
    return;
  domain = qs_registry_get (look->engine->registry, look->domain);
  if (is_waiting (domain) && look->engine->sink.qemu_appeared != NULL)
    look->engine->sink.qemu_appeared (look->domain, look->engine->user_data);
}

static void look_once (gpointer data);
static gboolean on_event (int fd, GIOCondition condition, gpointer user_data);

static gboolean
on_waited (gpointer user_data)
{
  Follow *follow = user_data;

  follow->source = 0;
  qs_errands_push (follow->engine->looks, look_once, new_look (follow->engine, follow->domain, 1),
                   free_look);
  return G_SOURCE_REMOVE;
}

/* on the main context. @wait: with @fd -1 */
static void
put_follow (QsEngine *engine, const char *domain, const char *socket, int fd, guint wait)
{
  Follow *follow = g_new0 (Follow, 1);

  follow->engine = engine;
  follow->domain = g_strdup (domain);
  follow->socket = g_strdup (socket);
  follow->name = g_path_get_basename (socket);
  follow->fd = fd;
  follow->wait = wait;
  follow->source = fd >= 0
                       ? g_unix_fd_add_full (G_PRIORITY_LOW, fd, G_IO_IN, on_event, follow, NULL)
                       : g_timeout_add_seconds (wait, on_waited, follow);
  if (engine->followed == NULL)
    engine->followed = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_follow);
  g_hash_table_replace (engine->followed, follow->domain, follow);
}

static gboolean
on_event (int fd, GIOCondition condition, gpointer user_data)
{
  char bytes[16 * (sizeof (struct inotify_event) + QS_MAX_COMPONENT_BYTES + 1)]
      __attribute__ ((aligned (__alignof__(struct inotify_event))));
  Follow *follow = user_data;
  ssize_t length = read (fd, bytes, sizeof bytes);
  gboolean appeared = FALSE;
  gboolean gone = length <= 0 && errno != EAGAIN && errno != EINTR;

  for (ssize_t at = 0; at < length;)
    {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);

      gone = gone || (event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0;
      appeared = appeared || (event->mask & IN_Q_OVERFLOW) != 0
                 || (event->len > 0 && g_str_equal (event->name, follow->name));
      at += (ssize_t)(sizeof *event + event->len);
    }
  if (appeared && !follow->looking)
    {
      follow->looking = TRUE;
      qs_errands_push (follow->engine->looks, look_once,
                       new_look (follow->engine, follow->domain, TRIES), free_look);
    }
  /* whoever starts QEMU may make the folder anew */
  if (gone)
    put_follow (follow->engine, follow->domain, follow->socket, -1, FIRST_WAIT_SECONDS);
  return G_SOURCE_CONTINUE;
}

static void
is_followed (gpointer data)
{
  Call *call = data;
  const Follow *follow = find_follow (call->engine, call->domain);

  call->found = follow != NULL && follow->fd >= 0 && g_str_equal (follow->socket, call->socket);
}

/* found: it has not been watched for some time */
static void
add_follow (gpointer data)
{
  Call *call = data;
  const Follow *before = find_follow (call->engine, call->domain);
  guint wait = FIRST_WAIT_SECONDS;

  call->found = before != NULL && before->fd < 0;
  if (call->found)
    wait = MIN (2 * before->wait, LAST_WAIT_SECONDS);
  put_follow (call->engine, call->domain, call->socket, call->fd, wait);
}

static void
watch_folder (QsEngine *engine, QsWorker *worker, const QsDomain *domain)
{
  Call call = { engine, domain->id, domain->attachment->socket, -1, FALSE };
  g_autoptr (GError) error = NULL;

  qs_main_call (is_followed, &call);
  if (call.found)
    return;
  call.fd = qs_worker_watch_folder (worker, call.socket, &error);
  qs_main_call (add_follow, &call);
  if (call.fd < 0 && !call.found)
    g_message ("domain ‘%s’: its next QEMU may be noticed late: %s", domain->name, error->message);
}

/* TRUE: somebody listens at the socket */
static gboolean
is_listened_on (QsWorker *worker, const char *socket)
{
  g_autoptr (GError) error = NULL;

  if (qs_worker_look (worker, socket, &error))
    return TRUE;
  g_debug ("%s, ignoring", error->message);
  return FALSE;
}

/* TRUE: there is nothing to look for any more */
static gboolean
look_for (Look *look)
{
  QsEngine *engine = look->engine;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, look->domain);
  g_autoptr (QsWorker) worker = NULL;
  g_autoptr (GError) error = NULL;

  if (!is_waiting (domain))
    return TRUE;
  worker = qs_worker_pool_acquire (engine->workers, domain->owner, &error);
  if (worker == NULL)
    {
      g_message ("domain ‘%s’: %s", domain->name, error->message);
      return FALSE;
    }
  /* first the watch: what appears after a look is then not missed */
  watch_folder (engine, worker, domain);
  if (!is_listened_on (worker, domain->attachment->socket))
    return FALSE;
  qs_main_post (tell, new_look (engine, look->domain, 0), free_look);
  return TRUE;
}

static void
look_once (gpointer data)
{
  Look *look = data;
  Call call = { .engine = look->engine, .domain = look->domain };

  if (!look_for (look) && look->tries > 1)
    qs_errands_push_later (look->errands, PAUSE_SECONDS, look_once,
                           new_look (look->engine, look->domain, look->tries - 1), free_look);
  else
    qs_main_call (stop_looking, &call);
}

/**
 * qs_follow_look:
 * @domain: id
 *
 * Any thread. Tells the façade if a QEMU listens where the last one of the domain did, or will do so
 * later; nothing for a domain that is connected, or is not to follow its socket.
 */
void
qs_follow_look (QsEngine *engine, const char *domain)
{
  if (g_atomic_int_get (&engine->ready))
    qs_errands_push (engine->looks, look_once, new_look (engine, domain, 1), free_look);
}

static gboolean
look_at (const QsDomain *domain, gconstpointer data)
{
  if (domain->attachment != NULL)
    qs_follow_look ((QsEngine *)data, domain->id);
  return FALSE;
}

/**
 * qs_follow_begin:
 *
 * Looks for QEMUs that were started while the service was not there.
 */
void
qs_follow_begin (QsEngine *engine)
{
  g_atomic_int_set (&engine->ready, TRUE);
  qs_registry_find (engine->registry, look_at, engine);
}

/**
 * qs_follow_changed:
 * @after: (nullable): NULL: the domain has gone
 *
 * On the main context: what is not to be followed any more is not watched either.
 */
void
qs_follow_changed (QsEngine *engine, const char *id, const QsDomain *after)
{
  if (engine->followed != NULL
      && (after == NULL || after->attachment == NULL || !after->attachment->follow))
    g_hash_table_remove (engine->followed, id);
}

void
qs_follow_end (QsEngine *engine)
{
  g_clear_pointer (&engine->followed, g_hash_table_unref);
}
