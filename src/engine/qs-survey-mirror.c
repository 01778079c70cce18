/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-survey-private.h"

#include "qs-block-job.h"

/* which mirrors have ended without being asked to, and why */

/* (transfer full) (nullable): why nothing is written to it any more; NULL: it is */
static char *
describe_end (const QsBlockJob *job)
{
  switch (job->state)
    {
    case QS_BLOCK_JOB_RUNNING:
    case QS_BLOCK_JOB_READY:
      return NULL;
    case QS_BLOCK_JOB_ABSENT:
      return g_strdup ("QEMU does not know of it any more");
    case QS_BLOCK_JOB_PENDING:
      return g_strdup ("somebody else has told QEMU to go over to it");
    case QS_BLOCK_JOB_CONCLUDED:
      return g_strdup (job->problem != NULL ? job->problem : "somebody else has ended it");
    }
  g_return_val_if_reached (NULL);
}

static gboolean
survey_one (QsSurvey *survey, QsGuest *guest, const QsMirror *mirror, GError **error)
{
  g_auto (QsBlockJob) job = { 0 };
  char *reason;

  if (guest != NULL && !qs_block_job_look (qs_guest_get_qmp (guest), mirror->job, &job, error))
    return FALSE;
  reason = guest != NULL ? describe_end (&job) : g_strdup ("QEMU has ended");
  if (reason != NULL)
    g_hash_table_replace (survey->facts->mirror_ends, g_strdup (mirror->path), reason);
  return TRUE;
}

/* one that cannot be asked and lives may be at it still: that is an error, not an end */
gboolean
qs_survey_mirrors (QsSurvey *survey, GError **error)
{
  const QsDomain *domain = survey->domain;
  g_autoptr (QsGuest) guest = NULL;

  if (!survey->questions->mirror_ends)
    return TRUE;
  if (domain->process != NULL && qs_process_is_alive (domain->process))
    {
      guest = qs_survey_find_guest (survey, error);
      if (guest == NULL)
        return FALSE;
    }
  for (guint i = 0; i < domain->mirrors->len; i++)
    {
      const QsMirror *mirror = g_ptr_array_index (domain->mirrors, i);

      if (qs_mirror_is_live (mirror) && !survey_one (survey, guest, mirror, error))
        return FALSE;
    }
  return TRUE;
}
