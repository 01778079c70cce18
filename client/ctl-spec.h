/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsCtlDraft:
 * @memspec: (nullable): value of --memspec
 * @diskspecs: (nullable) (element-type utf8): values of --diskspec
 *
 * What the options of snapshot-create-as say of the snapshot.
 */
typedef struct
{
  const char *name;
  const char *description;
  const char *branch;
  const char *memspec;
  const GPtrArray *diskspecs;
} QsCtlDraft;

GStrv qs_ctl_spec_split (const char *spec);
char *qs_ctl_draft_to_xml (const QsCtlDraft *draft, GError **error);
