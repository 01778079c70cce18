/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"
#include "qs-schema.h"

/**
 * QsDraft:
 * @xml: the document of the caller; NULL if @request has what it would be parsed to
 *
 * A request whose document is still to be read. Documents come from callers: they are parsed and
 * checked in a thread.
 */
typedef struct
{
  QsRequest *request;
  char *xml;
  gboolean validate;
} QsDraft;

/* @invocation and @request: (transfer full); the objects of the call are looked up again */
typedef void (*QsDraftFunc) (GDBusMethodInvocation *invocation, QsRequest *request);

void qs_draft_read (GDBusMethodInvocation *invocation, QsDraft *draft, QsDraftFunc func);
QsDraft *qs_draft_new (QsRequest *request, const char *xml, gboolean validate);
