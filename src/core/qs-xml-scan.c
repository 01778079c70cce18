/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-xml-scan.h"

#include "qs-error.h"
#include "qs-limits.h"

#include <string.h>

/* the parser behind this takes seconds for some documents of a few hundred kilobytes, whatever its
 * flags; so the bytes are looked at first, in one pass and without memory */

const QsXmlLimits qs_xml_input_limits = {
  QS_MAX_XML_BYTES,     QS_MAX_XML_ELEMENTS,       QS_MAX_XML_DEPTH,
  QS_MAX_XML_TAG_BYTES, QS_MAX_XML_TAG_ATTRIBUTES,
};

const QsXmlLimits qs_xml_record_limits = {
  QS_MAX_RECORD_BYTES,      4 * QS_MAX_XML_ELEMENTS,       2 * QS_MAX_XML_DEPTH,
  8 * QS_MAX_XML_TAG_BYTES, 2 * QS_MAX_XML_TAG_ATTRIBUTES,
};

typedef struct
{
  const QsXmlLimits *limits;
  const char *start;
  const char *at;
  const char *end;
  guint elements;
  guint depth;
} Scan;

/* constructs that are skipped as a whole; markup inside them is text */
static const struct
{
  const char *open;
  const char *close;
} skipped[] = {
  { "<!--", "-->" },
  { "<![CDATA[", "]]>" },
  { "<?", "?>" },
};

static gboolean
scan_fail (const Scan *scan, const char *message, GError **error)
{
  guint line = 1;

  for (const char *p = scan->start; p < scan->at; p++)
    line += *p == '\n';
  g_set_error (error, QS_ERROR, QS_ERROR_XML_INVALID, "line %u: %s", line, message);
  return FALSE;
}

static gboolean
scan_starts_with (const Scan *scan, const char *prefix)
{
  gsize length = strlen (prefix);

  return (gsize)(scan->end - scan->at) >= length && memcmp (scan->at, prefix, length) == 0;
}

static gboolean
scan_skip (Scan *scan, const char *open, const char *close, GError **error)
{
  const char *body = scan->at + strlen (open);
  const char *found = g_strstr_len (body, scan->end - body, close);

  if (found == NULL)
    return scan_fail (scan, "a comment, CDATA section or instruction is not closed", error);
  scan->at = found + strlen (close);
  return TRUE;
}

/* the end of the tag at @scan, its `>`; quotes matter, for a value may hold one too */
static const char *
scan_tag_end (const Scan *scan, guint *equals)
{
  char quote = 0;

  *equals = 0;
  for (const char *p = scan->at + 1; p < scan->end; p++)
    {
      if (*p == '<' || p - scan->at > scan->limits->tag_bytes)
        return NULL;
      if (*p == '=')
        (*equals)++;
      if (quote != 0)
        quote = *p == quote ? 0 : quote;
      else if (*p == '"' || *p == '\'')
        quote = *p;
      else if (*p == '>')
        return p;
    }
  return NULL;
}

static gboolean
scan_tag (Scan *scan, GError **error)
{
  guint equals;
  const char *end = scan_tag_end (scan, &equals);

  if (end == NULL)
    return scan_fail (scan, "a tag is not closed, or is too long", error);
  if (equals > scan->limits->tag_attributes)
    return scan_fail (scan, "a tag has too many attributes", error);

  if (scan->at[1] == '/')
    scan->depth -= scan->depth > 0;
  else if (++scan->elements > scan->limits->elements)
    return scan_fail (scan, "the document has too many elements", error);
  else if (++scan->depth > scan->limits->depth)
    return scan_fail (scan, "elements are nested too deeply", error);
  else if (end[-1] == '/')
    scan->depth--;
  scan->at = end + 1;
  return TRUE;
}

static gboolean
scan_markup (Scan *scan, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (skipped); i++)
    if (scan_starts_with (scan, skipped[i].open))
      return scan_skip (scan, skipped[i].open, skipped[i].close, error);

  if (scan_starts_with (scan, "<!"))
    return scan_fail (scan, "document types and entities are not accepted", error);
  return scan_tag (scan, error);
}

/**
 * qs_xml_scan:
 *
 * Refuses, before the parser sees it, a document over @limits, one that is not UTF-8, and one with
 * a document type. What passes is not well-formed for that.
 */
gboolean
qs_xml_scan (const char *text, gsize length, const QsXmlLimits *limits, GError **error)
{
  Scan scan = { .limits = limits, .start = text, .at = text, .end = text + length };

  if (length > limits->bytes)
    {
      g_set_error (error, QS_ERROR, QS_ERROR_LIMIT_EXCEEDED,
                   "the document has %" G_GSIZE_FORMAT " bytes, the limit is %" G_GSIZE_FORMAT,
                   length, limits->bytes);
      return FALSE;
    }
  if (!g_utf8_validate_len (text, length, &scan.at))
    return scan_fail (&scan, "the document is not valid UTF-8 text", error);

  scan.at = text;
  while ((scan.at = memchr (scan.at, '<', scan.end - scan.at)) != NULL)
    if (!scan_markup (&scan, error))
      return FALSE;
  return TRUE;
}
