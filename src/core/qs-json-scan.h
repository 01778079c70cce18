/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <json-glib/json-glib.h>

#include "qs-error.h"

/**
 * qs_json_fault:
 *
 * A pass over the bytes of a JSON text before json-glib sees them: size, UTF-8, nesting, number of
 * values, matching brackets, escapes, and nothing but JSON's own characters outside strings.
 * json-glib recurses without a limit, takes comments, and aborts on half a surrogate pair.
 *
 * Returns: (nullable): what is wrong with the text; NULL: it may be parsed
 */
const char *qs_json_fault (const char *text, gsize length);

/**
 * qs_json_parse:
 * @code: of the error that says what is wrong
 *
 * The only way in which text of a QEMU or a tool is parsed: qs_json_fault(), then json-glib.
 */
JsonNode *qs_json_parse (const char *text, gsize length, QsError code, GError **error);

/* members as what they should be; NULL, 0 or FALSE if they are missing or something else */
const char *qs_json_string (JsonObject *object, const char *name);
gint64 qs_json_int64 (JsonObject *object, const char *name);
gboolean qs_json_boolean (JsonObject *object, const char *name);
JsonObject *qs_json_object (JsonObject *object, const char *name);
JsonArray *qs_json_array (JsonObject *object, const char *name);
JsonObject *qs_json_element (JsonArray *array, guint index);

/**
 * qs_json_clean:
 * @text: (nullable)
 *
 * Returns: text of others made fit for an error message: one line of bounded length
 */
char *qs_json_clean (const char *text);
