/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-bus.h"

/**
 * QsCtlRow:
 * @properties: a{sv}, without Disks and MemoryFile
 *
 * A snapshot in a list.
 */
typedef struct
{
  char *path;
  char *parent; /* path, "/" if none */
  char *name;
  GVariant *properties;
} QsCtlRow;

QsCtlRow *qs_ctl_row_new (const char *path, GVariant *properties);
void qs_ctl_row_free (QsCtlRow *row);
GPtrArray *qs_ctl_rows_get (QsCtl *ctl, const char *domain, const char *from, guint flags,
                            GError **error);
void qs_ctl_rows_sort (GPtrArray *rows);
char *qs_ctl_rows_format_tree (const GPtrArray *rows);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsCtlRow, qs_ctl_row_free)
