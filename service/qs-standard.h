/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

/* the interfaces of D-Bus itself, served by us so that they show what the caller may see */

extern const char qs_standard_xml[];

void qs_standard_call (QsCall *call);
void qs_introspect (GDBusMethodInvocation *invocation);
void qs_get_property (GDBusMethodInvocation *invocation);
void qs_get_all_properties (GDBusMethodInvocation *invocation);
void qs_set_property (GDBusMethodInvocation *invocation);
void qs_get_managed_objects (GDBusMethodInvocation *invocation);

/**
 * QsVisible:
 *
 * What one caller may see of the whole service.
 */
typedef struct
{
  GPtrArray *domains; /* of QsDomain, by name */
  GPtrArray *jobs;    /* of QsJob, by number */
} QsVisible;

typedef void (*QsVisibleObjectsFunc) (GDBusMethodInvocation *invocation, QsVisible *visible);
void qs_visible_objects (GDBusMethodInvocation *invocation, QsInteraction interaction,
                         QsVisibleObjectsFunc func);
void qs_own_objects (GDBusMethodInvocation *invocation, QsVisibleObjectsFunc func);
