/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"
#include "qs-jobs.h"
#include "qs-reservations.h"

struct QsJobs
{
  QsService *service;
  QsReservations *reservations;
  GHashTable *published; /* by number, of QsJob: those on the bus */
  GQueue queue;          /* of QsJob: planned, to be run */
  GQueue ended;          /* of QsJob: those still shown */
  guint64 last_number;
  guint n_running;
  guint n_ready; /* that do not count as running */
  guint n_open;
};

/* shared by qs-job*.c and qs-jobs*.c. The thread of a job reads what never changes and writes @task,
   @result and @error, which the main thread reads after the thread's end */
struct QsJob
{
  gatomicrefcount references;
  QsService *service;
  const QsJobShape *shape;
  QsRequest *request;
  QsDomain *domain; /* as it was surveyed; NULL for one that is new */
  char *domain_id;  /* NULL until a new one is planned */
  char *key;        /* what it has reserved */
  guint64 number;
  guint32 owner;
  QsUser *starter;
  char *starter_name;     /* NULL: nobody called for it */
  QsCandidate *candidate; /* or NULL */
  gint64 deadline;        /* monotonic time: of the plan; 0: a whole call */
  gint64 start_time;
  GDBusMethodInvocation *invocation; /* until it is answered */
  guint timeout;
  gboolean given_up; /* the caller was told so */
  GCancellable *cancellable;
  QsJobEndFunc on_end; /* until it was called */
  gpointer user_data;

  QsTask *beside; /* of another job, which waits until this one has ended; or NULL */
  QsTask *task;
  GVariant *result; /* a{sv} */
  GError *error;
  GVariant *notes; /* as; a copy, for the task belongs to the thread while it runs */

  QsJobState state;
  gboolean committed;
  gboolean reverted; /* SnapshotReverted is sent */
  char *step;
  gdouble progress;
  QsAmount amount;       /* of that step */
  gboolean ready;        /* waits to be told how to end */
  gboolean uncounted;    /* and does not count as running */
  gboolean paused;       /* asked for */
  guint64 bandwidth;     /* asked for: bytes a second, 0: no limit */
  GPtrArray *block_jobs; /* of QsBlockJobRow: those that it has in a QEMU now, or NULL */
  GHashTable *amounts;   /* of QsAmount: how far they have come, by their ids */
  GPtrArray *waiting;    /* of QsJobWaiter */
};

/* takes @invocation; the job has ended */
typedef void (*QsJobAnswer) (const QsJob *job, GDBusMethodInvocation *invocation);

typedef struct
{
  GDBusMethodInvocation *invocation;
  QsJobAnswer answer;
} QsJobWaiter;

void qs_job_wait_with (QsJob *job, GDBusMethodInvocation *invocation, QsJobAnswer answer);

QsJob *qs_job_new (QsService *service, const QsJobOrder *order);
void qs_job_drop_candidate (QsJob *job);
void qs_job_take_notes (QsJob *job);
void qs_job_answer (QsJob *job);
void qs_job_tell_end (QsJob *job, const GError *error);
void qs_job_refuse (QsJob *job, GError *error);
void qs_job_publish (QsJob *job);
void qs_job_withdraw (QsJob *job);
void qs_job_announce (QsJob *job, const char *const *names);
void qs_job_announce_busy (QsJob *job);
void qs_job_complete (QsJob *job);
gboolean qs_job_enter (QsJob *job, QsJob *holder);
void qs_job_leave (QsJob *job);
void qs_job_give_up_waiting (QsJob *job);
char *qs_job_snapshot_path (const QsJob *job);

/* qs-job-block.c */
void qs_job_set_block_jobs (QsJob *job, GPtrArray *rows);
void qs_job_note_amount (QsJob *job);

/* qs-job-sink.c: the user data is the job */
extern const QsTaskSink qs_job_sink;
void qs_job_announce_reverted (QsJob *job);

void qs_job_log_start (const QsJob *job);
void qs_job_log_end (const QsJob *job);
void qs_job_log_left (const QsJob *job);
void qs_job_log_notes (const QsJob *job);
void qs_job_log_unasked (const QsJob *job, const GError *error);

gboolean qs_jobs_check_caller (GDBusMethodInvocation *invocation, GError **error);
void qs_jobs_prepare (QsJobs *self, QsJob *job);
void qs_jobs_publish (QsJobs *self, QsJob *job, gboolean runs);
void qs_jobs_run (QsJobs *self, QsJob *job);
void qs_jobs_end (QsJobs *self, QsJob *job);
void qs_jobs_set_ready (QsJobs *self, QsJob *job, gboolean ready);
void qs_jobs_leave (QsJobs *self, QsJob *job);
