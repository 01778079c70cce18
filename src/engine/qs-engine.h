/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-amount.h"
#include "qs-block-jobs.h"
#include "qs-operation.h"

#include <gio/gio.h>

/**
 * QsConfig:
 *
 * Where things are and which of the two modes this is.
 */
typedef struct
{
  gboolean system_mode;
  char *state_folder;
  char *runtime_folder;
  char *worker_program;
  guint snapshots_per_domain;
  guint mirrors_per_domain;
  guint live_seconds; /* until memory that is saved of a running guest must be there */
  char **image_roots; /* where others than the owner may name files */
} QsConfig;

typedef struct QsEngine QsEngine;
typedef struct QsTask QsTask;

/**
 * QsEngineSink:
 *
 * What the engine tells the façade; every function is called on the main context.
 *
 * @domain_changed: @after is NULL when the domain was deleted, @before when it is new
 * @qemu_appeared: somebody listens again at the socket of an attached domain that is not connected:
 *   to be discovered, and attached as an operation of the domain's owner. Not before
 *   qs_engine_new() has returned
 * @task_found: (transfer full): an operation that an earlier run of the service began and that goes on: to
 *   be run as a job, in the name of the caller of its request, as soon as no other works on its domain.
 *   Also before qs_engine_new() has returned
 * @jobs_changed: a block job has ended in the QEMU of the domain, or waits to be ended
 * @guest_frozen: the guest's file systems are frozen, or thawed again after so many milliseconds
 */
typedef struct
{
  void (*domain_changed) (const QsDomain *before, QsDomain *after, gpointer user_data);
  void (*qemu_appeared) (const char *domain, gpointer user_data);
  void (*guest_frozen) (const char *domain, gboolean frozen, guint64 milliseconds,
                        gpointer user_data);
  void (*task_found) (QsTask *task, gpointer user_data);
  void (*jobs_changed) (const char *domain, gpointer user_data);
} QsEngineSink;

/**
 * QsTaskSink:
 *
 * Progress of one task; called on the main context, @amount at most four times a second.
 *
 * @begun: a further part of the request begins, which can be called off as long as it is not committed
 * @ready: the task waits for qs_task_pivot() or qs_task_finish(), or does so no more
 * @block_jobs: those that there are now, after @step; of QsBlockJobRow
 */
typedef struct
{
  void (*step) (QsTask *task, const char *step, gdouble progress, gboolean undoing,
                gpointer user_data);
  void (*amount) (QsTask *task, const QsAmount *amount, gdouble progress, gpointer user_data);
  void (*begun) (QsTask *task, gpointer user_data);
  void (*committed) (QsTask *task, gpointer user_data);
  void (*ready) (QsTask *task, gboolean ready, gpointer user_data);
  void (*block_jobs) (QsTask *task, GPtrArray *rows, gpointer user_data);
} QsTaskSink;

/**
 * QsVisit:
 * @socket: (nullable): path of the QMP socket; NULL with @fd
 * @fd: a connected QMP socket, taken over; -1 with @socket
 * @owner: uid that the QEMU must have; its worker connects
 * @name: (nullable): what the domain shall be called
 * @uuid: (nullable): of a QEMU that has none
 * @agent: (nullable): socket of the guest agent
 * @has_stable_path: whether @stable_path was said
 *
 * Where a QEMU that somebody else started is, and what the caller says of it. What he does not say
 * stays as it is recorded of the domain that this QEMU turns out to be.
 */
typedef struct
{
  const char *socket;
  int fd;
  guint32 owner;
  const char *name;
  const char *uuid;
  const char *agent;
  gboolean has_stable_path;
  gboolean stable_path;
} QsVisit;

/**
 * QsCandidate:
 *
 * A QEMU that was connected to and asked who it is, and that is no domain's yet. Its connection
 * becomes the domain's when the request made from it has been carried out, else it ends with it.
 */
typedef struct QsCandidate QsCandidate;

/* opens the store, recovers open operations, finds running guests again; blocks, before the bus name
   is owned. The domains are announced through @sink */
QsEngine *qs_engine_new (const QsConfig *config, const QsEngineSink *sink, gpointer user_data,
                         GError **error);
void qs_engine_free (QsEngine *engine);
char *qs_engine_degraded (QsEngine *engine);
/* on the main context: whether the sockets of attached domains are being looked at just now; who
   listens there is told by then */
gboolean qs_engine_is_looking (QsEngine *engine);
/* on the main context: whether a guest that was frozen has not been thawed yet, as far as is known */
gboolean qs_engine_is_thawing (QsEngine *engine);

/* all below: in the job's thread */

/**
 * qs_engine_prepare:
 * @domain: (nullable): NULL for QS_VERB_DEFINE of a new domain
 *
 * Survey and plan, read-only.
 *
 * Returns: a task, or NULL with the refusal
 */
QsTask *qs_engine_prepare (QsEngine *engine, QsDomain *domain, QsRequest *request, GError **error);

/**
 * qs_engine_discover:
 *
 * Connects, and learns name, uuid, machine and disks; read-only. Where another client talks to the
 * monitor it takes QS_QMP_GREETING_SECONDS to be told so. What a caller who is not the owner may
 * name is checked by qs_engine_prepare(), from `caller` of the request.
 */
QsCandidate *qs_engine_discover (QsEngine *engine, const QsVisit *visit, GError **error);
void qs_candidate_free (QsCandidate *candidate);

/* on the main context, before qs_engine_free(): ends every discovery that is under way or is still
   begun, however slowly the QEMU answers */
void qs_engine_end_visits (QsEngine *engine);

/* id of the recorded domain that this QEMU is (its uuid; else socket and owner; else the uuid of the
   visit), or NULL: a new one */
const char *qs_candidate_get_domain (const QsCandidate *candidate);

/* whether that domain is connected to this very process already: there is nothing to do */
gboolean qs_candidate_is_connected (const QsCandidate *candidate);

/* on the main context, after others have been waited for: they may have attached this very QEMU by
   another of its sockets */
gboolean qs_candidate_look_again (QsCandidate *candidate, GError **error);

/* (transfer full): of QS_VERB_ATTACH, its `domain_def` with name and uuid settled, its options with
   what the planner needs; @candidate must live until the request was carried out or given up */
QsRequest *qs_candidate_make_request (const QsCandidate *candidate);

/* carries the task out: journal, runner, records. @result is a{sv} */
gboolean qs_task_run (QsTask *task, const QsTaskSink *sink, gpointer user_data,
                      GCancellable *cancellable, GVariant **result, GError **error);

/* in any thread, and without waiting: of the block jobs of a task. @speed: bytes a second, 0: as fast as
   it goes. OPERATION_INVALID: none is at work, or to come */
gboolean qs_task_set_paused (QsTask *task, gboolean paused, GError **error);
gboolean qs_task_set_speed (QsTask *task, guint64 speed, GError **error);

/* in any thread, and without waiting: whether a request with `beside` may be carried out while @task is
   at work; @task waits until qs_task_leave_passage() before it goes on to what needs the guest */
gboolean qs_task_enter_passage (QsTask *task);
void qs_task_leave_passage (QsTask *task);
/* what was wished last, or asked of a job that was found in QEMU. @speed: bytes a second, 0: no limit */
void qs_task_get_wishes (QsTask *task, gboolean *paused, guint64 *speed);

/* in any thread: the service ends. FALSE: this one does not go on after a restart. Else it ends as soon as
   it can be found again where it is then, or has come to its end */
gboolean qs_task_leave (QsTask *task);

/* after qs_task_run(): it was left, and has neither come to its end nor failed */
gboolean qs_task_is_left (QsTask *task);

/* likewise, of one that is ready: the guest goes over to the copy, or it stays where it is and the copy is
   one of this moment. OPERATION_INVALID: it is not ready yet, or will not be */
gboolean qs_task_pivot (QsTask *task, GError **error);
gboolean qs_task_finish (QsTask *task, GError **error);

/**
 * qs_engine_kill:
 * @domain: id
 *
 * Ends the QEMU of a domain although an operation that hangs has the domain. It waits for no worker
 * and no record; the operation finds its QEMU gone.
 */
gboolean qs_engine_kill (QsEngine *engine, const char *domain, GError **error);

char *qs_engine_document (QsEngine *engine, const QsDomain *domain, const char *snapshot,
                          guint flags, GError **error);
/* to an aa{sv} of Domain.BlockJobs */
void qs_engine_add_mirror_jobs (QsEngine *engine, const QsDomain *domain, GVariantBuilder *builder);
/* aa{sv} of Domain.Disks */
GVariant *qs_engine_disks (QsEngine *engine, QsDomain *domain, GError **error);

GPtrArray *qs_task_get_plans (QsTask *task); /* of QsPlan: one a part */
GPtrArray *qs_task_get_notes (QsTask *task); /* of char */
/* uuid of the snapshot that is made or worked on, or NULL */
const char *qs_task_get_snapshot (QsTask *task);
const char *qs_task_get_domain (QsTask *task); /* id of the domain */
QsRequest *qs_task_get_request (QsTask *task);
QsTask *qs_task_ref (QsTask *task);
void qs_task_unref (QsTask *task);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsCandidate, qs_candidate_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsEngine, qs_engine_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsTask, qs_task_unref)
