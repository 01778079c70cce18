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
} QsSurvey;

gboolean qs_survey_need_worker (QsSurvey *survey, const GPtrArray *questions, GError **error);
gboolean qs_survey_need_recorded (QsSurvey *survey, GError **error);
QsDiskFacts *qs_survey_walk (QsSurvey *survey, const char *target, const char *path,
                             const char *format);
gboolean qs_survey_target (QsSurvey *survey, const char *path, GError **error);

/* qs-survey-snapshot.c */
gboolean qs_survey_snapshot (QsSurvey *survey, GError **error);
gboolean qs_survey_tips (QsSurvey *survey, GError **error);
gboolean qs_survey_claims (QsSurvey *survey, GError **error);
