/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-guest.h"

#include "qs-json-scan.h"
#include "qs-launcher.h"
#include "qs-limits.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* what the reading thread has heard, in one atomic word: the state and these */
#define NEWS_STATE_MASK 0xfu
#define NEWS_HAS_STATE 0x10u
#define NEWS_ASK 0x20u
#define NEWS_GONE 0x40u
#define NEWS_PENDING 0x80u
#define NEWS_JOBS 0x100u

/* shared by the guest and by its connection, which outlives it for a moment */
typedef struct
{
  guint news; /* atomic */
  QsGuestListener listener;
} Ear;

struct QsGuest
{
  QsQmp *qmp;
  Ear *ear;
  char *domain;
  char *uuid;
  guint32 owner;
  QsProcess *process;
  GStrv commands; /* atomic: NULL until asked for, then for ever */
};

typedef struct
{
  const char *event;
  guint set;
} EventRow;

/* SHUTDOWN says that the guest is about to end, POWERDOWN that it was asked to: the state stays.
   WATCHDOG and BLOCK_IO_ERROR come with a STOP where they stop the guest */
static const EventRow event_rows[] = {
  { "STOP", NEWS_HAS_STATE | QS_DOMAIN_PAUSED },
  { "RESUME", NEWS_HAS_STATE | QS_DOMAIN_RUNNING },
  { "SUSPEND", NEWS_HAS_STATE | QS_DOMAIN_PMSUSPENDED },
  { "WAKEUP", NEWS_HAS_STATE | QS_DOMAIN_RUNNING },
  { "GUEST_PANICKED", NEWS_HAS_STATE | QS_DOMAIN_CRASHED },
  { "RESET", NEWS_ASK },
  { "BLOCK_JOB_COMPLETED", NEWS_JOBS },
  { "BLOCK_JOB_CANCELLED", NEWS_JOBS },
  { "BLOCK_JOB_PENDING", NEWS_JOBS },
};

static guint
find_news (const char *event)
{
  for (guint i = 0; i < G_N_ELEMENTS (event_rows); i++)
    if (g_str_equal (event_rows[i].event, event))
      return event_rows[i].set;
  return 0;
}

/* a guest that has crashed is stopped next: that it is stopped is no news */
static guint
merge_news (guint old, guint set)
{
  const guint crashed = NEWS_HAS_STATE | QS_DOMAIN_CRASHED;

  if (set == (NEWS_HAS_STATE | QS_DOMAIN_PAUSED)
      && (old & (NEWS_HAS_STATE | NEWS_STATE_MASK)) == crashed)
    return old;
  if (set & NEWS_HAS_STATE)
    old &= ~NEWS_STATE_MASK;
  if (set & NEWS_ASK)
    old &= ~(NEWS_HAS_STATE | NEWS_STATE_MASK);
  return old | set;
}

/* in the reading thread, the only one that sets */
static void
tell (Ear *ear, guint set)
{
  guint old = g_atomic_int_get (&ear->news);
  guint merged = merge_news (old, set);

  while (merged != old
         && !g_atomic_int_compare_and_exchange (&ear->news, old, merged | NEWS_PENDING))
    {
      old = g_atomic_int_get (&ear->news);
      merged = merge_news (old, set);
    }
  if (merged != old && (old & NEWS_PENDING) == 0 && ear->listener.notify != NULL)
    ear->listener.notify (ear->listener.user_data);
}

static void
on_event (const char *name, JsonObject *data, gboolean lost, gpointer user_data)
{
  guint set = name == NULL ? NEWS_GONE : find_news (name);

  if (lost)
    tell (user_data, NEWS_ASK | NEWS_JOBS);
  if (set != 0)
    tell (user_data, set);
}

static void
on_end (gpointer data)
{
  Ear *ear = data;

  if (ear->listener.destroy != NULL)
    ear->listener.destroy (ear->listener.user_data);
  g_atomic_rc_box_release (ear);
}

static void
clear_guest (gpointer data)
{
  QsGuest *guest = data;

  qs_qmp_unref (guest->qmp);
  g_atomic_rc_box_release (guest->ear);
  g_free (guest->domain);
  g_free (guest->uuid);
  qs_process_free (guest->process);
  g_strfreev (guest->commands);
}

QsGuest *
qs_guest_ref (QsGuest *guest)
{
  return g_atomic_rc_box_acquire (guest);
}

void
qs_guest_unref (QsGuest *guest)
{
  if (guest != NULL)
    g_atomic_rc_box_release_full (guest, clear_guest);
}

void
qs_guest_close (QsGuest *guest)
{
  qs_qmp_close (guest->qmp);
}

const char *
qs_guest_get_domain (QsGuest *guest)
{
  return guest->domain;
}

const QsProcess *
qs_guest_get_process (QsGuest *guest)
{
  return guest->process;
}

QsQmp *
qs_guest_get_qmp (QsGuest *guest)
{
  return guest->qmp;
}

const char *const *
qs_guest_get_known_commands (QsGuest *guest)
{
  return (const char *const *)g_atomic_pointer_get (&guest->commands);
}

void
qs_guest_take_known_commands (QsGuest *guest, GStrv commands)
{
  if (!g_atomic_pointer_compare_and_exchange (&guest->commands, NULL, commands))
    g_strfreev (commands);
}

gboolean
qs_guest_is_open (QsGuest *guest)
{
  return qs_qmp_is_open (guest->qmp);
}

gboolean
qs_guest_take_news (QsGuest *guest, QsGuestNews *news)
{
  guint heard = g_atomic_int_and (&guest->ear->news, ~(NEWS_PENDING | NEWS_ASK | NEWS_JOBS));

  if ((heard & NEWS_PENDING) == 0)
    return FALSE;
  news->has_state = (heard & NEWS_HAS_STATE) != 0;
  news->state = heard & NEWS_STATE_MASK;
  news->ask = (heard & NEWS_ASK) != 0;
  news->jobs = (heard & NEWS_JOBS) != 0;
  news->gone = (heard & NEWS_GONE) != 0;
  return TRUE;
}

static gboolean
fail_identity (GError **error, const char *why)
{
  g_set_error (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
               "the program at the monitor socket is not the domain’s QEMU: %s", why);
  return FALSE;
}

/* the kernel remembers who called listen: the process that was started for the domain */
static gboolean
check_peer (int fd, guint32 owner, const QsProcess *process, GError **error)
{
  struct ucred peer;
  socklen_t length = sizeof peer;

  if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    return fail_identity (error, g_strerror (errno));
  if (peer.uid != owner)
    return fail_identity (error, "it belongs to another user");
  if (peer.pid != process->pid)
    return fail_identity (error, "it is another process");
  return qs_process_is_alive (process) || fail_identity (error, "the recorded process has ended");
}

gboolean
qs_guest_check (QsGuest *guest, GError **error)
{
  return check_peer (qs_qmp_get_fd (guest->qmp), guest->owner, guest->process, error);
}

/* a QEMU that was started without a uuid says zeros, which prove nothing */
static gboolean
check_uuid (QsQmp *qmp, const char *uuid, GError **error)
{
  g_autoptr (JsonNode) answer =
      qs_qmp_execute (qmp, "query-uuid", NULL, QS_QMP_COMMAND_SECONDS, error);
  const char *value;

  if (answer == NULL)
    return FALSE;
  if (uuid == NULL)
    return TRUE;
  value = JSON_NODE_HOLDS_OBJECT (answer) ? qs_json_string (json_node_get_object (answer), "UUID")
                                          : NULL;
  if (value == NULL)
    return fail_identity (error, "it tells no uuid");
  return strspn (value, "0-") == strlen (value) || g_ascii_strcasecmp (value, uuid) == 0
         || fail_identity (error, "it has another uuid");
}

static QsGuest *
guest_alloc (QsQmp *qmp, Ear *ear, const QsGuestIdentity *identity)
{
  QsGuest *guest = g_atomic_rc_box_new0 (QsGuest);

  guest->qmp = qmp;
  guest->ear = g_atomic_rc_box_acquire (ear);
  guest->domain = g_strdup (identity->domain);
  guest->uuid = g_strdup (identity->uuid);
  guest->owner = identity->owner;
  guest->process = qs_process_copy (identity->process);
  return guest;
}

QsGuest *
qs_guest_new (int fd, const QsGuestIdentity *identity, const QsGuestListener *listener,
              GError **error)
{
  g_autoptr (QsGuest) guest = NULL;
  Ear *ear = g_atomic_rc_box_new0 (Ear);
  QsQmp *qmp;

  if (listener != NULL)
    ear->listener = *listener;
  /* the connection has its own reference of @ear from here on, also if it fails */
  g_atomic_rc_box_acquire (ear);
  qmp = qs_qmp_new (fd, on_event, ear, on_end, error);
  if (qmp != NULL)
    guest = guest_alloc (qmp, ear, identity);
  g_atomic_rc_box_release (ear);
  if (guest == NULL || !qs_guest_check (guest, error)
      || (!identity->is_storage && !check_uuid (qmp, guest->uuid, error)))
    return NULL;
  return g_steal_pointer (&guest);
}
