/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-json-scan.h"

#include "qs-limits.h"

#include <string.h>

/* @objects has one bit a level: set where an object is open, clear where an array is */
typedef struct
{
  const char *at;
  const char *end;
  guint64 objects;
  guint depth;
  guint values;
} Scan;

G_STATIC_ASSERT (QS_MAX_JSON_DEPTH <= 64);

/* value of the four hex digits of a \u escape; -1: there are none */
static int
hex_value (const Scan *scan, gsize offset)
{
  int value = 0;

  if ((gsize)(scan->end - scan->at) < offset + 4)
    return -1;
  for (gsize i = offset; i < offset + 4; i++)
    {
      if (!g_ascii_isxdigit (scan->at[i]))
        return -1;
      value = value * 16 + g_ascii_xdigit_value (scan->at[i]);
    }
  return value;
}

/* @at stands on the u */
static const char *
scan_unicode (Scan *scan)
{
  int high = hex_value (scan, 1);
  int low;

  if (high < 0)
    return "a \\u escape without four hexadecimal digits";
  scan->at += 5;
  if (high < 0xd800 || high > 0xdfff)
    return high == 0 ? "a NUL character in a string" : NULL;

  low = scan->end - scan->at >= 6 && scan->at[0] == '\\' && scan->at[1] == 'u' ? hex_value (scan, 2)
                                                                               : -1;
  if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
    return "half a surrogate pair";
  scan->at += 6;
  return NULL;
}

/* @at stands behind the backslash */
static const char *
scan_escape (Scan *scan)
{
  if (scan->at == scan->end)
    return "a string without an end";
  if (*scan->at == 'u')
    return scan_unicode (scan);
  if (strchr ("\"\\/bfnrt", *scan->at) == NULL)
    return "an unknown escape in a string";
  scan->at++;
  return NULL;
}

/* @at stands behind the opening quote */
static const char *
scan_string (Scan *scan)
{
  while (scan->at < scan->end)
    {
      const char *fault;
      char c = *scan->at++;

      if (c == '"')
        return NULL;
      fault = c == '\\' ? scan_escape (scan) : NULL;
      if (fault != NULL)
        return fault;
    }
  return "a string without an end";
}

static const char *
scan_open (Scan *scan, char bracket)
{
  if (scan->depth == QS_MAX_JSON_DEPTH)
    return "it is nested too deeply";
  scan->objects = scan->objects << 1 | (bracket == '{');
  scan->depth++;
  scan->values++;
  return NULL;
}

static const char *
scan_close (Scan *scan, char bracket)
{
  if (scan->depth == 0 || (scan->objects & 1) != (bracket == '}'))
    return "its brackets do not match";
  scan->objects >>= 1;
  scan->depth--;
  return NULL;
}

static const char *
scan_token (Scan *scan)
{
  char c = *scan->at++;

  switch (c)
    {
    case '"':
      return scan_string (scan);
    case '{':
    case '[':
      return scan_open (scan, c);
    case '}':
    case ']':
      return scan_close (scan, c);
    case ',':
      return ++scan->values > QS_MAX_JSON_VALUES ? "it holds too many values" : NULL;
    default:
      /* digits, what numbers are made of, and the letters of true, false and null */
      return strchr (": \t\r\n0123456789+-.eEtrufalsn", c) == NULL ? "it is not JSON" : NULL;
    }
}

const char *
qs_json_fault (const char *text, gsize length)
{
  Scan scan = { .at = text, .end = text + length };

  if (length > QS_MAX_QMP_LINE_BYTES)
    return "it is too long";
  if (!g_utf8_validate_len (text, length, NULL))
    return "it is not UTF-8";
  while (scan.at < scan.end)
    {
      const char *fault = scan_token (&scan);

      if (fault != NULL)
        return fault;
    }
  return scan.depth > 0 ? "its brackets do not match" : NULL;
}

JsonNode *
qs_json_parse (const char *text, gsize length, QsError code, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) problem = NULL;
  const char *fault = qs_json_fault (text, length);
  JsonNode *root;

  if (fault != NULL)
    {
      g_set_error (error, QS_ERROR, code, "the JSON text cannot be read: %s", fault);
      return NULL;
    }
  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, text, length, &problem))
    {
      g_set_error (error, QS_ERROR, code, "the JSON text cannot be read: %s", problem->message);
      return NULL;
    }
  root = json_parser_steal_root (parser);
  if (root == NULL)
    g_set_error (error, QS_ERROR, code, "the JSON text cannot be read: it is empty");
  return root;
}
