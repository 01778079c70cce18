/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>

/**
 * QsXmlLimits:
 *
 * How much of everything a document may have.
 */
typedef struct
{
  gsize bytes;
  guint elements;
  guint depth;
  guint tag_bytes;
  guint tag_attributes;
} QsXmlLimits;

/* what a caller sends */
extern const QsXmlLimits qs_xml_input_limits;
/* what the service wrote: a snapshot holds up to two definitions, and text grows when escaped */
extern const QsXmlLimits qs_xml_record_limits;

gboolean qs_xml_scan (const char *text, gsize length, const QsXmlLimits *limits, GError **error);
