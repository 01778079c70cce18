/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-job.h"
#include "qs-service.h"

/**
 * QsJobs:
 *
 * What works on which domain: at most one operation on each, from its survey on.
 */
QsJobs *qs_jobs_new (QsService *service);
void qs_jobs_free (QsJobs *jobs);
void qs_jobs_start (QsJobs *jobs, GDBusMethodInvocation *invocation, QsRequest *request,
                    const QsJobShape *shape);
void qs_jobs_order (QsJobs *jobs, const QsJobOrder *order);
QsJob *qs_jobs_lookup (QsJobs *jobs, guint64 number);
QsJob *qs_jobs_find_active (QsJobs *jobs, const char *domain);
GPtrArray *qs_jobs_list (QsJobs *jobs);
gboolean qs_jobs_is_reserved (QsJobs *jobs, const char *key);
void qs_jobs_wait (QsJobs *jobs, const char *key, guint seconds, QsWorkFunc func, gpointer data);
gboolean qs_jobs_check_room (const QsUser *user, GError **error);
guint qs_jobs_count_open (QsJobs *jobs);
void qs_jobs_stop (QsJobs *jobs);
void qs_jobs_go_on (QsJobs *jobs, QsTask *task);

gboolean qs_job_cancel (QsJob *job, GError **error);
gboolean qs_job_set_paused (QsJob *job, gboolean paused, GError **error);
gboolean qs_job_set_bandwidth (QsJob *job, guint64 speed, GError **error);
/* @disk: as a caller names it; (transfer none) (nullable): the target of one with a block job of @job */
const char *qs_job_find_disk (const QsJob *job, const QsDomain *domain, const char *disk);
gboolean qs_job_abort_block_job (QsJob *job, guint flags, GError **error);
void qs_job_wait_aborted (QsJob *job, guint flags, GDBusMethodInvocation *invocation);
GVariant *qs_jobs_describe_block_jobs (QsJobs *jobs, const char *domain);
void qs_job_wait (QsJob *job, GDBusMethodInvocation *invocation);
char *qs_jobs_define_key (guint32 owner);
