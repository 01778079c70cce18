/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-xml.h"

#include "qs-enums.h"
#include "qs-error.h"
#include "qs-xml-scan.h"

#include <libxml/xmlsave.h>
#include <string.h>

typedef xmlParserCtxt Parser;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Parser, xmlFreeParserCtxt)

/* never NOENT, DTDLOAD, DTDATTR, DTDVALID, HUGE, RECOVER, XINCLUDE */
#define PARSE_FLAGS                                                                                \
  (XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR | XML_PARSE_NOWARNING                  \
   | XML_PARSE_COMPACT)

static const struct
{
  const char *prefix;
  const char *href;
} namespaces[] = {
  { "qemu:", "http://libvirt.org/schemas/domain/qemu/1.0" },
};

/* what libvirt leaves out without its SECURE flag */
static const struct
{
  const char *element;
  const char *attribute; /* NULL: the whole element */
} secrets[] = {
  { "graphics", "passwd" },
  { "graphics", "passwdValidTo" },
  { "cookies", NULL },
};

static xmlParserInput *
deny_entity (const char *url, const char *id, xmlParserCtxt *context)
{
  return NULL;
}

/**
 * qs_xml_init:
 *
 * Makes libxml2 ready for use in threads and takes the loading of files and entities from it.
 */
void
qs_xml_init (void)
{
  static gsize once;

  if (!g_once_init_enter (&once))
    return;
  xmlInitParser ();
  xmlSetExternalEntityLoader (deny_entity);
  g_once_init_leave (&once, 1);
}

/* the parser returns a well-formed document even if it was stopped here, hence the flag */
static void
on_internal_subset (void *context, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
  xmlParserCtxt *parser = context;

  *(gboolean *)parser->_private = TRUE;
  xmlStopParser (parser);
}

static void
set_parse_error (const xmlParserCtxt *parser, GError **error)
{
  const char *message = parser->lastError.message;
  g_autofree char *text = g_utf8_make_valid (message != NULL ? message : "not well-formed", -1);

  g_strstrip (text);
  g_strdelimit (text, "\r\n", ' ');
  g_set_error (error, QS_ERROR, QS_ERROR_XML_INVALID, "line %d: %s",
               MAX (1, parser->lastError.line), text);
}

static gboolean
check_root (xmlDoc *doc, const char *name, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (doc);

  if (root != NULL && root->ns == NULL && g_str_equal (root->name, name))
    return TRUE;
  qs_xml_fail (error, root, "the root element is ‘%s’, not ‘%s’",
               root != NULL ? (const char *)root->name : "", name);
  return FALSE;
}

/* libxml2 writes the name of a namespace as it is, so one with markup in it could not be read back */
static gboolean
check_namespaces (const xmlNode *node, GError **error)
{
  for (const xmlNs *ns = node->nsDef; ns != NULL; ns = ns->next)
    if (ns->href != NULL && strpbrk ((const char *)ns->href, "<&") != NULL)
      {
        qs_xml_fail (error, node, "the name of a namespace contains ‘<’ or ‘&’");
        return FALSE;
      }
  for (const xmlNode *child = node->children; child != NULL; child = child->next)
    if (child->type == XML_ELEMENT_NODE && !check_namespaces (child, error))
      return FALSE;
  return TRUE;
}

static xmlDoc *
parse (const char *text, gsize length, const QsXmlLimits *limits, const char *root, GError **error)
{
  g_autoptr (Parser) parser = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  gboolean has_subset = FALSE;

  qs_xml_init ();
  if (!qs_xml_scan (text, length, limits, error))
    return NULL;

  parser = xmlNewParserCtxt ();
  parser->_private = &has_subset;
  parser->sax->internalSubset = on_internal_subset;
  /* the encoding is given: a declared one would have other bytes parsed than were scanned */
  doc = xmlCtxtReadMemory (parser, text, (int)length, NULL, "UTF-8", PARSE_FLAGS);
  if (has_subset)
    {
      qs_xml_fail (error, NULL, "document types and entities are not accepted");
      return NULL;
    }
  if (doc == NULL)
    {
      set_parse_error (parser, error);
      return NULL;
    }
  if (!check_root (doc, root, error) || !check_namespaces (xmlDocGetRootElement (doc), error))
    return NULL;
  return g_steal_pointer (&doc);
}

/**
 * qs_xml_parse_bytes:
 * @root: the name the root element must have
 *
 * Reads a document that may be hostile.
 */
xmlDoc *
qs_xml_parse_bytes (const char *text, gsize length, const char *root, GError **error)
{
  return parse (text, length, &qs_xml_input_limits, root, error);
}

/**
 * qs_xml_parse_record:
 * @root: the name the root element must have
 *
 * Reads a document that the service itself wrote: with larger limits, for two definitions that each
 * were within theirs may lie in one snapshot.
 */
xmlDoc *
qs_xml_parse_record (const char *text, const char *root, GError **error)
{
  return parse (text, strlen (text), &qs_xml_record_limits, root, error);
}

/**
 * qs_xml_parse:
 * @root: the name the root element must have
 *
 * As qs_xml_parse_bytes(), of a string.
 */
xmlDoc *
qs_xml_parse (const char *text, const char *root, GError **error)
{
  return qs_xml_parse_bytes (text, strlen (text), root, error);
}

/**
 * qs_xml_format:
 *
 * Returns: (transfer full): the document, indented and without XML declaration, as libvirt's are
 */
char *
qs_xml_format (xmlDoc *doc)
{
  xmlBuffer *buffer = xmlBufferCreate ();
  xmlSaveCtxt *context =
      xmlSaveToBuffer (buffer, "UTF-8", XML_SAVE_FORMAT | XML_SAVE_NO_DECL | XML_SAVE_AS_XML);
  char *text;

  xmlSaveDoc (context, doc);
  xmlSaveClose (context);
  text = g_strdup ((const char *)xmlBufferContent (buffer));
  xmlBufferFree (buffer);
  return text;
}

static gboolean
is_element (const xmlNode *node, const char *name)
{
  if (node->type != XML_ELEMENT_NODE)
    return FALSE;
  if (name == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (namespaces); i++)
    if (g_str_has_prefix (name, namespaces[i].prefix))
      return node->ns != NULL && g_strcmp0 ((char *)node->ns->href, namespaces[i].href) == 0
             && g_str_equal (node->name, name + strlen (namespaces[i].prefix));
  return node->ns == NULL && g_str_equal (node->name, name);
}

static xmlNode *
find_element (xmlNode *node, const char *name)
{
  while (node != NULL && !is_element (node, name))
    node = node->next;
  return node;
}

/**
 * qs_xml_child:
 * @node: (nullable): NULL has no children
 *
 * Returns: (nullable): the first child element of this name
 */
xmlNode *
qs_xml_child (const xmlNode *node, const char *name)
{
  return node != NULL ? find_element (node->children, name) : NULL;
}

/**
 * qs_xml_next:
 *
 * Returns: (nullable): the next sibling element of this name
 */
xmlNode *
qs_xml_next (const xmlNode *node, const char *name)
{
  return find_element (node->next, name);
}

/**
 * qs_xml_text:
 *
 * Returns: (transfer full): the text in @node, "" if there is none
 */
char *
qs_xml_text (const xmlNode *node)
{
  g_autoptr (xmlChar) text = xmlNodeGetContent (node);

  return g_strdup (text != NULL ? (const char *)text : "");
}

/**
 * qs_xml_child_text:
 *
 * Returns: (transfer full) (nullable): the text of a child; NULL if there is no such child
 */
char *
qs_xml_child_text (const xmlNode *node, const char *name)
{
  const xmlNode *child = qs_xml_child (node, name);

  return child != NULL ? qs_xml_text (child) : NULL;
}

/**
 * qs_xml_attribute:
 * @node: (nullable): NULL has no attributes
 *
 * Returns: (transfer full) (nullable): the value; NULL if there is no such attribute
 */
char *
qs_xml_attribute (const xmlNode *node, const char *name)
{
  g_autoptr (xmlChar) value = NULL;

  if (node != NULL)
    value = xmlGetNoNsProp (node, BAD_CAST name);
  return g_strdup ((const char *)value);
}

/**
 * qs_xml_add:
 * @text: (nullable):
 *
 * Returns: (transfer none): the new last child of @parent
 */
xmlNode *
qs_xml_add (xmlNode *parent, const char *name, const char *text)
{
  return xmlNewTextChild (parent, NULL, BAD_CAST name, BAD_CAST text);
}

/**
 * qs_xml_set:
 * @value: (nullable): NULL takes the attribute away
 */
void
qs_xml_set (xmlNode *node, const char *attribute, const char *value)
{
  if (value != NULL)
    xmlSetProp (node, BAD_CAST attribute, BAD_CAST value);
  else
    xmlUnsetProp (node, BAD_CAST attribute);
}

/**
 * qs_xml_set_text:
 *
 * Makes @text the whole content of @node.
 */
void
qs_xml_set_text (xmlNode *node, const char *text)
{
  xmlNodeSetContent (node, NULL);
  xmlNodeAddContent (node, BAD_CAST text);
}

/**
 * qs_xml_remove:
 * @node: (nullable):
 */
void
qs_xml_remove (xmlNode *node)
{
  if (node == NULL)
    return;
  xmlUnlinkNode (node);
  xmlFreeNode (node);
}

/* TRUE if all of @node is secret; takes secret attributes from it otherwise */
static gboolean
strip_element (xmlNode *node)
{
  for (guint i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      if (!is_element (node, secrets[i].element))
        continue;
      if (secrets[i].attribute == NULL)
        return TRUE;
      qs_xml_set (node, secrets[i].attribute, NULL);
    }
  return FALSE;
}

/**
 * qs_xml_strip_secrets:
 *
 * Takes passwords and the like from all elements below @node.
 */
void
qs_xml_strip_secrets (xmlNode *node)
{
  xmlNode *next;

  for (xmlNode *child = qs_xml_child (node, NULL); child != NULL; child = next)
    {
      next = qs_xml_next (child, NULL);
      if (strip_element (child))
        qs_xml_remove (child);
      else
        qs_xml_strip_secrets (child);
    }
}

/**
 * qs_xml_enum:
 * @type: a #QsEnum
 * @value: untouched if there is no such attribute
 *
 * Reads an attribute that holds one of a few words.
 */
gboolean
qs_xml_enum (const xmlNode *node, const char *attribute, guint type, guint *value, GError **error)
{
  g_autofree char *word = qs_xml_attribute (node, attribute);

  if (word == NULL || qs_enum_from_string (type, word, value))
    return TRUE;
  qs_xml_fail (error, node, "‘%s’ is no value of attribute ‘%s’ of <%s>", word, attribute,
               (const char *)node->name);
  return FALSE;
}

/**
 * qs_xml_fail:
 * @node: (nullable): where it is wrong
 *
 * Sets an XmlInvalid error that names the line.
 */
void
qs_xml_fail (GError **error, const xmlNode *node, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, QS_ERROR, QS_ERROR_XML_INVALID, "line %ld: %s",
               node != NULL ? xmlGetLineNo (node) : 1L, message);
}
