/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-operation.h"

/* a domain with disks, and facts as a survey of a healthy machine would find them */

#define FIXTURE_NOW (G_GINT64_CONSTANT (1700000000123456))
#define FIXTURE_UUID "11111111-2222-4333-8444-555555555555"
#define FIXTURE_SNAPSHOT "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

QsDomain *fixture_domain (guint n_disks);
QsDomain *fixture_running_domain (guint n_disks);
QsDomain *fixture_with_snapshot (QsDomain *domain, const char *name, QsKind kind);
QsDomain *fixture_attached (QsDomain *domain, gboolean stable_path);
QsRequest *fixture_create (const char *xml, guint flags);
QsRequest *fixture_request (QsVerb verb, guint flags, const char *snapshot);

/* the answer to what the operation asks; an error is its refusal */
QsFacts *fixture_facts (const QsDomain *domain, const QsRequest *request, GError **error);

/* the plan, or the refusal of either ask or plan */
QsPlan *fixture_plan (const QsDomain *domain, const QsRequest *request, QsFacts **facts,
                      GError **error);
