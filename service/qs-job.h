/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-engine.h"

typedef struct QsJob QsJob;

/* once, with the domain free again where it was reserved; @error: (nullable): why nothing was done */
typedef void (*QsJobEndFunc) (const GError *error, gpointer user_data);

typedef enum
{
  QS_JOB_PREPARING, /* survey and plan: no object yet */
  QS_JOB_QUEUED,
  QS_JOB_RUNNING,
  QS_JOB_UNDOING,
  QS_JOB_COMPLETED,
  QS_JOB_FAILED,
  QS_JOB_CANCELLED,
} QsJobState;
#define QS_N_JOB_STATES (QS_JOB_CANCELLED + 1)

/**
 * QsJobShape:
 * @has_object: FALSE: there is no job on the bus, the call is answered at the end of the work
 * @reply: what the call is answered with
 *
 * How the call of a method that changes something is answered.
 */
typedef struct
{
  gboolean has_object;
  GVariant *(*reply) (QsJob *job);
} QsJobShape;

extern const QsJobShape qs_job_shape_job;      /* (o) job */
extern const QsJobShape qs_job_shape_snapshot; /* (oo) snapshot, job */
extern const QsJobShape qs_job_shape_domain;   /* (o) domain, at the end */
extern const QsJobShape qs_job_shape_nothing;  /* () at the end */

/**
 * QsJobOrder:
 * @invocation: (transfer full) (nullable): of a call that is let in; NULL: nobody called, it is an
 *   operation of the owner of @domain that the service begins by itself, or the one of @task
 * @domain: (transfer none) (nullable): NULL: a new one is made
 * @owner: of the new one
 * @request: (transfer full)
 * @task: (transfer full) (nullable): one that an earlier run of the service began; without @request
 * @candidate: (transfer full) (nullable): kept until the end of the job; to find it was counted as a
 *   change of the caller already
 * @on_end: (nullable): called on the main context at the end of the job, or of the wish for one
 * @deadline: monotonic time until which the caller waits for the plan; 0: a whole call
 */
typedef struct
{
  GDBusMethodInvocation *invocation;
  QsDomain *domain;
  guint32 owner;
  QsRequest *request;
  QsTask *task;
  QsCandidate *candidate;
  gint64 deadline;
  const QsJobShape *shape;
  QsJobEndFunc on_end;
  gpointer user_data;
} QsJobOrder;

QsJob *qs_job_ref (QsJob *job);
void qs_job_unref (QsJob *job);
guint64 qs_job_get_number (const QsJob *job);
guint32 qs_job_get_owner (const QsJob *job);
guint32 qs_job_get_starter (const QsJob *job);
const char *qs_job_get_domain (const QsJob *job);
gboolean qs_job_is_ended (const QsJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsJob, qs_job_unref)
