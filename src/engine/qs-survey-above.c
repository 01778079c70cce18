/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-survey-private.h"

/* the chains of what stands on the files of a snapshot */
gboolean
qs_survey_above (QsSurvey *survey, GError **error)
{
  QsFacts *facts = survey->facts;
  const char *snapshot = survey->questions->snapshot;
  g_autoptr (GPtrArray) files = NULL;

  if (!survey->questions->above)
    return TRUE;
  if (snapshot == NULL)
    snapshot = survey->request->snapshot;
  files = qs_facts_list_above (facts, snapshot, error);
  if (files == NULL || !qs_survey_need_worker (survey, files, error)
      || !qs_survey_need_recorded (survey, error))
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    {
      const QsFile *file = g_ptr_array_index (files, i);

      g_ptr_array_add (facts->above, qs_survey_walk (survey, file->path, file->path, file->format));
    }
  return TRUE;
}
