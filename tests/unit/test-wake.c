/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "guest-play.h"
#include "qs-error.h"
#include "qs-step-qmp.h"
#include "qs-wake.h"

#include <string.h>

/* what a guest is continued from, and what not, in a QEMU that is played */

#define STATUS(word) "\"return\": {\"status\": \"" word "\"}"
#define DONE "\"return\": {}"
#define LOCKED "\"error\": {\"class\": \"GenericError\", \"desc\": \"Failed to get a lock\"}"

static void
assert_wakes (const GuestLine *lines, QsWakeFrom from, guint seconds, QsDomainState expected)
{
  g_auto (GuestPlay) stage = { 0 };
  g_autoptr (GError) error = NULL;
  QsDomainState state = QS_DOMAIN_SHUTOFF;

  guest_play_open (&stage, lines);
  g_assert_true (qs_wake (stage.guest, from, seconds, &state, &error));
  g_assert_no_error (error);
  g_assert_cmpint (state, ==, expected);
}

static void
assert_fails (const GuestLine *lines, QsWakeFrom from, gint code, const char *text)
{
  g_auto (GuestPlay) stage = { 0 };
  g_autoptr (GError) error = NULL;

  guest_play_open (&stage, lines);
  g_assert_false (qs_wake (stage.guest, from, 0, NULL, &error));
  g_assert_error (error, QS_ERROR, code);
  g_assert_nonnull (strstr (error->message, text));
}

static void
test_paused (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("paused") },
                                     { "cont", DONE },
                                     { "query-status", STATUS ("running") },
                                     { NULL, NULL } };

  for (QsWakeFrom from = QS_WAKE_PAUSED; from <= QS_WAKE_ANY; from++)
    assert_wakes (lines, from, 0, QS_DOMAIN_RUNNING);
}

/* nothing is done to it, and nothing about it */
static void
test_runs (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("running") }, { NULL, NULL } };

  for (QsWakeFrom from = QS_WAKE_PAUSED; from <= QS_WAKE_ANY; from++)
    assert_wakes (lines, from, 0, QS_DOMAIN_RUNNING);
}

static void
test_crashed (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("guest-panicked") },
                                     { NULL, NULL } };

  assert_wakes (lines, QS_WAKE_PAUSED, 0, QS_DOMAIN_CRASHED);
  assert_wakes (lines, QS_WAKE_MIGRATED, 0, QS_DOMAIN_CRASHED);
}

static void
test_away (void)
{
  static const GuestLine away[] = { { "query-status", STATUS ("postmigrate") }, { NULL, NULL } };
  static const GuestLine going[] = { { "query-status", STATUS ("finish-migrate") },
                                     { NULL, NULL } };
  static const GuestLine coming[] = { { "query-status", STATUS ("inmigrate") }, { NULL, NULL } };

  assert_fails (away, QS_WAKE_PAUSED, QS_ERROR_OPERATION_INVALID, "run elsewhere");
  assert_fails (away, QS_WAKE_STOPPED, QS_ERROR_OPERATION_INVALID, "‘postmigrate’");
  assert_fails (going, QS_WAKE_MIGRATED, QS_ERROR_OPERATION_INVALID, "‘finish-migrate’");
  assert_fails (coming, QS_WAKE_PAUSED, QS_ERROR_OPERATION_INVALID, "‘inmigrate’");
}

static void
test_migrated (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("postmigrate") },
                                     { "cont", DONE },
                                     { "query-status", STATUS ("running") },
                                     { NULL, NULL } };

  assert_wakes (lines, QS_WAKE_MIGRATED, 0, QS_DOMAIN_RUNNING);
  assert_wakes (lines, QS_WAKE_ANY, 0, QS_DOMAIN_RUNNING);
}

/* a backup holds a lock, and lets it go; QEMU's yes is no proof */
static void
test_locked (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("postmigrate") },
                                     { "cont", LOCKED },
                                     { "query-status", STATUS ("postmigrate") },
                                     { "cont", LOCKED },
                                     { "query-status", STATUS ("postmigrate") },
                                     { "cont", DONE },
                                     { "query-status", STATUS ("paused") },
                                     { "query-status", STATUS ("paused") },
                                     { "cont", DONE },
                                     { "query-status", STATUS ("running") },
                                     { NULL, NULL } };
  static const GuestLine refused[] = { { "query-status", STATUS ("paused") },
                                       { "cont", LOCKED },
                                       { NULL, NULL } };

  assert_wakes (lines, QS_WAKE_MIGRATED, 20, QS_DOMAIN_RUNNING);
  assert_fails (refused, QS_WAKE_PAUSED, QS_ERROR_MONITOR_FAILED, "end what keeps it");
}

/* it is not stopped, so that nobody will continue it */
static void
test_stop_crashed (void)
{
  static const GuestLine lines[] = { { "query-status", STATUS ("guest-panicked") },
                                     { NULL, NULL } };
  g_auto (GuestPlay) stage = { 0 };
  g_autoptr (QsStep) stop = qs_step_new (QS_STEP_STOP, QS_PHASE_PREPARE, "", NULL);
  g_autoptr (GVariant) result = NULL;
  gboolean changed = TRUE;

  guest_play_open (&stage, lines);
  g_assert_true (qs_step_qmp_run (stage.guest, stop, &result, NULL));
  g_assert_true (g_variant_lookup (result, "changed", "b", &changed));
  g_assert_false (changed);
  g_assert_true (qs_step_qmp_undo (stage.guest, stop, result, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wake/paused", test_paused);
  g_test_add_func ("/wake/runs", test_runs);
  g_test_add_func ("/wake/crashed", test_crashed);
  g_test_add_func ("/wake/away", test_away);
  g_test_add_func ("/wake/migrated", test_migrated);
  g_test_add_func ("/wake/locked", test_locked);
  g_test_add_func ("/wake/stop-crashed", test_stop_crashed);
  return g_test_run ();
}
