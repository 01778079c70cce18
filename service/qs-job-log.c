/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-job-private.h"

#include "qs-error.h"
#include "qs-name.h"

#include <string.h>

/* every value is a number, a uuid or a word of ours: no text of a caller gets into the journal */
static void
write_record (const QsJob *job, const char *outcome)
{
  const char *uuid = job->domain != NULL ? job->domain->uuid : job->domain_id;
  const char *domain = uuid != NULL ? uuid : "new";
  const char *verb = qs_operation_get (job->request->verb)->name;
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, job->number);
  g_autofree char *caller = g_strdup_printf ("%u", job->starter->uid);
  g_autofree char *effective = g_strdup_printf ("%u", job->owner);
  g_autofree char *message =
      g_strdup_printf ("job %s: %s of domain %s, called by uid %s, as uid %s: %s", number, verb,
                       domain, caller, effective, outcome);
  const GLogField fields[] = {
    { "MESSAGE", message, strlen (message) },
    { "PRIORITY", "5", 1 },
    { "GLIB_DOMAIN", G_LOG_DOMAIN, strlen (G_LOG_DOMAIN) },
    { "SNAPSHOTD_JOB", number, strlen (number) },
    { "SNAPSHOTD_VERB", verb, strlen (verb) },
    { "SNAPSHOTD_DOMAIN", domain, strlen (domain) },
    { "SNAPSHOTD_CALLER_UID", caller, strlen (caller) },
    { "SNAPSHOTD_EFFECTIVE_UID", effective, strlen (effective) },
    { "SNAPSHOTD_OUTCOME", outcome, strlen (outcome) },
  };

  g_log_structured_array (G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS (fields));
}

void
qs_job_log_start (const QsJob *job)
{
  write_record (job, "begins");
}

/**
 * qs_job_log_end:
 *
 * Its error by name alone, for the text of one may quote what a caller wrote.
 */
void
qs_job_log_end (const QsJob *job)
{
  if (job->error != NULL)
    write_record (job, qs_error_get_name (job->error->code));
  else
    write_record (job, job->state == QS_JOB_PREPARING ? "Timeout" : "done");
}

/* it has not ended */
void
qs_job_log_left (const QsJob *job)
{
  write_record (job, "left");
}

/**
 * qs_job_log_notes:
 *
 * Of a job that is not on the bus, or that nobody called for, nobody reads the notes there.
 */
void
qs_job_log_notes (const QsJob *job)
{
  const char *verb = qs_operation_get (job->request->verb)->name;
  g_autofree const char **notes = job->notes != NULL ? g_variant_get_strv (job->notes, NULL) : NULL;

  if (notes == NULL || job->error != NULL || (job->shape->has_object && job->starter_name != NULL))
    return;
  for (guint i = 0; notes[i] != NULL; i++)
    {
      g_autofree char *text = qs_escape_for_terminal (notes[i]);

      g_message ("job %" G_GUINT64_FORMAT ": %s: %s", job->number, verb, text);
    }
}

/**
 * qs_job_log_unasked:
 *
 * Of one that nobody called for nobody is told the error: it is written down with its text, which
 * quotes what the owner of the domain wrote, if anybody's words.
 */
void
qs_job_log_unasked (const QsJob *job, const GError *error)
{
  g_autofree char *text = qs_escape_for_terminal (error->message);
  g_autofree char *name = job->domain != NULL ? qs_escape_for_terminal (job->domain->name) : NULL;

  if (job->starter_name == NULL)
    g_message ("domain ‘%s’: %s: %s", name, qs_operation_get (job->request->verb)->name, text);
}
