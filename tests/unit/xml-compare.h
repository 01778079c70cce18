/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#pragma once

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

/* two documents are equal in meaning if these texts of them are equal: attributes are sorted, and
 * so are elements by name, those of one name keeping their order; blanks between elements are
 * nothing, those in a text are something */

static inline int
compare_attributes (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static inline void
append_attributes (GString *text, xmlNode *node)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  for (xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    {
      xmlChar *value = xmlNodeListGetString (node->doc, attribute->children, 1);

      g_ptr_array_add (list, g_strdup_printf (" %s%s='%s'", attribute->ns != NULL ? "*" : "",
                                              attribute->name, value != NULL ? (char *)value : ""));
      xmlFree (value);
    }
  g_ptr_array_sort (list, compare_attributes);
  for (guint i = 0; i < list->len; i++)
    g_string_append (text, g_ptr_array_index (list, i));
}

static inline int
compare_names (gconstpointer a, gconstpointer b)
{
  const xmlNode *x = *(const xmlNode *const *)a;
  const xmlNode *y = *(const xmlNode *const *)b;
  int order = strcmp ((const char *)x->name, (const char *)y->name);

  if (order != 0)
    return order;
  for (const xmlNode *node = x; node != NULL; node = node->next)
    if (node == y)
      return -1;
  return x == y ? 0 : 1;
}

static inline void
append_canonical (GString *text, xmlNode *node, guint depth)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new ();

  g_string_append_printf (text, "%*s%s%s%s", depth * 2, "",
                          node->ns != NULL ? (const char *)node->ns->href : "",
                          node->ns != NULL ? ":" : "", node->name);
  append_attributes (text, node);
  for (xmlNode *child = node->children; child != NULL; child = child->next)
    if (child->type == XML_ELEMENT_NODE)
      g_ptr_array_add (children, child);
    else if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
             && !xmlIsBlankNode (child))
      g_string_append_printf (text, " “%s”", child->content);
    else if (child->type == XML_COMMENT_NODE)
      g_string_append_printf (text, " <!--%s-->", child->content);
  g_string_append_c (text, '\n');
  g_ptr_array_sort (children, compare_names);
  for (guint i = 0; i < children->len; i++)
    append_canonical (text, g_ptr_array_index (children, i), depth + 1);
}

static inline char *
canonical_xml (const char *xml)
{
  GString *text = g_string_new (NULL);
  xmlDoc *doc = xmlReadMemory (xml, strlen (xml), NULL, NULL, XML_PARSE_NONET);

  g_assert_nonnull (doc);
  append_canonical (text, xmlDocGetRootElement (doc), 0);
  xmlFreeDoc (doc);
  return g_string_free (text, FALSE);
}

static inline void
assert_same_meaning (const char *a, const char *b)
{
  g_autofree char *x = canonical_xml (a);
  g_autofree char *y = canonical_xml (b);

  g_assert_cmpstr (x, ==, y);
}

static inline char *
read_data (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "xml", name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* the documents in a folder of the corpus, as NULL-terminated list of "folder/file.xml" */
static inline GStrv
list_data (const char *folder)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "xml", folder, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &error);
  const char *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".xml"))
      g_ptr_array_add (names, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (names, compare_attributes);
  g_ptr_array_add (names, NULL);
  return (GStrv)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}
