/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include "ctl-command.h"

/**
 * QsCtlArguments:
 * @values: by name of the option, those given: arrays of strings, empty for %QS_CTL_BOOL
 * @flags: the bits of all options given
 * @pending: the option whose value is the next word
 * @only_values: `--` was read
 *
 * What a command was given. Words are fed one by one, so that completion can stop anywhere.
 */
struct QsCtlArguments
{
  const QsCtlCommand *command;
  GHashTable *values;
  guint flags;
  const QsCtlOption *pending;
  gboolean only_values;
};

QsCtlArguments *qs_ctl_arguments_new (const QsCtlCommand *command);
QsCtlArguments *qs_ctl_arguments_parse (const char *const *words, GError **error);
void qs_ctl_arguments_free (QsCtlArguments *arguments);
gboolean qs_ctl_arguments_feed (QsCtlArguments *arguments, const char *word, GError **error);
const QsCtlOption *qs_ctl_arguments_next (const QsCtlArguments *arguments);

gboolean qs_ctl_arguments_has (const QsCtlArguments *arguments, const char *name);
const char *qs_ctl_arguments_get (const QsCtlArguments *arguments, const char *name);
const GPtrArray *qs_ctl_arguments_get_list (const QsCtlArguments *arguments, const char *name);
gboolean qs_ctl_arguments_exclude (const QsCtlArguments *arguments, const char *const (*pairs)[2],
                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QsCtlArguments, qs_ctl_arguments_free)
