/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlChar, xmlFree)

/* once, before threads; qs_xml_parse() does it too */
void qs_xml_init (void);

xmlDoc *qs_xml_parse (const char *text, const char *root, GError **error);
xmlDoc *qs_xml_parse_record (const char *text, const char *root, GError **error);
xmlDoc *qs_xml_parse_bytes (const char *text, gsize length, const char *root, GError **error);
char *qs_xml_format (xmlDoc *doc);

/* @name without a prefix is an element without namespace; "qemu:commandline" one of libvirt's
 * namespace for QEMU; NULL any element */
xmlNode *qs_xml_child (const xmlNode *node, const char *name);
xmlNode *qs_xml_next (const xmlNode *node, const char *name);
char *qs_xml_text (const xmlNode *node);
char *qs_xml_child_text (const xmlNode *node, const char *name);
char *qs_xml_attribute (const xmlNode *node, const char *name);

xmlNode *qs_xml_add (xmlNode *parent, const char *name, const char *text);
void qs_xml_set (xmlNode *node, const char *attribute, const char *value);
void qs_xml_set_text (xmlNode *node, const char *text);
void qs_xml_remove (xmlNode *node);
void qs_xml_strip_secrets (xmlNode *node);

gboolean qs_xml_enum (const xmlNode *node, const char *attribute, guint type, guint *value,
                      GError **error);
void qs_xml_fail (GError **error, const xmlNode *node, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
