/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine-private.h"

/* what the files of the survey share */

typedef struct
{
  QsEngine *engine;
  QsDomain *domain;
  const QsRequest *request;
  const QsQuestions *questions;
  QsWorker *worker; /* NULL until a question needs it */
  QsFacts *facts;
  GPtrArray *recorded; /* of QsFile: to walk chains by; NULL until one is walked */
  QsFacts *imagined;   /* the same as earlier parts of the request will leave it; NULL: as it is */
} QsSurvey;

gboolean qs_survey_need_worker (QsSurvey *survey, const GPtrArray *questions, GError **error);
gboolean qs_survey_need_recorded (QsSurvey *survey, GError **error);
QsDiskFacts *qs_survey_walk (QsSurvey *survey, const char *target, const char *path,
                             const char *format);
QsGuest *qs_survey_find_guest (QsSurvey *survey, GError **error);
gboolean qs_survey_target (QsSurvey *survey, const char *path, GError **error);

/* qs-survey-later.c: for a part of a request that is not the first */
gboolean qs_survey_is_later (const QsSurvey *survey);
gboolean qs_survey_imagine_files (QsSurvey *survey, QsFacts *facts, GError **error);
void qs_survey_imagine_chain (QsSurvey *survey, const char *path, const char *format,
                              QsDiskFacts *disk);
void qs_survey_imagine_guest (QsSurvey *survey);
gboolean qs_survey_imagine_snapshot (QsSurvey *survey, const char *uuid, GError **error);

gboolean qs_survey_above (QsSurvey *survey, GError **error);
gboolean qs_survey_neighbours (QsSurvey *survey, GError **error);

/* qs-survey-mirror.c */
gboolean qs_survey_mirrors (QsSurvey *survey, GError **error);

/* qs-survey-sight.c */
gboolean qs_survey_sights (QsSurvey *survey, GError **error);

/* qs-survey-snapshot.c */
gboolean qs_survey_snapshot (QsSurvey *survey, GError **error);
gboolean qs_survey_tips (QsSurvey *survey, GError **error);
gboolean qs_survey_claims (QsSurvey *survey, GError **error);
