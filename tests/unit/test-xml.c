/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-enums.h"
#include "qs-error.h"
#include "qs-limits.h"
#include "qs-xml.h"

#include <string.h>

#define BOMB_ENTITIES                                                                              \
  "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;&x;&x;\">"                        \
  "<!ENTITY z \"&y;&y;&y;&y;&y;&y;&y;&y;\">]>"

/* refused, with a part of the message; each of them passes through no parser, or harmlessly */
static const struct
{
  const char *name;
  const char *text;
  const char *message;
} hostile[] = {
  { "billion-laughs", BOMB_ENTITIES "<a>&z;&z;&z;</a>", "document types" },
  { "quadratic-attribute", BOMB_ENTITIES "<a b='&y;&y;&y;&y;'/>", "document types" },
  { "external-entity", "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
    "document types" },
  { "external-dtd", "<!DOCTYPE a SYSTEM \"http://127.0.0.1/a.dtd\"><a/>", "document types" },
  { "late-doctype", "<a><!DOCTYPE b></a>", "document types" },
  { "bare-entity", "<a>\n<!ENTITY x 'y'></a>", "line 2: document types" },
  { "undeclared-entity", "<a>\n&nbsp;</a>", "line 2" },
  { "invalid-utf8", "<a>\n\n\xff</a>", "line 3: the document is not valid UTF-8" },
  { "overlong-utf8", "<a>\xc0\xbc</a>", "not valid UTF-8" },
  { "not-closed", "<a><b></a>", "line 1" },
  { "unclosed-tag", "<a b='>", "not closed" },
  { "unclosed-comment", "<a><!-- b </a>", "not closed" },
  { "unclosed-cdata", "<a><![CDATA[ b </a>", "not closed" },
  { "markup-in-value", "<a b='<c/>'/>", "not closed" },
  { "two-roots", "<a/><a/>", "line 1" },
  { "wrong-root", "<b/>", "‘b’, not ‘a’" },
  { "root-of-namespace", "<x:a xmlns:x='urn:x'/>", "root element" },
  { "namespace-markup", "<a>\n<b xmlns:x='urn:&lt;c/>'/></a>", "line 2: the name of a namespace" },
  { "namespace-reference", "<a xmlns='urn:a&amp;b'/>", "root element" },
  { "duplicate-attribute", "<a b='1' b='2'/>", "line 1" },
  { "no-text", "", "line 1" },
  { "blank", " \n ", "line" },
  { "control-character", "<a>\x01</a>", "line 1" },
  { "bad-reference", "<a>&#0;</a>", "line 1" },
};

static void
test_hostile (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint i = GPOINTER_TO_UINT (data);

  g_assert_null (qs_xml_parse (hostile[i].text, "a", &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_nonnull (strstr (error->message, hostile[i].message));
}

/* @count times @open and @close around @middle */
static char *
repeat (const char *open, const char *middle, const char *close, guint count)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < count; i++)
    g_string_append (text, open);
  g_string_append (text, middle);
  for (guint i = 0; i < count; i++)
    g_string_append (text, close);
  return g_string_free (text, FALSE);
}

static void
assert_refused (const char *text, gssize length, int code, const char *message)
{
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  if (length < 0)
    length = strlen (text);
  g_assert_null (qs_xml_parse_bytes (text, length, "a", &error));
  g_assert_error (error, QS_ERROR, code);
  g_assert_nonnull (strstr (error->message, message));
  /* generous for a busy machine; the parser alone would take many seconds */
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2 * G_USEC_PER_SEC);
}

static void
test_many_attributes (void)
{
  GString *text = g_string_new ("<a ");

  for (guint i = 0; i < 20000; i++)
    g_string_append_printf (text, "b%u='' ", i);
  g_string_append (text, "/>");
  assert_refused (text->str, -1, QS_ERROR_XML_INVALID, "too long");
  /* a quoted `>` does not end the tag */
  g_string_insert (text, 3, "q='>' ");
  assert_refused (text->str, -1, QS_ERROR_XML_INVALID, "too long");
  g_string_free (text, TRUE);
}

static void
test_equals_limit (void)
{
  g_autofree char *many = repeat ("", "<a b='", "=", QS_MAX_XML_TAG_ATTRIBUTES);
  g_autofree char *few = repeat ("", "<a b='", "=", QS_MAX_XML_TAG_ATTRIBUTES - 1);
  g_autofree char *over = g_strconcat (many, "'/>", NULL);
  g_autofree char *under = g_strconcat (few, "'/>", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = qs_xml_parse (under, "a", &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
  assert_refused (over, -1, QS_ERROR_XML_INVALID, "too many attributes");
}

static void
test_depth_limit (void)
{
  g_autofree char *over = repeat ("<a>", "", "</a>", QS_MAX_XML_DEPTH + 1);
  g_autofree char *under = repeat ("<a>", "", "</a>", QS_MAX_XML_DEPTH);
  g_autofree char *deep = repeat ("<a>", "", "</a>", 20000);
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = qs_xml_parse (under, "a", &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
  assert_refused (over, -1, QS_ERROR_XML_INVALID, "nested too deeply");
  assert_refused (deep, -1, QS_ERROR_XML_INVALID, "nested too deeply");
}

static void
test_element_limit (void)
{
  g_autofree char *over = repeat ("", "<a>", "<b/>", QS_MAX_XML_ELEMENTS);
  g_autofree char *fit = repeat ("", "<a>", "<b/>", QS_MAX_XML_ELEMENTS - 1);
  g_autofree char *text = g_strconcat (fit, "</a>", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = qs_xml_parse (text, "a", &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
  assert_refused (over, -1, QS_ERROR_XML_INVALID, "too many elements");
}

static void
test_size_limit (void)
{
  g_autofree char *filling = g_strnfill (QS_MAX_XML_BYTES - 6, 'x');
  g_autofree char *fit = g_strdup_printf ("<a>%s</a>", filling + 1);
  g_autofree char *over = g_strdup_printf ("<a>%s</a>", filling);
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc = qs_xml_parse (fit, "a", &error);

  g_assert_no_error (error);
  g_assert_nonnull (doc);
  assert_refused (over, -1, QS_ERROR_LIMIT_EXCEEDED, "262145");
}

static void
test_nul (void)
{
  static const char text[] = "<a>\0</a>";

  assert_refused (text, sizeof text - 1, QS_ERROR_XML_INVALID, "not valid UTF-8");
}

/* a declared encoding must not make the parser read other bytes than were scanned */
static void
test_declared_encoding (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc =
      qs_xml_parse ("<?xml version='1.0' encoding='UTF-7'?><a>+ADwAYg-ü</a>", "a", &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = qs_xml_text (xmlDocGetRootElement (doc));
  g_assert_cmpstr (text, ==, "+ADwAYg-ü");
}

static void
test_harmless (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (xmlDoc) doc =
      qs_xml_parse ("\xef\xbb\xbf<?xml version='1.0'?><!-- <!DOCTYPE a> -->\n<a b='1>0'>"
                    "<![CDATA[<!ENTITY <<]]><?p <x> ?>&lt;&#252;</a>",
                    "a", &error);
  g_autofree char *text = NULL;
  g_autofree char *value = NULL;

  g_assert_no_error (error);
  text = qs_xml_text (xmlDocGetRootElement (doc));
  value = qs_xml_attribute (xmlDocGetRootElement (doc), "b");
  g_assert_cmpstr (text, ==, "<!ENTITY <<<ü");
  g_assert_cmpstr (value, ==, "1>0");
}

static void
test_look (void)
{
  g_autoptr (xmlDoc) doc =
      qs_xml_parse ("<a xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0' xmlns:o='urn:o'>"
                    "<q:b/><o:b/>t<b>1</b><c/><b>2</b></a>",
                    "a", NULL);
  xmlNode *root = xmlDocGetRootElement (doc);
  xmlNode *b = qs_xml_child (root, "b");
  g_autofree char *first = qs_xml_text (b);
  g_autofree char *second = qs_xml_text (qs_xml_next (b, "b"));
  g_autofree char *child = qs_xml_child_text (root, "c");

  g_assert_cmpstr (first, ==, "1");
  g_assert_cmpstr (second, ==, "2");
  g_assert_cmpstr (child, ==, "");
  g_assert_true (qs_xml_child (root, "qemu:b") == qs_xml_child (root, NULL));
  g_assert_null (qs_xml_next (qs_xml_next (b, "b"), NULL));
  g_assert_null (qs_xml_child (root, "d"));
  g_assert_null (qs_xml_child (NULL, "d"));
  g_assert_null (qs_xml_attribute (b, "x"));
  g_assert_null (qs_xml_child_text (root, "d"));
}

static void
test_write (void)
{
  g_autoptr (xmlDoc) doc = qs_xml_parse ("<a>\n\n <b c='1'/><d>x</d></a>", "a", NULL);
  xmlNode *root = xmlDocGetRootElement (doc);
  g_autofree char *text = NULL;

  qs_xml_set (qs_xml_child (root, "b"), "c", NULL);
  qs_xml_set (qs_xml_child (root, "b"), "e", "<\"&'ü>");
  qs_xml_set_text (qs_xml_child (root, "d"), "1 < 2 & &amp;");
  qs_xml_add (root, "f", "]]> &");
  text = qs_xml_format (doc);
  g_assert_cmpstr (text, ==,
                   "<a>\n  <b e=\"&lt;&quot;&amp;'ü&gt;\"/>\n  <d>1 &lt; 2 &amp; &amp;amp;</d>\n"
                   "  <f>]]&gt; &amp;</f>\n</a>\n");
  qs_xml_remove (qs_xml_child (root, "d"));
  g_assert_null (qs_xml_child (root, "d"));
}

static void
test_enum (void)
{
  g_autoptr (xmlDoc) doc = qs_xml_parse ("<a>\n<b s='manual' t='some'/></a>", "a", NULL);
  xmlNode *b = qs_xml_child (xmlDocGetRootElement (doc), "b");
  g_autoptr (GError) error = NULL;
  guint value = 9;

  g_assert_true (qs_xml_enum (b, "none", QS_ENUM_LOCATION, &value, &error));
  g_assert_cmpuint (value, ==, 9);
  g_assert_true (qs_xml_enum (b, "s", QS_ENUM_LOCATION, &value, &error));
  g_assert_cmpuint (value, ==, QS_LOCATION_MANUAL);
  g_assert_false (qs_xml_enum (b, "t", QS_ENUM_LOCATION, &value, &error));
  g_assert_error (error, QS_ERROR, QS_ERROR_XML_INVALID);
  g_assert_cmpstr (error->message, ==, "line 2: ‘some’ is no value of attribute ‘t’ of <b>");
}

static void
test_secrets (void)
{
  g_autoptr (xmlDoc) doc =
      qs_xml_parse ("<a passwd='stays'><b><graphics type='vnc' passwd='p' passwdValidTo='x'>"
                    "<c/></graphics><cookies><cookie/></cookies></b></a>",
                    "a", NULL);
  g_autofree char *text = NULL;

  qs_xml_strip_secrets (xmlDocGetRootElement (doc));
  text = qs_xml_format (doc);
  g_assert_cmpstr (text, ==,
                   "<a passwd=\"stays\">\n  <b>\n    <graphics type=\"vnc\">\n      <c/>\n"
                   "    </graphics>\n  </b>\n</a>\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *path = g_strconcat ("/xml/hostile/", hostile[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_hostile);
    }
  g_test_add_func ("/xml/hostile/many-attributes", test_many_attributes);
  g_test_add_func ("/xml/hostile/nul", test_nul);
  g_test_add_func ("/xml/hostile/declared-encoding", test_declared_encoding);
  g_test_add_func ("/xml/limit/equals", test_equals_limit);
  g_test_add_func ("/xml/limit/depth", test_depth_limit);
  g_test_add_func ("/xml/limit/elements", test_element_limit);
  g_test_add_func ("/xml/limit/size", test_size_limit);
  g_test_add_func ("/xml/harmless", test_harmless);
  g_test_add_func ("/xml/look", test_look);
  g_test_add_func ("/xml/write", test_write);
  g_test_add_func ("/xml/enum", test_enum);
  g_test_add_func ("/xml/secrets", test_secrets);
  return g_test_run ();
}
