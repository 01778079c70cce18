/* SPDX-License-Identifier: LGPL-2.1-or-later
 * SPDX-FileCopyrightText: 2026 The snapshotd developers */
#include "qs-create-options.h"

#include "qs-error.h"
#include "qs-flags.h"

static GVariant *
parse (const char *text)
{
  GError *error = NULL;
  GVariant *options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return options;
}

/* the same document by options and as XML: what one has, the other has */
static void
test_same_as_xml (void)
{
  g_autoptr (GVariant) options =
      parse ("{'description': <'before the upgrade'>, 'memory': <'external'>, "
             "'memory-file': <'/images/vm.mem'>, 'disks': <{'vda': {'snapshot': <'external'>, "
             "'file': <'/images/vda.s1'>, 'driver': <'qcow2'>}, 'vdb': {'snapshot': <'no'>}}>}");
  g_autoptr (QsSnapshotDef) typed = NULL;
  g_autoptr (QsSnapshotDef) parsed = NULL;
  g_autofree char *typed_xml = NULL;
  g_autofree char *parsed_xml = NULL;
  g_autoptr (GError) error = NULL;

  typed = qs_create_options_def ("s1", options, &error);
  g_assert_no_error (error);
  parsed = qs_snapshot_def_parse (
      "<domainsnapshot><name>s1</name><description>before the upgrade</description>"
      "<memory snapshot='external' file='/images/vm.mem'/><disks>"
      "<disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>"
      "<source file='/images/vda.s1'/></disk><disk name='vdb' snapshot='no'/>"
      "</disks></domainsnapshot>",
      &error);
  g_assert_no_error (error);
  typed_xml = qs_snapshot_def_format (typed, TRUE);
  parsed_xml = qs_snapshot_def_format (parsed, TRUE);
  g_assert_cmpstr (typed_xml, ==, parsed_xml);
}

static const struct
{
  const char *text;
  guint flags;
} flag_cases[] = {
  { "@a{sv} {}", 0 },
  { "{'disk-only': <true>, 'atomic': <true>}", QS_CREATE_DISK_ONLY | QS_CREATE_ATOMIC },
  { "{'disk-only': <false>, 'halt': <true>}", QS_CREATE_HALT },
  { "{'branch': <'s1'>, 'current': <true>}", QS_CREATE_BRANCH | QS_CREATE_CURRENT },
  { "{'no-metadata': <true>, 'reuse-external': <true>, 'quiesce': <true>, 'live': <true>}",
    QS_CREATE_NO_METADATA | QS_CREATE_REUSE_EXT | QS_CREATE_QUIESCE | QS_CREATE_LIVE },
  { "{'validate': <true>}", QS_CREATE_VALIDATE },
  { "{'halt': <'true'>}", 0 },
};

static void
test_flags (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (flag_cases); i++)
    {
      g_autoptr (GVariant) options = parse (flag_cases[i].text);

      g_assert_cmpuint (qs_create_options_flags (options), ==, flag_cases[i].flags);
    }
}

static const struct
{
  const char *text;
  QsError code;
  const char *message;
} bad_cases[] = {
  { "{'redefine': <true>}", QS_ERROR_INVALID_ARGUMENT, "unknown option ‘redefine’" },
  { "{'disks': <{'vda': {'colour': <'red'>}}>}", QS_ERROR_INVALID_ARGUMENT,
    "disk ‘vda’: unknown option ‘colour’" },
  { "{'disks': <{'vda': {'file': <'vda.s1'>}}>}", QS_ERROR_XML_INVALID,
    "disk ‘vda’: option ‘file’: ‘vda.s1’ is not an absolute path" },
  { "{'disks': <{'vda': {'snapshot': <'maybe'>}}>}", QS_ERROR_INVALID_ARGUMENT,
    "disk ‘vda’: option ‘snapshot’ is ‘maybe’, it must be one of no, internal, external, manual" },
  { "{'disks': <['vda']>}", QS_ERROR_INVALID_ARGUMENT,
    "option ‘disks’ is of type ‘as’, it must be ‘a{sa{sv}}’" },
  { "{'memory': <'external'>}", QS_ERROR_XML_INVALID,
    "external memory and a memory file need each other" },
  { "{'memory': <'no'>, 'memory-file': <'/m'>}", QS_ERROR_XML_INVALID,
    "external memory and a memory file need each other" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_cases); i++)
    {
      g_autoptr (GVariant) options = parse (bad_cases[i].text);
      g_autoptr (GError) error = NULL;

      g_assert_null (qs_create_options_def ("s1", options, &error));
      g_assert_cmpstr (error->message, ==, bad_cases[i].message);
      g_assert_error (error, QS_ERROR, (int)bad_cases[i].code);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/create-options/same-as-xml", test_same_as_xml);
  g_test_add_func ("/create-options/flags", test_flags);
  g_test_add_func ("/create-options/bad", test_bad);
  return g_test_run ();
}
