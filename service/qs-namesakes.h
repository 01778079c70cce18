/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-call.h"

/**
 * QsNamesakes:
 *
 * What the owner of a domain that is to be made known has already. Main thread only, until the
 * next turn of the main loop.
 */
typedef struct
{
  guint32 owner;
  guint n_of_owner;
  QsDomain *same_uuid;
  QsDomain *same_name;
} QsNamesakes;

void qs_namesakes_find (QsNamesakes *found, const QsService *service, guint32 owner,
                        const QsDomainDef *def);
gboolean qs_namesakes_check (const QsNamesakes *found, const QsCall *call, const QsDomain *replaced,
                             const QsDomainDef *def, GError **error);
