/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsSchemaKind:
 *
 * Which of our RelaxNG schemas: data/domain.rng or data/domainsnapshot.rng. Both are compiled in.
 */
typedef enum
{
  QS_SCHEMA_DOMAIN,
  QS_SCHEMA_SNAPSHOT,
} QsSchemaKind;

gboolean qs_schema_check (QsSchemaKind kind, const char *xml, GStrv *problems, GError **error);
