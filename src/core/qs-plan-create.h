/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-planners.h"

/**
 * QsCreate:
 *
 * A create that is allowed, on its way to a plan.
 */
typedef struct
{
  const QsDomain *domain;
  const QsRequest *request;
  const QsFacts *facts;
  const QsSelection *selection;
  char *tag;
  GHashTable *steps; /* disk target -> index of the step that made its overlay */
  GHashTable *syncs; /* disk target -> index of the step that switches this disk alone */
} QsCreate;

typedef gboolean (*QsCreateFunc) (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                  GError **error);
gboolean qs_create_each (QsCreate *create, QsPlan *plan, QsLocation choice, QsCreateFunc func,
                         GError **error);

gboolean qs_create_add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                             GError **error);
gboolean qs_create_add_switch (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_record (QsCreate *create, QsPlan *plan, QsPhase phase, GError **error);
