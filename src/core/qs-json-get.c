/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"
#include "qs-limits.h"

static JsonNode *
find_value (JsonObject *object, const char *name, GType type)
{
  JsonNode *node = object == NULL ? NULL : json_object_get_member (object, name);

  return node != NULL && json_node_get_value_type (node) == type ? node : NULL;
}

static JsonNode *
find_node (JsonObject *object, const char *name, JsonNodeType type)
{
  JsonNode *node = object == NULL ? NULL : json_object_get_member (object, name);

  return node != NULL && json_node_get_node_type (node) == type ? node : NULL;
}

const char *
qs_json_string (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_STRING);

  return node == NULL ? NULL : json_node_get_string (node);
}

gint64
qs_json_int64 (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_INT64);

  return node == NULL ? 0 : json_node_get_int (node);
}

gboolean
qs_json_boolean (JsonObject *object, const char *name)
{
  JsonNode *node = find_value (object, name, G_TYPE_BOOLEAN);

  return node != NULL && json_node_get_boolean (node);
}

JsonObject *
qs_json_object (JsonObject *object, const char *name)
{
  JsonNode *node = find_node (object, name, JSON_NODE_OBJECT);

  return node == NULL ? NULL : json_node_get_object (node);
}

JsonArray *
qs_json_array (JsonObject *object, const char *name)
{
  JsonNode *node = find_node (object, name, JSON_NODE_ARRAY);

  return node == NULL ? NULL : json_node_get_array (node);
}

JsonObject *
qs_json_element (JsonArray *array, guint index)
{
  JsonNode *node = json_array_get_element (array, index);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

char *
qs_json_clean (const char *text)
{
  GString *line = g_string_new (NULL);

  for (const char *at = text == NULL ? "no reason given" : text;
       *at != '\0' && line->len < QS_MAX_QMP_ERROR_BYTES; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      g_string_append_unichar (line, g_unichar_isprint (c) ? c : ' ');
    }
  return g_string_free (line, FALSE);
}
