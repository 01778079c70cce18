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

static void
on_problem (void *data, xmlError *problem)
{
  GPtrArray *problems = data;
  g_autofree char *text = g_utf8_make_valid (problem->message, -1);

  if (problems->len < QS_MAX_SCHEMA_PROBLEMS)
    g_ptr_array_add (problems, g_strdup_printf ("line %d: %s", problem->line, g_strstrip (text)));
}

/* made anew for each check: libxml2 does not say whether threads may share one */
static xmlRelaxNG *
schema_load (QsSchemaKind kind)
{
  const char *text = schemas[kind].text;
  g_autoptr (xmlRelaxNGParserCtxt) parser = xmlRelaxNGNewMemParserCtxt (text, (int)strlen (text));
  xmlRelaxNG *schema = xmlRelaxNGParse (parser);

  g_assert (schema != NULL);
  return schema;
}

/**
 * qs_schema_check:
 * @problems: (out) (optional): what is wrong, each with its line; set also where FALSE is returned
 *   because of them
 *
 * Checks a document against one of our schemas.
 */
gboolean
qs_schema_check (QsSchemaKind kind, const char *xml, GStrv *problems, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (xmlRelaxNG) schema = NULL;
  g_autoptr (xmlRelaxNGValidCtxt) context = NULL;
  g_autoptr (xmlDoc) doc = qs_xml_parse (xml, schemas[kind].root, error);

  if (doc == NULL)
    return FALSE;
  schema_init ();
  schema = schema_load (kind);
  context = xmlRelaxNGNewValidCtxt (schema);
  xmlRelaxNGSetValidStructuredErrors (context, (xmlStructuredErrorFunc)on_problem, list);
  if (xmlRelaxNGValidateDoc (context, doc) == 0)
    return TRUE;

  g_set_error (error, QS_ERROR, QS_ERROR_XML_INVALID, "%s",
               list->len > 0 ? (char *)list->pdata[0] : "the document does not fit the schema");
  g_ptr_array_add (list, NULL);
  if (problems != NULL)
    *problems = (GStrv)g_ptr_array_free (g_steal_pointer (&list), FALSE);
  return FALSE;
}
