/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-command-line.h"
#include "qs-error.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* every attribute and text of the golden documents is replaced by a value that would be an option
 * of its own if it got into an option string as it is */

static const char *const values[] = {
  "a,zz=1", "/a,zz=1", "1,zz=1", "a\",\"zz\":\"1", "", "-zz", "18446744073709551616",
};

/* what follows these is one text to QEMU, whatever is in it */
static const char *const whole_texts[] = { "-append", "-kernel", "-bios" };

typedef struct
{
  guint built;
  guint refused;
} Count;

static QsDomainDef *
load (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "command-line", name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  QsDomainDef *def = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, &error));
  def = qs_domain_def_new (text, &error);
  g_assert_no_error (error);
  return def;
}

static gboolean
is_whole_text (const char *option)
{
  for (guint i = 0; i < G_N_ELEMENTS (whole_texts); i++)
    if (g_str_equal (option, whole_texts[i]))
      return TRUE;
  return FALSE;
}

static void
assert_word (const char *option, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = NULL;

  if (is_whole_text (option))
    return;
  if (*word == '{')
    {
      node = json_from_string (word, &error);
      g_assert_no_error (error);
      g_assert_false (json_object_has_member (json_node_get_object (node), "zz"));
      return;
    }
  for (const char *at = strstr (word, ",zz=1"); at; at = strstr (at + 1, ",zz=1"))
    if (at == word || at[-1] != ',')
      g_error ("%s %s", option, word);
  /* an option that was not there */
  g_assert_false (g_str_has_prefix (word, "-zz"));
}

/* chains of what is left of the disks */
static GStrv
command_line (const QsDomainDef *def, GError **error)
{
  g_autofree QsDiskChain *chains = g_new0 (QsDiskChain, def->disks->len + 1);
  g_autofree QsChainFile *files = g_new0 (QsChainFile, def->disks->len + 1);
  QsCommandLineOptions options = { .qmp_socket = "/run/qmp.sock", .chains = chains };

  for (guint i = 0; i < def->disks->len; i++)
    {
      const QsDiskDef *disk = g_ptr_array_index (def->disks, i);

      files[i] = (QsChainFile){ disk->source, disk->format, FALSE };
      chains[options.n_chains++] = (QsDiskChain){ disk->target, &files[i], 1 };
    }
  return qs_command_line_new (def, &options, error);
}

static void
check (const xmlDoc *doc, Count *count)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (QsDomainDef) def = qs_domain_def_new_node (xmlDocGetRootElement (doc), &error);
  g_auto (GStrv) argv = def ? command_line (def, &error) : NULL;

  g_assert_true ((argv != NULL) == (error == NULL));
  if (error)
    {
      g_assert_true (error->domain == QS_ERROR);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      count->refused++;
      return;
    }
  for (guint i = 1; argv[i]; i++)
    assert_word (argv[i - 1], argv[i]);
  count->built++;
}

static void
replace_attributes (xmlDoc *doc, xmlNode *node, Count *count)
{
  for (xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
    {
      g_autofree char *name = g_strdup ((const char *)attribute->name);
      g_autofree char *old = qs_xml_attribute (node, name);

      for (guint i = 0; i < G_N_ELEMENTS (values); i++)
        {
          qs_xml_set (node, name, values[i]);
          check (doc, count);
        }
      qs_xml_set (node, name, old);
    }
}

static void
replace_text (xmlDoc *doc, xmlNode *node, Count *count)
{
  g_autofree char *old = qs_xml_text (node);

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      qs_xml_set_text (node, values[i]);
      check (doc, count);
    }
  qs_xml_set_text (node, old);
}

/* an element taken away, and put back in its place */
static void
take_away (xmlDoc *doc, xmlNode *node, Count *count)
{
  xmlNode *parent = node->parent;
  xmlNode *next = node->next;

  xmlUnlinkNode (node);
  check (doc, count);
  if (next)
    xmlAddPrevSibling (next, node);
  else
    xmlAddChild (parent, node);
}

static void
walk (xmlDoc *doc, xmlNode *node, Count *count)
{
  replace_attributes (doc, node, count);
  if (!qs_xml_child (node, NULL))
    replace_text (doc, node, count);
  for (xmlNode *child = qs_xml_child (node, NULL); child; child = qs_xml_next (child, NULL))
    {
      walk (doc, child, count);
      take_away (doc, child, count);
    }
}

static void
test_values (gconstpointer name)
{
  g_autoptr (QsDomainDef) def = load (name);
  g_autoptr (xmlDoc) doc = xmlCopyDoc (def->doc, 1);
  Count count = { 0 };

  walk (doc, xmlDocGetRootElement (doc), &count);
  g_test_message ("%u built, %u refused", count.built, count.refused);
  /* the document itself is still sound, and both ends were reached */
  check (doc, &count);
  g_assert_cmpuint (count.built, >, 0);
  g_assert_cmpuint (count.refused, >, 0);
}

/* the time of the worst document stays that of a few hundred devices */
static void
test_many_devices (void)
{
  static const char *const elements[] = {
    "<channel type='pty'><target type='virtio'/></channel>",
    "<controller type='pci' model='pci-bridge'/>",
    "<input type='tablet' bus='usb'/>",
    "<interface type='user'/>",
    "<rng model='virtio'/>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
    {
      g_autoptr (GString) text =
          g_string_new ("<domain type='qemu'><name>d</name><os><type machine='q35'>hvm</type>"
                        "</os><devices>");
      g_autoptr (GError) error = NULL;
      g_autoptr (QsDomainDef) def = NULL;
      g_autoptr (QsDomainDef) assigned = NULL;
      g_autoptr (QsDomainDef) again = NULL;

      for (guint j = 0; j < 250; j++)
        g_string_append (text, elements[i]);
      g_string_append (text, "</devices></domain>");
      def = qs_domain_def_new (text->str, &error);
      g_assert_no_error (error);
      g_test_timer_start ();
      assigned = qs_domain_def_assign_addresses (def, NULL, NULL, &error);
      g_clear_error (&error);
      again = qs_domain_def_assign_addresses (def, assigned ? assigned : def, NULL, &error);
      g_test_message ("%s: %.3f s", elements[i], g_test_timer_elapsed ());
      g_assert_cmpfloat (g_test_timer_last (), <, 20);
    }
}

int
main (int argc, char **argv)
{
  static const char *const documents[] = {
    "buses-i440fx.xml", "buses-q35.xml", "chars.xml",   "devices.xml",
    "hostile.xml",      "kernel.xml",    "network.xml", "removable.xml",
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (documents); i++)
    {
      g_autofree char *path = g_strconcat ("/command-line-hostile/", documents[i], NULL);

      g_test_add_data_func (path, documents[i], test_values);
    }
  g_test_add_func ("/command-line-hostile/many-devices", test_many_devices);
  return g_test_run ();
}
