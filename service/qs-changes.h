/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-announce.h"

QsAudience qs_domain_audience (const QsDomain *domain);
void qs_domain_changed (QsService *service, const QsDomain *before, QsDomain *after);
void qs_guest_frozen (QsService *service, const char *id, gboolean frozen, guint64 milliseconds);
