/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-main-call.h"

/* how long a QEMU whose monitor has closed is waited for at a time, and how often */
#define END_SECONDS 2
#define END_PAUSE_SECONDS 5

/* the connection of a daemon that was killed may still be on its way out */
#define CONNECT_TRIES 3

typedef enum
{
  IDLE,
  ASKING,
  ASKING_AGAIN, /* there was news meanwhile */
} Question;

/* @guest is not referenced: it would keep itself alive through its own listener. @errands tell
   whether there is an engine still */
struct QsWatch
{
  QsEngine *engine;
  QsErrands *errands;
  char *domain; /* id; NULL: not a domain's yet. Changed on the main context only */
  gpointer guest;
  guint question; /* atomic */
};

typedef struct QsWatch Watch;

typedef struct
{
  Watch *watch;
  QsGuest *guest;
} Errand;

static void
clear_watch (gpointer data)
{
  Watch *watch = data;

  qs_errands_unref (watch->errands);
  g_free (watch->domain);
}

static void
release_watch (gpointer data)
{
  g_atomic_rc_box_release_full (data, clear_watch);
}

static Errand *
new_errand (Watch *watch, QsGuest *guest)
{
  Errand *errand = g_new0 (Errand, 1);

  errand->watch = g_atomic_rc_box_acquire (watch);
  errand->guest = qs_guest_ref (guest);
  return errand;
}

static void
free_errand (gpointer data)
{
  Errand *errand = data;

  release_watch (errand->watch);
  qs_guest_unref (errand->guest);
  g_free (errand);
}

static void
set_state (QsEngine *engine, const char *id, QsDomainState state)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s",
                  qs_enum_to_string (QS_ENUM_DOMAIN_STATE, state), NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (engine->registry, id, changes, NULL);
}

/* the domain may have got another process, to which nobody has connected yet: what the old one does on
   its way out says nothing about it */
static gboolean
is_replaced (QsEngine *engine, const char *id, QsGuest *guest)
{
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, id);

  return domain != NULL && domain->process != NULL
         && !qs_process_is_same (domain->process, qs_guest_get_process (guest));
}

/* the folder of its sockets goes with a process that ended by itself, unless the next one has it */
static void
clear_after (QsEngine *engine, const QsDomain *domain, const QsProcess *process)
{
  g_autoptr (QsWorker) worker = NULL;
  g_autoptr (GError) error = NULL;

  if (domain == NULL || domain->process == NULL)
    return;
  if (!qs_process_is_same (domain->process, process)
      && g_str_equal (domain->process->socket, process->socket))
    return;
  worker = qs_worker_pool_acquire (engine->workers, domain->owner, &error);
  if (worker == NULL || !qs_launcher_clear (engine->launcher, worker, process, &error))
    g_debug ("%s, ignoring", error->message);
}

/* its monitor was closed by a fault, or by us for one: it may be talked to once more */
static gboolean
reconnect (QsEngine *engine, QsDomain *domain)
{
  g_autoptr (QsGuest) guest = NULL;
  g_autoptr (GError) error = NULL;

  if (!qs_watch_find (engine, domain, &error))
    g_debug ("%s, trying again", error->message);
  guest = qs_registry_get_guest (engine->registry, domain->id);
  return guest != NULL && qs_guest_is_open (guest);
}

/* a thread waits for a moment only, and then others have their turn */
static void
await_end (gpointer data)
{
  Errand *errand = data;
  Watch *watch = errand->watch;
  QsEngine *engine = watch->engine;
  const QsProcess *process = qs_guest_get_process (errand->guest);
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, watch->domain);
  g_autoptr (QsGuest) guest = NULL;

  if (qs_process_wait (process, END_SECONDS))
    {
      clear_after (engine, domain, process);
      qs_registry_drop_guest (engine->registry, watch->domain, errand->guest);
      qs_follow_look (engine, watch->domain);
      return;
    }
  guest = qs_registry_get_guest (engine->registry, watch->domain);
  if (domain != NULL && guest == errand->guest && !reconnect (engine, domain))
    qs_errands_push_later (watch->errands, END_PAUSE_SECONDS, await_end,
                           new_errand (watch, errand->guest), free_errand);
}

static void
ask_again (gpointer data)
{
  Errand *errand = data;
  Watch *watch = errand->watch;
  QsDomainState state;

  g_atomic_int_set (&watch->question, ASKING);
  if (qs_guest_query_state (errand->guest, &state, NULL, NULL)
      && !is_replaced (watch->engine, watch->domain, errand->guest))
    set_state (watch->engine, watch->domain, state);
  if (!g_atomic_int_compare_and_exchange (&watch->question, ASKING, IDLE))
    qs_errands_push_later (watch->errands, 1, ask_again, new_errand (watch, errand->guest),
                           free_errand);
}

/* on the main context, as all of it: one question to a guest at a time */
static void
ask (Watch *watch, QsGuest *guest)
{
  if (g_atomic_int_compare_and_exchange (&watch->question, IDLE, ASKING))
    qs_errands_push (watch->errands, ask_again, new_errand (watch, guest), free_errand);
  else
    g_atomic_int_compare_and_exchange (&watch->question, ASKING, ASKING_AGAIN);
}

/* on the main context: news of a guest that the domain does not have any more are dropped */
static void
hear (gpointer data)
{
  Watch *watch = data;
  g_autoptr (QsGuest) guest = NULL;
  QsGuestNews news = { 0 };

  if (qs_errands_is_closed (watch->errands) || watch->domain == NULL)
    return;
  guest = qs_registry_get_guest (watch->engine->registry, watch->domain);
  if (guest == NULL || guest != watch->guest || !qs_guest_take_news (guest, &news))
    return;
  if (news.has_state && !news.gone && !is_replaced (watch->engine, watch->domain, guest))
    set_state (watch->engine, watch->domain, news.state);
  if (news.jobs && watch->engine->sink.jobs_changed != NULL)
    watch->engine->sink.jobs_changed (watch->domain, watch->engine->user_data);
  if (news.gone)
    qs_registry_set_guest (watch->engine->registry, watch->domain, guest);
  if (news.gone)
    qs_errands_push (watch->errands, await_end, new_errand (watch, guest), free_errand);
  else if (news.ask)
    ask (watch, guest);
}

static void
on_news (gpointer user_data)
{
  qs_main_post (hear, g_atomic_rc_box_acquire (user_data), release_watch);
}

/**
 * qs_watch_meet:
 * @fd: (transfer full): connected to the monitor
 * @watch: (out): to be given to qs_watch_adopt()
 *
 * Returns: (transfer full): the guest, whose events nobody heeds yet
 */
QsGuest *
qs_watch_meet (QsEngine *engine, int fd, const QsGuestIdentity *identity, QsWatch **watch,
               GError **error)
{
  g_autoptr (QsWatch) fresh = g_atomic_rc_box_new0 (Watch);
  QsGuestListener listener = { on_news, g_atomic_rc_box_acquire (fresh), release_watch };
  QsGuest *guest;

  fresh->engine = engine;
  fresh->errands = qs_errands_ref (engine->errands);
  guest = qs_guest_new (fd, identity, &listener, error);
  if (guest == NULL)
    return NULL;
  fresh->guest = guest;
  *watch = g_steal_pointer (&fresh);
  return guest;
}

void
qs_watch_unref (QsWatch *watch)
{
  if (watch != NULL)
    release_watch (watch);
}

typedef struct
{
  QsWatch *watch;
  QsGuest *guest;
  const char *domain;
} Adoption;

static void
adopt (gpointer data)
{
  Adoption *adoption = data;
  Watch *watch = adoption->watch;

  g_free (watch->domain);
  watch->domain = g_strdup (adoption->domain);
  qs_registry_set_guest (watch->engine->registry, watch->domain, adoption->guest);
  hear (watch);
}

/**
 * qs_watch_adopt:
 * @domain: id
 *
 * The guest is the domain's from now on: the registry's state follows its events.
 */
void
qs_watch_adopt (QsWatch *watch, QsGuest *guest, const char *domain)
{
  Adoption adoption = { watch, guest, domain };

  qs_main_call (adopt, &adoption);
}

/**
 * qs_watch_connect:
 *
 * Connects to the QEMU @process of a domain; from then on the registry's state follows its events.
 *
 * Returns: (transfer full): the guest, already in the registry
 */
QsGuest *
qs_watch_connect (QsEngine *engine, QsWorker *worker, const QsDomain *domain,
                  const QsProcess *process, GError **error)
{
  QsGuestIdentity identity = { domain->id, domain->uuid, domain->owner, process };
  int fd = qs_worker_connect (worker, process->socket, error);
  g_autoptr (QsWatch) watch = NULL;
  QsGuest *guest = fd >= 0 ? qs_watch_meet (engine, fd, &identity, &watch, error) : NULL;

  if (guest != NULL)
    qs_watch_adopt (watch, guest, domain->id);
  return guest;
}

static void
forget_process (QsEngine *engine, const char *id)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add_end_of_process (&list);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (engine->registry, id, changes, NULL);
}

/* the connection that the domain has, if it can be used */
static QsGuest *
open_guest (QsEngine *engine, const char *id)
{
  g_autoptr (QsGuest) guest = qs_registry_get_guest (engine->registry, id);

  return guest != NULL && qs_guest_is_open (guest) ? g_steal_pointer (&guest) : NULL;
}

/**
 * qs_watch_is_lost:
 *
 * Returns: whether the domain's QEMU lives and nobody talks to it
 */
gboolean
qs_watch_is_lost (QsEngine *engine, const QsDomain *domain)
{
  g_autoptr (QsGuest) guest = NULL;

  if (domain == NULL || domain->process == NULL || !qs_process_is_alive (domain->process))
    return FALSE;
  guest = open_guest (engine, domain->id);
  return guest == NULL;
}

/* QEMU talks to one client at a time: somebody else may be faster */
static QsGuest *
connect_again (QsEngine *engine, const QsDomain *domain, GError **error)
{
  g_autoptr (QsWorker) worker = qs_worker_pool_acquire (engine->workers, domain->owner, error);
  QsGuest *guest = NULL;

  for (guint i = 0; worker != NULL && guest == NULL && i < CONNECT_TRIES; i++)
    {
      g_clear_error (error);
      guest = qs_watch_connect (engine, worker, domain, domain->process, error);
      if (guest == NULL)
        guest = open_guest (engine, domain->id);
    }
  return guest;
}

/**
 * qs_watch_find:
 * @known: the domain, maybe as it was earlier
 *
 * Finds the QEMU again that the domain had, or learns that it ended meanwhile.
 */
gboolean
qs_watch_find (QsEngine *engine, QsDomain *known, GError **error)
{
  const char *id = known->id;
  g_autoptr (QsDomain) domain = qs_registry_get (engine->registry, id);
  g_autoptr (QsGuest) guest = open_guest (engine, id);
  g_autoptr (GError) problem = NULL;
  QsDomainState state;

  if (domain == NULL || guest != NULL)
    return TRUE;
  if (domain->process == NULL || !qs_process_is_alive (domain->process))
    {
      forget_process (engine, id);
      qs_follow_look (engine, id);
      return TRUE;
    }
  if (*domain->process->socket == '\0')
    {
      g_set_error (error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
                   "domain ‘%s’ runs, but its QEMU was reached by a connection that has ended, and "
                   "no way to another one is known; attach it again",
                   domain->name);
      return FALSE;
    }
  guest = connect_again (engine, domain, &problem);
  if (guest != NULL && qs_guest_query_state (guest, &state, NULL, &problem))
    {
      set_state (engine, id, state);
      return TRUE;
    }
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "domain ‘%s’ runs, but its QEMU cannot be asked: %s", domain->name,
               problem != NULL ? problem->message : "it does not answer");
  return FALSE;
}
