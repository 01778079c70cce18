/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-engine-private.h"

#include "qs-error.h"
#include "qs-main-call.h"

/* how long a QEMU whose monitor has closed may take to end */
#define END_SECONDS 10

/* the connection of a daemon that was killed may still be on its way out */
#define CONNECT_TRIES 3

/* @guest is not referenced: it would keep itself alive through its own listener */
typedef struct
{
  QsEngine *engine;
  char *domain; /* id */
  gpointer guest;
} Watch;

typedef struct
{
  QsEngine *engine;
  char *domain;
  QsGuest *guest;
} Errand;

static void
unref_watch (gpointer data)
{
  Watch *watch = data;

  g_free (watch->domain);
}

static void
release_watch (gpointer data)
{
  g_atomic_rc_box_release_full (data, unref_watch);
}

static void
free_errand (Errand *errand)
{
  g_free (errand->domain);
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

/* the folder of its sockets goes with a process that ended by itself */
static void
clear_after (const Errand *errand, const QsProcess *process)
{
  g_autoptr (QsDomain) domain = qs_registry_get (errand->engine->registry, errand->domain);
  g_autoptr (QsWorker) worker = NULL;
  g_autoptr (GError) error = NULL;

  if (domain == NULL || domain->process == NULL || domain->process->pid != process->pid)
    return;
  worker = qs_worker_pool_acquire (errand->engine->workers, domain->owner, &error);
  if (worker == NULL || !qs_launcher_clear (errand->engine->launcher, worker, process, &error))
    g_debug ("%s, ignoring", error->message);
}

static gpointer
await_end (gpointer data)
{
  Errand *errand = data;
  const QsProcess *process = qs_guest_get_process (errand->guest);

  if (!qs_process_wait (process, END_SECONDS))
    g_message ("domain %s: QEMU %" G_GINT64_FORMAT " has closed its monitor and goes on",
               errand->domain, process->pid);
  else
    {
      clear_after (errand, process);
      qs_registry_drop_guest (errand->engine->registry, errand->domain, errand->guest);
    }
  free_errand (errand);
  return NULL;
}

static gpointer
ask_again (gpointer data)
{
  Errand *errand = data;
  QsDomainState state;

  if (qs_guest_query_state (errand->guest, &state, NULL, NULL))
    set_state (errand->engine, errand->domain, state);
  free_errand (errand);
  return NULL;
}

static void
send_out (Watch *watch, QsGuest *guest, GThreadFunc errand_func)
{
  Errand *errand = g_new0 (Errand, 1);

  errand->engine = watch->engine;
  errand->domain = g_strdup (watch->domain);
  errand->guest = qs_guest_ref (guest);
  g_thread_unref (g_thread_new ("guest-news", errand_func, errand));
}

/* on the main context: news of a guest that the domain does not have any more are dropped */
static void
hear (gpointer data)
{
  Watch *watch = data;
  g_autoptr (QsGuest) guest = qs_registry_get_guest (watch->engine->registry, watch->domain);
  QsGuestNews news = { 0 };

  if (guest == NULL || guest != watch->guest || !qs_guest_take_news (guest, &news))
    return;
  if (news.has_state && !news.gone)
    set_state (watch->engine, watch->domain, news.state);
  if (news.gone)
    send_out (watch, guest, await_end);
  else if (news.ask)
    send_out (watch, guest, ask_again);
}

static void
on_news (gpointer user_data)
{
  qs_main_post (hear, g_atomic_rc_box_acquire (user_data), release_watch);
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
  Watch *watch = g_atomic_rc_box_new0 (Watch);
  QsGuestIdentity identity = { domain->id, domain->uuid, domain->owner, process };
  QsGuestListener listener = { on_news, g_atomic_rc_box_acquire (watch), release_watch };
  QsGuest *guest;

  watch->engine = engine;
  watch->domain = g_strdup (domain->id);
  guest = qs_guest_connect (worker, &identity, &listener, error);
  watch->guest = guest;
  if (guest != NULL)
    {
      qs_registry_set_guest (engine->registry, domain->id, guest);
      on_news (watch);
    }
  release_watch (watch);
  return guest;
}

static void
forget_process (QsEngine *engine, const char *id)
{
  g_autoptr (GVariant) changes = NULL;
  QsChangeList list;

  qs_changes_init (&list);
  qs_changes_add (&list, QS_CHANGE_PROCESS, "pid", "x", G_GINT64_CONSTANT (0), NULL);
  qs_changes_add (&list, QS_CHANGE_LIVE_DEF, "definition", "s", "", NULL);
  qs_changes_add (&list, QS_CHANGE_DOMAIN_STATE, "state", "s", "shutoff", NULL);
  changes = g_variant_ref_sink (qs_changes_end (&list));
  qs_registry_apply (engine->registry, id, changes, NULL);
}

/**
 * qs_watch_find:
 *
 * After a start of the service: finds the QEMU again that the domain had, or learns that it ended
 * meanwhile.
 */
gboolean
qs_watch_find (QsEngine *engine, QsDomain *domain, GError **error)
{
  g_autoptr (QsWorker) worker = NULL;
  g_autoptr (QsGuest) guest = NULL;
  QsDomainState state;

  if (domain->process == NULL || !qs_process_is_alive (domain->process))
    {
      forget_process (engine, domain->id);
      return TRUE;
    }
  worker = qs_worker_pool_acquire (engine->workers, domain->owner, error);
  for (guint i = 0; worker != NULL && guest == NULL && i < CONNECT_TRIES; i++)
    {
      g_clear_error (error);
      guest = qs_watch_connect (engine, worker, domain, domain->process, error);
    }
  if (guest == NULL || !qs_guest_query_state (guest, &state, NULL, error))
    {
      g_prefix_error (error, "domain ‘%s’ runs, but its QEMU cannot be asked: ", domain->name);
      return FALSE;
    }
  set_state (engine, domain->id, state);
  return TRUE;
}
