/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-thaw.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-main-call.h"

#include <sys/socket.h>
#include <unistd.h>

/* between two tries to reach an agent that does not answer: as many more after each */
#define PAUSE_SECONDS 2
#define MAX_PAUSE_SECONDS 10
#define PATIENT_TRY 4

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
  guint n_tries; /* in the background */
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
  guint64 op;
  const QsProcess *process;
  Thaw *thaw;
} Turn;

static gboolean
is_settled (Thaw *thaw)
{
  return g_atomic_int_get (&thaw->settled);
}

/* an earlier operation of the domain is over: what it has settled nobody asks for any more */
static gboolean
is_past (gpointer key, gpointer value, gpointer user_data)
{
  Thaw *thaw = value;

  return is_settled (thaw) && g_str_equal (thaw->freeze->domain, user_data);
}

static void
put_on_main (gpointer data)
{
  Turn *turn = data;
  QsFreeze *freeze = turn->thaw->freeze;

  if (turn->engine->thaws == NULL)
    turn->engine->thaws = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, release_thaw);
  g_hash_table_foreach_remove (turn->engine->thaws, is_past, freeze->domain);
  g_hash_table_replace (turn->engine->thaws, &freeze->op, g_atomic_rc_box_acquire (turn->thaw));
}

static void
find_on_main (gpointer data)
{
  Turn *turn = data;
  Thaw *found =
      turn->engine->thaws != NULL ? g_hash_table_lookup (turn->engine->thaws, &turn->op) : NULL;

  turn->thaw = found != NULL ? g_atomic_rc_box_acquire (found) : NULL;
}

/* (nullable) (transfer full) */
static Thaw *
find (QsEngine *engine, guint64 op)
{
  Turn turn = { .engine = engine, .op = op };

  qs_main_call (find_on_main, &turn);
  return turn.thaw;
}

static gboolean
check_peer (int fd, const QsFreeze *freeze, GError **error)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (!freeze->ours
      || (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0
          && peer.pid == freeze->process->pid))
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                       "another process than QEMU listens at the socket of the guest agent");
  return FALSE;
}

QsAgent *
qs_thaw_connect (QsEngine *engine, const QsFreeze *freeze, GError **error)
{
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (engine->workers, freeze->owner, error);
  g_autoptr (GError) problem = NULL;
  int fd = worker != NULL ? qs_worker_connect (worker, freeze->process->socket, &problem) : -1;

  if (worker == NULL)
    return NULL;
  if (fd < 0)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE, "the guest agent: %s",
                   problem->message);
      return NULL;
    }
  if (check_peer (fd, freeze, error))
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
qs_thaw_keep (QsEngine *engine, guint64 op, QsAgent *agent)
{
  Thaw *thaw = find (engine, op);

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
  if (thaw->agent == NULL)
    thaw->agent = qs_thaw_connect (thaw->engine, thaw->freeze, error);
  if (thaw->agent == NULL)
    return FALSE;
  qs_agent_set_cancellable (thaw->agent, thaw->engine->ending);
  return TRUE;
}

typedef struct
{
  gint64 sync; /* until when it has to show that it is there */
  gint64 done; /* and to have answered all */
} Deadline;

/* only what the agent says is believed, and only what it says after all that it was asked before */
static gboolean
ask_agent (Thaw *thaw, const Deadline *deadline, GError **error)
{
  gboolean frozen;

  if (!connect_agent (thaw, error) || !qs_agent_sync (thaw->agent, deadline->sync, error)
      || !qs_agent_is_frozen (thaw->agent, &frozen, deadline->done, error))
    return FALSE;
  thaw->thawed.was_held |= frozen;
  if (!frozen)
    return TRUE;
  if (!qs_agent_thaw (thaw->agent, deadline->done, error)
      || !qs_agent_is_frozen (thaw->agent, &frozen, deadline->done, error))
    return FALSE;
  if (frozen)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_AGENT_UNRESPONSIVE,
                         "the guest agent says that the guest is frozen still");
  return !frozen;
}

/* the connection over which it was frozen may have ended since then, and the agent be there */
static gboolean
ask_again (Thaw *thaw, const Deadline *deadline, GError **error)
{
  gboolean had_agent = thaw->agent != NULL;
  gboolean answered = ask_agent (thaw, deadline, error);

  if (answered || !had_agent || g_get_monotonic_time () >= deadline->sync)
    return answered;
  g_clear_error (error);
  g_clear_pointer (&thaw->agent, qs_agent_free);
  return ask_agent (thaw, deadline, error);
}

/* of whoever has the token */
static void
try_thaw (Thaw *thaw, const Deadline *deadline)
{
  g_autoptr (GError) error = NULL;
  gboolean lives = qs_process_is_alive (thaw->freeze->process);
  gboolean answered = lives && ask_again (thaw, deadline, &error);

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
qs_thaw_settle (QsEngine *engine, guint64 op, guint seconds, QsThawed *thawed)
{
  const Deadline deadline = { in_seconds (seconds), in_seconds (seconds) };
  Thaw *thaw = find (engine, op);

  *thawed = (QsThawed){ .is_thawed = TRUE };
  if (thaw == NULL)
    return FALSE;
  thawed->is_thawed = FALSE;
  if (g_async_queue_timeout_pop (thaw->turn, (guint64)seconds * G_USEC_PER_SEC) != NULL)
    {
      if (!is_settled (thaw))
        try_thaw (thaw, &deadline);
      *thawed = thaw->thawed;
      g_async_queue_push (thaw->turn, thaw);
    }
  release_thaw (thaw);
  return TRUE;
}

/* soon at first. Many agents that stay silent must not keep the threads from those that come back;
   one that is only slow is given all the time now and then */
static void
keep_trying (gpointer data)
{
  Thaw *thaw = data;
  Deadline deadline;

  g_async_queue_pop (thaw->turn);
  thaw->n_tries++;
  deadline.sync = in_seconds (thaw->n_tries % PATIENT_TRY == 0 ? QS_AGENT_THAW_SECONDS
                                                               : QS_AGENT_PROBE_SECONDS);
  deadline.done = in_seconds (QS_AGENT_THAW_SECONDS);
  if (!is_settled (thaw))
    try_thaw (thaw, &deadline);
  g_async_queue_push (thaw->turn, thaw);
  if (!is_settled (thaw))
    qs_errands_push_later (thaw->engine->thawing,
                           MIN (PAUSE_SECONDS * thaw->n_tries, MAX_PAUSE_SECONDS), keep_trying,
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
qs_thaw_release (QsEngine *engine, guint64 op)
{
  Thaw *thaw = find (engine, op);

  if (thaw != NULL && !is_settled (thaw))
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
    if (!is_settled (thaw))
      return TRUE;
  return FALSE;
}

static gboolean
is_same (const QsProcess *one, const QsProcess *other)
{
  return one->pid == other->pid && one->start_time == other->start_time
         && g_str_equal (one->boot_id, other->boot_id);
}

static void
find_owed_on_main (gpointer data)
{
  Turn *turn = data;
  GHashTableIter iter;
  Thaw *thaw;

  if (turn->engine->thaws == NULL)
    return;
  g_hash_table_iter_init (&iter, turn->engine->thaws);
  while (turn->thaw == NULL && g_hash_table_iter_next (&iter, NULL, (gpointer *)&thaw))
    if (!is_settled (thaw) && is_same (thaw->freeze->process, turn->process))
      turn->thaw = thaw;
}

gboolean
qs_thaw_is_owed (QsEngine *engine, const QsDomain *domain)
{
  Turn turn = { .engine = engine, .process = domain->process };

  if (domain->process != NULL)
    qs_main_call (find_owed_on_main, &turn);
  return turn.thaw != NULL;
}
