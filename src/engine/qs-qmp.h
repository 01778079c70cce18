/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

/**
 * QsQmp:
 *
 * One QMP connection. A thread of the engine reads all of them; commands are sent and waited for in
 * the caller's thread, one at a time. What comes in is hostile: length, depth and UTF-8 are checked
 * before it is parsed.
 */
typedef struct QsQmp QsQmp;

/**
 * QsQmpEvent:
 *
 * Called in the reading thread: it must not wait, and not call qs_qmp_execute(). @name is NULL
 * once, at the end of the connection, and nothing follows; @lost tells that events were dropped
 * before this one, so that the listener asks for the state instead. @data stays in this thread.
 */
typedef void (*QsQmpEventFunc) (const char *name, JsonObject *data, gboolean lost,
                                gpointer user_data);

/**
 * qs_qmp_new:
 * @fd: (transfer full): a connected socket, also taken over if this fails
 * @on_event: (nullable)
 * @destroy: (nullable): called in the reading thread after the last event, also if this fails
 *
 * Waits for the greeting and negotiates. The connection ends with its last reference, with
 * qs_qmp_close(), when QEMU ends it, or when QEMU sends what QMP does not have.
 */
QsQmp *qs_qmp_new (int fd, QsQmpEventFunc on_event, gpointer user_data, GDestroyNotify destroy,
                   GError **error);
QsQmp *qs_qmp_ref (QsQmp *qmp);
void qs_qmp_unref (QsQmp *qmp);
void qs_qmp_close (QsQmp *qmp);
gboolean qs_qmp_is_open (QsQmp *qmp);
int qs_qmp_get_fd (QsQmp *qmp); /* to ask the kernel who the peer is, nothing else */

/**
 * qs_qmp_execute:
 * @arguments: (nullable): a{sv}, a floating reference is sunk. Nested a{sv}, av and as become
 *   objects and arrays; a nothing of any maybe type becomes null, so that `"backing": null` is
 *   g_variant_new ("mv", NULL)
 *
 * Returns: what stands in "return". A refusal by QEMU is QS_ERROR_MONITOR_FAILED with its text;
 *   no answer in time, or an end of the connection before it, is QS_ERROR_TIMEOUT and means
 *   unknown, never failed
 */
JsonNode *qs_qmp_execute (QsQmp *qmp, const char *command, GVariant *arguments, guint seconds,
                          GError **error);
gboolean qs_qmp_run (QsQmp *qmp, const char *command, GVariant *arguments, guint seconds,
                     GError **error);

/**
 * qs_qmp_execute_fd:
 * @fd: goes with the command, as `add-fd` and `getfd` want it, and stays the caller's; -1: none
 *
 * The same with a descriptor, which only a UNIX socket takes along.
 */
JsonNode *qs_qmp_execute_fd (QsQmp *qmp, const char *command, GVariant *arguments, int fd,
                             guint seconds, GError **error);

/**
 * qs_qmp_run_job:
 * @job: id of the job, which @arguments hold too, under the key of that command
 *
 * Runs a command that makes a job, waits until it is concluded, dismisses it.
 */
gboolean qs_qmp_run_job (QsQmp *qmp, const char *command, const char *job, GVariant *arguments,
                         guint seconds, GError **error);

/**
 * qs_qmp_finish_job:
 *
 * Waits until a job that was begun is concluded, and dismisses it; FALSE also if it has failed.
 */
gboolean qs_qmp_finish_job (QsQmp *qmp, const char *job, guint seconds, GError **error);

/**
 * qs_qmp_await_job:
 * @known: (out): FALSE: QEMU has no job of this id
 * @problem: (out): what it has failed of, or NULL
 *
 * Waits until a job is concluded, and lets it stay until qs_qmp_dismiss_job(): what came of it can be
 * asked again.
 */
gboolean qs_qmp_await_job (QsQmp *qmp, const char *job, guint seconds, gboolean *known,
                           char **problem, GError **error);
gboolean qs_qmp_dismiss_job (QsQmp *qmp, const char *job, GError **error);

/**
 * qs_qmp_end_job:
 *
 * Waits until a job that may have been begun is over, whatever came of it, and dismisses it.
 */
gboolean qs_qmp_end_job (QsQmp *qmp, const char *job, guint seconds, GError **error);

/* until a job or the migration has got on, or this time is over; events may be lost */
void qs_qmp_wait_news (QsQmp *qmp, gint64 microseconds);

/**
 * qs_qmp_get_stopped_time:
 *
 * Returns: microseconds that the guest stood still, by the clock of QEMU, from STOP to RESUME, as far
 *   as this connection has heard of both; those before the last answer are in it
 */
guint64 qs_qmp_get_stopped_time (QsQmp *qmp);

/**
 * qs_qmp_get_resumes:
 *
 * Returns: what is another number each time that the guest goes on, whoever lets it. No other
 *   connection has it, for nobody knows what came between two; RESUMEs before the last answer are
 *   counted
 */
guint64 qs_qmp_get_resumes (QsQmp *qmp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsQmp, qs_qmp_unref)
