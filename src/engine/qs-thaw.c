/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-thaw.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-main-call.h"

#include <sys/socket.h>
#include <unistd.h>

/* between two tries to reach an agent that does not answer */
#define PAUSE_SECONDS 2

/* one guest that was, or may have been, frozen. Atomically reference-counted; of what can change,
   all but @settled belongs to whoever has the token */
typedef struct
{
  QsEngine *engine;
  QsFreeze *freeze;
  GAsyncQueue *turn; /* one token: who has it may talk to the agent */
  QsAgent *agent;    /* the connection over which it was frozen, or NULL */
  gboolean told;     /* that it is frozen */
  gboolean complained;
  QsThawed thawed;
  int settled; /* atomic */
  int pushed;  /* atomic: it is being tried in the background */
} Thaw;

static void
clear_thaw (gpointer data)
{
  Thaw *thaw = data;

  qs_freeze_free (thaw->freeze);
  g_async_queue_unref (thaw->turn);
  qs_agent_free (thaw->agent);
}

static void
release_thaw (gpointer data)
{
  g_atomic_rc_box_release_full (data, clear_thaw);
}

static Thaw *
new_thaw (QsEngine *engine, const QsFreeze *freeze)
{
  Thaw *thaw = g_atomic_rc_box_new0 (Thaw);

  thaw->engine = engine;
  thaw->freeze = qs_freeze_copy (freeze);
  thaw->turn = g_async_queue_new ();
  g_async_queue_push (thaw->turn, thaw);
  return thaw;
}

typedef struct
{
  QsEngine *engine;
  const char *domain;
  Thaw *thaw;
} Turn;

static void
put_on_main (gpointer data)
{
  Turn *turn = data;

  if (turn->engine->thaws == NULL)
    turn->engine->thaws = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, release_thaw);
  g_hash_table_replace (turn->engine->thaws, turn->thaw->freeze->domain,
                        g_atomic_rc_box_acquire (turn->thaw));
}

static void
find_on_main (gpointer data)
{
  Turn *turn = data;
  Thaw *found =
      turn->engine->thaws != NULL ? g_hash_table_lookup (turn->engine->thaws, turn->domain) : NULL;

  turn->thaw = found != NULL ? g_atomic_rc_box_acquire (found) : NULL;
}

/* (nullable) (transfer full) */
static Thaw *
find (QsEngine *engine, const char *domain)
{
  Turn turn = { engine, domain, NULL };

  qs_main_call (find_on_main, &turn);
  return turn.thaw;
}

static gboolean
check_peer (int fd, const QsProcess *process, GError **error)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (process == NULL
      || (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0
          && peer.pid == process->pid))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                       "another process than QEMU listens at the socket of the guest agent");
  return FALSE;
}

QsAgent *
qs_thaw_connect (QsEngine *engine, guint32 owner, const char *socket, const QsProcess *process,
                 GError **error)
{
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (engine->workers, owner, error);
  g_autoptr (GError) problem = NULL;
  int fd = worker != NULL ? qs_worker_connect (worker, socket, &problem) : -1;

  if (worker == NULL)
    return NULL;
  if (fd < 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE, "the guest agent: %s",
                   problem->message);
      return NULL;
    }
  if (check_peer (fd, process, error))
    return qs_agent_new (fd);
  close (fd);
  return NULL;
}

gboolean
qs_thaw_owe (QsEngine *engine, const QsFreeze *freeze, GError **error)
{
  Turn turn = { .engine = engine };

  if (!qs_store_put_freeze (engine->store, freeze, error))
    return FALSE;
  turn.thaw = new_thaw (engine, freeze);
  qs_main_call (put_on_main, &turn);
  release_thaw (turn.thaw);
  return TRUE;
}

typedef struct
{
  Thaw *thaw;
  gboolean frozen;
  guint64 milliseconds;
} News;

static void
free_news (gpointer data)
{
  News *news = data;

  release_thaw (news->thaw);
  g_free (news);
}

static void
tell (gpointer data)
{
  News *news = data;
  QsEngine *engine = news->thaw->engine;

  if (!qs_errands_is_closed (engine->thawing) && engine->sink.guest_frozen != NULL)
    engine->sink.guest_frozen (news->thaw->freeze->domain, news->frozen, news->milliseconds,
                               engine->user_data);
}

static void
post_news (Thaw *thaw, gboolean frozen)
{
  News *news = g_new0 (News, 1);

  *news = (News){ g_atomic_rc_box_acquire (thaw), frozen, thaw->thawed.milliseconds };
  thaw->told = frozen;
  qs_main_post (tell, news, free_news);
}

void
qs_thaw_keep (QsEngine *engine, const char *domain, QsAgent *agent)
{
  Thaw *thaw = find (engine, domain);

  g_return_if_fail (thaw != NULL);
  g_async_queue_pop (thaw->turn);
  thaw->agent = agent;
  post_news (thaw, TRUE);
  g_async_queue_push (thaw->turn, thaw);
  release_thaw (thaw);
}

/* the row goes only now; where it cannot, the next start asks once more */
static void
note_thawed (Thaw *thaw)
{
  g_autoptr (GError) error = NULL;

  thaw->thawed.is_thawed = TRUE;
  g_clear_pointer (&thaw->agent, qs_agent_free);
  if (!qs_store_forget_freeze (thaw->engine->store, thaw->freeze, &error))
    g_warning ("domain %s is thawed, but: %s, ignoring", thaw->freeze->domain, error->message);
  if (thaw->told || thaw->thawed.was_held)
    post_news (thaw, FALSE);
  g_atomic_int_set (&thaw->settled, TRUE);
}

static gboolean
connect_agent (Thaw *thaw, GError **error)
{
  const QsFreeze *freeze = thaw->freeze;

  if (thaw->agent == NULL)
    thaw->agent =
        qs_thaw_connect (thaw->engine, freeze->owner, freeze->process->socket, NULL, error);
  if (thaw->agent == NULL)
    return FALSE;
  qs_agent_set_cancellable (thaw->agent, thaw->engine->ending);
  return TRUE;
}

/* only what the agent says is believed, and only what it says after all that it was asked before */
static gboolean
ask_agent (Thaw *thaw, gint64 deadline, GError **error)
{
  gboolean frozen;

  if (!connect_agent (thaw, error) || !qs_agent_is_frozen (thaw->agent, &frozen, deadline, error))
    return FALSE;
  thaw->thawed.was_held = frozen;
  if (!frozen)
    return TRUE;
  if (!qs_agent_thaw (thaw->agent, deadline, error)
      || !qs_agent_is_frozen (thaw->agent, &frozen, deadline, error))
    return FALSE;
  if (frozen)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                         "the guest agent says that the guest is frozen still");
  return !frozen;
}

/* of whoever has the token */
static void
try_thaw (Thaw *thaw, gint64 deadline)
{
  g_autoptr (GError) error = NULL;
  gboolean lives = qs_process_is_alive (thaw->freeze->process);
  gboolean answered = lives && ask_agent (thaw, deadline, &error);

  thaw->thawed.milliseconds = (guint64)(g_get_monotonic_time () - thaw->freeze->since) / 1000;
  if (!lives)
    thaw->thawed.was_held = FALSE;
  if (!lives || answered)
    {
      note_thawed (thaw);
      return;
    }
  g_clear_pointer (&thaw->agent, qs_agent_free);
  if (!thaw->complained)
    g_message ("domain %s may be frozen: %s; trying until it is thawed", thaw->freeze->domain,
               error->message);
  thaw->complained = TRUE;
}

static gint64
in_seconds (guint seconds)
{
  return g_get_monotonic_time () + (gint64)seconds * G_USEC_PER_SEC;
}

gboolean
qs_thaw_settle (QsEngine *engine, const char *domain, guint64 op, guint seconds, QsThawed *thawed)
{
  gint64 deadline = in_seconds (seconds);
  Thaw *thaw = find (engine, domain);

  *thawed = (QsThawed){ .is_thawed = TRUE };
  if (thaw == NULL || thaw->freeze->op != op)
    {
      g_clear_pointer (&thaw, release_thaw);
      return FALSE;
    }
  thawed->is_thawed = FALSE;
  if (g_async_queue_timeout_pop (thaw->turn, (guint64)seconds * G_USEC_PER_SEC) != NULL)
    {
      if (!g_atomic_int_get (&thaw->settled))
        try_thaw (thaw, deadline);
      *thawed = thaw->thawed;
      g_async_queue_push (thaw->turn, thaw);
    }
  release_thaw (thaw);
  return TRUE;
}

static void
keep_trying (gpointer data)
{
  Thaw *thaw = data;

  g_async_queue_pop (thaw->turn);
  if (!g_atomic_int_get (&thaw->settled))
    try_thaw (thaw, in_seconds (QS_AGENT_THAW_SECONDS));
  g_async_queue_push (thaw->turn, thaw);
  if (!g_atomic_int_get (&thaw->settled))
    qs_errands_push_later (thaw->engine->thawing, PAUSE_SECONDS, keep_trying,
                           g_atomic_rc_box_acquire (thaw), release_thaw);
}

static void
try_in_background (Thaw *thaw)
{
  if (g_atomic_int_compare_and_exchange (&thaw->pushed, FALSE, TRUE))
    qs_errands_push (thaw->engine->thawing, keep_trying, g_atomic_rc_box_acquire (thaw),
                     release_thaw);
}

void
qs_thaw_release (QsEngine *engine, const char *domain, guint64 op)
{
  Thaw *thaw = find (engine, domain);

  if (thaw != NULL && thaw->freeze->op == op && !g_atomic_int_get (&thaw->settled))
    try_in_background (thaw);
  g_clear_pointer (&thaw, release_thaw);
}

gboolean
qs_thaw_begin (QsEngine *engine, GError **error)
{
  g_autoptr (GPtrArray) freezes = qs_store_load_freezes (engine->store, error);

  if (freezes == NULL)
    return FALSE;
  for (guint i = 0; i < freezes->len; i++)
    {
      Turn turn = { .engine = engine };

      turn.thaw = new_thaw (engine, g_ptr_array_index (freezes, i));
      put_on_main (&turn);
      try_in_background (turn.thaw);
      release_thaw (turn.thaw);
    }
  return TRUE;
}

gboolean
qs_engine_is_thawing (QsEngine *engine)
{
  GHashTableIter iter;
  Thaw *thaw;

  if (engine->thaws == NULL)
    return FALSE;
  g_hash_table_iter_init (&iter, engine->thaws);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&thaw))
    if (!g_atomic_int_get (&thaw->settled))
      return TRUE;
  return FALSE;
}

gboolean
qs_thaw_is_owed (QsEngine *engine, const QsDomain *domain)
{
  Thaw *thaw = find (engine, domain->id);
  gboolean owed = thaw != NULL && !g_atomic_int_get (&thaw->settled) && domain->process != NULL
                  && thaw->freeze->process->pid == domain->process->pid;

  g_clear_pointer (&thaw, release_thaw);
  return owed;
}
