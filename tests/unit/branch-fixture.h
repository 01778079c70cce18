/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"
#include "qs-flags.h"

/* a domain with two disks and `s1`, an external snapshot of both: what a branch `b1` from it is
   planned on */

#define BRANCH(rest)                                                                               \
  "<domainsnapshot><name>b1</name><description>other way</description><branch>s1</branch>" rest    \
  "</domainsnapshot>"
#define DISKS(rest) BRANCH ("<disks>" rest "</disks>")
#define MEMORY "/memory/s1"
#define VARIABLES "/images/demo_VARS.s1"

typedef enum
{
  OFF,
  RUNNING,
  ATTACHED, /* with stable-path */
  FREE,     /* attached without it */
} BranchDomain;

typedef enum
{
  DISKS_ONLY,
  STREAM,
  IMAGE,
} BranchMemory;

QsDomain *branch_fixture_domain (BranchDomain kind, BranchMemory memory);
void branch_fixture_add_row (QsFacts *facts, const char *target, const char *path, const char *tag);
QsFacts *branch_fixture_facts (const QsDomain *domain, const QsRequest *request,
                               BranchMemory memory, GError **error);
QsPlan *branch_fixture_plan (const QsDomain *domain, const QsRequest *request, const QsFacts *facts,
                             GError **error);

/* overlays that the caller has made on the state files */
void branch_fixture_lend (QsFacts *facts);
