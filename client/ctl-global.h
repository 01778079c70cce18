/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-bus.h"

/**
 * QsCtlGlobal:
 * @letter: 0 if it has a long name only
 *
 * An option before the command.
 */
typedef struct
{
  const char *name;
  char letter;
  gboolean has_value;
  const char *value;
  const char *help;
  gboolean (*apply) (QsCtl *ctl, const char *value, GError **error);
} QsCtlGlobal;

extern const QsCtlGlobal qs_ctl_globals[];

int qs_ctl_global_parse (QsCtl *ctl, const char *const *words, GError **error);
guint qs_ctl_global_skip (QsCtl *ctl, const GPtrArray *words);
void qs_ctl_global_add_names (GStrvBuilder *builder);
gboolean qs_ctl_global_read_environment (QsCtl *ctl, GError **error);
