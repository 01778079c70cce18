/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-wake.h"

#include "qs-error.h"
#include "qs-limits.h"

/* between two tries */
#define PAUSE (G_TIME_SPAN_SECOND / 2)

#define FROM(from) (1u << (from))
#define FROM_ALL                                                                                   \
  (FROM (QS_WAKE_PAUSED) | FROM (QS_WAKE_MIGRATED) | FROM (QS_WAKE_STOPPED) | FROM (QS_WAKE_ANY))

/* @from: what it may be continued from; @away: it may run elsewhere */
typedef struct
{
  const char *word;
  guint from;
  gboolean away;
} RunState;

static const RunState run_states[] = {
  { "running", 0, FALSE },
  { "suspended", 0, FALSE },
  { "paused", FROM_ALL, FALSE },
  { "prelaunch", FROM_ALL, FALSE },
  { "postmigrate", FROM (QS_WAKE_MIGRATED) | FROM (QS_WAKE_ANY), TRUE },
  { "finish-migrate", FROM (QS_WAKE_ANY), TRUE },
  { "inmigrate", FROM (QS_WAKE_ANY), TRUE },
  { "restore-vm", FROM (QS_WAKE_ANY), TRUE },
  { "save-vm", FROM (QS_WAKE_ANY), TRUE },
};

/* the guest has stopped by itself */
static const RunState any_other = { NULL, FROM (QS_WAKE_STOPPED) | FROM (QS_WAKE_ANY), FALSE };

static const RunState *
find_run_state (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (run_states); i++)
    if (g_str_equal (run_states[i].word, word))
      return &run_states[i];
  return &any_other;
}

static gboolean
fail_away (const char *word, GError **error)
{
  g_set_error (
      error, QS_ERROR, QS_ERROR_OPERATION_INVALID,
      "the guest is left as it is, in QEMU’s state ‘%s’: it may have been migrated by "
      "somebody else and run elsewhere, on the same images; if it does, end this QEMU, and "
      "if not, continue it at QEMU’s monitor with ‘cont’",
      word);
  return FALSE;
}

gboolean
qs_wake_is_refusal (const GError *error)
{
  return g_error_matches (error, QS_ERROR, QS_ERROR_MONITOR_FAILED);
}

static void
explain_refusal (GError **error)
{
  if (error != NULL && qs_wake_is_refusal (*error))
    g_prefix_error (error,
                    "the guest stands still, and is continued as soon as QEMU allows it; end "
                    "what keeps it from its images, such as a backup: ");
}

/* whether there is nothing more to do; else the guest may be continued */
static gboolean
look (QsGuest *guest, QsWakeFrom from, QsDomainState *state, gboolean *over, GError **error)
{
  g_autofree char *word = NULL;
  const RunState *row;

  if (!qs_guest_query_state (guest, state, &word, error))
    return FALSE;
  row = find_run_state (word);
  *over = (row->from & FROM (from)) == 0;
  return !*over || !row->away || fail_away (word, error);
}

/* an answer is not enough: where another stop was on its way already, the guest stands still */
static gboolean
try (QsGuest *guest, QsWakeFrom from, QsDomainState *state, gboolean *over, GError **error)
{
  if (!qs_qmp_run (qs_guest_get_qmp (guest), "cont", NULL, QS_QMP_COMMAND_SECONDS, error))
    return FALSE;
  if (!look (guest, from == QS_WAKE_ANY ? from : QS_WAKE_PAUSED, state, over, error))
    return FALSE;
  *over = *over || from == QS_WAKE_ANY;
  if (!*over)
    g_set_error_literal (error, QS_ERROR, QS_ERROR_MONITOR_FAILED,
                         "QEMU was told ‘cont’, and has not let it go on");
  return *over;
}

gboolean
qs_wake (QsGuest *guest, QsWakeFrom from, guint seconds, QsDomainState *state, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64)seconds * G_TIME_SPAN_SECOND;
  QsDomainState unused;

  while (TRUE)
    {
      g_autoptr (GError) refusal = NULL;
      QsDomainState *now = state != NULL ? state : &unused;
      gboolean over = FALSE;

      if (!look (guest, from, now, &over, error))
        return FALSE;
      if (over || try (guest, from, now, &over, &refusal))
        return TRUE;
      if (!qs_wake_is_refusal (refusal) || !qs_guest_is_open (guest)
          || g_get_monotonic_time () >= deadline)
        {
          g_propagate_error (error, g_steal_pointer (&refusal));
          explain_refusal (error);
          return FALSE;
        }
      g_usleep (PAUSE);
    }
}

static gboolean
check_home (QsGuest *guest, const char *but, GError **error)
{
  g_autofree char *word = NULL;
  QsDomainState state;

  if (!qs_guest_query_state (guest, &state, &word, error))
    return FALSE;
  return !find_run_state (word)->away || g_strcmp0 (word, but) == 0 || fail_away (word, error);
}

gboolean
qs_wake_check_home (QsGuest *guest, GError **error)
{
  return check_home (guest, NULL, error);
}

gboolean
qs_wake_check_images (QsGuest *guest, GError **error)
{
  return check_home (guest, "finish-migrate", error);
}
