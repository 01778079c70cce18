/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

/**
 * QsRead:
 *
 * A call that reads what may take long, in a thread, from values that do not change.
 */
typedef struct
{
  GDBusMethodInvocation *invocation;
  QsService *service;
  QsDomain *domain;     /* or NULL */
  QsSnapshot *snapshot; /* or NULL */
  GVariant *parameters;
  GVariant *at_hand;    /* what the main thread knew, or NULL */
  GVariant *block_jobs; /* aa{sv}: those of the operation at work on @domain, or NULL */
} QsRead;

/* in a thread; returns the tuple of the reply, or NULL with @error */
typedef GVariant *(*QsReadFunc) (const QsRead *read, GError **error);

void qs_read_start (GDBusMethodInvocation *invocation, QsReadFunc func, GVariant *at_hand);
