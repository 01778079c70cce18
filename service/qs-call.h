/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-jobs.h"
#include "qs-service.h"

/* the header field in which the filter leaves the path that the caller wrote */
#define QS_PATH_HEADER 200

/**
 * QsCall:
 *
 * What is known of a method call: who makes it, on what, and what polkit has granted for it. It
 * lives as long as its invocation. @domain, @snapshot and @job are looked up again whenever the
 * call comes back to the main thread.
 */
typedef struct
{
  QsService *service;
  GDBusMethodInvocation *invocation; /* owns this */
  QsObjectPath path;
  QsPeer *peer;
  gboolean counted;
  GHashTable *granted; /* actions */
  gboolean hidden;     /* inspect was asked for and denied */
  QsDomain *domain;
  QsSnapshot *snapshot;
  QsJob *job;
} QsCall;

QsCall *qs_call_new (QsService *service, GDBusMethodInvocation *invocation);
QsCall *qs_call_get (GDBusMethodInvocation *invocation);
guint32 qs_call_get_uid (const QsCall *call);
const char *qs_call_get_method (const QsCall *call);
QsInteraction qs_call_get_interaction (const QsCall *call);
gboolean qs_call_is_privileged (const QsCall *call);
gboolean qs_call_is_own (const QsCall *call);
gboolean qs_call_is_standard (const QsCall *call);
void qs_call_look_up (QsCall *call);
gboolean qs_call_check_there (const QsCall *call, GError **error);
