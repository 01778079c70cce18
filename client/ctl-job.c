/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "ctl-job.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl-output.h"
#include "qs-error.h"
#include "qs-name.h"
#include "qs-names.h"

#define BAR_WIDTH 24

/* one wait: what was heard of the job so far */
typedef struct
{
  QsCtl *ctl;
  const char *path;
  char *operation;
  char *step;
  double progress;
  gboolean is_own; /* this command started it */
  gboolean shows;  /* a terminal is there, and the job is ours */
  gboolean drawn;
  gboolean is_done;
  gboolean timed_out;
  QsCtlJobWait how;
  GVariant *result;
  GError *error;
} Wait;

static void
wait_clear (Wait *wait)
{
  g_free (wait->operation);
  g_free (wait->step);
  g_clear_pointer (&wait->result, g_variant_unref);
  g_clear_error (&wait->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wait, wait_clear)

/**
 * qs_ctl_job_format_progress:
 * @progress: 0 to 1, or less than 0: unknown
 *
 * Returns: (transfer full): a line without an end
 */
char *
qs_ctl_job_format_progress (const char *operation, const char *step, double progress)
{
  g_autofree char *text = g_strdup_printf ("%s  %s", operation, step);
  g_autofree char *words = qs_escape_for_terminal (text);
  char bar[BAR_WIDTH + 1];
  int filled = (int)(CLAMP (progress, 0, 1) * BAR_WIDTH);

  for (int i = 0; i < BAR_WIDTH; i++)
    bar[i] = i < filled ? '#' : '.';
  bar[BAR_WIDTH] = '\0';
  if (progress < 0)
    return g_strdup_printf ("[%s]        %s", bar, words);
  return g_strdup_printf ("[%s] %3d %%  %s", bar, (int)(CLAMP (progress, 0, 1) * 100), words);
}

static void
draw (Wait *wait)
{
  g_autofree char *line = NULL;

  if (!wait->shows)
    return;
  line = qs_ctl_job_format_progress (wait->operation ?: "", wait->step ?: "", wait->progress);
  fprintf (stderr, "\r\033[K%s", line);
  fflush (stderr);
  wait->drawn = TRUE;
}

static void
erase (Wait *wait)
{
  if (wait->drawn)
    fputs ("\r\033[K", stderr);
  wait->drawn = FALSE;
}

static void
take_word (GVariant *properties, const char *key, char **word)
{
  char *value;

  if (!g_variant_lookup (properties, key, "s", &value))
    return;
  g_free (*word);
  *word = value;
}

/* @properties: a{sv}, some or all */
static void
take_properties (Wait *wait, GVariant *properties)
{
  const char *state;

  take_word (properties, "Operation", &wait->operation);
  take_word (properties, "Step", &wait->step);
  g_variant_lookup (properties, "Progress", "d", &wait->progress);
  if (g_variant_lookup (properties, "State", "&s", &state))
    wait->how.is_ready = g_str_equal (state, "ready");
  draw (wait);
}

static void /* NOLINTNEXTLINE(readability-function-size): GIO's signature */
on_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
            const char *signal, GVariant *values, gpointer user_data)
{
  g_autoptr (GVariant) properties = NULL;

  if (!g_variant_is_of_type (values, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  properties = g_variant_get_child_value (values, 1);
  take_properties (user_data, properties);
}

static void
on_waited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Wait *wait = user_data;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &wait->error);

  if (reply != NULL)
    wait->result = g_variant_get_child_value (reply, 0);
  wait->is_done = TRUE;
}

static void
cancel (Wait *wait)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      qs_ctl_call_patiently (wait->ctl, wait->path, "Job.Cancel", NULL, &error);

  erase (wait);
  if (reply != NULL)
    qs_ctl_note ("cancelling; Ctrl-C again leaves the job");
  else if (!wait->is_done)
    qs_ctl_note ("not cancelled: %s; waiting, Ctrl-C again leaves the job", error->message);
}

static void
leave (Wait *wait)
{
  g_clear_error (&wait->error);
  if (wait->is_own)
    g_set_error (&wait->error, QS_ERROR, QS_ERROR_CANCELLED, "left the job, which goes on: %s",
                 wait->path);
  else
    g_set_error (&wait->error, QS_ERROR, QS_ERROR_CANCELLED,
                 "interrupted while waiting for another job: %s", wait->path);
}

/* Ctrl-C, or the end of the time that there was */
static guint
count_wishes (const Wait *wait)
{
  guint wishes = wait->ctl->interrupts + (wait->timed_out ? 1 : 0);

  return wishes > 0 && wait->how.leaves ? wishes + 1 : wishes;
}

static gboolean
is_far_enough (const Wait *wait)
{
  return wait->how.until_ready && wait->how.is_ready;
}

/* until the job has ended or the user has left it */
static void
wait_until_done (Wait *wait, GCancellable *cancellable)
{
  gboolean asked = FALSE;
  gboolean left = FALSE;

  while (!wait->is_done)
    {
      if (wait->is_own && !asked && count_wishes (wait) > 0)
        cancel (wait);
      asked = asked || count_wishes (wait) > 0;
      left = count_wishes (wait) > (wait->is_own ? 1 : 0);
      if (left || is_far_enough (wait))
        g_cancellable_cancel (cancellable);
      if (!wait->is_done)
        g_main_context_iteration (NULL, TRUE);
    }
  erase (wait);
  if (left && wait->error != NULL)
    leave (wait);
}

static void
read_properties (Wait *wait)
{
  g_autoptr (GVariant) properties = qs_ctl_get_properties (wait->ctl, wait->path, "Job", NULL);

  if (properties != NULL && !wait->is_done)
    take_properties (wait, properties);
}

static gboolean
on_timeout (gpointer user_data)
{
  Wait *wait = user_data;

  wait->timed_out = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
run (Wait *wait)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GDBusConnection *bus = wait->ctl->bus;
  guint timeout =
      wait->how.seconds > 0 ? g_timeout_add_seconds (wait->how.seconds, on_timeout, wait) : 0;
  guint subscription = g_dbus_connection_signal_subscribe (
      bus, QS_BUS_NAME, QS_PROPERTIES_INTERFACE, "PropertiesChanged", wait->path, QS_JOB_INTERFACE,
      G_DBUS_SIGNAL_FLAGS_NONE, on_changed, wait, NULL);

  g_dbus_connection_call (bus, QS_BUS_NAME, wait->path, QS_JOB_INTERFACE, "Wait", NULL,
                          G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT, cancellable,
                          on_waited, wait);
  if (wait->shows || wait->how.until_ready)
    read_properties (wait);
  wait_until_done (wait, cancellable);
  g_clear_handle_id (&timeout, g_source_remove);
  g_dbus_connection_signal_unsubscribe (bus, subscription);
}

/**
 * qs_ctl_job_wait_for:
 *
 * Waits for a job that this command started, with a progress bar on a terminal. The first Ctrl-C
 * cancels the job, the second leaves it.
 *
 * Returns: (transfer full) (nullable): a{sv}, the result; the job's error if it failed; NULL without
 *   error: it is ready
 */
GVariant *
qs_ctl_job_wait_for (QsCtl *ctl, const char *job, QsCtlJobWait *how, GError **error)
{
  g_auto (Wait) wait = { .ctl = ctl, .path = job, .progress = -1, .is_own = TRUE, .how = *how };

  wait.shows = !ctl->quiet && isatty (STDERR_FILENO);
  run (&wait);
  how->is_ready =
      is_far_enough (&wait) && g_error_matches (wait.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (wait.error == NULL)
    return g_steal_pointer (&wait.result);
  if (how->is_ready)
    return NULL;
  qs_ctl_fold_error (&wait.error);
  if (wait.timed_out)
    g_prefix_error (&wait.error, "not done in %u seconds: ", how->seconds);
  g_propagate_error (error, g_steal_pointer (&wait.error));
  return NULL;
}

/**
 * qs_ctl_job_wait:
 *
 * The same until it has ended.
 */
GVariant *
qs_ctl_job_wait (QsCtl *ctl, const char *job, GError **error)
{
  QsCtlJobWait how = { FALSE };

  return qs_ctl_job_wait_for (ctl, job, &how, error);
}

/**
 * qs_ctl_job_wait_for_other:
 *
 * Waits until a job that somebody else started has ended, however it ended; one that is gone has.
 */
gboolean
qs_ctl_job_wait_for_other (QsCtl *ctl, const char *job, GError **error)
{
  g_auto (Wait) wait = { .ctl = ctl, .path = job, .progress = -1 };

  run (&wait);
  if (!g_error_matches (wait.error, QS_ERROR, QS_ERROR_CANCELLED))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&wait.error));
  return FALSE;
}

/**
 * qs_ctl_job_get_notes:
 *
 * Returns: (transfer full): the sentences for people of a job that has ended; empty if it is gone
 */
GStrv
qs_ctl_job_get_notes (QsCtl *ctl, const char *job)
{
  g_autoptr (GVariant) properties = qs_ctl_get_properties (ctl, job, "Job", NULL);
  GStrv notes = NULL;

  if (properties != NULL)
    g_variant_lookup (properties, "Notes", "^as", &notes);
  return notes != NULL ? notes : g_new0 (char *, 1);
}

/**
 * qs_ctl_job_path_in:
 * @message: of an error DomainBusy, which ends with the path of the job
 *
 * Returns: (transfer full) (nullable): the path
 */
char *
qs_ctl_job_path_in (const char *message)
{
  const char *start = g_strrstr (message, QS_PATH "/job/");

  return start != NULL && g_variant_is_object_path (start) ? g_strdup (start) : NULL;
}
