/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-control.h"
#include "qs-qmp.h"

/**
 * QsBlockJobState:
 *
 * How far a block job has come that was begun with `auto-finalize: false, auto-dismiss: false`.
 * READY: source and destination are kept equal; PENDING: all is copied, and while the job is one
 * that was READY the guest's requests wait; CONCLUDED: it has ended and is only kept for its result.
 */
typedef enum
{
  QS_BLOCK_JOB_ABSENT,
  QS_BLOCK_JOB_RUNNING,
  QS_BLOCK_JOB_READY,
  QS_BLOCK_JOB_PENDING,
  QS_BLOCK_JOB_CONCLUDED,
} QsBlockJobState;

/**
 * QsBlockJob:
 * @is_paused: RUNNING, and stands still because somebody has asked for it, or for a moment of QEMU's own
 * @done: bytes
 * @problem: (nullable): what a CONCLUDED one failed of
 */
typedef struct
{
  QsBlockJobState state;
  gboolean is_paused;
  guint64 done;
  guint64 total;
  char *problem;
} QsBlockJob;

void qs_block_job_clear (QsBlockJob *job);
gboolean qs_block_job_look (QsQmp *qmp, const char *id, QsBlockJob *job, GError **error);

/**
 * QsBlockJobWait:
 * @seconds: until a job must have got on that nobody has paused
 * @cancellable: (nullable)
 * @control: (nullable): looked at whenever the job is; NULL: nobody is allowed to pause it
 * @may_be_left: the job goes on by itself if @control says that the service ends: then it is not waited
 *   for any longer
 * @tell: (nullable): called each time that the job is looked at
 */
typedef struct
{
  guint seconds;
  GCancellable *cancellable;
  QsControl *control;
  gboolean may_be_left;
  void (*tell) (const QsBlockJob *job, gpointer user_data);
  gpointer user_data;
} QsBlockJobWait;

gboolean qs_block_job_wait (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
                            GError **error);

/* while a job that streams is concluded and not dismissed, QEMU 7.2 dies of `query-named-block-nodes` */
gboolean qs_block_job_may_ask_nodes (QsQmp *qmp, gboolean *may, GError **error);

/**
 * qs_block_job_hold:
 * @wait: with a control; its time limit does not count
 * @end: (out): what its control was told
 *
 * Waits as long as a job is ready, and nobody says how it is to end; @wait tells what has changed only.
 */
gboolean qs_block_job_hold (QsQmp *qmp, const char *id, const QsBlockJobWait *wait, QsBlockJob *job,
                            QsControlEnd *end, GError **error);

/* `job-complete`, `job-finalize`, `job-cancel`, `job-dismiss` */
gboolean qs_block_job_do (QsQmp *qmp, const char *command, const char *id, GError **error);

/* takes back what a client that is gone has asked of it: nobody else would. @speed: bytes a second, 0:
   as fast as it goes */
void qs_block_job_release (QsQmp *qmp, const char *id, guint64 speed);

/* @control learns what somebody has asked of it earlier */
void qs_block_job_adopt (QsQmp *qmp, const char *id, QsControl *control);

/* ends it, whatever state it is in, and forgets it; one that is not there is as good */
gboolean qs_block_job_complete (QsQmp *qmp, const char *id, GError **error);
gboolean qs_block_job_cancel (QsQmp *qmp, const char *id, GError **error);

/* ends one that is ready without a pivot, and forgets it: what it has written is a copy of a moment */
gboolean qs_block_job_finish (QsQmp *qmp, const char *id, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (QsBlockJob, qs_block_job_clear)
