/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "qs-flags.h"
#include "qs-read.h"

/* the lists of snapshots, made in a thread; each takes NULL for a list that could not be made */

typedef enum
{
  QS_SCOPE_DOMAIN,      /* all of the domain */
  QS_SCOPE_CHILDREN_OF, /* of the snapshot with the name, "" the current one */
  QS_SCOPE_CHILDREN,    /* of the snapshot that was called */
} QsListScope;

GPtrArray *qs_lists_find (const QsRead *read, QsListScope scope, const char *name, guint flags,
                          GError **error);
GVariant *qs_lists_paths (const QsRead *read, GPtrArray *list, GError **error);
GVariant *qs_lists_names (GPtrArray *list);
GVariant *qs_lists_count (GPtrArray *list);
GVariant *qs_lists_page (const QsRead *read, GPtrArray *list, guint offset, guint limit);
