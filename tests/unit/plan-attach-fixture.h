/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"
#include "qs-error.h"

/* a domain vda that is attached, with snapshot s1: /images/base <- /images/vda.qcow2 (state of s1)
   <- /images/vda.s1 (active). What the next QEMU has open is a list of inodes, top first */

#define BASE 1
#define STATE 2
#define ACTIVE 3
#define OTHER 4

extern const char *const attach_paths[];

QsDomain *attach_domain (gboolean with_snapshot);
QsRequest *attach_request (const QsDomain *like, const char *source, const char *options);
QsImage *attach_image (guint ino, const char *path);
void attach_add_file (QsFacts *facts, guint ino, guint backing);
QsFacts *attach_facts (gboolean recorded, const guint *chain, const char *name);
const char *attach_quarantine_reason (const QsPlan *plan, const QsDomain *domain, GString *text);
void attach_check_refusal (const QsDomain *domain, QsRequest *request, QsFacts *facts, QsError code,
                           const char *text);
