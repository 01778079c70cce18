/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "plan-fixture.h"

#include "qs-align.h"

/* a domain with two disks and a snapshot of them, and a request to go back to it */

#define REVERT_OTHER "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"

typedef struct
{
  const char *name;
  gboolean on;
  gboolean attached;
  QsKind kind;
  QsMemorySave save;
  guint flags;
  gboolean elsewhere; /* REVERT_OTHER is current */
} RevertCase;

QsDomain *revert_domain (const RevertCase *test);
void revert_set_facts (QsFacts *facts, const QsDomain *domain, const RevertCase *test);

/* the plan, or the refusal; @spoil: (nullable): what is different from a healthy machine */
QsPlan *revert_plan (const RevertCase *test, void (*spoil) (QsFacts *facts), GError **error);
