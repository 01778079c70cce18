/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-control.h"
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
  QsErrands *looks;      /* at sockets where the next guest of a domain may listen */
  QsErrands *recoveries; /* of operations */
  QsErrands *thawing;    /* guests whose agents do not answer */
  GHashTable *thaws;     /* op -> what it has frozen; see qs-thaw.c; on the main context only */
  GCancellable *ending;  /* whoever waits for an agent need not any more */
  GPtrArray *candidates; /* of QsCandidate, not owned; on the main context only */
  GHashTable *followed;  /* id -> watch of its socket's folder; on the main context only */
  gboolean leaving;      /* nobody is to be visited any more; on the main context only */
  int ready;             /* atomic: qs_engine_new() has done its work */
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
  QsControl *control;
  guint64 found; /* what the store calls the operation, if an earlier run of the service began it;
                         else 0 */
  GPtrArray *records;  /* of QsPartRecord: what the journal has of a found one, else NULL */
  gboolean left;       /* the service ends, and the operation stays open for the next start */
  GPtrArray *expected; /* of GVariant: changes that the parts before will have made, as long as not
                          even the first one has begun; else NULL */
};

/* qs-survey.c */
QsFacts *qs_survey (QsEngine *engine, QsDomain *domain, const QsRequest *request,
                    const QsQuestions *questions, GError **error);

/* parts of it, in qs-survey-chain.c */
void qs_survey_open_files (QsWorker *worker, const QsProcess *process, QsFacts *facts);
gboolean qs_survey_chain_files (QsWorker *worker, QsFacts *facts, GError **error);
gboolean qs_survey_chain_nodes (QsGuest *guest, QsFacts *facts, GError **error);

/* parts of it, in qs-survey-names.c */
gboolean qs_survey_files (QsEngine *engine, const QsDomain *domain, QsFacts *facts, GError **error);
gboolean qs_survey_users (QsEngine *engine, const QsDomain *domain, const QsRequest *request,
                          QsFacts *facts, GError **error);
gboolean qs_survey_claim_names (QsEngine *engine, const QsDomain *domain,
                                const QsSnapshotFile *claim, QsDiskFacts *found, GError **error);

/* qs-watch.c: keeps the registry's state true to what QEMU says */
QsGuest *qs_watch_connect (QsEngine *engine, QsWorker *worker, const QsDomain *domain,
                           const QsProcess *process, GError **error);
typedef struct QsWatch QsWatch;
QsGuest *qs_watch_meet (QsEngine *engine, int fd, const QsGuestIdentity *identity, QsWatch **watch,
                        GError **error);
void qs_watch_adopt (QsWatch *watch, QsGuest *guest, const char *domain);
void qs_watch_unref (QsWatch *watch);
gboolean qs_watch_find (QsEngine *engine, QsDomain *known, GError **error);
gboolean qs_watch_is_lost (QsEngine *engine, const QsDomain *domain);

/* qs-follow.c: looks for the next QEMU of an attached domain, now and when its socket appears */
void qs_follow_look (QsEngine *engine, const char *domain);
void qs_follow_begin (QsEngine *engine);
void qs_follow_changed (QsEngine *engine, const char *id, const QsDomain *after);
void qs_follow_end (QsEngine *engine);

/* qs-guest-discover.c: all that a QEMU tells of itself */
QsDiscovery *qs_guest_discover (QsGuest *guest, GError **error);

/* qs-candidate.c: gives a domain the connection that was made to discover its QEMU. FALSE: there is
   none */
gboolean qs_candidate_hand_over (QsEngine *engine, const QsDomain *domain);

/* qs-recovery.c */
gboolean qs_recovery_run (QsEngine *engine, GError **error);

/* qs-task.c: the facts and the plan of one part */
QsTask *qs_task_new (QsEngine *engine, const QsDomain *domain, QsRequest *request);
void qs_task_add_note (QsTask *task, const char *note);
void qs_task_drop_notes (QsTask *task, guint n);

/* qs-task-found.c: of an operation that an earlier run of the service began */
QsTask *qs_task_new_found (QsEngine *engine, const QsDomain *domain, const QsOpenOp *op);
const QsPartRecord *qs_task_find_record (const QsTask *task, guint n);
guint qs_task_find_first (const QsTask *task);

/* qs-task-result.c */
void qs_task_result_put (GVariantDict *result, const char *key, GVariant *value);
gboolean qs_task_result_replace (GVariantDict *result, GPtrArray *results);
void qs_task_result_add (GVariantDict *result, const QsPlan *plan);
void qs_task_result_learn (GVariantDict *result, GPtrArray *results);
QsPlan *qs_task_plan_part (QsTask *task, QsDomain *domain, const QsRequest *part, GError **error);

/* qs-task-control.c: what can be asked of a task now; in its thread */
void qs_task_begin_control (QsTask *task);
void qs_task_steer (QsTask *task, guint part, guint index, gboolean undoing);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsWatch, qs_watch_unref)
