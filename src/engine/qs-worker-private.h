/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-worker.h"

/* shared by the pool, which has the processes, and by the calls that go to them */

struct QsWorker
{
  QsWorkerPool *pool;
  guint32 uid;
  GPid pid;
  int process; /* pidfd: a signal never hits another process */
  int socket;
  gboolean broken;   /* no call after this one; written by the user of the worker only */
  gint64 idle_since; /* the pool's */
};

/**
 * QsCall:
 *
 * One call of a worker's method.
 */
typedef struct
{
  const char *method;
  GVariant *arguments; /* floating references are sunk */
  const char *reply;   /* type of the tuple that is expected */
  guint seconds;       /* between signs of life */
  guint total_seconds; /* of a long call; 0: signs of life prolong nothing */
  const GArray *fds;   /* (nullable): sent along */
  GArray *reply_fds;   /* (nullable): gets those that come back */
  GCancellable *cancellable;
} QsCall;

GVariant *qs_worker_call (QsWorker *worker, const QsCall *call, GError **error);
GVariant *qs_worker_query (QsWorker *worker, const char *method, GVariant *arguments,
                           const char *reply, GError **error);
gboolean qs_worker_do (QsWorker *worker, const char *method, GVariant *arguments, GError **error);
gboolean qs_worker_greet (QsWorker *worker, GError **error);
void qs_worker_kill (QsWorker *worker);
gboolean qs_worker_forget (QsWorker *worker, GError **error);

char **qs_worker_identity (guint32 uid, gboolean system_mode, GError **error);
