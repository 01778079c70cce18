/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "guest-play.h"
#include "qs-block-job.h"
#include "qs-error.h"
#include "qs-merge-back.h"

#include <string.h>

/* jobs that do not end as they should, in a QEMU that is played */

#define JOB "snapd-1-m"
#define DONE "\"return\": {}"
#define ON(node) "\"return\": [{\"device\": \"\", \"inserted\": {\"node-name\": \"" node "\"}}]"
#define JOBS(status) "\"return\": [{\"id\": \"" JOB "\", \"type\": \"commit\", " status "}]"
#define NO_JOBS "\"return\": []"

typedef struct
{
  GuestPlay play;
  GString *notes;
  gboolean notes_fail;
  gboolean check_fails;
} Stage;

static void
stage_open (Stage *stage, const GuestLine *lines)
{
  stage->notes = g_string_new (NULL);
  guest_play_open (&stage->play, lines);
}

static void
stage_clear (Stage *stage)
{
  guest_play_clear (&stage->play);
  g_string_free (stage->notes, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Stage, stage_clear)

static gboolean
note (gboolean merged, gpointer data, GError **error)
{
  Stage *stage = data;

  g_string_append (stage->notes, merged ? "+" : "-");
  if (!stage->notes_fail)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_DEGRADED, "cannot be written down");
  return FALSE;
}

static gboolean
check (gpointer data, GError **error)
{
  Stage *stage = data;

  if (!stage->check_fails)
    return TRUE;
  g_set_error_literal (error, QS_ERROR, QS_ERROR_QUARANTINED, "not to be merged");
  return FALSE;
}

static gboolean
merge_back (Stage *stage, GError **error)
{
  const QsMergeBack back = { "snapd-vda", "snapd-1", check, note, stage };

  return qs_merge_back (stage->play.guest, &back, error);
}

static void
test_whole (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("snapd-1") },
    { "block-commit", DONE },
    { "query-jobs", JOBS ("\"status\": \"running\", \"current-progress\": 1") },
    { "query-jobs", JOBS ("\"status\": \"ready\"") },
    { "job-complete", DONE },
    { "query-jobs", JOBS ("\"status\": \"waiting\"") },
    { "query-jobs", JOBS ("\"status\": \"pending\"") },
    { "job-finalize", DONE },
    { "query-jobs", JOBS ("\"status\": \"concluded\"") },
    { "job-dismiss", DONE },
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("snapd-vda") },
    { NULL, NULL },
  };
  g_auto (Stage) stage = { 0 };
  g_autoptr (GError) error = NULL;

  stage_open (&stage, lines);
  merge_back (&stage, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (stage.notes->str, ==, "-+");
}

static void
assert_fails (const GuestLine *lines, QsError code, const char *text, const char *notes)
{
  g_auto (Stage) stage = { 0 };
  g_autoptr (GError) error = NULL;

  stage_open (&stage, lines);
  g_assert_false (merge_back (&stage, &error));
  g_assert_error (error, QS_ERROR, (int)code);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_cmpstr (stage.notes->str, ==, notes);
}

/* the guest goes on with its overlay; the job is forgotten, so that there may be another one */
static void
test_no_space (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("snapd-1") },
    { "block-commit", DONE },
    { "query-jobs", JOBS ("\"status\": \"concluded\", \"error\": \"No space left on device\"") },
    { "job-dismiss", DONE },
    { NULL, NULL },
  };

  assert_fails (lines, QS_ERROR_MONITOR_FAILED, "No space left on device", "-");
}

static void
test_refused (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("snapd-1") },
    { "block-commit", "\"error\": {\"class\": \"GenericError\", \"desc\": \"busy\"}" },
    { NULL, NULL },
  };

  assert_fails (lines, QS_ERROR_MONITOR_FAILED, "busy", "-");
}

#define GRAPH(edges)                                                                               \
  "\"return\": {\"nodes\": [{\"id\": 1, \"type\": \"block-driver\", \"name\": \"other\"}, "        \
  "{\"id\": 2, \"type\": \"block-driver\", \"name\": \"snapd-1\"}], \"edges\": [" edges "]}"

/* on a node of somebody else's, which stands on our overlay: that has to stay */
static void
test_elsewhere (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("other") },
    { "x-debug-query-block-graph", GRAPH ("{\"parent\": 1, \"child\": 2, \"name\": \"backing\"}") },
    { NULL, NULL },
  };

  assert_fails (lines, QS_ERROR_MONITOR_FAILED, "neither on", "");
}

/* the overlay was never gone over to: what stands there now is not looked at */
static void
test_never_away (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("other") },
    { "x-debug-query-block-graph", GRAPH ("") },
    { NULL, NULL },
  };
  g_auto (Stage) stage = { .check_fails = TRUE };
  g_autoptr (GError) error = NULL;

  stage_open (&stage, lines);
  g_assert_true (merge_back (&stage, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (stage.notes->str, ==, "");
}

/* nothing is written down, and no job begun */
static void
test_not_to_be_merged (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", NO_JOBS },
    { "query-block", ON ("snapd-1") },
    { NULL, NULL },
  };
  g_auto (Stage) stage = { .check_fails = TRUE };
  g_autoptr (GError) error = NULL;

  stage_open (&stage, lines);
  g_assert_false (merge_back (&stage, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_QUARANTINED);
  g_assert_cmpstr (stage.notes->str, ==, "");
}

static void
test_nonsense (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", "\"return\": {\"id\": 1}" },
    { NULL, NULL },
  };
  static const GuestLine second[] = {
    { "query-jobs", "\"return\": [1, {}, {\"id\": 5}]" },
    { "query-block", "\"return\": {}" },
    { NULL, NULL },
  };

  assert_fails (lines, QS_ERROR_MONITOR_FAILED, "cannot be understood", "");
  assert_fails (second, QS_ERROR_MONITOR_FAILED, "cannot be understood", "");
}

/* without the record it does not go over; and the guest, whose requests wait, is not left so */
static void
test_not_noted (void)
{
  static const GuestLine lines[] = {
    { "query-jobs", JOBS ("\"status\": \"pending\"") },
    { "query-jobs", JOBS ("\"status\": \"pending\"") },
    { "job-cancel", DONE },
    { "query-jobs", JOBS ("\"status\": \"aborting\"") },
    { "query-jobs", JOBS ("\"status\": \"concluded\", \"error\": \"Operation canceled\"") },
    { "job-dismiss", DONE },
    { NULL, NULL },
  };
  g_auto (Stage) stage = { .notes_fail = TRUE };
  g_autoptr (GError) error = NULL;

  stage_open (&stage, lines);
  g_assert_false (merge_back (&stage, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_DEGRADED);
  g_assert_cmpstr (stage.notes->str, ==, "+");
}

/* one that is never over is given up some time */
static void
test_never_over (void)
{
  static GuestLine lines[40];

  for (guint i = 0; i < 16; i++)
    {
      lines[2 * i] = (GuestLine){ "query-jobs", JOBS ("\"status\": \"ready\"") };
      lines[2 * i + 1] = (GuestLine){ "job-complete", DONE };
    }
  assert_fails (lines, QS_ERROR_MONITOR_FAILED, "to an end", "");
}

static void
test_cancel (void)
{
  static const GuestLine absent[] = { { "query-jobs", NO_JOBS }, { NULL, NULL } };
  static const GuestLine ended[] = {
    { "query-jobs", JOBS ("\"status\": \"concluded\"") },
    { "job-dismiss", DONE },
    { NULL, NULL },
  };
  const GuestLine *const scripts[] = { absent, ended };

  for (guint i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      g_auto (Stage) stage = { 0 };
      g_autoptr (GError) error = NULL;

      stage_open (&stage, scripts[i]);
      qs_block_job_cancel (qs_guest_get_qmp (stage.play.guest), JOB, &error);
      g_assert_no_error (error);
    }
}

static gboolean
may_ask_nodes (const char *jobs)
{
  const GuestLine lines[] = { { "query-jobs", jobs }, { NULL, NULL } };
  g_auto (Stage) stage = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean may = FALSE;

  stage_open (&stage, lines);
  qs_block_job_may_ask_nodes (qs_guest_get_qmp (stage.play.guest), &may, &error);
  g_assert_no_error (error);
  return may;
}

#define STREAM(status)                                                                             \
  "\"return\": [{\"id\": \"x\", \"type\": \"stream\", \"status\": \"" status "\"}]"

/* a stream that is concluded is what QEMU dies of when its nodes are asked for */
static void
test_may_ask_nodes (void)
{
  g_assert_true (may_ask_nodes (NO_JOBS));
  g_assert_true (may_ask_nodes (JOBS ("\"status\": \"concluded\"")));
  g_assert_true (may_ask_nodes (STREAM ("pending")));
  g_assert_false (may_ask_nodes (STREAM ("concluded")));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/merge-back/whole", test_whole);
  g_test_add_func ("/merge-back/no-space", test_no_space);
  g_test_add_func ("/merge-back/refused", test_refused);
  g_test_add_func ("/merge-back/elsewhere", test_elsewhere);
  g_test_add_func ("/merge-back/never-away", test_never_away);
  g_test_add_func ("/merge-back/not-to-be-merged", test_not_to_be_merged);
  g_test_add_func ("/merge-back/nonsense", test_nonsense);
  g_test_add_func ("/merge-back/not-noted", test_not_noted);
  g_test_add_func ("/merge-back/never-over", test_never_over);
  g_test_add_func ("/merge-back/cancel", test_cancel);
  g_test_add_func ("/merge-back/may-ask-nodes", test_may_ask_nodes);
  return g_test_run ();
}
