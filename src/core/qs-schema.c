/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-schema.h"

#include "qs-error.h"
#include "qs-limits.h"
#include "qs-schema-data.h"
#include "qs-xml.h"

#include <libxml/relaxng.h>
#include <libxml/xmlschemastypes.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNG, xmlRelaxNGFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

static const struct
{
  const char *root;
  const char *text;
} schemas[] = {
  [QS_SCHEMA_DOMAIN] = { "domain", qs_schema_domain },
  [QS_SCHEMA_SNAPSHOT] = { "domainsnapshot", qs_schema_domainsnapshot },
};

/* which definition of the schemas one child of an element must fit; the element is named with its
 * parent where its name alone does not tell */
static const struct
{
  const char *element;
  const char *parent;
  const char *child;
} containers[] = {
  { "domainsnapshot", NULL, "snapshotChild" },
  { "disks", "domainsnapshot", "snapshotDisk" },
  { "revertdisks", "domainsnapshot", "snapshotDisk" },
  { "disk", "disks", "snapshotDiskChild" },
  { "disk", "revertdisks", "snapshotDiskChild" },
  { "domain", NULL, "domainChild" },
  { "inactiveDomain", NULL, "domainChild" },
  { "os", NULL, "osChild" },
  { "devices", NULL, "deviceChild" },
  { "disk", "devices", "diskChild" },
};

/* libxml2 makes its tables of data types when they are first used, without a lock */
static void
schema_init (void)
{
  static gsize once;

  if (!g_once_init_enter (&once))
    return;
  qs_xml_init ();
  xmlSchemaInitTypes ();
  xmlRelaxNGInitTypes ();
  g_once_init_leave (&once, 1);
}

/* @start: (nullable): the definition to check against instead of the one of whole documents. Made
 * anew for each use: libxml2 does not say whether threads may share one */
static xmlRelaxNG *
schema_load (QsSchemaKind kind, const char *start)
{
  const char *text = schemas[kind].text;
  const char *from = strstr (text, "<start>");
  const char *to = strstr (text, "</start>");
  g_autofree char *other = NULL;
  g_autoptr (xmlRelaxNGParserCtxt) parser = NULL;
  xmlRelaxNG *schema;

  if (start != NULL)
    text = other =
        g_strdup_printf ("%.*s<start><ref name=\"%s\"/>%s", (int)(from - text), text, start, to);
  parser = xmlRelaxNGNewMemParserCtxt (text, (int)strlen (text));
  schema = xmlRelaxNGParse (parser);
  g_assert (schema != NULL);
  return schema;
}

static void
on_problem (void *data, xmlError *problem)
{
  char **first = data;

  if (*first == NULL)
    *first = g_strstrip (g_utf8_make_valid (problem->message, -1));
}

/* Returns: (nullable): the first thing that is wrong; NULL if @doc fits */
static char *
schema_validate (xmlRelaxNG *schema, xmlDoc *doc)
{
  g_autoptr (xmlRelaxNGValidCtxt) context = xmlRelaxNGNewValidCtxt (schema);
  g_autofree char *problem = NULL;

  xmlRelaxNGSetValidStructuredErrors (context, (xmlStructuredErrorFunc)on_problem, &problem);
  if (xmlRelaxNGValidateDoc (context, doc) == 0)
    return NULL;
  return problem != NULL ? g_steal_pointer (&problem) : g_strdup ("it does not fit");
}

static char *
validate_element (xmlRelaxNG *schema, const xmlNode *node)
{
  g_autoptr (xmlDoc) doc = xmlNewDoc (BAD_CAST "1.0");

  xmlDocSetRootElement (doc, xmlDocCopyNode ((xmlNode *)node, doc, 1));
  return schema_validate (schema, doc);
}

static const char *
child_definition (const xmlNode *node)
{
  const char *parent = node->parent->type == XML_ELEMENT_NODE ? (char *)node->parent->name : "";

  for (guint i = 0; node->ns == NULL && i < G_N_ELEMENTS (containers); i++)
    if (g_str_equal (node->name, containers[i].element)
        && (containers[i].parent == NULL || g_str_equal (parent, containers[i].parent)))
      return containers[i].child;
  return NULL;
}

static void
add_problem (GPtrArray *problems, const xmlNode *node, const char *text)
{
  g_ptr_array_add (problems, g_strdup_printf ("line %ld: <%s> does not fit the schema: %s",
                                              xmlGetLineNo (node), (const char *)node->name, text));
}

/* libxml2 blames the outermost element around a wrong one, often without a line; so the children
 * are looked at one by one, down to those in which no child is to blame */
static void
find_problems (QsSchemaKind kind, const xmlNode *node, GPtrArray *problems)
{
  const char *definition = child_definition (node);
  g_autoptr (xmlRelaxNG) schema = definition != NULL ? schema_load (kind, definition) : NULL;

  if (schema == NULL)
    return;
  for (const xmlNode *child = qs_xml_child (node, NULL);
       child != NULL && problems->len < QS_MAX_SCHEMA_PROBLEMS; child = qs_xml_next (child, NULL))
    {
      g_autofree char *problem = validate_element (schema, child);
      guint before = problems->len;

      if (problem == NULL)
        continue;
      find_problems (kind, child, problems);
      if (problems->len == before)
        add_problem (problems, child, problem);
    }
}

/**
 * qs_schema_check:
 * @problems: (out) (optional): what is wrong, each with its line; set only where FALSE is returned
 *   because of them
 *
 * Checks a document against one of our schemas. The error names the first of the problems.
 */
gboolean
qs_schema_check (QsSchemaKind kind, const char *xml, GStrv *problems, GError **error)
{
  g_autoptr (xmlDoc) doc = qs_xml_parse (xml, schemas[kind].root, error);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (xmlRelaxNG) schema = NULL;
  g_autofree char *problem = NULL;

  if (doc == NULL)
    return FALSE;
  schema_init ();
  schema = schema_load (kind, NULL);
  problem = schema_validate (schema, doc);
  if (problem == NULL)
    return TRUE;

  find_problems (kind, xmlDocGetRootElement (doc), list);
  if (list->len == 0)
    add_problem (list, xmlDocGetRootElement (doc), problem);
  g_set_error_literal (error, QS_ERROR, QS_ERROR_XML_INVALID, g_ptr_array_index (list, 0));
  g_ptr_array_add (list, NULL);
  if (problems != NULL)
    *problems = (GStrv)g_ptr_array_free (g_steal_pointer (&list), FALSE);
  return FALSE;
}
