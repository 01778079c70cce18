/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine.h"
#include "qs-errands.h"
#include "qs-launcher.h"
#include "qs-registry.h"
#include "qs-store.h"
#include "qs-worker.h"

/* what the files of the engine share; nothing outside src/engine includes this */

struct QsEngine
{
  QsConfig config;
  QsStore *store;
  QsWorkerPool *workers;
  QsLauncher *launcher;
  QsRegistry *registry;
  QsErrands *errands;    /* to guests */
  QsErrands *recoveries; /* of operations */
  char *tool_refusal;    /* why qemu-img may not be given images; NULL: it may */
  QsEngineSink sink;
  gpointer user_data;
};

struct QsTask
{
  QsEngine *engine;
  QsRequest *request;
  char *domain;     /* id */
  guint32 owner;    /* uid */
  char *op;         /* 8 hex digits */
  char *snapshot;   /* uuid, or NULL */
  GPtrArray *parts; /* of QsRequest */
  GPtrArray *plans; /* of QsPlan, one a part, as far as they are planned */
  GPtrArray *notes; /* of char */
};

/* qs-survey.c */
QsFacts *qs_survey (QsEngine *engine, QsDomain *domain, const QsRequest *request,
                    const QsQuestions *questions, GError **error);

/* qs-watch.c: keeps the registry's state true to what QEMU says */
QsGuest *qs_watch_connect (QsEngine *engine, QsWorker *worker, const QsDomain *domain,
                           const QsProcess *process, GError **error);
gboolean qs_watch_find (QsEngine *engine, QsDomain *known, GError **error);
gboolean qs_watch_is_lost (QsEngine *engine, const QsDomain *domain);

/* qs-recovery.c */
gboolean qs_recovery_run (QsEngine *engine, GError **error);

/* qs-task.c: the facts and the plan of one part */
QsPlan *qs_task_plan_part (QsTask *task, QsDomain *domain, const QsRequest *part, GError **error);
