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
  GHashTable *steps;     /* disk target -> index of the step that made its overlay */
  GHashTable *exchanged; /* of disk targets whose overlay takes over the active name */
  GHashTable *syncs;     /* disk target -> index of the step that switches this disk alone */
} QsCreate;

typedef gboolean (*QsCreateFunc) (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                  GError **error);
gboolean qs_create_each (QsCreate *create, QsPlan *plan, QsLocation choice, QsCreateFunc func,
                         GError **error);

gboolean qs_create_add_file (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                             GError **error);
const char *qs_create_file_path (const QsCreate *create, const QsSelected *selected);

/* qs-plan-create-exchange.c: domains that somebody else starts */
gboolean qs_create_is_exchanged (const QsCreate *create, const QsSelected *selected);
gboolean qs_create_settle_exchange (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                    GError **error);
gboolean qs_create_add_link (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                             GError **error);
gboolean qs_create_add_protection (QsCreate *create, QsPlan *plan, const QsSelected *selected,
                                   GError **error);
void qs_create_add_exchange (QsCreate *create, QsPlan *plan, gboolean off);
void qs_create_record_exchange (const QsCreate *create, QsChangeList *changes,
                                const QsSelected *selected);

GVariant *qs_create_condition (const QsCreate *create, const char *target);
gboolean qs_create_switches_at_once (const QsCreate *create);
gboolean qs_create_add_switch (QsCreate *create, QsPlan *plan, GError **error);
gboolean qs_create_add_record (QsCreate *create, QsPlan *plan, QsPhase phase, GError **error);
