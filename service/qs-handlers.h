/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-service.h"

/* each connects the handlers of its methods to the skeleton that unpacks their arguments; a handler
   finds its objects in the call of the invocation */

void qs_manager_connect (GDBusInterfaceSkeleton *skeleton);
void qs_attach_connect (GDBusInterfaceSkeleton *skeleton);
void qs_define_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_life_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_block_copy_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_block_job_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_block_merge_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_create_connect (GDBusInterfaceSkeleton *skeleton);
void qs_domain_lists_connect (GDBusInterfaceSkeleton *skeleton);
void qs_snapshot_connect (GDBusInterfaceSkeleton *skeleton);
void qs_snapshot_lists_connect (GDBusInterfaceSkeleton *skeleton);
void qs_job_connect (GDBusInterfaceSkeleton *skeleton);

typedef struct
{
  const char *signal;
  GCallback handler;
} QsHandler;

void qs_handlers_connect (GDBusInterfaceSkeleton *skeleton, const QsHandler *handlers, guint n);
