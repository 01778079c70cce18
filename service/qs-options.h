/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsOption:
 * @check: (nullable): what else must hold of a value of the right type
 *
 * One key of the a{sv} of a method. The last row of a table has no key.
 */
typedef struct
{
  const char *key;
  const char *type;
  gboolean (*check) (const char *key, GVariant *value, GError **error);
} QsOption;

gboolean qs_options_check (const QsOption *table, GVariant *options, GError **error);
gboolean qs_options_get_boolean (GVariant *options, const char *key);
char *qs_options_dup_string (GVariant *options, const char *key);
gboolean qs_options_check_word (const char *key, const char *const *words, GVariant *value,
                                GError **error);
