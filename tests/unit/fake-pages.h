/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-journal.h"

/**
 * FakePages:
 *
 * What a journal in memory has of a part.
 */
typedef struct
{
  gboolean begun;
  QsPartState state;
  GArray *steps;      /* of QsStepState */
  GPtrArray *results; /* of GVariant, or NULL */
} FakePages;

void fake_pages_init (FakePages *pages, const QsPlan *plan);
void fake_pages_clear (FakePages *pages);
void fake_pages_copy (FakePages *to, const FakePages *from);
void fake_pages_put (FakePages *pages, guint step, QsStepState state, GVariant *result);

/* (transfer full): all that a new start of the daemon has */
QsPartRecord *fake_pages_read (const FakePages *pages, const QsPlan *plan);
