/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wake-later.h"

#define PAUSE_SECONDS 2

typedef struct
{
  QsEngine *engine;
  QsGuest *guest;
  QsWakeFrom from;
} Debt;

static void
free_debt (gpointer data)
{
  Debt *debt = data;

  qs_guest_unref (debt->guest);
  g_free (debt);
}

static void
owe (QsEngine *engine, QsGuest *guest, QsWakeFrom from, QsErrandFunc func)
{
  Debt *debt = g_new0 (Debt, 1);

  *debt = (Debt){ engine, qs_guest_ref (guest), from };
  qs_errands_push_later (engine->thawing, PAUSE_SECONDS, func, debt, free_debt);
}

/* a connection that has ended tells nothing: the next start sees what is to be done */
static void
keep_trying (gpointer data)
{
  const Debt *debt = data;
  const char *domain = qs_guest_get_domain (debt->guest);
  g_autoptr (GError) error = NULL;

  if (!qs_guest_is_open (debt->guest))
    return;
  if (qs_wake (debt->guest, debt->from, 0, NULL, &error))
    g_message ("domain %s goes on", domain);
  else if (qs_wake_is_refusal (error))
    owe (debt->engine, debt->guest, debt->from, keep_trying);
  else
    g_message ("domain %s: %s", domain, error->message);
}

void
qs_wake_later (QsEngine *engine, QsGuest *guest, QsWakeFrom from)
{
  g_message ("domain %s was stopped, and QEMU does not let it go on; trying until it does",
             qs_guest_get_domain (guest));
  owe (engine, guest, from, keep_trying);
}
